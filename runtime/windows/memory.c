// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory as NT gives it: pool, contiguous pages, and chunks for guests.
 *
 * A chunk is sought as a window of physical memory, all of whose pages are free at
 * this moment: MmAllocatePagesForMdl hands out just those, takes no system address
 * space for them, and a window that came whole is contiguous by construction. (It may
 * answer with fewer pages than asked for, and in any order: the list is read to see which
 * they are, and never written to, as the system gets its pages back by it.) Where
 * no window is wholly free any more, MmAllocateContiguousMemorySpecifyCache may still
 * find one, as it moves pages out of the way.
 */
#include "nt.h"

#define CHUNK_PAGES	(CO_CHUNK_SIZE / CO_PAGE_SIZE)
#define FIRST_WINDOW	(16ull << 20)	/* below: ISA DMA's, which the host has little of */

struct nt_chunk {
	PMDL mdl;		/* kept: pages go back by the very MDL that they came in; or, if none, */
	void *va;
};

static PPHYSICAL_MEMORY_RANGE ram;	/* the last one has no bytes */
static u64 ram_end;			/* where the highest ends */
static u64 cursor;			/* the last window that was tried */
static KMUTEX pool_lock;

/* ---- the system's own ---- */

void *co_nt_routine(const WCHAR *name)
{
	UNICODE_STRING text;

	RtlInitUnicodeString(&text, name);
	return MmGetSystemRoutineAddress(&text);
}

/* Not in MinGW's headers. */
NTSYSAPI NTSTATUS NTAPI ZwQuerySystemInformation(ULONG class, PVOID buffer, ULONG bytes,
						 PULONG returned);

int co_nt_query(u32 class, void *buffer, u32 bytes)
{
	ULONG returned;

	return NT_SUCCESS(ZwQuerySystemInformation(class, buffer, bytes, &returned)) ?
	       0 : CO_E_HOST;
}

NTSTATUS co_nt_memory_init(void)
{
	u64 end;
	u32 i;

	KeInitializeMutex(&pool_lock, 0);
	if (!co_nt_ring0)
		return STATUS_SUCCESS;
	ram = MmGetPhysicalMemoryRanges();
	if (!ram)
		return STATUS_INSUFFICIENT_RESOURCES;
	for (i = 0; ram[i].NumberOfBytes.QuadPart; i++) {
		end = (u64)ram[i].BaseAddress.QuadPart + (u64)ram[i].NumberOfBytes.QuadPart;
		if (end > ram_end)
			ram_end = end;
	}
	return STATUS_SUCCESS;
}

void co_nt_memory_exit(void)
{
	if (ram)
		ExFreePool(ram);
	ram = NULL;
	ram_end = cursor = 0;
}

/* ---- the monitor's structures ---- */

/* The compiler makes calls of these; imported, they would be the system's, by which
 * it is not said which registers they use. */
void *memset(void *to, int c, size_t bytes)
{
	void *at = to;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(c) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, size_t bytes)
{
	void *at = to;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(bytes) : : "memory");
	return to;
}

void *co_os_alloc(u64 bytes)
{
	void *p = NULL;

	if (bytes <= 1u << 30)
		p = ExAllocatePoolWithTag(NonPagedPool, (SIZE_T)bytes, CO_TAG);
	if (p)
		co_zero(p, (SIZE_T)bytes);
	return p;
}

void co_os_free(void *p)
{
	if (p)
		ExFreePoolWithTag(p, CO_TAG);
}

/* User mode maps by 64 KiB (map.c): what may be mapped gets such a block to itself. */
static u32 block_bytes(u32 pages)
{
	return pages > 4 ? CO_NT_GRANULE : pages * CO_PAGE_SIZE;
}

void *co_os_pages(u32 pages, u32 low, u64 *phys)
{
	PHYSICAL_ADDRESS from, to, boundary;
	u32 bytes = block_bytes(pages);
	void *va;

	from.QuadPart = 1 << 20;
	to.QuadPart = low ? 0xffffffffll : -1;
	boundary.QuadPart = bytes == CO_NT_GRANULE ? CO_NT_GRANULE : 0;
	va = MmAllocateContiguousMemorySpecifyCache(bytes, from, to, boundary, MmCached);
	if (!va)
		return NULL;
	*phys = (u64)MmGetPhysicalAddress(va).QuadPart;
	/* a block that lies across a boundary would show user mode what is its neighbours' */
	if (boundary.QuadPart && *phys % CO_NT_GRANULE) {
		MmFreeContiguousMemorySpecifyCache(va, bytes, MmCached);
		return NULL;
	}
	co_zero(va, bytes);
	return va;
}

void co_os_pages_free(void *va, u32 pages)
{
	MmFreeContiguousMemorySpecifyCache(va, block_bytes(pages), MmCached);
}

u64 co_os_code_phys(const void *va)
{
	return (u64)MmGetPhysicalAddress((PVOID)va).QuadPart;
}

/* ---- chunks ---- */

static int is_ram(u64 start)
{
	u64 base, bytes;
	u32 i;

	for (i = 0; (bytes = (u64)ram[i].NumberOfBytes.QuadPart); i++) {
		base = (u64)ram[i].BaseAddress.QuadPart;
		if (start >= base && start - base < bytes && bytes - (start - base) >= CO_CHUNK_SIZE)
			return 1;
	}
	return 0;
}

/* Is each page of the window at page `first` there, in any order? */
static int is_whole(PMDL mdl, u64 first)
{
	PPFN_NUMBER pfn = MmGetMdlPfnArray(mdl);
	u32 i;

	if (MmGetMdlByteCount(mdl) != CO_CHUNK_SIZE)
		return 0;
	for (i = 0; i < CHUNK_PAGES; i++)	/* no page comes twice */
		if (pfn[i] < first || pfn[i] - first >= CHUNK_PAGES)
			return 0;
	return 1;
}

/* All pages of the window at `start`; NULL: not all are free. */
static PMDL take_window(u64 start)
{
	PHYSICAL_ADDRESS from, to, skip;
	PMDL mdl;
	u32 tries, bytes;

	from.QuadPart = (LONGLONG)start;
	skip.QuadPart = 0;
	/* The bound is the last byte; to some NTs it is the one behind that, and they
	 * leave the last page out. */
	for (tries = 0; tries < 2; tries++) {
		to.QuadPart = (LONGLONG)(start + CO_CHUNK_SIZE - 1 + tries);
		mdl = MmAllocatePagesForMdl(from, to, skip, (SIZE_T)CO_CHUNK_SIZE);
		if (!mdl)
			return NULL;
		if (is_whole(mdl, start / CO_PAGE_SIZE))
			return mdl;
		bytes = MmGetMdlByteCount(mdl);
		MmFreePagesFromMdl(mdl);
		ExFreePool(mdl);
		if (bytes != CO_CHUNK_SIZE - CO_PAGE_SIZE)
			return NULL;
	}
	return NULL;
}

/* From the highest window down, so that the host keeps what is low; where the last
 * search ended, as what lies above was not free a moment ago. Once around. */
static PMDL find_window(u64 limit, u64 *phys)
{
	u64 tries, top = (ram_end < limit ? ram_end : limit) & ~(CO_CHUNK_SIZE - 1);
	PMDL mdl;

	for (tries = top / CO_CHUNK_SIZE; tries; tries--) {
		if (cursor > top || cursor < FIRST_WINDOW + CO_CHUNK_SIZE)
			cursor = top;
		if (cursor < FIRST_WINDOW + CO_CHUNK_SIZE)
			return NULL;
		cursor -= CO_CHUNK_SIZE;
		if (!is_ram(cursor))
			continue;
		mdl = take_window(cursor);
		if (mdl) {
			*phys = cursor;
			return mdl;
		}
	}
	return NULL;
}

int co_os_chunk_alloc(struct co_chunk *chunk, u32 low)
{
	struct nt_chunk *c = co_os_alloc(sizeof(*c));
	PHYSICAL_ADDRESS from, to, boundary;

	if (!c)
		return CO_E_NOMEM;
	c->mdl = find_window(low ? CO_BELOW_4GIB : CO_ANYWHERE, &chunk->phys);
	if (!c->mdl) {
		from.QuadPart = (LONGLONG)FIRST_WINDOW;
		to.QuadPart = low ? 0xffffffffll : -1;
		boundary.QuadPart = (LONGLONG)CO_CHUNK_SIZE;	/* so: aligned to it */
		c->va = MmAllocateContiguousMemorySpecifyCache((SIZE_T)CO_CHUNK_SIZE, from, to,
							       boundary, MmCached);
		if (!c->va) {
			co_os_free(c);
			return CO_E_NOMEM;
		}
		chunk->phys = (u64)MmGetPhysicalAddress(c->va).QuadPart;
	}
	chunk->os = c;
	if (chunk->phys % CO_CHUNK_SIZE) {	/* the boundary was not kept */
		co_os_chunk_free(chunk);
		return CO_E_NOMEM;
	}
	return 0;
}

void co_os_chunk_free(struct co_chunk *chunk)
{
	struct nt_chunk *c = chunk->os;

	if (c->mdl) {
		MmFreePagesFromMdl(c->mdl);
		ExFreePool(c->mdl);
	} else {
		MmFreeContiguousMemorySpecifyCache(c->va, (SIZE_T)CO_CHUNK_SIZE, MmCached);
	}
	co_os_free(c);
}

#define PIECE_BYTES	0x10000u	/* what is mapped at a time: addresses are scarce on 32 bits */

/*
 * Zero a piece of a chunk; 0: the system has no addresses for it now. The chunk's own
 * MDL is that of pages without a mapping; a part of such a one is described by
 * IoBuildPartialMdl, mapped by MmGetSystemAddressForMdlSafe, and MmPrepareMdlForReuse
 * takes the mapping away, if there is one.
 */
static int zero_piece(PMDL chunk, PMDL part, u32 offset)
{
	void *va;

	IoBuildPartialMdl(chunk, part, (char *)MmGetMdlVirtualAddress(chunk) + offset, PIECE_BYTES);
	va = MmGetSystemAddressForMdlSafe(part, NormalPagePriority);
	if (va)
		co_zero(va, PIECE_BYTES);
	MmPrepareMdlForReuse(part);
	return va != NULL;
}

/* In any order: all of it is zeroed. Others run in between, and free what is lacking. */
void co_os_chunk_zero(struct co_chunk *chunk)
{
	struct nt_chunk *c = chunk->os;
	LARGE_INTEGER moment;
	PMDL part;
	u32 at;

	moment.QuadPart = -100000;	/* 10 ms */
	if (!c->mdl) {
		co_zero(c->va, (SIZE_T)CO_CHUNK_SIZE);
		return;
	}
	while (!(part = IoAllocateMdl(MmGetMdlVirtualAddress(c->mdl), PIECE_BYTES, FALSE, FALSE, NULL)))
		KeDelayExecutionThread(KernelMode, FALSE, &moment);
	for (at = 0; at < CO_CHUNK_SIZE; at += PIECE_BYTES)
		while (!zero_piece(c->mdl, part, at))
			KeDelayExecutionThread(KernelMode, FALSE, &moment);
	IoFreeMdl(part);
}

#define SYSTEM_PERFORMANCE	2	/* a class of NtQuerySystemInformation */
#define AVAILABLE_PAGES		11	/* which 32-bit word of its answer */

u64 co_os_memory_available(void)
{
	u32 answer[256], i;		/* longer than any system's */
	u64 all = 0, available, reserve;

	if (co_nt_query(SYSTEM_PERFORMANCE, answer, sizeof(answer)))
		return 0;
	for (i = 0; ram[i].NumberOfBytes.QuadPart; i++)
		all += (u64)ram[i].NumberOfBytes.QuadPart;
	available = (u64)answer[AVAILABLE_PAGES] * CO_PAGE_SIZE;
	reserve = all / 32 > 64 << 20 ? all / 32 : 64 << 20;
	return available > reserve ? available - reserve : 0;
}

void co_os_pool_lock(void)
{
	co_nt_lock(&pool_lock);
}

void co_os_pool_unlock(void)
{
	co_nt_unlock(&pool_lock);
}

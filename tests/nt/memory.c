// SPDX-License-Identifier: GPL-2.0-only
/*
 * NT's memory: pool, contiguous memory, pages by MDL. What the driver has is counted, and
 * must be nothing in the end.
 *
 * The pages that MmAllocatePagesForMdl may find free are whole chunks that are taken from
 * Linux at the start; one of them has a hole, as windows of memory in use have.
 */
#include <linux/highmem.h>
#include <linux/vmalloc.h>
#include <asm/io.h>

#include "nt.h"

#define BLOCK_ORDER	10
#define BLOCK_BYTES	(PAGE_SIZE << BLOCK_ORDER)
#define BLOCK_PAGES	(1 << BLOCK_ORDER)
#define MAX_BLOCKS	1024
#define PAGES_LOCKED	2		/* MDL_PAGES_LOCKED */

struct allocation {
	struct list_head link;
	void *va;
	u64 bytes;
	u32 tag;
	struct page *pages;		/* contiguous memory; NULL: pool */
	bool mapped;			/* by vmap */
};

static LIST_HEAD(allocations);
static DEFINE_SPINLOCK(lock);
static struct page *block[MAX_BLOCKS];
static bool taken[MAX_BLOCKS];
static u32 nblocks;
static atomic_t mappings, attempts;	/* of several guests at once */

#define HOLE	0			/* of which block one page is never free */

static void note(struct allocation *a)
{
	spin_lock(&lock);
	list_add(&a->link, &allocations);
	spin_unlock(&lock);
}

static struct allocation *forget(const void *va, bool contiguous)
{
	struct allocation *a, *found = NULL;

	spin_lock(&lock);
	list_for_each_entry(a, &allocations, link)
		if (a->va == va && !a->pages == !contiguous)
			found = a;
	if (found)
		list_del(&found->link);
	spin_unlock(&lock);
	if (!found)
		nt_fault("%px is freed, and was not allocated (or is freed twice)\n", va);
	return found;
}

/* ---- pool: <= DISPATCH_LEVEL, contents undefined ---- */

NTAPI void *nt_ExAllocatePoolWithTag(u32 type, unsigned long bytes, u32 tag)
{
	struct allocation *a = kzalloc(sizeof(*a), GFP_ATOMIC);
	void *va = a ? kmalloc(bytes, nt_irql() ? GFP_ATOMIC : GFP_KERNEL) : NULL;

	NT_IRQL(DISPATCH_LEVEL);
	if (type)
		nt_fault("pool of type %u: only nonpaged is any use to the driver\n", type);
	if (!va) {
		kfree(a);
		return NULL;
	}
	memset(va, 0xa5, bytes);
	*a = (struct allocation){ .va = va, .bytes = bytes, .tag = tag };
	note(a);
	return va;
}

NTAPI void nt_ExFreePoolWithTag(void *va, u32 tag)
{
	struct allocation *a = forget(va, false);

	NT_IRQL(DISPATCH_LEVEL);
	if (!a)
		return;
	if (tag && a->tag != tag)
		nt_fault("pool of tag %x is freed with tag %x\n", a->tag, tag);
	memset(va, 0x5a, a->bytes);
	kfree(va);
	kfree(a);
}

NTAPI void nt_ExFreePool(void *va)
{
	nt_ExFreePoolWithTag(va, 0);
}

/* ---- contiguous memory: <= DISPATCH_LEVEL; within limits, not across a boundary ---- */

NTAPI void *nt_MmAllocateContiguousMemorySpecifyCache(unsigned long bytes, u64 low, u64 high,
						      u64 boundary, u32 cache)
{
	struct allocation *a = kzalloc(sizeof(*a), GFP_KERNEL);
	u32 order = get_order(boundary > bytes ? boundary : bytes);
	u64 phys;

	NT_IRQL(APC_LEVEL);		/* here it sleeps */
	if (cache != 1)
		nt_fault("contiguous memory of caching type %u\n", cache);
	if (!a)
		return NULL;
	a->pages = alloc_pages(GFP_KERNEL | __GFP_NOWARN |
			       (high < 1ull << 32 ? GFP_DMA32 : 0), order);
	if (!a->pages)
		goto none;
	phys = page_to_phys(a->pages);
	if (phys < low || phys + bytes - 1 > high) {
		__free_pages(a->pages, order);
		goto none;
	}
	a->va = page_address(a->pages);
	a->bytes = PAGE_SIZE << order;
	memset(a->va, 0xa5, bytes);
	note(a);
	return a->va;
none:
	kfree(a);
	return NULL;
}

NTAPI void nt_MmFreeContiguousMemorySpecifyCache(void *va, unsigned long bytes, u32 cache)
{
	struct allocation *a = forget(va, true);

	NT_IRQL(DISPATCH_LEVEL);
	if (!a)
		return;
	if (get_order(bytes) != get_order(a->bytes) || cache != 1)
		nt_fault("contiguous memory of %llu bytes is freed as %lu\n", a->bytes, bytes);
	__free_pages(a->pages, get_order(a->bytes));
	kfree(a);
}

NTAPI u64 nt_MmGetPhysicalAddress(void *va)
{
	if (is_vmalloc_addr(va))
		return page_to_phys(vmalloc_to_page(va)) + offset_in_page(va);
	return virt_to_phys(va);
}

/* ---- pages by MDL: <= APC_LEVEL; whichever are free, in any order ---- */

NTAPI struct nt_mdl *nt_MmAllocatePagesForMdl(u64 low, u64 high, u64 skip, unsigned long bytes)
{
	struct nt_mdl *mdl;
	u32 i, n = 0, pages = BLOCK_PAGES;

	NT_IRQL(APC_LEVEL);
	if (skip || bytes != BLOCK_BYTES || low % BLOCK_BYTES ||
	    (high != low + BLOCK_BYTES - 1 && high != low + BLOCK_BYTES)) {
		nt_fault("not a window of 4 MiB: %llx to %llx, %lu bytes\n", low, high, bytes);
		return NULL;
	}
	while (n < nblocks && (page_to_phys(block[n]) != low || taken[n]))
		n++;
	if (n == nblocks)
		return NULL;
	if (n == HOLE)
		pages--;
	mdl = nt_ExAllocatePoolWithTag(0, sizeof(*mdl) + pages * sizeof(mdl->pfn[0]), 0);
	if (!mdl)
		return NULL;
	memset(mdl, 0, sizeof(*mdl));
	mdl->flags = PAGES_LOCKED;
	mdl->bytes = pages * PAGE_SIZE;
	for (i = 0; i < pages; i++)
		mdl->pfn[i] = page_to_pfn(block[n]) + pages - 1 - i;
	taken[n] = true;
	return mdl;
}

NTAPI void nt_MmFreePagesFromMdl(struct nt_mdl *mdl)
{
	u64 base = mdl->pfn[0] * (u64)PAGE_SIZE & ~(u64)(BLOCK_BYTES - 1);
	u32 n;

	NT_IRQL(APC_LEVEL);
	for (n = 0; n < nblocks; n++)
		if (taken[n] && page_to_phys(block[n]) == base) {
			taken[n] = false;
			return;
		}
	nt_fault("pages at %llx are freed, and were not allocated\n", base);
}

/* <= DISPATCH_LEVEL for KernelMode; NULL when the system has no addresses left, which
 * happens here now and then. */
NTAPI void *nt_MmMapLockedPagesSpecifyCache(struct nt_mdl *mdl, u8 mode, u32 cache, void *base,
					    u32 bugcheck, u32 priority)
{
	struct page *pages[64];
	u32 i, n = mdl->bytes / PAGE_SIZE;
	void *va;

	NT_IRQL(APC_LEVEL);
	if (mode || cache != 1 || base || bugcheck || n > ARRAY_SIZE(pages) ||
	    !(mdl->flags & PAGES_LOCKED)) {
		nt_fault("a mapping of another kind than the driver's\n");
		return NULL;
	}
	if (atomic_inc_return(&attempts) % 97 == 14)
		return NULL;
	for (i = 0; i < n; i++)
		pages[i] = pfn_to_page(mdl->pfn[i]);
	va = vmap(pages, n, VM_MAP, PAGE_KERNEL);
	if (va)
		atomic_inc(&mappings);
	return va;
}

NTAPI void nt_MmUnmapLockedPages(void *va, struct nt_mdl *mdl)
{
	NT_IRQL(APC_LEVEL);
	vunmap(va);
	atomic_dec(&mappings);
}

struct nt_range { s64 base, bytes; };

/* PASSIVE_LEVEL; the caller frees it by ExFreePool; the last one is zero. */
NTAPI struct nt_range *nt_MmGetPhysicalMemoryRanges(void)
{
	struct nt_range *r = nt_ExAllocatePoolWithTag(0, 3 * sizeof(*r), 0);
	u64 end = 0;
	u32 n;

	NT_IRQL(PASSIVE_LEVEL);
	if (!r)
		return NULL;
	for (n = 0; n < nblocks; n++)
		end = max_t(u64, end, page_to_phys(block[n]) + BLOCK_BYTES);
	r[0] = (struct nt_range){ PAGE_SIZE, 0x9e000 };
	r[1] = (struct nt_range){ 1 << 20, end - (1 << 20) };
	r[2] = (struct nt_range){ 0, 0 };
	return r;
}

/* ---- beginning and end ---- */

u64 nt_free_pages(void)
{
	u64 n = 0;
	u32 i;

	for (i = 0; i < nblocks; i++)
		n += taken[i] ? 0 : BLOCK_PAGES;
	return n;
}

/* What the driver has of all that at the moment, to the byte: for who compares. */
int nt_memory_held(char *buffer)
{
	struct allocation *a;
	u32 i, allocations_held = 0, chunks = 0;
	u64 bytes = 0;

	spin_lock(&lock);
	list_for_each_entry(a, &allocations, link) {
		allocations_held++;
		bytes += a->bytes;
	}
	spin_unlock(&lock);
	for (i = 0; i < nblocks; i++)
		chunks += taken[i];
	return sysfs_emit(buffer, "%u allocations of %llu bytes, %u chunks, %d mappings\n",
			  allocations_held, bytes, chunks, atomic_read(&mappings));
}

int nt_memory_init(unsigned int reserve_mib)
{
	while (nblocks < MAX_BLOCKS && nblocks < reserve_mib / 4) {
		block[nblocks] = alloc_pages(GFP_HIGHUSER | __GFP_NOWARN | __GFP_RETRY_MAYFAIL,
					     BLOCK_ORDER);
		if (!block[nblocks])
			break;
		nblocks++;
	}
	pr_info("nt: %u MiB to give\n", nblocks * 4);
	return nblocks ? 0 : -ENOMEM;
}

void nt_memory_exit(void)
{
	struct allocation *a, *next;
	u32 i, leaked = 0;

	list_for_each_entry_safe(a, next, &allocations, link)
		nt_fault("left behind: %llu bytes of %s, tag %x\n", a->bytes,
			 a->pages ? "contiguous memory" : "pool", a->tag);
	for (i = 0; i < nblocks; i++)
		leaked += taken[i];
	if (leaked || atomic_read(&mappings))
		nt_fault("left behind: %u chunks, %d mappings\n", leaked, atomic_read(&mappings));
	for (i = 0; i < nblocks; i++)
		__free_pages(block[i], BLOCK_ORDER);
	nblocks = 0;
}

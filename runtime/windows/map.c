// SPDX-License-Identifier: GPL-2.0-only
/*
 * MAP: the daemon sees its guest's memory and the shared area's data pages.
 *
 * By views of the system's own section of physical memory: unlike
 * MmMapLockedPagesSpecifyCache for user mode, that reports a failure instead of
 * raising it, and a view may be read-only. Views are aligned to 64 KiB: guest memory
 * is by itself; the shared area has a block of that size, all of which the daemon
 * then sees (so it can spoil what it could spoil by its guest anyway).
 *
 * Every view is gone before its memory goes back to the pool: machine.c.
 */
#include <ntifs.h>
#include "nt.h"

#define MAY_UNMAP	0x0008	/* PROCESS_VM_OPERATION, which only user mode's headers have */

struct mapping {
	LIST_ENTRY link;
	u64 address;		/* what MAP answered */
	u32 nviews;
	void *view[];
};

struct piece { u64 phys, bytes; };

static HANDLE physical_memory;

NTSTATUS co_nt_map_init(void)
{
	OBJECT_ATTRIBUTES attributes;
	UNICODE_STRING name;

	RtlInitUnicodeString(&name, L"\\Device\\PhysicalMemory");
	InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE,
				   NULL, NULL);
	return ZwOpenSection(&physical_memory, SECTION_MAP_READ | SECTION_MAP_WRITE, &attributes);
}

void co_nt_map_exit(void)
{
	if (physical_memory)
		ZwClose(physical_memory);
	physical_memory = NULL;
}

/* ---- what an offset names ---- */

/* In the shared area, where user mode may look: 0 and the piece, or CO_E_INVAL. */
static int resolve_area(const struct co_vm *vm, const struct co_map *arg, struct piece *piece)
{
	u64 devices = CO_DEVICE_PAGES * CO_PAGE_SIZE;

	piece->bytes = arg->bytes;
	if (arg->offset == CO_MMAP_COMM && arg->bytes == CO_PAGE_SIZE && !arg->writable) {
		piece->phys = vm->area_phys + (CO_AREA_COMM - CO_AREA_STATE) * CO_PAGE_SIZE;
		return 0;
	}
	if (arg->offset >= CO_MMAP_DEVICES && arg->offset - CO_MMAP_DEVICES < devices &&
	    arg->bytes <= devices - (arg->offset - CO_MMAP_DEVICES)) {
		piece->phys = vm->area_phys + (arg->offset - CO_MMAP_DEVICES) +
			      (CO_AREA_DEVICES - CO_AREA_STATE) * CO_PAGE_SIZE;
		return 0;
	}
	return CO_E_INVAL;
}

/* Memory of a guest that sees it from 0 on without holes, as it sees it. */
static int resolve_i386(const struct co_vm *vm, u64 offset, u64 bytes, struct piece *piece,
			u32 *npieces)
{
	u32 i;

	for (i = 0; i < vm->nranges && bytes; i++) {
		if (offset >= vm->range[i].bytes) {
			offset -= vm->range[i].bytes;
			continue;
		}
		piece->phys = vm->range[i].start + offset;
		piece->bytes = vm->range[i].bytes - offset;
		if (piece->bytes > bytes)
			piece->bytes = bytes;
		bytes -= piece->bytes;
		offset = 0;
		piece++;
		++*npieces;
	}
	return bytes ? CO_E_INVAL : 0;
}

static int resolve(const struct co_vm *vm, const struct co_map *arg, struct piece *piece,
		   u32 *npieces)
{
	*npieces = 0;
	if (arg->writable > 1 || arg->address || !arg->bytes || arg->offset % CO_PAGE_SIZE ||
	    arg->bytes % CO_PAGE_SIZE || arg->bytes > CO_MEM_MAX)
		return CO_E_INVAL;
	if (!resolve_area(vm, arg, piece)) {
		*npieces = 1;
		return 0;
	}
	if (co_vm_is_pseudo_physical(vm))
		return arg->offset < CO_MMAP_I386 ? CO_E_INVAL :
		       resolve_i386(vm, arg->offset - CO_MMAP_I386, arg->bytes, piece, npieces);
	if (!co_vm_owns(vm, arg->offset, arg->bytes))
		return CO_E_INVAL;
	piece->phys = arg->offset;
	piece->bytes = arg->bytes;
	*npieces = 1;
	return 0;
}

/* ---- views ---- */

/* At *base, if that is not NULL; *base is where it is. */
static NTSTATUS view(const struct piece *piece, u32 writable, void **base)
{
	u64 within = piece->phys % CO_NT_GRANULE;
	LARGE_INTEGER offset;
	SIZE_T bytes = (SIZE_T)(piece->bytes + within);

	offset.QuadPart = (LONGLONG)(piece->phys - within);
	return ZwMapViewOfSection(physical_memory, NtCurrentProcess(), base, 0, bytes, &offset,
				  &bytes, ViewUnmap, 0, writable ? PAGE_READWRITE : PAGE_READONLY);
}

/* In the owner's process, whoever asks; it may be gone, and its views with it. */
static void unview(struct co_nt_vm *l, struct mapping *m)
{
	HANDLE process = NtCurrentProcess();

	if (PsGetCurrentProcess() != l->process &&
	    !NT_SUCCESS(ObOpenObjectByPointer(l->process, OBJ_KERNEL_HANDLE, NULL,
					      MAY_UNMAP, NULL, KernelMode, &process)))
		return;
	while (m->nviews)
		ZwUnmapViewOfSection(process, m->view[--m->nviews]);
	if (process != NtCurrentProcess())
		ZwClose(process);
}

/* A hole in the process's addresses. Another thread may take it before we do. */
static void *find_hole(u64 bytes)
{
	SIZE_T want = (SIZE_T)bytes, none = 0;
	void *base = NULL;

	if (!NT_SUCCESS(ZwAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &want, MEM_RESERVE,
						PAGE_NOACCESS)))
		return NULL;
	ZwFreeVirtualMemory(NtCurrentProcess(), &base, &none, MEM_RELEASE);
	return base;
}

/* Several pieces, side by side; all are multiples of 64 KiB but for the ends. */
static int view_all(struct co_nt_vm *l, struct mapping *m, const struct piece *piece,
		    u32 npieces, const struct co_map *arg)
{
	char *at = find_hole(arg->bytes + CO_NT_GRANULE);
	u32 i;

	if (!at)
		return CO_E_NOMEM;
	for (i = 0; i < npieces; i++) {
		m->view[i] = at;
		if (!NT_SUCCESS(view(&piece[i], arg->writable, &m->view[i]))) {
			unview(l, m);
			return CO_E_NOMEM;
		}
		m->nviews++;
		at += (SIZE_T)(piece[i].bytes + piece[i].phys % CO_NT_GRANULE);
	}
	return 0;
}

#define TRIES	8	/* when another thread was faster */

int co_nt_map(struct co_nt_vm *l, struct co_map *arg)
{
	struct piece *piece;
	struct mapping *m = NULL;
	u32 npieces, tries;
	int error;

	if (l->vm.state == CO_VM_NEW)
		return CO_E_BUSY;
	piece = co_os_alloc(CO_MAX_RANGES * sizeof(*piece));
	if (!piece)
		return CO_E_NOMEM;
	error = resolve(&l->vm, arg, piece, &npieces);
	if (error)
		goto out;
	error = CO_E_NOMEM;
	m = co_os_alloc(sizeof(*m) + npieces * sizeof(m->view[0]));
	if (!m)
		goto out;
	if (npieces == 1) {
		if (NT_SUCCESS(view(&piece[0], arg->writable, &m->view[0]))) {
			m->nviews = 1;
			error = 0;
		}
	} else {
		for (tries = 0; error && tries < TRIES; tries++)
			error = view_all(l, m, piece, npieces, arg);
	}
	if (error)
		goto out;
	m->address = co_address(m->view[0]) + piece[0].phys % CO_NT_GRANULE;
	arg->address = m->address;
	InsertTailList(&l->mappings, &m->link);
	m = NULL;
out:
	co_os_free(m);
	co_os_free(piece);
	return error;
}

static void forget(struct co_nt_vm *l, struct mapping *m)
{
	RemoveEntryList(&m->link);
	unview(l, m);
	co_os_free(m);
}

/* The mapping that begins at arg->address. */
int co_nt_unmap(struct co_nt_vm *l, const struct co_map *arg)
{
	LIST_ENTRY *at;

	for (at = l->mappings.Flink; at != &l->mappings; at = at->Flink) {
		struct mapping *m = CONTAINING_RECORD(at, struct mapping, link);

		if (m->address != arg->address)
			continue;
		forget(l, m);
		return 0;
	}
	return CO_E_INVAL;
}

void co_nt_unmap_all(struct co_nt_vm *l)
{
	while (!IsListEmpty(&l->mappings))
		forget(l, CONTAINING_RECORD(l->mappings.Flink, struct mapping, link));
}

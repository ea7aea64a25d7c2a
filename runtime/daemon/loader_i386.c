// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lays out an i386 guest. It sees its memory from 0 on without holes, so the kernel
 * lies where it was linked, its parameters in the first megabyte, the initrd at the
 * top. What it needs to begin with are page tables: its own, in its image, filled
 * with the real addresses of its memory (colinux_abi.h).
 */
#include <string.h>

#include "loader_parts.h"
#include "log.h"

/* In the first megabyte, which is memory here but for what kernels expect of a PC. */
#define BOOT_PARAMS	0x90000u
#define BOOT32		0x91000u
#define CMDLINE		0x92000u
#define LOW_END		0x9fc00u
#define HIGH_START	0x100000u

#define CMDLINE_MAX	2048u

/* Bits of a page directory's entry for a large page: as PTE_DATA, and PS. */
#define PDE_LARGE	0xe3u
/* Of an entry of PAE's table of page-directory pointers: present, and no other is allowed. */
#define PDPTE		0x1u

static void fill_boot32(struct co_boot32 *boot, const struct co_create *created)
{
	u64 at;
	u32 i;

	memset(boot, 0, CO_PAGE_SIZE);
	boot->magic = CO_BOOT32_MAGIC;
	boot->version = CO_ABI_VERSION;
	boot->code_phys = (u32)created->code_phys;
	boot->area_phys = (u32)created->area_phys;
	for (i = 0; i < created->nranges; i++)
		for (at = 0; at < created->range[i].bytes; at += CO_CHUNK_SIZE)
			boot->p2m[boot->nchunks++] = (u32)((created->range[i].start + at) >> 12);
}

/* Where a guest-physical page really is. */
static u32 real(const struct co_boot32 *boot, u64 address)
{
	return (boot->p2m[address >> CO_CHUNK_SHIFT] << 12) + (u32)(address % CO_CHUNK_SIZE);
}

/* Entry `index` of the table at a guest-physical address. Its page is there. */
static void set_entry(struct vm *vm, const struct kernel_paging *paging, u64 table, u32 index,
		      u32 value)
{
	u64 entry = value;

	/* both formats, and we, have the lowest byte first */
	memcpy(guest_memory_at(&vm->memory, table + index * paging->entry_bytes, paging->entry_bytes),
	       &entry, paging->entry_bytes);
}

/* The entry of a page directory for this virtual address. */
static void set_directory(struct vm *vm, const struct kernel_image *image, u32 address, u32 value)
{
	const struct kernel_paging *paging = kernel_paging(image);
	u32 entries = CO_PAGE_SIZE / paging->entry_bytes;

	set_entry(vm, paging, kernel_directory(image, address),
		  (address >> paging->large_shift) % entries, value);
}

/* The page directories, empty but for what leads from one to the others. */
static int clear_directories(struct vm *vm, const struct kernel_image *image,
			     const struct co_boot32 *boot)
{
	u64 last = kernel_directory(image, 0xffffffffu), at;
	u32 gib = image->note.page_offset >> 30;

	for (at = image->note.root; at <= last; at += CO_PAGE_SIZE) {
		void *page = guest_memory_at(&vm->memory, at, CO_PAGE_SIZE);

		if (!page)
			return -1;
		memset(page, 0, CO_PAGE_SIZE);
	}
	for (at = image->note.root + CO_PAGE_SIZE; at <= last; at += CO_PAGE_SIZE)
		set_entry(vm, kernel_paging(image), image->note.root, gib++, real(boot, at) | PDPTE);
	return 0;
}

/*
 * The page directories: the guest's memory at page_offset, as far as it goes below the
 * shared area; and the shared area's page table. Nothing else: what the image had
 * there may have been meant for other addresses.
 */
static int fill_page_tables(struct vm *vm, const struct kernel_image *image,
			    const struct co_boot32 *boot, struct error *error)
{
	const struct kernel_paging *paging = kernel_paging(image);
	const struct co_note *note = &image->note;
	u64 table = note->area_pte & ~(u64)(CO_PAGE_SIZE - 1), direct = KERNEL_I386_HIGH, at;
	u32 area = (u32)note->area_va & ~((1u << paging->large_shift) - 1);
	u32 first = note->area_pte % CO_PAGE_SIZE / paging->entry_bytes, i;

	if (clear_directories(vm, image, boot) ||
	    !guest_memory_at(&vm->memory, table, CO_PAGE_SIZE))
		return error_set(error, "%s: its colinux note points outside the guest's memory",
				 image->path);
	if (direct > (u64)boot->nchunks << CO_CHUNK_SHIFT)
		direct = (u64)boot->nchunks << CO_CHUNK_SHIFT;
	if (direct > (1ull << 32) - note->page_offset)
		direct = (1ull << 32) - note->page_offset;
	if (area > note->page_offset && direct > area - note->page_offset)
		direct = area - note->page_offset;
	for (at = 0; at < direct; at += 1u << paging->large_shift)
		set_directory(vm, image, note->page_offset + (u32)at, real(boot, at) | PDE_LARGE);
	set_directory(vm, image, area, real(boot, table) | PTE_DATA);
	set_entry(vm, paging, table, first + CO_AREA_CODE, boot->code_phys | PTE_CODE);
	for (i = CO_AREA_STATE; i < CO_AREA_PAGES; i++)
		set_entry(vm, paging, table, first + i,
			  (boot->area_phys + (i - CO_AREA_STATE) * CO_PAGE_SIZE) | PTE_DATA);
	return 0;
}

/* The highest place for the initrd in directly mapped memory above the kernel, with
 * room for what the kernel allocates first; 0: none. */
static u64 place_initrd(const struct kernel_image *image, u64 memory_bytes, u64 bytes)
{
	u64 top = memory_bytes < KERNEL_I386_HIGH ? memory_bytes : KERNEL_I386_HIGH;
	u64 bottom = image->high + CO_CHUNK_SIZE;

	if (bottom > top || bytes > top - bottom)
		return 0;
	return (top - bytes) & ~(u64)(CO_PAGE_SIZE - 1);
}

static void fill_boot_params(struct vm *vm, const struct load_request *request,
			     const struct boot_info *wanted)
{
	u64 bytes = vm->memory.range[0].bytes;
	const struct co_range ranges[] = {
		{ 0, LOW_END }, { HIGH_START, bytes - HIGH_START },
	};
	u8 *cmdline = guest_memory_at(&vm->memory, CMDLINE, CMDLINE_MAX);
	struct boot_info info = *wanted;

	memset(cmdline, 0, CMDLINE_MAX);
	strncpy((char *)cmdline, request->cmdline, CMDLINE_MAX - 1);
	info.cmdline_phys = CMDLINE;
	info.area_phys = vm->created.area_phys;
	info.image_bytes = kernel_image_bytes(request->image);
	info.alt_mem_kib = (u32)(ranges[1].bytes >> 10);
	info.ranges = ranges;
	info.nranges = 2;
	boot_params_fill(guest_memory_at(&vm->memory, BOOT_PARAMS, CO_PAGE_SIZE), &info);
}

int loader_load_i386(struct vm *vm, const struct load_request *request, struct co_start *start,
		     struct error *error)
{
	const struct kernel_image *image = request->image;
	struct boot_info info = { .initrd_bytes = loader_initrd_bytes(request) };
	struct co_boot32 *boot;
	u64 bytes;

	if (request->mem_bytes > CO_MEM_MAX_I386)
		return error_set(error, "%s: is an i386 kernel, which has at most mem=%llu",
				 image->path, CO_MEM_MAX_I386 >> 20);
	bytes = (request->mem_bytes + CO_CHUNK_SIZE - 1) & ~(CO_CHUNK_SIZE - 1);
	if (image->high > bytes)
		return error_set(error, "the kernel reaches to %llu MiB and does not fit into mem=%llu",
				 (unsigned long long)(image->high + (1 << 20) - 1) >> 20,
				 (unsigned long long)request->mem_bytes >> 20);
	if (info.initrd_bytes) {
		info.initrd_phys = place_initrd(image, bytes, info.initrd_bytes);
		if (!info.initrd_phys)
			return error_set(error, "the kernel (up to %llu MiB) and the initrd (%llu MiB) do not fit into mem=%llu",
					 (unsigned long long)(image->high + (1 << 20) - 1) >> 20,
					 (unsigned long long)info.initrd_bytes >> 20,
					 (unsigned long long)request->mem_bytes >> 20);
	}
	if (vm_create(vm, request->mem_bytes, 0, &image->note, error))
		return -1;
	if (vm->memory.range[0].bytes != bytes)
		return error_set(error, "the driver gave %llu MiB of memory, expected %llu",
				 (unsigned long long)vm->memory.range[0].bytes >> 20,
				 (unsigned long long)bytes >> 20);
	if (info.initrd_bytes && loader_load_initrd(vm, request, info.initrd_phys, error))
		return -1;
	if (kernel_image_load(image, &vm->memory, image->low, error))
		return -1;
	boot = guest_memory_at(&vm->memory, BOOT32, CO_PAGE_SIZE);
	fill_boot32(boot, &vm->created);
	if (fill_page_tables(vm, image, boot, error))
		return -1;
	fill_boot_params(vm, request, &info);
	*start = (struct co_start){
		.code_selector = image->note.code_selector,
		.entry = image->entry,
		.boot_params = image->note.page_offset + BOOT_PARAMS,
		.boot32 = image->note.page_offset + BOOT32,
		.root = real(boot, image->note.root),
	};
	log_info("kernel at 0x%llx, entry 0x%llx, page directory at real 0x%llx, initrd at 0x%llx, %u chunks in %u pieces",
		 (unsigned long long)image->low, (unsigned long long)start->entry,
		 (unsigned long long)start->root, (unsigned long long)info.initrd_phys,
		 boot->nchunks, vm->created.nranges);
	return 0;
}

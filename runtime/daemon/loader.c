// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lays out a guest. Its memory is a handful of physical ranges, perhaps no
 * larger than 4 MiB each but for the one that was asked for the kernel; so the
 * kernel, its parameters and the initrd are placed independently of each other.
 */
#include "loader.h"

#include <string.h>

#include "loader_parts.h"
#include "log.h"

/* In the page of the command line, behind the longest one. */
#define SEED_OFFSET	2048u

/* What was placed so far. */
struct layout {
	const struct vm *vm;
	u32 ntaken;
	struct co_range taken[4];
};

static u64 round_up(u64 value, u64 align)
{
	return (value + align - 1) & ~(align - 1);
}

/* The taken range that [start, start + bytes) touches, or NULL. */
static const struct co_range *clash(const struct layout *layout, u64 start, u64 bytes)
{
	u32 i;

	for (i = 0; i < layout->ntaken; i++)
		if (start < layout->taken[i].start + layout->taken[i].bytes &&
		    layout->taken[i].start < start + bytes)
			return &layout->taken[i];
	return NULL;
}

/* The lowest aligned place in one range, or 0. */
static u64 lowest_in(const struct layout *layout, const struct guest_range *range, u64 bytes,
		     u64 align)
{
	u64 end = range->start + range->bytes, at = round_up(range->start, align);
	const struct co_range *other;

	while (at < end && bytes <= end - at) {
		other = clash(layout, at, bytes);
		if (!other)
			return at;
		at = round_up(other->start + other->bytes, align);
	}
	return 0;
}

/*
 * A place for so many bytes, taken: the lowest in the lowest range that has
 * one, or in the highest. 0: there is none.
 */
static u64 place(struct layout *layout, u64 bytes, u64 align, bool high)
{
	const struct guest_memory *memory = &layout->vm->memory;
	u32 i;

	for (i = 0; i < memory->nranges; i++) {
		u32 n = high ? memory->nranges - 1 - i : i;
		u64 at = lowest_in(layout, &memory->range[n], bytes, align);

		if (at) {
			layout->taken[layout->ntaken].start = at;
			layout->taken[layout->ntaken++].bytes = bytes;
			return at;
		}
	}
	return 0;
}

u64 loader_initrd_bytes(const struct load_request *request)
{
	return request->initrd ? os_file_bytes(request->initrd) : 0;
}

int loader_load_initrd(struct vm *vm, const struct load_request *request, u64 at,
		       struct error *error)
{
	u64 bytes = loader_initrd_bytes(request);
	struct os_iov iov = { guest_memory_at(&vm->memory, at, bytes), bytes };

	if (os_file_read(request->initrd, &iov, 1, 0) != OS_OK)
		return error_set(error, "%s: reading %llu bytes: %s", request->initrd_path,
				 (unsigned long long)bytes, os_last_error());
	return 0;
}

/*
 * Points the image's own page-table entries at the shared area, so that the
 * guest can leave to the host from its first instruction on.
 */
static int fill_area_entries(struct vm *vm, const struct kernel_image *image, u64 base,
			     struct error *error)
{
	u64 at = image->note.area_pte - image->low + base, entry;
	u8 *entries = guest_memory_at(&vm->memory, at, CO_AREA_PAGES * sizeof(u64));
	u32 page;

	if (!entries)
		return error_set(error, "%s: its colinux note points outside the image", image->path);
	for (page = 0; page < CO_AREA_PAGES; page++) {
		if (page == CO_AREA_CODE)
			entry = vm->created.code_phys | PTE_CODE;
		else
			entry = (vm->created.area_phys + (u64)(page - CO_AREA_STATE) * CO_PAGE_SIZE) |
				PTE_DATA;
		memcpy(entries + page * sizeof(u64), &entry, sizeof(entry));
	}
	return 0;
}

/*
 * The page of the command line, with a seed for the guest's random numbers:
 * it has no hardware of its own to gather any from.
 */
static void fill_cmdline_page(u8 *page, const char *cmdline, u64 page_phys, struct boot_info *info)
{
	struct boot_seed seed = { .type = BOOT_SETUP_RNG_SEED, .bytes = BOOT_SEED_BYTES };

	memset(page, 0, CO_PAGE_SIZE);
	strncpy((char *)page, cmdline, SEED_OFFSET - 1);
	info->cmdline_phys = page_phys;
	if (!os_random(seed.seed, sizeof(seed.seed)))
		return;
	memcpy(page + SEED_OFFSET, &seed, sizeof(seed));
	info->setup_data_phys = page_phys + SEED_OFFSET;
}

/* 1: the initrd fits nowhere, ask for a longer run. */
static int try_load(struct vm *vm, const struct load_request *request, u64 run_bytes,
		    struct co_start *start, struct error *error)
{
	const struct kernel_image *image = request->image;
	struct layout layout = { .vm = vm };
	struct boot_info info = {
		.image_bytes = kernel_image_bytes(image),
		.initrd_bytes = loader_initrd_bytes(request),
	};
	struct co_range ranges[CO_MAX_RANGES];
	u64 base, params;
	u8 *page;
	u32 i;

	if (vm_create(vm, request->mem_bytes, run_bytes, &image->note, error))
		return -1;
	base = place(&layout, info.image_bytes, KERNEL_ALIGN, false);
	params = place(&layout, 2 * CO_PAGE_SIZE, CO_PAGE_SIZE, false);
	if (!base || !params)
		return error_set(error, "the driver's memory has no run of %llu MiB for the kernel",
				 (unsigned long long)info.image_bytes >> 20);
	if (info.initrd_bytes) {
		info.initrd_phys = place(&layout, info.initrd_bytes, CO_PAGE_SIZE, true);
		if (!info.initrd_phys)
			return 1;
		if (loader_load_initrd(vm, request, info.initrd_phys, error))
			return -1;
	}
	if (kernel_image_load(image, &vm->memory, base, error) ||
	    fill_area_entries(vm, image, base, error))
		return -1;

	for (i = 0; i < vm->memory.nranges; i++) {
		ranges[i].start = vm->memory.range[i].start;
		ranges[i].bytes = vm->memory.range[i].bytes;
		log_info("guest memory 0x%llx-0x%llx", (unsigned long long)ranges[i].start,
			 (unsigned long long)(ranges[i].start + ranges[i].bytes));
	}
	info.ranges = ranges;
	info.nranges = i;
	info.area_phys = vm->created.area_phys;
	page = guest_memory_at(&vm->memory, params, 2 * CO_PAGE_SIZE);
	fill_cmdline_page(page + CO_PAGE_SIZE, request->cmdline, params + CO_PAGE_SIZE, &info);
	boot_params_fill(page, &info);

	*start = (struct co_start){
		.entry = image->entry - image->low + base, .boot_params = params,
	};
	log_info("kernel at 0x%llx, entry 0x%llx, parameters at 0x%llx, initrd at 0x%llx",
		 (unsigned long long)base, (unsigned long long)start->entry,
		 (unsigned long long)params, (unsigned long long)info.initrd_phys);
	return 0;
}

int loader_load(struct vm *vm, const struct load_request *request, struct co_start *start,
		struct error *error)
{
	u64 image_bytes = kernel_image_bytes(request->image);
	u64 all_bytes = round_up(image_bytes, CO_PAGE_SIZE) + 2 * CO_PAGE_SIZE + loader_initrd_bytes(request);
	int result;

	if (request->image->is_i386)
		return loader_load_i386(vm, request, start, error);
	if (loader_initrd_bytes(request) >= CO_MEM_MAX || all_bytes > request->mem_bytes)
		return error_set(error, "the kernel (%llu MiB) and the initrd (%llu MiB) do not fit into mem=%llu",
				 (unsigned long long)image_bytes >> 20,
				 (unsigned long long)loader_initrd_bytes(request) >> 20,
				 (unsigned long long)request->mem_bytes >> 20);
	result = try_load(vm, request, image_bytes, start, error);
	if (result <= 0)
		return result;
	/* The memory is too scattered for the initrd: one run for all of it. */
	vm_close(vm);
	if (vm_open(vm, error))
		return -1;
	result = try_load(vm, request, all_bytes, start, error);
	if (result > 0)
		return error_set(error, "%s: no piece of the guest's memory holds its %llu MiB",
				 request->initrd_path,
				 (unsigned long long)loader_initrd_bytes(request) >> 20);
	return result;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The zero page of the x86 boot protocol. Offsets and meanings are those of
 * Linux's Documentation/x86/zero-page.rst and boot.rst; a unit test compares
 * them with <asm/bootparam.h>.
 */
#include "boot_params.h"

#include <string.h>

enum {
	EXT_RAMDISK_IMAGE = 0x0c0,
	EXT_RAMDISK_SIZE = 0x0c4,
	EXT_CMD_LINE_PTR = 0x0c8,
	ALT_MEM_K = 0x1e0,
	E820_ENTRIES = 0x1e8,
	BOOT_FLAG = 0x1fe,
	HEADER_MAGIC = 0x202,
	PROTOCOL_VERSION = 0x206,
	TYPE_OF_LOADER = 0x210,
	LOADFLAGS = 0x211,
	RAMDISK_IMAGE = 0x218,
	RAMDISK_SIZE = 0x21c,
	CMD_LINE_PTR = 0x228,
	KERNEL_ALIGNMENT = 0x230,
	CMDLINE_SIZE = 0x238,
	HARDWARE_SUBARCH = 0x23c,
	HARDWARE_SUBARCH_DATA = 0x240,
	SETUP_DATA = 0x250,
	INIT_SIZE = 0x260,
	E820_TABLE = 0x2d0,
};

enum { E820_RAM = 1, E820_RESERVED = 2, E820_ENTRY_BYTES = 20 };

static void put(u8 *page, u32 offset, u64 value, u32 bytes)
{
	memcpy(page + offset, &value, bytes);	/* x86 is little-endian, host and guest */
}

static void put_split(u8 *page, u32 low_offset, u32 high_offset, u64 value)
{
	put(page, low_offset, value, 4);
	put(page, high_offset, value >> 32, 4);
}

static void add_range(u8 *page, u64 start, u64 bytes, u32 type)
{
	u8 *entry = page + E820_TABLE + page[E820_ENTRIES]++ * E820_ENTRY_BYTES;

	put(entry, 0, start, 8);
	put(entry, 8, bytes, 8);
	put(entry, 16, type, 4);
}

void boot_params_fill(u8 page[BOOT_PARAMS_BYTES], const struct boot_info *info)
{
	u32 i;

	memset(page, 0, BOOT_PARAMS_BYTES);
	put(page, BOOT_FLAG, 0xaa55, 2);
	memcpy(page + HEADER_MAGIC, "HdrS", 4);
	put(page, PROTOCOL_VERSION, 0x020f, 2);
	put(page, TYPE_OF_LOADER, 0xff, 1);	/* "unassigned" */
	put(page, LOADFLAGS, 1, 1);		/* LOADED_HIGH */
	put_split(page, CMD_LINE_PTR, EXT_CMD_LINE_PTR, info->cmdline_phys);
	put(page, CMDLINE_SIZE, 2047, 4);
	put_split(page, RAMDISK_IMAGE, EXT_RAMDISK_IMAGE,
		  info->initrd_bytes ? info->initrd_phys : 0);
	put_split(page, RAMDISK_SIZE, EXT_RAMDISK_SIZE, info->initrd_bytes);
	put(page, KERNEL_ALIGNMENT, 2 << 20, 4);
	put(page, SETUP_DATA, info->setup_data_phys, 8);
	put(page, INIT_SIZE, info->image_bytes, 4);
	put(page, HARDWARE_SUBARCH, CO_SUBARCH, 4);
	put(page, HARDWARE_SUBARCH_DATA, info->area_phys, 8);

	put(page, ALT_MEM_K, info->alt_mem_kib, 4);

	/* Linux ignores a map of fewer than two entries; page 0 makes two. */
	if (info->nranges && info->ranges[0].start)
		add_range(page, 0, CO_PAGE_SIZE, E820_RESERVED);
	for (i = 0; i < info->nranges; i++)
		add_range(page, info->ranges[i].start, info->ranges[i].bytes, E820_RAM);
}

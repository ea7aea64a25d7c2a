// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loader: sections to their places, relocations, imports, as "PE Format" has it. Code
 * is executable and read-only, the rest is neither executable nor, if its section says so,
 * writable.
 */
#include <linux/vmalloc.h>

#include "nt.h"

extern const u8 nt_sys[], nt_sys_end[];

static u8 *image;
static u32 image_bytes, entry;

#define U16(at)	(*(const u16 *)(at))
#define U32(at)	(*(const u32 *)(at))

#define SECTION_CODE	0x20000000u	/* IMAGE_SCN_MEM_EXECUTE */
#define SECTION_WRITE	0x80000000u

/* Of Linux, which exports none of them to modules. */
static int protect(const char *how, void *at, u32 bytes)
{
	int (*set)(unsigned long address, int pages) = (void *)nt_symbol(how);

	return set ? set((unsigned long)at, PAGE_ALIGN(bytes) / PAGE_SIZE) : -ENOENT;
}

static void relocate(u32 at, u32 bytes, u64 delta)
{
	const u8 *block = image + at, *end = block + bytes;
	u32 i;

	for (; block + 8 <= end && U32(block + 4); block += U32(block + 4))
		for (i = 8; i < U32(block + 4); i += 2) {
			u16 word = U16(block + i);
			u8 *where = image + U32(block) + (word & 0xfff);

			switch (word >> 12) {
			case 0:		/* padding */
				break;
			case 3:
				*(u32 *)where += delta;
				break;
			case 10:
				*(u64 *)where += delta;
				break;
			default:
				nt_fault("relocation of kind %u\n", word >> 12);
			}
		}
}

static int import(u32 at)
{
	const u8 *dll;
	int missing = 0;

	for (dll = image + at; U32(dll + 12); dll += 20) {
		unsigned long *name = (void *)(image + (U32(dll) ?: U32(dll + 16)));
		unsigned long *thunk = (void *)(image + U32(dll + 16));

		for (; *name; name++, thunk++) {
			const char *text = image + *name + 2;

			*thunk = (unsigned long)nt_export(image + U32(dll + 12), text);
			if (*thunk)
				continue;
			pr_err("nt: %s of %s is not known here\n", text, image + U32(dll + 12));
			missing++;
		}
	}
	return missing ? -ENOENT : 0;
}

int nt_image_load(void)
{
	const u8 *pe = nt_sys + U32(nt_sys + 0x3c), *optional = pe + 24, *section;
	bool wide = U16(optional) == 0x20b;
	const u8 *directory = optional + (wide ? 112 : 96);
	u64 base = wide ? *(const u64 *)(optional + 24) : U32(optional + 28);
	int i, error;

	image_bytes = U32(optional + 56);
	image = vzalloc(image_bytes);
	if (!image)
		return -ENOMEM;
	entry = U32(optional + 16);
	memcpy(image, nt_sys, U32(optional + 60));
	section = optional + U16(pe + 20);
	for (i = 0; i < U16(pe + 6); i++, section += 40)
		memcpy(image + U32(section + 12), nt_sys + U32(section + 20),
		       min(U32(section + 8), U32(section + 16)));
	relocate(U32(directory + 5 * 8), U32(directory + 5 * 8 + 4), (unsigned long)image - base);
	error = import(U32(directory + 8));
	section = optional + U16(pe + 20);
	for (i = 0; !error && i < U16(pe + 6); i++, section += 40) {
		u32 flags = U32(section + 36);

		if (!(flags & SECTION_WRITE))
			error = protect("set_memory_ro", image + U32(section + 12),
					U32(section + 8));
		if (!error && flags & SECTION_CODE)
			error = protect("set_memory_x", image + U32(section + 12),
					U32(section + 8));
	}
	if (error)
		nt_image_free();
	return error;
}

void nt_image_free(void)
{
	if (image && !protect("set_memory_nx", image, image_bytes))
		protect("set_memory_rw", image, image_bytes);
	vfree(image);
	image = NULL;
}

void *nt_image_entry(void)
{
	return image + entry;
}

void *nt_image_at(u32 address)
{
	return image + address;
}

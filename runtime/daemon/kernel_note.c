// SPDX-License-Identifier: GPL-2.0-only
/* The note by which a cooperative kernel is known: found, and not believed either. */
#include <string.h>

#include "kernel_parts.h"

#define NOTES_BYTES_MAX		(64u << 10)

int kernel_find_note(struct kernel_image *image, const struct elf64_segment *ph, u32 number,
		     struct error *error)
{
	static u8 notes[NOTES_BYTES_MAX];
	u64 bytes = ph->filesz, at = 0;

	if (!kernel_inside(ph->offset, bytes, os_file_bytes(image->file)))
		return error_set(error, "%s: is truncated: note segment %u is %llu bytes at offset %llu, the file has %llu bytes",
				 image->path, number, (unsigned long long)bytes,
				 (unsigned long long)ph->offset,
				 (unsigned long long)os_file_bytes(image->file));
	if (bytes > sizeof(notes))
		return error_set(error, "%s: note segment %u has %llu bytes, more than any kernel's",
				 image->path, number, (unsigned long long)bytes);
	if (kernel_read_at(image, notes, bytes, ph->offset, error))
		return -1;
	while (bytes - at >= sizeof(struct elf_note)) {
		struct elf_note note;
		u64 name, desc, align = ph->align == 8 ? 8 : 4;

		memcpy(&note, notes + at, sizeof(note));
		name = at + sizeof(note);
		desc = (name + note.namesz + align - 1) & ~(align - 1);
		if (note.namesz > bytes || note.descsz > bytes || desc > bytes ||
		    note.descsz > bytes - desc)
			return error_set(error, "%s: note segment %u: the note at its offset %llu reaches beyond its end",
					 image->path, number, (unsigned long long)at);
		if (note.type == CO_NOTE_TYPE && note.namesz == CO_NOTE_OWNER_SIZE &&
		    !memcmp(notes + name, CO_NOTE_OWNER, CO_NOTE_OWNER_SIZE)) {
			if (note.descsz < sizeof(u32))
				return error_set(error, "%s: the colinux note is empty", image->path);
			/* the version comes first, in every version */
			memcpy(&image->note.abi_version, notes + desc, sizeof(u32));
			if (image->note.abi_version != CO_ABI_VERSION)
				return error_set(error, "%s: was built for ABI version %u, this daemon speaks version %u; build both from one release",
						 image->path, image->note.abi_version, CO_ABI_VERSION);
			if (note.descsz != sizeof(struct co_note))
				return error_set(error, "%s: the colinux note has %u bytes, expected %u",
						 image->path, note.descsz, (u32)sizeof(struct co_note));
			memcpy(&image->note, notes + desc, sizeof(struct co_note));
			return 1;
		}
		at = (desc + note.descsz + align - 1) & ~(align - 1);
		if (at > bytes)
			break;
	}
	return 0;
}

/* Does one segment hold all of [start, start + bytes)? */
static bool in_image(const struct kernel_image *image, u64 start, u64 bytes)
{
	u32 i;

	for (i = 0; i < image->nsegments; i++) {
		const struct kernel_segment *segment = &image->segment[i];

		if (start >= segment->start &&
		    kernel_inside(start - segment->start, bytes, segment->memory_bytes))
			return true;
	}
	return false;
}

static int check_x86_64(const struct kernel_image *image, struct error *error)
{
	const struct co_note *note = &image->note;
	u64 first = note->area_va, last = first + (u64)CO_AREA_PAGES * CO_PAGE_SIZE - 1;

	/* canonical in 4-level paging too, which 5-level paging contains */
	if (first % CO_PAGE_SIZE || first < 0xffff800000000000ull || last < first)
		return error_set(error, "%s: its colinux note puts the shared area at 0x%llx, no page in a kernel's half",
				 image->path, (unsigned long long)first);
	if (note->area_pte % sizeof(u64) ||
	    note->area_pte % CO_PAGE_SIZE / sizeof(u64) + CO_AREA_PAGES > CO_PAGE_SIZE / sizeof(u64) ||
	    !in_image(image, note->area_pte, CO_AREA_PAGES * sizeof(u64)))
		return error_set(error, "%s: its colinux note points outside the image: page-table entries at 0x%llx",
				 image->path, (unsigned long long)note->area_pte);
	return 0;
}

const struct kernel_paging *kernel_paging(const struct kernel_image *image)
{
	static const struct kernel_paging two_levels = { .entry_bytes = 4, .large_shift = 22 };
	static const struct kernel_paging pae = { .entry_bytes = 8, .large_shift = 21 };

	return image->note.flags & CO_NOTE_PAE ? &pae : &two_levels;
}

u64 kernel_directory(const struct kernel_image *image, u32 address)
{
	const struct co_note *note = &image->note;

	if (note->flags & CO_NOTE_PAE)
		return note->root + (1 + (address >> 30) - (note->page_offset >> 30)) * (u64)CO_PAGE_SIZE;
	return note->root;
}

/* Of the pages that the loader fills from note.root on. */
static u64 root_bytes(const struct kernel_image *image)
{
	return kernel_directory(image, 0xffffffffu) + CO_PAGE_SIZE - image->note.root;
}

/*
 * An i386 kernel's: it starts in page tables of its own, which the loader fills.
 * All of them are whole pages, and none is another.
 */
static int check_i386(const struct kernel_image *image, struct error *error)
{
	const struct co_note *note = &image->note;
	u64 first = note->area_va, last = first + (u64)CO_AREA_PAGES * CO_PAGE_SIZE - 1;
	u64 table = note->area_pte & ~(u64)(CO_PAGE_SIZE - 1);
	const struct kernel_paging *paging = kernel_paging(image);
	u32 entries = CO_PAGE_SIZE / paging->entry_bytes;

	if (first % CO_PAGE_SIZE || first < 0x80000000ull || last > 0xffffffffull ||
	    first >> paging->large_shift != last >> paging->large_shift)
		return error_set(error, "%s: its colinux note puts the shared area at 0x%llx, where no page table of a kernel's half holds it",
				 image->path, (unsigned long long)first);
	if (note->area_pte % CO_PAGE_SIZE != (first >> 12) % entries * paging->entry_bytes ||
	    !in_image(image, table, CO_PAGE_SIZE))
		return error_set(error, "%s: its colinux note points outside the image: page-table entries at 0x%llx for an area at 0x%llx",
				 image->path, (unsigned long long)note->area_pte,
				 (unsigned long long)first);
	if (note->root % CO_PAGE_SIZE || table - note->root < root_bytes(image) ||
	    !in_image(image, note->root, root_bytes(image)))
		return error_set(error, "%s: its colinux note points outside the image: page directory at 0x%llx",
				 image->path, (unsigned long long)note->root);
	if (note->code_selector != CO_SELECTOR_24 && note->code_selector != CO_SELECTOR_26)
		return error_set(error, "%s: its colinux note says code selector 0x%x; expected 0x%x or 0x%x",
				 image->path, note->code_selector, CO_SELECTOR_24,
				 CO_SELECTOR_26);
	return 0;
}

int kernel_check_page_offset(const struct kernel_image *image, struct error *error)
{
	u32 offset = image->note.page_offset;

	if (!(image->note.flags & CO_NOTE_I386))
		return error_set(error, "%s: is an i386 kernel, and its colinux note does not say so",
				 image->path);
	if (image->note.flags & ~(CO_NOTE_I386 | CO_NOTE_PAE | CO_NOTE_BELOW_4G))
		return error_set(error, "%s: its colinux note asks for what this version cannot do (flags 0x%x)",
				 image->path, image->note.flags);
	if (offset < 0x40000000u || offset % (1u << CO_CHUNK_SHIFT))
		return error_set(error, "%s: its colinux note says memory begins at virtual address 0x%x",
				 image->path, offset);
	return 0;
}

int kernel_check_note(struct kernel_image *image, u64 elf_entry, struct error *error)
{
	u64 entry = elf_entry;

	if (image->is_i386)
		entry = image->note.entry - image->note.page_offset;
	if (!image->is_i386 && image->note.flags & ~(CO_NOTE_LA57 | CO_NOTE_BELOW_4G | CO_NOTE_BALLOON))
		return error_set(error, "%s: is an x86-64 kernel, and its colinux note says otherwise (flags 0x%x)",
				 image->path, image->note.flags);
	if (!in_image(image, entry, 1))
		return error_set(error, image->is_i386 ?
				 "%s: the entry point 0x%llx lies outside the image (physical instead of virtual?)" :
				 "%s: the entry point 0x%llx lies outside the image (virtual instead of physical?)",
				 image->path,
				 (unsigned long long)(image->is_i386 ? image->note.entry : entry));
	image->entry = image->is_i386 ? image->note.entry : entry;
	return image->is_i386 ? check_i386(image, error) : check_x86_64(image, error);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* What kernel_image.c and kernel_note.c share. */
#ifndef COLINUX_KERNEL_PARTS_H
#define COLINUX_KERNEL_PARTS_H

#include "elf.h"
#include "kernel_image.h"

/* Reads so much of the file; -1 with a message naming the offset. */
int kernel_read_at(struct kernel_image *image, void *buffer, u64 bytes, u64 offset,
		   struct error *error);

/* Does [offset, offset + bytes) lie in something of that size? Overflow included. */
static inline bool kernel_inside(u64 offset, u64 bytes, u64 size)
{
	return offset <= size && bytes <= size - offset;
}

/* Looks for our note in one PT_NOTE segment: 1 found, 0 not here, -1 error. */
int kernel_find_note(struct kernel_image *image, const struct elf64_segment *ph, u32 number,
		     struct error *error);

/* What an i386 kernel's segments are placed by. */
int kernel_check_page_offset(const struct kernel_image *image, struct error *error);

/* The rest of the note, when the segments are known; sets image->entry. */
int kernel_check_note(struct kernel_image *image, u64 elf_entry, struct error *error);

#endif

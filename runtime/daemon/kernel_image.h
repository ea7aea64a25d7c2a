/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest kernel's file (vmlinux): understood, checked, copied into memory. */
#ifndef COLINUX_KERNEL_IMAGE_H
#define COLINUX_KERNEL_IMAGE_H

#include "colinux_types.h"
#include "colinux_abi.h"
#include "error.h"
#include "guest_memory.h"
#include "os.h"

#define KERNEL_SEGMENTS_MAX	16u
/* The load address may differ from the linked one by a multiple of this. */
#define KERNEL_ALIGN		(2ull << 20)

struct kernel_segment {
	u64 offset;		/* in the file */
	u64 file_bytes, memory_bytes;
	u64 start;		/* link-time physical address */
};

struct kernel_image {
	struct os_file *file;
	const char *path;		/* the caller's */
	u32 nsegments;
	struct kernel_segment segment[KERNEL_SEGMENTS_MAX];	/* ascending */
	u64 low, high;		/* link-time physical, low rounded down to KERNEL_ALIGN */
	u64 entry;		/* link-time physical */
	struct co_note note;
};

/*
 * Opens and checks the file. After 0 every address in *image lies inside
 * [low, high), every segment inside the file, and the note was checked against
 * this daemon's ABI. After -1 nothing is left open.
 */
int kernel_image_open(struct kernel_image *image, const char *path, struct error *error);
void kernel_image_close(struct kernel_image *image);

/* Bytes of contiguous guest memory that the image needs. */
u64 kernel_image_bytes(const struct kernel_image *image);

/*
 * Copies the segments into guest memory so that `low` lies at physical address
 * base, a multiple of KERNEL_ALIGN, and clears the rest of them.
 */
int kernel_image_load(const struct kernel_image *image, struct guest_memory *memory, u64 base,
		      struct error *error);

#endif

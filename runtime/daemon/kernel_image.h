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

/* An i386 kernel lies within these guest-physical addresses. */
#define KERNEL_I386_LOW		(1ull << 20)
#define KERNEL_I386_HIGH	(896ull << 20)

struct kernel_segment {
	u64 offset;		/* in the file */
	u64 file_bytes, memory_bytes;
	u64 start;		/* link-time physical (i386: guest-physical) address */
};

struct kernel_image {
	struct os_file *file;
	const char *path;		/* the caller's */
	u32 nsegments;
	struct kernel_segment segment[KERNEL_SEGMENTS_MAX];	/* ascending */
	bool is_i386;		/* of 32 bits; pseudo-physical (colinux_abi.h) */
	u64 low, high;		/* as start; low rounded down to KERNEL_ALIGN */
	u64 entry;		/* link-time physical; i386: virtual */
	struct co_note note;
};

/* A format of an i386 kernel's page tables; SDM volume 3, 4.3 and 4.4. */
struct kernel_paging {
	u32 entry_bytes;
	u32 large_shift;	/* of a large page's size, which one table covers */
};

const struct kernel_paging *kernel_paging(const struct kernel_image *image);

/* Guest-physical address of the page directory that maps this virtual address, which
 * is not below page_offset; of an i386 kernel's own. */
u64 kernel_directory(const struct kernel_image *image, u32 address);

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
 * base, a multiple of KERNEL_ALIGN (i386: `low` itself), and clears the rest of them.
 */
int kernel_image_load(const struct kernel_image *image, struct guest_memory *memory, u64 base,
		      struct error *error);

#endif

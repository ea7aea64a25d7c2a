/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An overlay: what a guest has changed of a disk that others may share, in a sparse
 * file of its own. The format, all numbers little-endian:
 *
 *   0       struct overlay_header, in a block of 4096 bytes, the rest 0
 *   4096    the map: a bit a block of the disk, bit N % 8 of byte N / 8; whole blocks
 *   data    the disk's blocks, at their place; those whose bit is clear mean nothing
 *
 * A block is read here if its bit is set, else from the disk beneath. A bit is set in
 * the file only after its block is safely there, so that a crash at any moment leaves,
 * of every block, the old content or one that was written; bits are never cleared.
 * To throw the changes away, remove the file.
 */
#ifndef COLINUX_OVERLAY_H
#define COLINUX_OVERLAY_H

#include "os.h"

#define OVERLAY_MAGIC	"coLinux overlay\n"
#define OVERLAY_BLOCK	4096u
#define OVERLAY_VERSION	1u

struct overlay_header {
	char magic[16];
	u32 version;
	u32 block_bytes;	/* OVERLAY_BLOCK */
	u64 disk_bytes;		/* of the disk beneath */
	u64 disk_mark;		/* overlay_mark() of it, when the overlay was made */
	u64 map_offset;
	u64 data_offset;
};

struct overlay;

/*
 * Opens and locks the overlay of the disk beneath, or makes it. Refuses a file that is
 * no overlay, or one of another disk, or of this one before it was changed: its start
 * is compared, where file systems note that they were mounted. NULL: see error.
 */
struct overlay *overlay_open(const char *path, struct os_file *beneath, struct error *error);
/* Flushes, as far as that can be done. */
void overlay_close(struct overlay *overlay);

bool overlay_discards(const struct overlay *overlay);
enum os_result overlay_read(struct overlay *overlay, struct os_iov *iov, u32 count, u64 offset);
enum os_result overlay_write(struct overlay *overlay, struct os_iov *iov, u32 count, u64 offset);
enum os_result overlay_sync(struct overlay *overlay);
/* The range reads as zeros afterwards; with unmap, without blocks of the file's. */
enum os_result overlay_zero(struct overlay *overlay, u64 offset, u64 bytes, bool unmap);

#endif

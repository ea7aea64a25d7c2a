/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is behind a block device: a file or device of the host's, or one that is
 * only read, with an overlay that has what was changed. One thread uses a disk.
 */
#ifndef COLINUX_DISK_H
#define COLINUX_DISK_H

#include "os.h"

struct disk;

/*
 * Opens and locks the file; overlay (NULL: none) is the path of another one, which is
 * made if it is not there. read_only and an overlay exclude each other. NULL: see error.
 */
struct disk *disk_open(const char *path, const char *overlay, bool read_only,
		       struct error *error);
void disk_close(struct disk *disk);
u64 disk_bytes(const struct disk *disk);

/* As os_file_*() of the same names; what is not flushed may be lost with the host. */
bool disk_discards(const struct disk *disk);
enum os_result disk_read(struct disk *disk, struct os_iov *iov, u32 count, u64 offset);
enum os_result disk_write(struct disk *disk, struct os_iov *iov, u32 count, u64 offset);
enum os_result disk_sync(struct disk *disk);
enum os_result disk_discard(struct disk *disk, u64 offset, u64 bytes);
enum os_result disk_zero(struct disk *disk, u64 offset, u64 bytes);

#endif

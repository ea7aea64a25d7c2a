/* SPDX-License-Identifier: GPL-2.0-only */
/* cobdN: a virtio block device on a disk of disk.h's. */
#ifndef COLINUX_BLOCK_H
#define COLINUX_BLOCK_H

#include "device.h"

struct block;

/*
 * Opens and locks the file and its overlay (disk.h). name ("cobd0") is also the disk's serial number and
 * must outlive the device. NULL: see error.
 */
struct block *block_open(const char *name, const char *path, const char *overlay, bool read_only,
			 struct error *error);
/* Makes it device `index` of the vm and starts its thread. */
int block_attach(struct block *block, struct vm *vm, u32 index, struct error *error);
/* Ends the thread, after the request it is at, and closes the file. */
void block_close(struct block *block);

struct device *block_device(struct block *block);

struct block_stats {
	u64 reads, writes, flushes, others, errors, bytes_read, bytes_written;
};
/* After the thread has ended, or as an approximation. */
const struct block_stats *block_stats(const struct block *block);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/* disk.h: a file as it is, or beneath an overlay. */
#include "disk.h"

#include <stdlib.h>

#include "overlay.h"

struct disk {
	struct os_file *file;
	struct overlay *overlay;	/* NULL: the file itself is written */
};

struct disk *disk_open(const char *path, const char *overlay, bool read_only,
		       struct error *error)
{
	enum os_access access = read_only || overlay ? OS_READ : OS_READ_WRITE;
	struct disk *disk = calloc(1, sizeof(*disk));

	if (!disk) {
		error_set(error, "out of memory");
		return NULL;
	}
	disk->file = os_file_open(path, access, true, error);
	if (disk->file && overlay)
		disk->overlay = overlay_open(overlay, disk->file, error);
	if (disk->file && (!overlay || disk->overlay))
		return disk;
	disk_close(disk);
	return NULL;
}

void disk_close(struct disk *disk)
{
	if (disk->overlay)
		overlay_close(disk->overlay);
	if (disk->file)
		os_file_close(disk->file);
	free(disk);
}

u64 disk_bytes(const struct disk *disk)
{
	return os_file_bytes(disk->file);
}

bool disk_discards(const struct disk *disk)
{
	return disk->overlay ? overlay_discards(disk->overlay) : os_file_discards(disk->file);
}

enum os_result disk_read(struct disk *disk, struct os_iov *iov, u32 count, u64 offset)
{
	return disk->overlay ? overlay_read(disk->overlay, iov, count, offset) :
			       os_file_read(disk->file, iov, count, offset);
}

enum os_result disk_write(struct disk *disk, struct os_iov *iov, u32 count, u64 offset)
{
	return disk->overlay ? overlay_write(disk->overlay, iov, count, offset) :
			       os_file_write(disk->file, iov, count, offset);
}

enum os_result disk_sync(struct disk *disk)
{
	return disk->overlay ? overlay_sync(disk->overlay) : os_file_sync(disk->file);
}

enum os_result disk_discard(struct disk *disk, u64 offset, u64 bytes)
{
	return disk->overlay ? overlay_zero(disk->overlay, offset, bytes, true) :
			       os_file_discard(disk->file, offset, bytes);
}

enum os_result disk_zero(struct disk *disk, u64 offset, u64 bytes)
{
	return disk->overlay ? overlay_zero(disk->overlay, offset, bytes, false) :
			       os_file_zero(disk->file, offset, bytes);
}

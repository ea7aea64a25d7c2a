// SPDX-License-Identifier: GPL-2.0-only
/* overlay.h: the map in memory, what it says of each block, and the order of writing. */
#include "overlay.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"

#define MARK_BYTES	(1u << 20)	/* of the disk's start, or all of a smaller one */
#define PIECES		256u		/* of memory in one request: a whole queue's */

_Static_assert(sizeof(struct overlay_header) == 56, "the header is as overlay.h says");

struct overlay {
	struct os_file *file, *beneath;
	u64 bytes, blocks;		/* of the disk */
	u64 map_bytes, data_offset;
	u8 *map;			/* with what is not in the file yet */
	u8 *stale;			/* a byte a block of the map: not in the file yet */
	bool any_stale;
	u8 block[OVERLAY_BLOCK];	/* to copy one */
	struct os_iov piece[PIECES];	/* of a part of a request */
};

/* --- the map --- */

static bool is_here(const struct overlay *overlay, u64 block)
{
	return overlay->map[block / 8] >> block % 8 & 1;
}

static void set_here(struct overlay *overlay, u64 first, u64 last)
{
	u64 block;

	for (block = first; block <= last; block++) {
		if (is_here(overlay, block))
			continue;
		overlay->map[block / 8] |= 1u << block % 8;
		overlay->stale[block / 8 / OVERLAY_BLOCK] = 1;
		overlay->any_stale = true;
	}
}

static enum os_result move(struct os_file *file, void *bytes, u64 nbytes, u64 offset, bool write)
{
	struct os_iov iov = { bytes, nbytes };

	return write ? os_file_write(file, &iov, 1, offset) : os_file_read(file, &iov, 1, offset);
}

/* First what the bits promise, then the bits. */
enum os_result overlay_sync(struct overlay *overlay)
{
	enum os_result result = os_file_sync(overlay->file);
	u64 i, at;

	if (result != OS_OK || !overlay->any_stale)
		return result;
	for (i = 0; i * OVERLAY_BLOCK < overlay->map_bytes; i++) {
		at = i * OVERLAY_BLOCK;
		if (!overlay->stale[i])
			continue;
		result = move(overlay->file, overlay->map + at, OVERLAY_BLOCK, OVERLAY_BLOCK + at, true);
		if (result != OS_OK)
			return result;
	}
	result = os_file_sync(overlay->file);
	if (result != OS_OK)
		return result;
	memset(overlay->stale, 0, overlay->map_bytes / OVERLAY_BLOCK);
	overlay->any_stale = false;
	return OS_OK;
}

/* --- requests --- */

/* The next so many bytes of a request, as an array of its own; NULL: too many pieces. */
static struct os_iov *take_part(struct overlay *overlay, struct os_iov **iov, u32 *count,
				u64 bytes, u32 *npieces)
{
	u32 n = 0;

	while (bytes && *count) {
		struct os_iov *from = *iov;
		u64 now = from->bytes < bytes ? from->bytes : bytes;

		if (n == PIECES)
			return NULL;
		overlay->piece[n++] = (struct os_iov){ from->base, now };
		from->base = (u8 *)from->base + now;
		from->bytes -= now;
		bytes -= now;
		if (!from->bytes) {
			++*iov;
			--*count;
		}
	}
	*npieces = n;
	return overlay->piece;
}

static u64 length_of(const struct os_iov *iov, u32 count)
{
	u64 bytes = 0;

	while (count--)
		bytes += iov++->bytes;
	return bytes;
}

enum os_result overlay_read(struct overlay *overlay, struct os_iov *iov, u32 count, u64 offset)
{
	u64 end = offset + length_of(iov, count);

	while (offset < end) {
		bool here = is_here(overlay, offset / OVERLAY_BLOCK);
		u64 until = offset;
		struct os_iov *part;
		enum os_result result;
		u32 npieces;

		/* as far as it is all here, or all beneath */
		do
			until = (until / OVERLAY_BLOCK + 1) * OVERLAY_BLOCK;
		while (until < end && is_here(overlay, until / OVERLAY_BLOCK) == here);
		until = until < end ? until : end;
		part = take_part(overlay, &iov, &count, until - offset, &npieces);
		if (!part)
			return OS_UNSUPPORTED;
		result = here ? os_file_read(overlay->file, part, npieces, overlay->data_offset + offset) :
				os_file_read(overlay->beneath, part, npieces, offset);
		if (result != OS_OK)
			return result;
		offset = until;
	}
	return OS_OK;
}

/* A block that is about to be changed in part gets the rest from beneath. */
static enum os_result fetch(struct overlay *overlay, u64 block)
{
	u64 at = block * OVERLAY_BLOCK, nbytes = overlay->bytes - at;
	enum os_result result;

	if (is_here(overlay, block))
		return OS_OK;
	nbytes = nbytes < OVERLAY_BLOCK ? nbytes : OVERLAY_BLOCK;
	result = move(overlay->beneath, overlay->block, nbytes, at, false);
	if (result == OS_OK)
		result = move(overlay->file, overlay->block, nbytes, overlay->data_offset + at, true);
	if (result == OS_OK)
		set_here(overlay, block, block);
	return result;
}

static enum os_result fetch_ends(struct overlay *overlay, u64 offset, u64 bytes)
{
	u64 end = offset + bytes;
	enum os_result result = OS_OK;

	if (offset % OVERLAY_BLOCK)
		result = fetch(overlay, offset / OVERLAY_BLOCK);
	if (result == OS_OK && end % OVERLAY_BLOCK && end != overlay->bytes)
		result = fetch(overlay, end / OVERLAY_BLOCK);
	return result;
}

enum os_result overlay_write(struct overlay *overlay, struct os_iov *iov, u32 count, u64 offset)
{
	u64 bytes = length_of(iov, count);
	enum os_result result;

	if (!bytes)
		return OS_OK;
	result = fetch_ends(overlay, offset, bytes);
	if (result == OS_OK)
		result = os_file_write(overlay->file, iov, count, overlay->data_offset + offset);
	if (result == OS_OK)
		set_here(overlay, offset / OVERLAY_BLOCK, (offset + bytes - 1) / OVERLAY_BLOCK);
	return result;
}

enum os_result overlay_zero(struct overlay *overlay, u64 offset, u64 bytes, bool unmap)
{
	enum os_result result;

	if (!bytes)
		return OS_OK;
	result = fetch_ends(overlay, offset, bytes);
	if (result == OS_OK)
		result = (unmap ? os_file_discard : os_file_zero)(overlay->file,
								  overlay->data_offset + offset, bytes);
	if (result == OS_OK)
		set_here(overlay, offset / OVERLAY_BLOCK, (offset + bytes - 1) / OVERLAY_BLOCK);
	return result;
}

bool overlay_discards(const struct overlay *overlay)
{
	return os_file_discards(overlay->file);
}

/* --- opening and closing --- */

/* FNV-1a, 64 bits, of the disk's start. False: see os_last_error(). */
static bool overlay_mark(struct os_file *disk, u8 *block, u64 *mark)
{
	u64 end = os_file_bytes(disk), at, i;

	*mark = 0xcbf29ce484222325;
	end = end < MARK_BYTES ? end : MARK_BYTES;
	for (at = 0; at < end; at += OVERLAY_BLOCK) {
		u64 nbytes = end - at < OVERLAY_BLOCK ? end - at : OVERLAY_BLOCK;

		if (move(disk, block, nbytes, at, false) != OS_OK)
			return false;
		for (i = 0; i < nbytes; i++)
			*mark = (*mark ^ block[i]) * 0x100000001b3;
	}
	return true;
}

static int make(struct overlay *overlay, const char *path, const struct overlay_header *header,
		struct error *error)
{
	overlay->file = os_file_create(path, overlay->data_offset + overlay->bytes, error);
	if (!overlay->file)
		return -1;
	memset(overlay->block, 0, OVERLAY_BLOCK);
	memcpy(overlay->block, header, sizeof(*header));
	if (move(overlay->file, overlay->block, OVERLAY_BLOCK, 0, true) == OS_OK &&
	    os_file_sync(overlay->file) == OS_OK)
		return 0;
	error_set(error, "%s: making the overlay: %s", path, os_last_error());
	os_remove_file(path);
	return -1;
}

static int take_up(struct overlay *overlay, const char *path, const struct overlay_header *header,
		   struct error *error)
{
	struct overlay_header found;

	overlay->file = os_file_open(path, OS_READ_WRITE, true, error);
	if (!overlay->file)
		return -1;
	if (os_file_bytes(overlay->file) < OVERLAY_BLOCK)
		return error_set(error, "%s: is no overlay: it is too short", path);
	if (move(overlay->file, &found, sizeof(found), 0, false) != OS_OK)
		return error_set(error, "%s: %s", path, os_last_error());
	if (memcmp(found.magic, header->magic, sizeof(found.magic)))
		return error_set(error, "%s: is no overlay", path);
	if (found.version != header->version || found.block_bytes != header->block_bytes)
		return error_set(error, "%s: is an overlay of version %u, with blocks of %u bytes; this daemon knows version %u, with %u",
				 path, found.version, found.block_bytes, header->version,
				 header->block_bytes);
	if (found.disk_bytes != header->disk_bytes)
		return error_set(error, "%s: is the overlay of a disk of %llu bytes; this one has %llu",
				 path, (unsigned long long)found.disk_bytes,
				 (unsigned long long)header->disk_bytes);
	if (found.disk_mark != header->disk_mark)
		return error_set(error, "%s: is the overlay of another disk, or this one was changed since: its changes fit no longer",
				 path);
	if (found.map_offset != header->map_offset || found.data_offset != header->data_offset ||
	    os_file_bytes(overlay->file) < header->data_offset + header->disk_bytes)
		return error_set(error, "%s: is an overlay that was damaged or cut short", path);
	if (move(overlay->file, overlay->map, overlay->map_bytes, header->map_offset, false) != OS_OK)
		return error_set(error, "%s: its map: %s", path, os_last_error());
	return 0;
}

struct overlay *overlay_open(const char *path, struct os_file *beneath, struct error *error)
{
	struct overlay *overlay = calloc(1, sizeof(*overlay));
	struct overlay_header header = {
		.version = OVERLAY_VERSION,
		.block_bytes = OVERLAY_BLOCK,
		.map_offset = OVERLAY_BLOCK,
	};

	if (!overlay) {
		error_set(error, "out of memory");
		return NULL;
	}
	memcpy(header.magic, OVERLAY_MAGIC, sizeof(header.magic));
	overlay->beneath = beneath;
	overlay->bytes = os_file_bytes(beneath);
	overlay->blocks = (overlay->bytes + OVERLAY_BLOCK - 1) / OVERLAY_BLOCK;
	overlay->map_bytes = (overlay->blocks / 8 / OVERLAY_BLOCK + 1) * OVERLAY_BLOCK;
	overlay->data_offset = OVERLAY_BLOCK + overlay->map_bytes;
	overlay->map = calloc(1, overlay->map_bytes);
	overlay->stale = calloc(1, overlay->map_bytes / OVERLAY_BLOCK);
	header.disk_bytes = overlay->bytes;
	header.data_offset = overlay->data_offset;
	if (!overlay->map || !overlay->stale)
		error_set(error, "%s: no memory for the map of %llu blocks", path,
			  (unsigned long long)overlay->blocks);
	else if (!overlay_mark(beneath, overlay->block, &header.disk_mark))
		error_set(error, "the disk beneath %s: %s", path, os_last_error());
	else if (!(os_file_exists(path) ? take_up : make)(overlay, path, &header, error))
		return overlay;
	if (overlay->file)
		os_file_close(overlay->file);
	overlay->file = NULL;
	overlay_close(overlay);
	return NULL;
}

void overlay_close(struct overlay *overlay)
{
	if (overlay->file) {
		if (overlay_sync(overlay) != OS_OK)
			log_warn("flushing an overlay: %s", os_last_error());
		os_file_close(overlay->file);
	}
	free(overlay->map);
	free(overlay->stale);
	free(overlay);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The block device (VIRTIO 1.2, 5.2). The vCPU thread only wakes this device's
 * thread, which works through the queue while the guest goes on; completion is
 * an interrupt, as often as the guest's event index asks for one.
 */
#include "block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "log.h"

#define QUEUE_SIZE	VRING_SIZE_MAX
/* of which a request needs one buffer for its header and one for its status */
#define SEGMENTS	(QUEUE_SIZE - 2)
/* Completions are told to the guest when the queue is empty, or after so many. */
#define BATCH		16u
/* DISCARD and WRITE_ZEROES: ranges in one request, and sectors in one range */
#define RANGES		16u
#define RANGE_SECTORS	(1u << 21)	/* 1 GiB */

struct block {
	struct device device;
	struct disk *disk;
	char *path;
	bool read_only;
	u64 sectors;
	struct block_stats stats;
	/* the thread's */
	struct os_thread thread;
	bool has_thread;
	struct chain chain;
	struct os_mutex lock;
	struct os_cond changed;
	/* under the lock: */
	bool kicked;	/* there may be chains */
	bool enabled;	/* between start and stop */
	bool busy;	/* the thread touches the queue */
	bool quit;
};

struct device *block_device(struct block *block)
{
	return &block->device;
}

const struct block_stats *block_stats(const struct block *block)
{
	return &block->stats;
}

/* --- requests --- */

/* A chain, taken apart. */
struct request {
	struct virtio_blk_header header;
	struct os_iov *read, *write;	/* what lies between header and status */
	u32 nread, nwrite;
	u64 read_bytes, write_bytes;
	u8 *status;
};

/* False: this is no block request at all. */
static bool take_apart(struct chain *chain, struct request *request)
{
	struct os_iov *last = &chain->iov[chain->nread + chain->nwrite - 1];

	if (chain->read_bytes < sizeof(request->header) || !chain->write_bytes)
		return false;
	request->read = chain->iov;
	request->nread = chain->nread;
	request->write = chain->iov + chain->nread;
	request->nwrite = chain->nwrite;
	iov_take(&request->read, &request->nread, &request->header, sizeof(request->header));
	request->status = (u8 *)last->base + --last->bytes;
	if (!last->bytes)
		request->nwrite--;
	request->read_bytes = chain->read_bytes - sizeof(request->header);
	request->write_bytes = chain->write_bytes - 1;
	return true;
}

/* Do so many bytes from this sector on lie on the disk, in whole sectors? */
static bool on_disk(const struct block *block, u64 sector, u64 bytes)
{
	return !(bytes % VIRTIO_BLK_SECTOR) && sector <= block->sectors &&
	       bytes / VIRTIO_BLK_SECTOR <= block->sectors - sector;
}

static u8 outcome(struct block *block, enum os_result result, const char *what,
		  const struct request *request)
{
	if (result == OS_OK)
		return VIRTIO_BLK_S_OK;
	if (result == OS_UNSUPPORTED)
		return VIRTIO_BLK_S_UNSUPP;
	device_complain(&block->device, "%s: %s at sector %llu: %s", block->path, what,
			(unsigned long long)request->header.sector, os_last_error());
	return VIRTIO_BLK_S_IOERR;
}

static u8 beyond(struct block *block, const char *what, u64 sector, u64 bytes)
{
	device_complain(&block->device, "%s of %llu bytes at sector %llu: the disk has %llu sectors",
			what, (unsigned long long)bytes, (unsigned long long)sector,
			(unsigned long long)block->sectors);
	return VIRTIO_BLK_S_IOERR;
}

static u8 do_read(struct block *block, struct request *request)
{
	u64 sector = request->header.sector;

	block->stats.reads++;
	if (!on_disk(block, sector, request->write_bytes))
		return beyond(block, "a read", sector, request->write_bytes);
	block->stats.bytes_read += request->write_bytes;
	return outcome(block, disk_read(block->disk, request->write, request->nwrite,
					   sector * VIRTIO_BLK_SECTOR), "reading", request);
}

static u8 do_write(struct block *block, struct request *request)
{
	u64 sector = request->header.sector;

	block->stats.writes++;
	if (block->read_only)
		return VIRTIO_BLK_S_IOERR;
	if (!on_disk(block, sector, request->read_bytes))
		return beyond(block, "a write", sector, request->read_bytes);
	block->stats.bytes_written += request->read_bytes;
	return outcome(block, disk_write(block->disk, request->read, request->nread,
					    sector * VIRTIO_BLK_SECTOR), "writing", request);
}

static u8 do_id(struct block *block, struct request *request)
{
	char id[VIRTIO_BLK_ID_BYTES] = { 0 };

	block->stats.others++;
	/* 5.2.6.1: no NUL if it fills the field */
	memcpy(id, block->device.name, strnlen(block->device.name, sizeof(id)));
	iov_fill(request->write, request->nwrite, id, sizeof(id));
	return VIRTIO_BLK_S_OK;
}

/* DISCARD and WRITE_ZEROES. Discarded sectors of a file read as zeros. */
static u8 do_ranges(struct block *block, struct request *request, bool zeroes)
{
	struct virtio_blk_range range[RANGES];
	u64 bytes = request->read_bytes;
	u32 i, count = bytes / sizeof(*range);

	block->stats.others++;
	if (block->read_only || !count || bytes % sizeof(*range) || count > RANGES)
		return VIRTIO_BLK_S_IOERR;
	iov_take(&request->read, &request->nread, range, bytes);
	for (i = 0; i < count; i++) {
		u64 at = range[i].sector * VIRTIO_BLK_SECTOR;
		u64 length = (u64)range[i].sectors * VIRTIO_BLK_SECTOR;
		bool unmap = range[i].flags & VIRTIO_BLK_RANGE_UNMAP;
		enum os_result result;

		/* 5.2.6.2 */
		if ((range[i].flags & ~VIRTIO_BLK_RANGE_UNMAP) || (unmap && !zeroes))
			return VIRTIO_BLK_S_UNSUPP;
		if (range[i].sectors > RANGE_SECTORS || !on_disk(block, range[i].sector, length))
			return beyond(block, zeroes ? "zeroing" : "a discard", range[i].sector, length);
		if (!length)
			continue;
		if (zeroes && !unmap)
			result = disk_zero(block->disk, at, length);
		else
			result = disk_discard(block->disk, at, length);
		request->header.sector = range[i].sector;
		if (result != OS_OK)
			return outcome(block, result, zeroes ? "zeroing" : "discarding", request);
	}
	return VIRTIO_BLK_S_OK;
}

static u8 perform(struct block *block, struct request *request)
{
	switch (request->header.type) {
	case VIRTIO_BLK_T_IN:
		return do_read(block, request);
	case VIRTIO_BLK_T_OUT:
		return do_write(block, request);
	case VIRTIO_BLK_T_FLUSH:
		block->stats.flushes++;
		return outcome(block, disk_sync(block->disk), "flushing", request);
	case VIRTIO_BLK_T_GET_ID:
		return do_id(block, request);
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		if (!(block->device.features & VIRTIO_BLK_F_DISCARD))
			break;
		return do_ranges(block, request,
				 request->header.type == VIRTIO_BLK_T_WRITE_ZEROES);
	}
	block->stats.others++;
	return VIRTIO_BLK_S_UNSUPP;
}

/* One chain; false: the device is broken. */
static bool serve(struct block *block, struct vring *ring)
{
	struct request request;
	u8 status;

	if (!take_apart(&block->chain, &request)) {
		device_break(&block->device, "a request of %llu readable and %llu writable bytes has no header or no status",
			     (unsigned long long)block->chain.read_bytes,
			     (unsigned long long)block->chain.write_bytes);
		return false;
	}
	status = perform(block, &request);
	if (status != VIRTIO_BLK_S_OK)
		block->stats.errors++;
	log_debug("%s: type %u, sector %llu, %llu bytes: status %u", block->device.name,
		  request.header.type, (unsigned long long)request.header.sector,
		  (unsigned long long)(request.read_bytes + request.write_bytes), status);
	*request.status = status;
	/* used.len promises that the first so many bytes were written: all, or the
	 * status alone, which is not first; then 0 is the only honest number */
	vring_push(ring, block->chain.head, status == VIRTIO_BLK_S_OK ? block->chain.write_bytes :
					    request.write_bytes ? 0 : 1);
	return true;
}

/* --- the thread --- */

static bool may_go_on(struct block *block)
{
	bool enabled;

	os_lock(&block->lock);
	enabled = block->enabled && !block->quit;
	os_unlock(&block->lock);
	return enabled && !device_is_broken(&block->device);
}

/* Works until the queue is empty, or somebody wants us to stop. */
static void work(struct block *block)
{
	struct vring *ring = &block->device.ring[0];
	u32 untold = 0;

	vring_ignore(ring);
	while (may_go_on(block)) {
		enum vring_pop popped = vring_pop(ring, &block->chain);

		if (popped == VRING_CHAIN && serve(block, ring) && ++untold < BATCH)
			continue;
		if (untold)
			device_signal_used(&block->device, ring);
		untold = 0;
		if (popped == VRING_BROKEN)
			device_break(&block->device, "%s", ring->problem);
		if (popped == VRING_EMPTY && !vring_listen(ring))
			return;
		if (popped == VRING_EMPTY)
			vring_ignore(ring);
	}
	/* stopped in the middle: what was done is told all the same */
	if (untold)
		device_signal_used(&block->device, ring);
}

static void block_thread(void *arg)
{
	struct block *block = arg;

	os_lock(&block->lock);
	while (!block->quit) {
		if (!block->kicked || !block->enabled) {
			os_wait(&block->changed, &block->lock);
			continue;
		}
		block->kicked = false;
		block->busy = true;
		os_unlock(&block->lock);
		work(block);
		os_lock(&block->lock);
		block->busy = false;
		os_wake_all(&block->changed);
	}
	os_unlock(&block->lock);
}

static void block_start(struct device *device)
{
	struct block *block = device->back;

	os_lock(&block->lock);
	block->enabled = true;
	os_unlock(&block->lock);
}

static void block_stop(struct device *device)
{
	struct block *block = device->back;

	os_lock(&block->lock);
	block->enabled = false;
	block->kicked = false;
	while (block->busy)
		os_wait(&block->changed, &block->lock);
	os_unlock(&block->lock);
}

static void block_kick(struct device *device, u32 queue)
{
	struct block *block = device->back;

	(void)queue;
	os_lock(&block->lock);
	block->kicked = true;
	os_wake_all(&block->changed);
	os_unlock(&block->lock);
}

static const struct device_ops block_ops = {
	.id = VIRTIO_ID_BLOCK,
	.nqueues = 1,
	.queue_size = QUEUE_SIZE,
	.start = block_start,
	.stop = block_stop,
	.kick = block_kick,
};

/* --- opening and closing --- */

struct block *block_open(const char *name, const char *path, const char *overlay, bool read_only,
			 struct error *error)
{
	struct block *block = calloc(1, sizeof(*block));

	if (block)
		block->path = strdup(path);
	if (!block || !block->path) {
		free(block);
		error_set(error, "out of memory");
		return NULL;
	}
	block->device.ops = &block_ops;
	block->device.name = name;
	block->device.back = block;
	block->read_only = read_only;
	os_mutex_init(&block->lock);
	os_cond_init(&block->changed);
	block->disk = disk_open(path, overlay, read_only, error);
	if (!block->disk) {
		char text[sizeof(error->text)];

		memcpy(text, error->text, sizeof(text));
		error_set(error, "%s: %.900s", name, text);
		block_close(block);
		return NULL;
	}
	block->sectors = disk_bytes(block->disk) / VIRTIO_BLK_SECTOR;
	if (!block->sectors) {
		error_set(error, "%s: %s is smaller than one sector (%u bytes)", name, path,
			  VIRTIO_BLK_SECTOR);
		block_close(block);
		return NULL;
	}
	if (disk_bytes(block->disk) % VIRTIO_BLK_SECTOR)
		log_warn("%s: %s ends within a sector; the guest does not see its last %llu bytes",
			 name, path,
			 (unsigned long long)disk_bytes(block->disk) % VIRTIO_BLK_SECTOR);
	return block;
}

int block_attach(struct block *block, struct vm *vm, u32 index, struct error *error)
{
	struct virtio_blk_config config = {
		.capacity = block->sectors,
		.seg_max = SEGMENTS,
		.blk_size = VIRTIO_BLK_SECTOR,
		.num_queues = 1,
	};
	u64 features = VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_FLUSH;

	if (block->read_only) {
		features |= VIRTIO_BLK_F_RO;
	} else if (disk_discards(block->disk)) {
		features |= VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES;
		config.max_discard_sectors = config.max_write_zeroes_sectors = RANGE_SECTORS;
		config.max_discard_seg = config.max_write_zeroes_seg = RANGES;
		config.discard_sector_alignment = 4096 / VIRTIO_BLK_SECTOR;
		config.write_zeroes_may_unmap = 1;
	}
	device_attach(&block->device, vm, index, features, &config, sizeof(config));
	if (os_thread_start(&block->thread, block->device.name, block_thread, block, error))
		return -1;
	block->has_thread = true;
	return 0;
}

void block_close(struct block *block)
{
	if (!block)
		return;
	if (block->has_thread) {
		os_lock(&block->lock);
		block->quit = true;
		os_wake_all(&block->changed);
		os_unlock(&block->lock);
		os_thread_join(&block->thread);
	}
	if (block->disk)
		disk_close(block->disk);
	free(block->path);
	free(block);
}

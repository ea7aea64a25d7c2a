// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 9P transport device (VIRTIO 1.2 reserves its id; its layout is what Linux's
 * net/9p/trans_virtio.c expects): a chain is a message of the guest's and room for the
 * answer. A thread answers them one after the other, from a copy that the guest cannot
 * change any more, so that a disk that sleeps holds up nobody's CPU.
 */
#include "cofs.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "p9.h"

/* A message of the largest size in pages, as Linux sends it, fits. */
#define QUEUE_SIZE	VRING_SIZE_MAX
/* Answers are told to the guest when the queue is empty, or after so many. */
#define BATCH		8u

struct cofs {
	struct device device;
	struct folder *folder;
	struct p9_server *server;
	struct os_thread thread;
	bool has_thread;
	struct os_mutex lock;
	struct os_cond changed;
	/* under the lock: */
	bool kicked;	/* there may be chains */
	bool enabled;	/* between start and stop */
	bool busy;	/* the thread touches the queue, or the server */
	bool quit;
	/* the thread's */
	int entered;	/* what the folder said to the thread */
	struct chain chain;
	u8 *request, *answer;	/* P9_MSIZE_MAX each */
};

struct device *cofs_device(struct cofs *cofs)
{
	return &cofs->device;
}

const struct p9_stats *cofs_stats(const struct cofs *cofs)
{
	return p9_server_stats(cofs->server);
}

/* One chain; false: the device is broken. */
static bool serve(struct cofs *cofs, struct vring *ring)
{
	struct chain *chain = &cofs->chain;
	struct os_iov *read = chain->iov;
	u64 room = chain->write_bytes < P9_MSIZE_MAX ? chain->write_bytes : P9_MSIZE_MAX;
	u32 nread = chain->nread, bytes = 0;

	if (cofs->entered) {
		device_break(&cofs->device, "the host does not let the daemon work as that user");
		return false;
	}
	if (chain->read_bytes <= P9_MSIZE_MAX) {
		iov_take(&read, &nread, cofs->request, chain->read_bytes);
		bytes = p9_server_answer(cofs->server, cofs->request, chain->read_bytes, cofs->answer, room);
	}
	if (!bytes) {
		device_break(&cofs->device, "%llu bytes with %llu bytes for an answer are no 9P message",
			     (unsigned long long)chain->read_bytes,
			     (unsigned long long)chain->write_bytes);
		return false;
	}
	iov_fill(chain->iov + chain->nread, chain->nwrite, cofs->answer, bytes);
	log_debug("%s: request %u of %llu bytes: answer %u of %u bytes", cofs->device.name,
		  cofs->request[4], (unsigned long long)chain->read_bytes, cofs->answer[4], bytes);
	vring_push(ring, chain->head, bytes);
	return true;
}

/* --- the thread --- */

static bool may_go_on(struct cofs *cofs)
{
	bool enabled;

	os_lock(&cofs->lock);
	enabled = cofs->enabled && !cofs->quit;
	os_unlock(&cofs->lock);
	return enabled && !device_is_broken(&cofs->device);
}

/* Works until the queue is empty, or somebody wants us to stop. */
static void work(struct cofs *cofs)
{
	struct vring *ring = &cofs->device.ring[0];
	u32 untold = 0;

	vring_ignore(ring);
	while (may_go_on(cofs)) {
		enum vring_pop popped = vring_pop(ring, &cofs->chain);

		if (popped == VRING_CHAIN && serve(cofs, ring) && ++untold < BATCH)
			continue;
		if (untold)
			device_signal_used(&cofs->device, ring);
		untold = 0;
		if (popped == VRING_BROKEN)
			device_break(&cofs->device, "%s", ring->problem);
		if (popped == VRING_EMPTY && !vring_listen(ring))
			return;
		if (popped == VRING_EMPTY)
			vring_ignore(ring);
	}
	/* stopped in the middle: what was done is told all the same */
	if (untold)
		device_signal_used(&cofs->device, ring);
}

static void cofs_thread(void *arg)
{
	struct cofs *cofs = arg;

	cofs->entered = cofs->folder->ops->enter(cofs->folder);
	os_lock(&cofs->lock);
	while (!cofs->quit) {
		if (!cofs->kicked || !cofs->enabled) {
			os_wait(&cofs->changed, &cofs->lock);
			continue;
		}
		cofs->kicked = false;
		cofs->busy = true;
		os_unlock(&cofs->lock);
		work(cofs);
		os_lock(&cofs->lock);
		cofs->busy = false;
		os_wake_all(&cofs->changed);
	}
	os_unlock(&cofs->lock);
}

static void cofs_start(struct device *device)
{
	struct cofs *cofs = device->back;

	os_lock(&cofs->lock);
	cofs->enabled = true;
	os_unlock(&cofs->lock);
}

static void cofs_stop(struct device *device)
{
	struct cofs *cofs = device->back;

	os_lock(&cofs->lock);
	cofs->enabled = false;
	cofs->kicked = false;
	while (cofs->busy)
		os_wait(&cofs->changed, &cofs->lock);
	/* a guest that comes again knows nothing of the files that this one held */
	p9_server_reset(cofs->server);
	os_unlock(&cofs->lock);
}

static void cofs_kick(struct device *device, u32 queue)
{
	struct cofs *cofs = device->back;

	(void)queue;
	os_lock(&cofs->lock);
	cofs->kicked = true;
	os_wake_all(&cofs->changed);
	os_unlock(&cofs->lock);
}

static const struct device_ops cofs_ops = {
	.id = VIRTIO_ID_9P,
	.nqueues = 1,
	.queue_size = QUEUE_SIZE,
	.start = cofs_start,
	.stop = cofs_stop,
	.kick = cofs_kick,
};

/* --- opening and closing --- */

struct cofs *cofs_open(const char *name, const char *path, const struct folder_setting *setting,
		       struct error *error)
{
	struct cofs *cofs = calloc(1, sizeof(*cofs));

	if (!cofs) {
		error_set(error, "out of memory");
		return NULL;
	}
	cofs->device.ops = &cofs_ops;
	cofs->device.name = name;
	cofs->device.back = cofs;
	os_mutex_init(&cofs->lock);
	os_cond_init(&cofs->changed);
	cofs->folder = folder_open(path, setting, error);
	if (!cofs->folder) {
		free(cofs);
		return NULL;
	}
	cofs->server = p9_server_new(cofs->folder);
	cofs->request = malloc(P9_MSIZE_MAX);
	cofs->answer = malloc(P9_MSIZE_MAX);
	if (cofs->server && cofs->request && cofs->answer)
		return cofs;
	error_set(error, "out of memory");
	cofs_close(cofs);
	return NULL;
}

int cofs_attach(struct cofs *cofs, struct vm *vm, u32 index, struct error *error)
{
	struct virtio_9p_config config = { .tag_len = strlen(cofs->device.name) };

	memcpy(config.tag, cofs->device.name, config.tag_len);
	device_attach(&cofs->device, vm, index, VIRTIO_9P_F_MOUNT_TAG, &config, sizeof(config));
	if (os_thread_start(&cofs->thread, cofs->device.name, cofs_thread, cofs, error))
		return -1;
	cofs->has_thread = true;
	return 0;
}

void cofs_close(struct cofs *cofs)
{
	if (!cofs)
		return;
	if (cofs->has_thread) {
		os_lock(&cofs->lock);
		cofs->quit = true;
		os_wake_all(&cofs->changed);
		os_unlock(&cofs->lock);
		os_thread_join(&cofs->thread);
	}
	p9_server_free(cofs->server);
	cofs->folder->ops->close(cofs->folder);
	free(cofs->request);
	free(cofs->answer);
	free(cofs);
}

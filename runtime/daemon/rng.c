// SPDX-License-Identifier: GPL-2.0-only
/*
 * The entropy device (VIRTIO 1.2, 5.4): one queue of buffers, filled from the
 * host's generator. That takes microseconds and never waits, so the vCPU thread does
 * it during the doorbell.
 */
#include "rng.h"

#include <stdlib.h>
#include <string.h>

#define QUEUE_SIZE	64u

/*
 * What one request gets at most; the standard lets a device give less than was
 * asked for. 256 is what getrandom(2) gives in one piece whatever happens.
 */
#define REQUEST_BYTES	256u

struct rng {
	struct device device;
	struct chain chain;
};

struct device *rng_device(struct rng *rng)
{
	return &rng->device;
}

static u32 fill(struct rng *rng)
{
	struct chain *chain = &rng->chain;
	u8 bytes[REQUEST_BYTES];
	u32 count = chain->write_bytes < sizeof(bytes) ? chain->write_bytes : sizeof(bytes);

	if (!os_random(bytes, count)) {
		device_complain(&rng->device, "the host has no random numbers: %s", os_last_error());
		return 0;
	}
	return iov_fill(chain->iov, chain->nwrite, bytes, count);
}

static void rng_kick(struct device *device, u32 queue)
{
	struct rng *rng = device->back;
	struct vring *ring = &device->ring[queue];
	enum vring_pop popped;

	do {
		while ((popped = vring_pop(ring, &rng->chain)) == VRING_CHAIN) {
			/* 5.4.6.1: there is nothing that a driver could tell this device */
			if (rng->chain.nread) {
				device_break(device, "a request has a buffer that is not writable");
				return;
			}
			vring_push(ring, rng->chain.head, fill(rng));
		}
		if (popped == VRING_BROKEN) {
			device_break(device, "%s", ring->problem);
			return;
		}
	} while (vring_listen(ring));
	device_signal_used(device, ring);
}

static void rng_start_stop(struct device *device)
{
	(void)device;
}

static const struct device_ops rng_ops = {
	.id = VIRTIO_ID_ENTROPY,
	.nqueues = 1,
	.queue_size = QUEUE_SIZE,
	.start = rng_start_stop,
	.stop = rng_start_stop,
	.kick = rng_kick,
};

struct rng *rng_open(struct error *error)
{
	struct rng *rng = calloc(1, sizeof(*rng));

	if (!rng) {
		error_set(error, "out of memory");
		return NULL;
	}
	rng->device.ops = &rng_ops;
	rng->device.name = "rng";
	rng->device.back = rng;
	return rng;
}

void rng_attach(struct rng *rng, struct vm *vm, u32 index)
{
	device_attach(&rng->device, vm, index, 0, "", 0);	/* it has no configuration */
}

void rng_close(struct rng *rng)
{
	free(rng);
}

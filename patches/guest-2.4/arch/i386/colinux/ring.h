/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver's side of a virtio device (VIRTIO 1.2): registers in the shared
 * area and split virtqueues, without the bus that 2.4 does not have.
 *
 * Nothing in here locks: a queue's owner calls with interrupts off.
 */
#ifndef _ARCH_I386_COLINUX_RING_H
#define _ARCH_I386_COLINUX_RING_H

#include <linux/types.h>
#include <asm/colinux/colinux_abi.h>
#include <asm/colinux/virtio.h>

/* One piece of a request: lowmem, so it lies in one piece. */
struct co_buf {
	void *data;
	u32 len;
};

struct co_ring {
	u32 device, queue;
	u16 size, mask;
	u16 free, nfree;	/* descriptors: a list through .next, and how many */
	u16 avail_idx, told_idx, used_idx;
	int event_idx;
	struct vring_desc *desc;
	volatile u16 *avail;	/* flags, idx, ring[size], used_event */
	volatile u16 *used;	/* flags, idx, {u32 id, u32 len}[size], avail_event */
	void **token;		/* by head descriptor */
};

/*
 * Take a device into use up to FEATURES_OK: resets it and accepts, of @wanted,
 * what it offers (VERSION_1 must be among it, EVENT_IDX is taken where offered).
 * Returns the accepted features, or 0.
 */
u64 co_device_begin(u32 device, u64 wanted);

/* Set up one of its queues. -ENOENT, -ENOMEM */
int co_ring_setup(struct co_ring *ring, u32 device, u32 queue, u64 features);

/* DRIVER_OK: from here on it works. */
void co_device_ready(u32 device);

/* Give up on it: VIRTIO_S_FAILED. */
void co_device_fail(u32 device);

/* Read its configuration, consistently. */
void co_device_config(u32 device, u32 offset, void *to, u32 bytes);

/* Why did it interrupt? CO_ISR_*; clears it. */
u32 co_device_isr(u32 device);

/*
 * Make a request available: @out buffers that the device reads, then @in that
 * it writes. -ENOSPC if there are fewer free descriptors.
 */
int co_ring_add(struct co_ring *ring, const struct co_buf *bufs, u32 out, u32 in, void *token);

/* Ring the doorbell, if the device wants it for what was added. */
void co_ring_kick(struct co_ring *ring);

/* The next finished request's token, and how much was written; NULL: none (yet). */
void *co_ring_get(struct co_ring *ring, u32 *written);

/*
 * An interrupt for the next finished request, please. True: there is one
 * already, go on with co_ring_get().
 */
int co_ring_listen(struct co_ring *ring);

#endif

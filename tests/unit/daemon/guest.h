/* SPDX-License-Identifier: GPL-2.0-only */
/* The driver's side of virtio, for tests: it can keep the rules and break them. */
#ifndef GUEST_H
#define GUEST_H

#include "fake_driver.h"
#include "virtio.h"

/* Takes guest memory, from the bottom of the first range up; zeroed. */
u64 guest_alloc(u64 bytes, u64 align);
/* Everything that was taken from this address on is free again. */
void guest_release(u64 from);

struct buffer {
	u64 address;
	u32 bytes;
	bool write;	/* by the device */
};

struct queue {
	u32 device, number;
	u16 size;
	u64 desc_phys, avail_phys, used_phys;
	struct vring_desc *desc;
	u16 *avail;	/* flags, idx, ring, used_event */
	u16 *used;	/* flags, idx, then pairs of u32 */
	u16 next_desc, seen;
};

/* Lays a queue out in guest memory and writes the device's registers. */
void queue_setup(struct queue *queue, u32 device, u32 number, u16 size);
/* Writes the descriptors of a chain without making it available; returns its head. */
u16 queue_chain(struct queue *queue, const struct buffer *buffers, u32 count);
/* The same, as one indirect descriptor. */
u16 queue_indirect(struct queue *queue, const struct buffer *buffers, u32 count);
void queue_offer(struct queue *queue, u16 head);
/* The next used entry: false, there is none yet. */
bool queue_take(struct queue *queue, u32 *head, u32 *written);
/* Would a driver that keeps the event index rules ring now? old: index before the offers. */
bool queue_must_ring(const struct queue *queue, u16 old);
u16 *queue_used_event(const struct queue *queue);

#endif

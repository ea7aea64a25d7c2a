// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio devices in the shared area: negotiation, and split virtqueues
 * (VIRTIO 1.2, 2.7) as the driver sees them. See ring.h.
 *
 * What a PC's device would notice by itself is said with a doorbell: we leave
 * for the host, naming device and queue. Addresses in a ring are addresses in
 * the memory that we see; the host's daemon sees the same.
 */
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <asm/io.h>
#include "colinux.h"
#include "ring.h"

/* Positions in the available and used rings, in units of u16. */
enum { RING_FLAGS, RING_IDX, RING_ENTRIES };
#define USED_ENTRY_WORDS	4

static struct co_vdev *regs_of(u32 device)
{
	return &co_vdevs[device];
}

/* The daemon serves a write of the status before it lets us go on. */
static void set_status(u32 device, u32 status)
{
	wmb();		/* features and queues first */
	co_once(regs_of(device)->status) = status;
	co_doorbell(device, CO_Q_STATUS);
}

u64 __init co_device_begin(u32 device, u64 wanted)
{
	struct co_vdev *regs = regs_of(device);
	u64 features;

	set_status(device, 0);
	xchg(&regs->isr, 0);
	set_status(device, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
	features = regs->features & (wanted | VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX);
	regs->driver_features = features;
	set_status(device, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK);
	if (!(features & VIRTIO_F_VERSION_1) ||
	    !(co_once(regs->status) & VIRTIO_S_FEATURES_OK)) {
		printk(KERN_ERR "colinux: device %u: features %Lx of %Lx were refused\n",
		       device, features, regs->features);
		co_device_fail(device);
		return 0;
	}
	return features;
}

void __init co_device_ready(u32 device)
{
	set_status(device, co_once(regs_of(device)->status) | VIRTIO_S_DRIVER_OK);
}

void co_device_fail(u32 device)
{
	set_status(device, VIRTIO_S_FAILED);
}

void co_device_config(u32 device, u32 offset, void *to, u32 bytes)
{
	struct co_vdev *regs = regs_of(device);
	u32 generation;

	do {
		/* odd: the daemon is writing */
		while ((generation = co_once(regs->config_generation)) & 1)
			co_call(CO_R_NOP);
		rmb();
		memcpy(to, regs->config + offset, bytes);
		rmb();
	} while (generation != co_once(regs->config_generation));
}

u32 co_device_isr(u32 device)
{
	return xchg(&regs_of(device)->isr, 0);
}

/* ---- queues ---- */

static volatile u16 *used_event(struct co_ring *ring)
{
	return ring->avail + RING_ENTRIES + ring->size;
}

static volatile u16 *avail_event(struct co_ring *ring)
{
	return ring->used + RING_ENTRIES + USED_ENTRY_WORDS * ring->size;
}

int __init co_ring_setup(struct co_ring *ring, u32 device, u32 queue, u64 features)
{
	struct co_vq *regs = &regs_of(device)->vq[queue];
	u32 size = regs->size_max, i, desc_bytes, avail_bytes, used_bytes;
	char *memory;

	if (!size)
		return -ENOENT;
	desc_bytes = size * sizeof(struct vring_desc);
	avail_bytes = (6 + 2 * size + 3) & ~3;		/* the used ring's alignment */
	used_bytes = 6 + 2 * USED_ENTRY_WORDS * size;
	memory = (char *)__get_free_pages(GFP_KERNEL, get_order(desc_bytes + avail_bytes + used_bytes));
	ring->token = kmalloc(size * sizeof(void *), GFP_KERNEL);
	if (!memory || !ring->token)
		return -ENOMEM;		/* at boot: nobody would go on without */
	memset(memory, 0, desc_bytes + avail_bytes + used_bytes);
	memset(ring->token, 0, size * sizeof(void *));
	ring->device = device;
	ring->queue = queue;
	ring->size = size;
	ring->mask = size - 1;
	ring->event_idx = (features & VIRTIO_F_EVENT_IDX) != 0;
	ring->desc = (struct vring_desc *)memory;
	ring->avail = (u16 *)(memory + desc_bytes);
	ring->used = (u16 *)(memory + desc_bytes + avail_bytes);
	for (i = 0; i < size; i++)
		ring->desc[i].next = i + 1;
	ring->nfree = size;
	regs->desc = virt_to_phys(memory);
	regs->avail = virt_to_phys(memory + desc_bytes);
	regs->used = virt_to_phys(memory + desc_bytes + avail_bytes);
	wmb();		/* a queue with a size is a queue with addresses */
	co_once(regs->size) = size;
	return 0;
}

int co_ring_add(struct co_ring *ring, const struct co_buf *bufs, u32 out, u32 in, void *token)
{
	u16 head = ring->free, at = head;
	struct vring_desc *desc = NULL;
	u32 i;

	if (ring->nfree < out + in)
		return -ENOSPC;
	for (i = 0; i < out + in; i++) {
		desc = &ring->desc[at];
		desc->addr = virt_to_phys(bufs[i].data);
		desc->len = bufs[i].len;
		desc->flags = VRING_DESC_NEXT | (i < out ? 0 : VRING_DESC_WRITE);
		at = desc->next;
	}
	desc->flags &= ~VRING_DESC_NEXT;
	ring->free = at;
	ring->nfree -= out + in;
	ring->token[head] = token;
	ring->avail[RING_ENTRIES + (ring->avail_idx & ring->mask)] = head;
	wmb();		/* descriptors and entry first */
	ring->avail[RING_IDX] = ++ring->avail_idx;
	return 0;
}

void co_ring_kick(struct co_ring *ring)
{
	u16 old = ring->told_idx, new = ring->avail_idx;
	int wanted;

	if (old == new)
		return;
	ring->told_idx = new;
	mb();		/* the index must be visible before we look what is wanted */
	if (ring->event_idx)
		wanted = (u16)(new - *avail_event(ring) - 1) < (u16)(new - old);
	else
		wanted = !(ring->used[RING_FLAGS] & VRING_USED_NO_NOTIFY);
	if (wanted)
		co_doorbell(ring->device, ring->queue);
}

void *co_ring_get(struct co_ring *ring, u32 *written)
{
	volatile u32 *entry;
	u16 head, last;
	void *token;

	if (ring->used[RING_IDX] == ring->used_idx)
		return NULL;
	rmb();		/* the entry after the index */
	entry = (volatile u32 *)(ring->used + RING_ENTRIES +
				 USED_ENTRY_WORDS * (ring->used_idx & ring->mask));
	head = entry[0];
	if (head >= ring->size || !ring->token[head])
		panic("colinux: device %u finished a request that it did not have", ring->device);
	*written = entry[1];
	token = ring->token[head];
	ring->token[head] = NULL;
	for (last = head, ring->nfree++; ring->desc[last].flags & VRING_DESC_NEXT; ring->nfree++)
		last = ring->desc[last].next;
	ring->desc[last].next = ring->free;
	ring->free = head;
	ring->used_idx++;
	return token;
}

int co_ring_listen(struct co_ring *ring)
{
	/* without event indices every request interrupts */
	if (ring->event_idx)
		*used_event(ring) = ring->used_idx;
	mb();		/* the wish must be visible before we look for the last time */
	return ring->used[RING_IDX] != ring->used_idx;
}

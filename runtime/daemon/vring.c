// SPDX-License-Identifier: GPL-2.0-only
/*
 * Split virtqueues, device side. Each index, descriptor and flag is read once
 * into a local variable; what is checked is that variable, so a guest that
 * changes its memory meanwhile gains nothing.
 */
#include "vring.h"

#include <stdio.h>
#include <string.h>

/* Positions in the available and used rings, in units of u16. */
enum { RING_FLAGS = 0, RING_IDX = 1, RING_ENTRIES = 2 };
#define USED_ENTRY_BYTES	8u

static u16 load16(const u16 *at)
{
	return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static void store16(u16 *at, u16 value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static u16 *used_event(const struct vring *ring)
{
	return ring->avail + RING_ENTRIES + ring->size;
}

static u16 *avail_event(const struct vring *ring)
{
	return (u16 *)(ring->used + 4 + USED_ENTRY_BYTES * ring->size);
}

const char *vring_setup(struct vring *ring, const struct guest_memory *memory,
			const struct co_vq *queue, u32 size_max, u64 features)
{
	u32 size = queue->size;

	memset(ring, 0, sizeof(*ring));
	if (!size || size > size_max || size > VRING_SIZE_MAX || (size & (size - 1)))
		return "its size is no power of two that was offered";
	/* alignments: 2.7 Split virtqueues */
	if (queue->desc % 16 || queue->avail % 2 || queue->used % 4)
		return "it is not aligned";
	ring->desc = guest_memory_at(memory, queue->desc, (u64)size * sizeof(struct vring_desc));
	ring->avail = guest_memory_at(memory, queue->avail, 6 + 2ull * size);
	ring->used = guest_memory_at(memory, queue->used, 6 + (u64)USED_ENTRY_BYTES * size);
	if (!ring->desc || !ring->avail || !ring->used)
		return "it lies outside guest memory";
	ring->memory = memory;
	ring->event_idx = features & VIRTIO_F_EVENT_IDX;
	ring->indirect = features & VIRTIO_F_INDIRECT_DESC;
	ring->size = size;
	return NULL;
}

static bool overlaps(const void *part, u64 part_bytes, const void *start, u64 bytes)
{
	uintptr_t a = (uintptr_t)part, b = (uintptr_t)start;

	return a < b + bytes && b < a + part_bytes;
}

bool vring_overlaps(const struct vring *ring, const void *start, u64 bytes)
{
	u32 size = ring->size;

	return size && (overlaps(ring->desc, size * sizeof(struct vring_desc), start, bytes) ||
			overlaps(ring->avail, 6 + 2 * size, start, bytes) ||
			overlaps(ring->used, 6 + USED_ENTRY_BYTES * size, start, bytes));
}

static enum vring_pop broken(struct vring *ring, const char *what, u64 value)
{
	snprintf(ring->problem, sizeof(ring->problem), "%s (0x%llx)", what,
		 (unsigned long long)value);
	return VRING_BROKEN;
}

/* Adds one buffer to the chain; NULL, or what is wrong with it. */
static const char *add_buffer(struct vring *ring, struct chain *chain,
			      const struct vring_desc *desc)
{
	bool write = desc->flags & VRING_DESC_WRITE;
	struct os_iov *iov = &chain->iov[chain->nread + chain->nwrite];

	if (chain->nread + chain->nwrite >= ring->size)
		return "a chain is longer than its queue, or a loop";
	if (!write && chain->nwrite)
		return "a readable buffer follows a writable one";
	iov->bytes = desc->len;
	iov->base = guest_memory_at(ring->memory, desc->addr, desc->len);
	if (!iov->base)
		return desc->len ? "a buffer lies outside guest memory" : "a buffer is empty";
	if (chain->read_bytes + chain->write_bytes + desc->len > 0xffffffffull)
		return "a chain holds 4 GiB or more";
	if (write) {
		chain->nwrite++;
		chain->write_bytes += desc->len;
	} else {
		chain->nread++;
		chain->read_bytes += desc->len;
	}
	return NULL;
}

enum vring_pop vring_pop(struct vring *ring, struct chain *chain)
{
	u16 idx = load16(&ring->avail[RING_IDX]);
	u16 waiting = idx - ring->next_avail, index;
	const u8 *table = ring->desc;
	u32 entries = ring->size;
	struct vring_desc desc;
	const char *problem;

	if (!waiting)
		return VRING_EMPTY;
	if (waiting > ring->size)
		return broken(ring, "the available index jumped", idx);
	index = load16(&ring->avail[RING_ENTRIES + ring->next_avail % ring->size]);
	if (index >= ring->size)
		return broken(ring, "an available entry names no descriptor", index);
	chain->head = index;
	chain->nread = chain->nwrite = 0;
	chain->read_bytes = chain->write_bytes = 0;
	/* Ends: every step but one, into an indirect table, adds one of `size` buffers. */
	for (;;) {
		/* the one read of this descriptor */
		memcpy(&desc, table + (size_t)index * sizeof(desc), sizeof(desc));
		__asm__ volatile("" ::: "memory");
		if (desc.flags & VRING_DESC_INDIRECT) {
			if (!ring->indirect)
				return broken(ring, "an indirect descriptor was not negotiated", index);
			if (table != ring->desc)
				return broken(ring, "an indirect table names another one", index);
			if (desc.flags & VRING_DESC_NEXT)
				return broken(ring, "an indirect descriptor has a successor", index);
			if (!desc.len || desc.len % sizeof(desc) ||
			    desc.len / sizeof(desc) > ring->size)
				return broken(ring, "an indirect table has a bad length", desc.len);
			table = guest_memory_at(ring->memory, desc.addr, desc.len);
			if (!table)
				return broken(ring, "an indirect table lies outside guest memory", desc.addr);
			entries = desc.len / sizeof(desc);
			index = 0;
			continue;
		}
		problem = add_buffer(ring, chain, &desc);
		if (problem)
			return broken(ring, problem, desc.addr);
		if (!(desc.flags & VRING_DESC_NEXT))
			break;
		if (desc.next >= entries)
			return broken(ring, "a descriptor's successor does not exist", desc.next);
		index = desc.next;
	}
	ring->next_avail++;
	__atomic_store_n(&ring->taken, ring->taken + 1, __ATOMIC_RELAXED);
	return VRING_CHAIN;
}

void vring_push(struct vring *ring, u16 head, u32 written)
{
	u32 entry[2] = { head, written };

	memcpy(ring->used + 4 + ring->next_used % ring->size * USED_ENTRY_BYTES, entry,
	       sizeof(entry));
	ring->next_used++;
	__atomic_store_n(&ring->returned, ring->returned + 1, __ATOMIC_RELAXED);
	/* release: the entry and the data come before the index */
	store16((u16 *)ring->used + RING_IDX, ring->next_used);
}

bool vring_wants_interrupt(struct vring *ring)
{
	u16 old = ring->signalled, new = ring->next_used, event;
	bool valid = ring->signalled_valid;

	/* the index we stored must be visible before we look what is wanted */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!ring->event_idx)
		return !(load16(&ring->avail[RING_FLAGS]) & VRING_AVAIL_NO_INTERRUPT);
	event = load16(used_event(ring));
	ring->signalled = new;
	ring->signalled_valid = true;
	/* has the index passed the event? 2.7.10 */
	return !valid || (u16)(new - event - 1) < (u16)(new - old);
}

void vring_ignore(struct vring *ring)
{
	/* with event indices the old event lies behind: the guest stays silent */
	if (!ring->event_idx)
		store16((u16 *)ring->used + RING_FLAGS, VRING_USED_NO_NOTIFY);
}

bool vring_listen(struct vring *ring)
{
	if (ring->event_idx)
		store16(avail_event(ring), ring->next_avail);
	else
		store16((u16 *)ring->used + RING_FLAGS, 0);
	/* the wish must be visible before we look for the last time */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load16(&ring->avail[RING_IDX]) != ring->next_avail;
}

u64 iov_take(struct os_iov **iov, u32 *count, void *to, u64 bytes)
{
	u64 done = 0;

	while (*count && done < bytes) {
		struct os_iov *first = *iov;
		u64 now = bytes - done < first->bytes ? bytes - done : first->bytes;

		memcpy((u8 *)to + done, first->base, now);
		done += now;
		first->base = (u8 *)first->base + now;
		first->bytes -= now;
		if (!first->bytes) {
			++*iov;
			--*count;
		}
	}
	return done;
}

u64 iov_fill(const struct os_iov *iov, u32 count, const void *from, u64 bytes)
{
	u64 done = 0;
	u32 i;

	for (i = 0; i < count && done < bytes; i++) {
		u64 now = bytes - done < iov[i].bytes ? bytes - done : iov[i].bytes;

		memcpy(iov[i].base, (const u8 *)from + done, now);
		done += now;
	}
	return done;
}

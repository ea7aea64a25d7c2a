// SPDX-License-Identifier: GPL-2.0-only
/* The driver's side of virtio; see guest.h. */
#include "guest.h"

#include <string.h>

#include "check.h"

static u64 next_free;

u64 guest_alloc(u64 bytes, u64 align)
{
	u64 at;

	if (!next_free)
		next_free = (fake.create.note_flags & CO_NOTE_I386 ? 0 : fake.create.range[0].start) +
			    (24ull << 20);
	at = (next_free + align - 1) & ~(align - 1);
	next_free = at + bytes;
	memset(fake_at(at, bytes), 0, bytes);
	return at;
}

void queue_setup(struct queue *queue, u32 device, u32 number, u16 size)
{
	struct co_vq *registers = &fake.devices[device].vq[number];

	memset(queue, 0, sizeof(*queue));
	queue->device = device;
	queue->number = number;
	queue->size = size;
	queue->desc_phys = guest_alloc(16ull * size, 16);
	queue->avail_phys = guest_alloc(6 + 2ull * size, 2);
	queue->used_phys = guest_alloc(6 + 8ull * size, 4);
	queue->desc = fake_at(queue->desc_phys, 16ull * size);
	queue->avail = fake_at(queue->avail_phys, 6 + 2ull * size);
	queue->used = fake_at(queue->used_phys, 6 + 8ull * size);
	registers->size = size;
	registers->desc = queue->desc_phys;
	registers->avail = queue->avail_phys;
	registers->used = queue->used_phys;
}

void guest_release(u64 from)
{
	next_free = from;
}

static void fill(struct vring_desc *desc, const struct buffer *buffer, u16 next, bool last)
{
	desc->addr = buffer->address;
	desc->len = buffer->bytes;
	desc->flags = (buffer->write ? VRING_DESC_WRITE : 0) | (last ? 0 : VRING_DESC_NEXT);
	desc->next = next;
}

u16 queue_chain(struct queue *queue, const struct buffer *buffers, u32 count)
{
	u16 head = queue->next_desc, at = head;
	u32 i;

	for (i = 0; i < count; i++) {
		fill(&queue->desc[at], &buffers[i], (at + 1) % queue->size, i + 1 == count);
		at = (at + 1) % queue->size;
	}
	queue->next_desc = at;
	return head;
}

u16 queue_indirect(struct queue *queue, const struct buffer *buffers, u32 count)
{
	u64 table_phys = guest_alloc(16ull * count, 16);
	struct vring_desc *table = fake_at(table_phys, 16ull * count);
	u16 head = queue->next_desc;
	u32 i;

	for (i = 0; i < count; i++)
		fill(&table[i], &buffers[i], i + 1, i + 1 == count);
	queue->desc[head].addr = table_phys;
	queue->desc[head].len = 16 * count;
	queue->desc[head].flags = VRING_DESC_INDIRECT;
	queue->desc[head].next = 0;
	queue->next_desc = (head + 1) % queue->size;
	return head;
}

void queue_offer(struct queue *queue, u16 head)
{
	u16 index = queue->avail[1];

	queue->avail[2 + index % queue->size] = head;
	__atomic_store_n(&queue->avail[1], index + 1, __ATOMIC_SEQ_CST);
}

bool queue_take(struct queue *queue, u32 *head, u32 *written)
{
	u32 entry[2];

	if (__atomic_load_n(&queue->used[1], __ATOMIC_SEQ_CST) == queue->seen)
		return false;
	memcpy(entry, &queue->used[2 + 4 * (queue->seen % queue->size)], sizeof(entry));
	queue->seen++;
	if (head)
		*head = entry[0];
	if (written)
		*written = entry[1];
	return true;
}

u16 *queue_used_event(const struct queue *queue)
{
	return &queue->avail[2 + queue->size];
}

bool queue_must_ring(const struct queue *queue, u16 old)
{
	u16 event = __atomic_load_n(&queue->used[2 + 4 * queue->size], __ATOMIC_SEQ_CST);
	u16 new = queue->avail[1];

	return (u16)(new - event - 1) < (u16)(new - old);
}

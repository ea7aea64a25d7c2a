/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device's side of a split virtqueue (VIRTIO 1.2, 2.7), read from memory
 * that a guest may change at any moment and fill with anything.
 */
#ifndef COLINUX_VRING_H
#define COLINUX_VRING_H

#include "colinux_types.h"
#include "colinux_abi.h"
#include "guest_memory.h"
#include "os.h"
#include "virtio.h"

#define VRING_SIZE_MAX	256u

struct vring {
	const struct guest_memory *memory;
	u16 size;			/* 0: not set up */
	bool event_idx, indirect;
	const u8 *desc;			/* in the daemon's address space */
	u16 *avail;			/* flags, idx, ring[size], used_event */
	u8 *used;			/* flags, idx, {id, len}[size], avail_event */
	u16 next_avail, next_used;
	u16 signalled;			/* next_used at the last interrupt decision */
	bool signalled_valid;
	/* chains since the set-up, for statistics; any thread may load them */
	u64 taken, returned;
	char problem[120];		/* why vring_pop() said VRING_BROKEN */
};

/* One request: the guest's buffers, device-readable ones first. */
struct chain {
	u16 head;
	u32 nread, nwrite;		/* iov[0..nread), iov[nread..nread+nwrite) */
	u64 read_bytes, write_bytes;
	struct os_iov iov[VRING_SIZE_MAX];
};

enum vring_pop { VRING_EMPTY, VRING_CHAIN, VRING_BROKEN };

/*
 * Takes a queue's registers (a copy that the guest cannot change any more) into
 * use, with the features the guest accepted. Returns NULL, or what is wrong.
 */
const char *vring_setup(struct vring *ring, const struct guest_memory *memory,
			const struct co_vq *queue, u32 size_max, u64 features);
/* Does any part of it lie in these bytes? One that is not set up lies nowhere. */
bool vring_overlaps(const struct vring *ring, const void *start, u64 bytes);

/*
 * Takes the next available chain; every buffer in it is guest memory, at most
 * `size` buffers, no empty one, less than 4 GiB in all.
 */
enum vring_pop vring_pop(struct vring *ring, struct chain *chain);

/* Gives a chain back, with the number of bytes that were written into it. */
void vring_push(struct vring *ring, u16 head, u32 written);

/* After pushes: does the guest want an interrupt for them? */
bool vring_wants_interrupt(struct vring *ring);

/*
 * Whether the guest shall ring the doorbell for new chains. While a device
 * works on a queue it need not; vring_listen() returns true if chains came
 * before the guest could know that it should ring: go on popping then.
 */
void vring_ignore(struct vring *ring);
bool vring_listen(struct vring *ring);

/* --- pieces of chains --- */

/*
 * Copies the first bytes of an iov array out and moves the array past them;
 * returns how many there were.
 */
u64 iov_take(struct os_iov **iov, u32 *count, void *to, u64 bytes);
/* Copies into an iov array; returns how many bytes fitted. */
u64 iov_fill(const struct os_iov *iov, u32 count, const void *from, u64 bytes);

#endif

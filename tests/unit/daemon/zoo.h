/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One device of every kind at one guest, and for each of their queues a request that
 * is good: what a test does to one of them must not be felt by the others.
 */
#ifndef ZOO_H
#define ZOO_H

#include "device.h"
#include "guest.h"

#define ZOO_QUEUE	16u		/* entries in each queue */
#define ZOO_BUFFERS	4u		/* of a request, at most */

struct animal {
	const char *name;		/* "eth0 receive" */
	u32 number;			/* of its queue */
	/* A good request; returns how many buffers it has. */
	u32 (*request)(struct buffer buffers[ZOO_BUFFERS]);
	/* The host's part of it, where a doorbell is not enough. */
	void (*provoke)(void);
	/* What a request of readable buffers alone, of writable ones alone, is: no request, or an empty one. */
	bool ends_with_readable, ends_with_writable;
	/* filled in by zoo_open() */
	struct device *device;
};

extern struct animal zoo[];
extern const u32 zoo_animals;

/* In the current folder, which should be empty. */
void zoo_open(void);
void zoo_close(void);

/* The guest's driver begins with the device anew; features: those that it leaves out. */
void zoo_start(struct device *device, u64 without);
struct queue *zoo_queue_of(const struct device *device, u32 number);
struct queue *zoo_queue(const struct animal *animal);
bool zoo_needs_reset(const struct animal *animal);
/* Where all queues' buffers are, and how many bytes. */
u64 zoo_arena(u64 *bytes);
/* Has the host's side of its network taken all frames? */
bool zoo_wire_is_idle(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sleeping until one of several descriptors has something, or another thread says
 * so. One thread adds and waits; waiter_wake() is for any.
 */
#ifndef COLINUX_WAITER_H
#define COLINUX_WAITER_H

#include "colinux_types.h"
#include "error.h"

enum {
	WAIT_IN = 1,
	WAIT_OUT = 2,
	WAIT_URGENT = 4,
	WAIT_ERROR = 8,		/* these two come unasked */
	WAIT_HANGUP = 16,
};

struct waiter;

struct waiter *waiter_new(struct error *error);
void waiter_free(struct waiter *waiter);
/* Makes waiter_wait() return: the one under way, or the next. */
void waiter_wake(struct waiter *waiter);
/* Forgets the descriptors of the wait before. */
void waiter_clear(struct waiter *waiter);
/* For the next wait; returns a number for waiter_got(), -1: out of memory. */
int waiter_add(struct waiter *waiter, int fd, u32 events);
/* ms: ~0u for ever. */
void waiter_wait(struct waiter *waiter, u32 ms);
/* What waiter_wait() found of a descriptor. */
u32 waiter_got(const struct waiter *waiter, int number);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A driver without a kernel: implements os.h's door over shared memory, so that the
 * daemon's code runs unchanged against "guest memory" that a test fills.
 */
#ifndef FAKE_DRIVER_H
#define FAKE_DRIVER_H

#include "os.h"

struct fake_driver {
	/* a test may change these before the daemon opens the driver */
	struct co_range range[CO_MAX_RANGES];
	u32 nranges;
	u32 abi_version;
	bool absent;			/* not installed */
	enum os_call create_result;
	const char *reason;		/* of that, in the driver's words; NULL: it has none */
	/* the image's run is taken from range[0]; with this set, CREATE enlarges
	 * it to image_bytes and starts the others above it */
	bool scattered;
	/* chunks that come and go: what the driver says to each request, and how often it said yes */
	bool can_hide;
	enum os_call give_result, take_result;
	bool show_fails;
	u32 gives, takes, balloons;
	/* what the guest does; runs in a thread of its own, from the first RUN on */
	void (*guest)(void);
	/* seen by tests */
	u32 opens, creates;
	struct co_create create;	/* of the last CREATE */
	struct co_start start;
	u32 pending[CO_PENDING_WORDS], events;
	u64 irqs;
	struct co_comm *comm;
	struct co_vdev *devices;
};

extern struct fake_driver fake;

/* Guest memory as the guest sees it: a pointer for a physical address. */
void *fake_at(u64 address, u64 bytes);

/* --- for the guest's thread --- */

/* Leaves to the host; returns when the host runs the guest again. */
void fake_leave(u32 reason, u64 arg0, u64 arg1);
/* Leaves with CO_R_CHUNK: was it done? */
bool fake_chunk(u32 what, u64 address);
/* Leaves with a text (CONSOLE, PANIC). */
void fake_leave_text(u32 reason, const char *text);
/* Sleeps until an interrupt is pending, or ms have passed; returns and clears pending[0]. */
u32 fake_idle(u32 ms);

#endif

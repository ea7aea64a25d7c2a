/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the driver's tests share: a machine of one miniature guest kernel, and how
 * results are printed: `ok NAME` or `not ok NAME detail`, one line each.
 */
#ifndef DRIVER_H
#define DRIVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "colinux_types.h"
#include "colinux_abi.h"
#include "colinux_ioctl.h"

/* Where the miniature guest maps the shared area: pages of the upper half
 * that no host uses; Linux has nothing above 0xffffffffff800000. */
#define AREA_VA		0xffffffffffc00000ull
#define MEM_BYTES	CO_MEM_MIN

/* Layout of the parameter page; offsets in minikernel.h. */
struct params {
	u64 root4, root5, area_va;
	u8 idt[16];
	volatile u32 mode, reason;
	volatile u64 arg[2], delay, rounds, taken;
	volatile u32 irqs, nmis;
	u8 unused[160];
	char text[16];
};

struct machine {
	int fd;
	struct co_create create;
	struct co_start start;
	u8 *memory;		/* range[0], mapped */
	u64 memory_bytes;
	const volatile struct co_comm *comm;
	volatile struct params *params;
};

int machine_open(void);
/* A valid CREATE request. */
struct co_create good_create(void);
/* Open, create, map, load. Exits the program on an error, saying which. */
struct machine machine_create(void);
struct machine machine_start(void);	/* and START */
void machine_close(struct machine *m);
/* Tell the guest what to leave with next. */
void command(struct machine *m, u32 reason, u64 arg0, u64 arg1);
/* Call RUN once: 0 and *out, or the errno. */
int run_once(int fd, struct co_run *out);

void result(bool good, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int failures(void);

#endif

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

/* In the miniature guests' GDTs: task state segments, theirs and the double fault's
 * (i386: a task of its own); user mode's segments, as thread-local storage. */
#define SEL_TSS		0x80u
#define SEL_FAULT_TSS	0x90u
#define SEL_FS		(0x30u | 3)
#define SEL_GS		(0x08u | 4 | 3)	/* in the LDT */

/* Layout of the parameter page; offsets in minikernel.h. */
struct params {
	u64 root4, root5, area_va;
	u8 idt[16];
	volatile u32 mode, reason;
	volatile u64 arg[2], delay, rounds, taken;
	volatile u32 irqs, nmis;
	u8 gdt[16];
	u16 code, data, tr, ldt, fs, gs;
	volatile u32 checking, checks, different, first, sse;
	volatile u32 fault, faults;
	volatile u64 fault_sp;
	volatile u16 fault_tr, fs_now, gs_now, ds_now, es_now;
	u8 unused[86];
	char text[16];
};

struct machine {
	int fd;
	u32 code_selector;	/* of an i386 guest; 0: x86_64 */
	struct co_create create;
	struct co_start start;
	u8 *memory;		/* range[0], mapped; i386: all of it */
	u64 *gdt, *ldt;		/* the guest's, in there */
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
/* The same, and range[0] is all of its memory, however scattered the pool is: its image is as large. */
struct machine machine_start_in_a_piece(void);
/* The same with the 32-bit miniature kernel, on this code selector. */
struct co_create good_create_i386(void);
struct machine machine_create_i386(u32 code_selector);
struct machine machine_start_i386(u32 code_selector);
/* ESP of the task that a double fault has ended. */
u32 fault_victim_esp(const struct machine *m);
void machine_close(struct machine *m);
/* Tell the guest what to leave with next. */
void command(struct machine *m, u32 reason, u64 arg0, u64 arg1);
/* Call RUN once: 0 and *out, or the errno. */
int run_once(int fd, struct co_run *out);

void die(const char *what);
/* Map what every machine has; driver32.c uses it, too. */
void machine_map(struct machine *m, u64 offset, u64 bytes);

void result(bool good, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int failures(void);

#endif

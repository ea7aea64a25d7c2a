/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the cooperative platform share among themselves, in every
 * series of Linux on x86. What a series lacks, or does in a way of its own, is
 * in its series.h.
 */
#ifndef _ARCH_X86_COLINUX_H
#define _ARCH_X86_COLINUX_H

#include <linux/compiler.h>
#include <linux/irqflags.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/colinux/colinux_abi.h>
#include <asm/colinux/co_state.h>
#include <asm/colinux/guest.h>
#include "series.h"

/* The shared area, at one address in every address space: colinux_abi.h. The
 * address, CO_AREA_VA, is the series' choice. */
#define CO_PAGE_VA(n)	(CO_AREA_VA + (n) * CO_PAGE_SIZE)

#define co_state	((struct co_state *)CO_PAGE_VA(CO_AREA_STATE))
#define co_comm		((struct co_comm *)CO_PAGE_VA(CO_AREA_COMM))
#define co_vdevs	((struct co_vdev *)CO_PAGE_VA(CO_AREA_DEVICES))

/* ---- switch.c: leaving for the host ---- */

/* How often that was done, by reason; those from CO_EXITS on end the guest, or are no reasons. An
 * NMI in the very moment of counting may cost one. */
#define CO_EXITS	8
extern unsigned long co_exits[CO_EXITS];

/* Leave with @reason; back when the host resumes us. Interrupts must be off. */
void co_switch(u32 reason);

/* The same from any context, for reasons that need no argument. */
void co_call(u32 reason);

/* Put a text, cut to CO_TEXT_SIZE, where the host looks for it. Interrupts off. */
void co_set_text(const char *text, size_t len);

/*
 * Leave for good: no host resumes a guest that has. Inline, because objtool
 * must see the loop to know that the caller ends here.
 */
static inline void __noreturn co_leave(u32 reason)
{
	local_irq_disable();
	for (;;)
		co_switch(reason);
}

/* Leave for good with CO_R_PANIC and @text. */
static inline void __noreturn co_leave_panic(const char *text)
{
	local_irq_disable();
	co_set_text(text, strlen(text));
	co_leave(CO_R_PANIC);
}

/* A host's writer is in the middle of something we want to read: let it run. */
static inline void co_yield(void)
{
	co_call(CO_R_NOP);
}

/* ---- platform.c ---- */

/*
 * Before co_early_setup() there is one sign that we are a guest: the loader has
 * filled the page-table entries of the shared area.
 */
bool co_area_mapped(void);

/* ---- irq.c: virtual interrupts ---- */

/* The Linux interrupt number of a CO_VIRQ_*. */
unsigned int co_irq(u32 virq);

/* x86_init.irqs.intr_init */
void co_init_irqs(void);

/* With interrupts on: take what the host left pending, now. */
void co_take_pending(void);

static inline bool co_pending(void)
{
	return READ_ONCE(co_comm->pending[0]) | READ_ONCE(co_comm->pending[1]);
}

/* ---- cpu.c ---- */
void co_cpu_setup(void);

/* ---- time.c ---- */
void co_time_setup(void);
int co_time_sync_wall(void);

/* ---- console.c ---- */
void co_console_setup(void);

/* A panic needs a console: bring ours back if no other is left. */
void co_console_panic(void);

/* ---- status.c: /proc/colinux/status ---- */
struct seq_file;
int co_status_show(struct seq_file *m, void *unused);

/* ---- power.c ---- */
void co_power_setup(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the cooperative platform share among themselves. */
#ifndef _ARCH_I386_COLINUX_H
#define _ARCH_I386_COLINUX_H

#include <linux/config.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/system.h>
#include <asm/colinux/area.h>
#include <asm/colinux/colinux_abi.h>
#include <asm/colinux/co_state.h>
#include <asm/colinux/guest.h>

#define CO_PAGE_VA(n)	(CO_AREA_VA + (n) * CO_PAGE_SIZE)
#define co_state	((struct co_state *)CO_PAGE_VA(CO_AREA_STATE))
#define co_comm		((struct co_comm *)CO_PAGE_VA(CO_AREA_COMM))
#define co_vdevs	((struct co_vdev *)CO_PAGE_VA(CO_AREA_DEVICES))

/* A word that the host changes behind the compiler's back: read or write it once. */
#define co_once(x)	(*(volatile typeof(x) *)&(x))

/* ---- switch.c: leaving for the host ---- */

/* Leave with @reason; back when the host resumes us. Interrupts must be off. */
void co_switch(u32 reason);

/* The same from any context, for reasons that need no argument. */
void co_call(u32 reason);

/* Leave for good: no host resumes a guest that has. */
NORET_TYPE void co_leave(u32 reason) ATTRIB_NORET;

/* Leave for good with CO_R_PANIC and a text. */
NORET_TYPE void co_leave_panic(const char *format, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

/* Put a text, cut to CO_TEXT_SIZE, where the host looks for it. Interrupts off. */
void co_set_text(const char *text, unsigned int len);

/* Ring the bell of @queue (or CO_Q_STATUS). */
void co_doorbell(u32 device, u32 queue);

/* ---- entry.S ---- */
extern u32 co_early_nmis, co_early_mces;
extern char co_nmi[], co_machine_check[];

/* ---- irq.c: virtual interrupts ---- */

/* The interrupt number of a CO_VIRQ_*: the same. */
#define CO_IRQ_DEVICE(n)	CO_VIRQ_DEVICE(n)

static inline int co_pending(void)
{
	return (co_once(co_comm->pending[0]) | co_once(co_comm->pending[1])) != 0;
}

/* With interrupts on: take what the host left pending, now. */
void co_take_pending(void);

/* ---- time.c ---- */
struct pt_regs;
void co_tick(struct pt_regs *regs);
void co_sync_wall(void *unused);

/* ---- power.c ---- */
void co_power_setup(void);

#endif

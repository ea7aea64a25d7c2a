// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts, of two kinds.
 *
 * A *hardware* interrupt is the host's: every vector that a device can raise
 * leads to co_forward_irq(), which leaves for the host; the host runs its own
 * handler for the vector and resumes us.
 *
 * A *virtual* interrupt is ours: a bit in co_comm.pending, set by the host. Bits
 * are taken on every way in: after a hardware interrupt, after idling, after a
 * doorbell. On the first we are in an interrupt already; on the others we raise
 * a software interrupt, so that handlers always find what they expect: saved
 * registers, an interrupt stack, and soft interrupts on the way out.
 */
#include <linux/bitops.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <asm/colinux/vectors.h>
#include <asm/idtentry.h>
#include <asm/irq_regs.h>
#include <asm/x86_init.h>
#include "colinux.h"

static int co_irq_base __ro_after_init;

unsigned int co_irq(u32 virq)
{
	return co_irq_base + virq;
}

static void co_deliver(struct pt_regs *regs)
{
	struct pt_regs *outer = set_irq_regs(regs);
	DECLARE_BITMAP(bits, CO_PENDING_WORDS * 32);
	u32 word[CO_PENDING_WORDS];
	unsigned int i;

	while (co_pending()) {
		for (i = 0; i < CO_PENDING_WORDS; i++)
			word[i] = xchg(&co_comm->pending[i], 0);
		bitmap_from_arr32(bits, word, CO_PENDING_WORDS * 32);
		for_each_set_bit(i, bits, CO_NR_VIRQ)
			generic_handle_irq(co_irq(i));
	}
	set_irq_regs(outer);
}

void co_forward_irq(struct pt_regs *regs, u32 vector)
{
	co_comm->arg[0] = vector;
	co_switch(CO_R_IRQ);
	co_deliver(regs);
}

DEFINE_IDTENTRY_SYSVEC(sysvec_co_callback)
{
	co_deliver(regs);
}

DEFINE_IDTENTRY_SYSVEC(sysvec_co_low_vector)
{
	co_forward_irq(regs, CO_LOW_VECTOR);
}

/* Also called by the idle routine, where no instrumentation is allowed. */
static __always_inline void co_raise_callback(void)
{
	asm volatile("int %0" : : "i" (CO_CALLBACK_VECTOR) : "memory");
}

void co_take_pending(void)
{
	if (co_pending())
		co_raise_callback();
}

/*
 * The host sleeps until the deadline or a virtual interrupt. It looks at the
 * pending bits after it has noticed that we idle, so none is missed.
 */
noinstr void co_idle(void)
{
	if (!co_pending())
		co_switch(CO_R_IDLE);
	raw_local_irq_enable();
	if (co_pending())
		co_raise_callback();
}

/* There is no controller: a bit is taken, and that is all. */
static void co_irq_nothing(struct irq_data *data)
{
}

static struct irq_chip co_irq_chip = {
	.name = "colinux",
	.irq_mask = co_irq_nothing,
	.irq_unmask = co_irq_nothing,
	.irq_ack = co_irq_nothing,
};

void __init co_init_irqs(void)
{
	unsigned int i;

	native_init_IRQ();
	co_irq_base = irq_alloc_descs(-1, 16, CO_NR_VIRQ, 0);
	if (co_irq_base < 0)
		panic("colinux: no interrupt numbers (%d)", co_irq_base);
	for (i = 0; i < CO_NR_VIRQ; i++)
		irq_set_chip_and_handler_name(co_irq(i), &co_irq_chip,
					      handle_simple_irq, "virtual");
}

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
#include <linux/ftrace.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/sched.h>
#include <asm/colinux/vectors.h>
#include <asm/desc.h>
#include <asm/hw_irq.h>
#include <asm/idle.h>
#include <asm/irq_regs.h>
#include "colinux.h"
#include "platform.h"

/* Behind the PC's numbers: some drivers believe that they know those. */
#define CO_IRQ_BASE	NR_IRQS_LEGACY

unsigned int co_irq(u32 virq)
{
	return CO_IRQ_BASE + virq;
}

static void co_deliver(struct pt_regs *regs)
{
	u32 word, bit;
	unsigned int i;

	while (co_pending())
		for (i = 0; i < CO_PENDING_WORDS; i++)
			for (word = xchg(&co_comm->pending[i], 0); word; word &= ~(1u << bit)) {
				bit = __ffs(word);
				/* the host writes this page: believe no number */
				if (i * 32 + bit < CO_NR_VIRQ)
					handle_irq(co_irq(i * 32 + bit), regs);
			}
}

/* From do_IRQ(), in interrupt context. */
void co_forward_irq(struct pt_regs *regs, u32 vector)
{
	co_comm->arg[0] = vector;
	co_switch(CO_R_IRQ);
	co_deliver(regs);
}

__irq_entry void smp_co_callback(struct pt_regs *regs)
{
	struct pt_regs *outer = set_irq_regs(regs);

	exit_idle();
	irq_enter();
	co_deliver(regs);
	irq_exit();
	set_irq_regs(outer);
}

__irq_entry void smp_co_low_vector(struct pt_regs *regs)
{
	struct pt_regs *outer = set_irq_regs(regs);

	exit_idle();
	irq_enter();
	co_forward_irq(regs, CO_LOW_VECTOR);
	irq_exit();
	set_irq_regs(outer);
}

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
 * pending bits after it has noticed that we idle, so none is missed. An
 * interrupt before ours were off may have left work for the scheduler.
 */
void co_idle(void)
{
	if (!need_resched() && !co_pending())
		co_switch(CO_R_IDLE);
	local_irq_enable();
	co_take_pending();
}

/* There is no controller: a bit is taken, and that is all. */
static void co_irq_nothing(unsigned int irq)
{
}

static struct irq_chip co_irq_chip = {
	.name		= "colinux",
	.mask		= co_irq_nothing,
	.unmask		= co_irq_nothing,
	.ack		= co_irq_nothing,
	/* without these the core would find reasons for lazy disabling */
	.enable		= co_irq_nothing,
	.disable	= co_irq_nothing,
};

/*
 * x86_init.irqs.intr_init. A guest has none of the APIC's gates: every vector
 * from 0x20 on, but the system calls', leads to do_IRQ().
 */
void __init co_init_irqs(void)
{
	unsigned int i;

	for (i = FIRST_EXTERNAL_VECTOR; i < NR_VECTORS; i++)
		if (!test_bit(i, used_vectors))
			set_intr_gate(i, interrupt[i - FIRST_EXTERNAL_VECTOR]);
	set_intr_gate(CO_CALLBACK_VECTOR, co_callback);
	set_intr_gate(CO_LOW_VECTOR, co_low_vector);

	for (i = 0; i < CO_NR_VIRQ; i++)
		set_irq_chip_and_handler_name(co_irq(i), &co_irq_chip,
					      handle_simple_irq, "virtual");
	irq_ctx_init(smp_processor_id());
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts, of two kinds.
 *
 * A *hardware* interrupt is the host's: every vector that a device can raise
 * leads to co_do_irq(), which leaves for the host; the host runs its own handler
 * for the vector and resumes us.
 *
 * A *virtual* interrupt is ours: a bit in co_comm.pending, set by the host. Bits
 * are taken on every way in: after a hardware interrupt, after idling, after a
 * doorbell. On the first we are in an interrupt already; on the others we raise
 * a software interrupt, so that handlers always find what they expect. Its
 * vector is one that no host uses for anything: Windows has 0x1f and 0x2f.
 *
 * This file stands in the place of i8259.c.
 */
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/kernel_stat.h>
#include <linux/pm.h>
#include <linux/sched.h>
#include <asm/bitops.h>
#include <asm/hardirq.h>
#include <asm/hw_irq.h>
#include <asm/ptrace.h>
#include <asm/softirq.h>
#include "colinux.h"

#define CO_CALLBACK_VECTOR	0x0f
#define CO_FIRST_VECTOR		0x14	/* those below are the CPU's exceptions */

extern void set_intr_gate(unsigned int n, void *addr);
extern char co_vector_stubs[], co_callback_stub[];

/*
 * orig_eax is vector - 256: negative, so that signal delivery does not take an
 * interrupt for a system call.
 */
__asm__(
	".text\n"
	".balign 16\n"
	"co_vector_stubs:\n"
	"co_vector = " STR(CO_FIRST_VECTOR) "\n"
	".rept 256 - " STR(CO_FIRST_VECTOR) "\n"
	".balign 16\n\t"
	"pushl $co_vector - 256\n\t"
	"jmp co_common_stub\n"
	"co_vector = co_vector + 1\n"
	".endr\n"
	".balign 16\n"
	"co_callback_stub:\n\t"
	"pushl $" STR(CO_CALLBACK_VECTOR) " - 256\n"
	"co_common_stub:\n\t"
	SAVE_ALL
	"pushl %esp\n\t"
	"call co_do_irq\n\t"
	"addl $4, %esp\n\t"
	"jmp ret_from_intr\n");

/* Nobody else's state to keep: a bit is taken, and that is all. */
static unsigned int co_irq_startup(unsigned int irq)
{
	return 0;
}

static void co_irq_nothing(unsigned int irq)
{
}

static struct hw_interrupt_type co_irq_type = {
	.typename	= "colinux",
	.startup	= co_irq_startup,
	.shutdown	= co_irq_nothing,
	.enable		= co_irq_nothing,
	.disable	= co_irq_nothing,
	.ack		= co_irq_nothing,
	.end		= co_irq_nothing,
};

/* Handlers run with interrupts off (SA_INTERRUPT, all of them), so never twice. */
static void co_handle(unsigned int irq, struct pt_regs *regs)
{
	kstat.irqs[0][irq]++;
	if (irq == CO_VIRQ_TIMER)
		co_tick(regs);
	else if (irq_desc[irq].action)
		handle_IRQ_event(irq, regs, irq_desc[irq].action);
}

static void co_deliver(struct pt_regs *regs)
{
	u32 bits;
	int i;

	while (co_pending()) {
		for (i = 0; i < CO_PENDING_WORDS; i++) {
			bits = xchg(&co_comm->pending[i], 0);
			while (bits) {
				int bit = ffs(bits) - 1;

				bits &= bits - 1;
				if (32 * i + bit < NR_IRQS)
					co_handle(32 * i + bit, regs);
			}
		}
	}
}

asmlinkage void co_do_irq(struct pt_regs *regs)
{
	u32 vector = regs->orig_eax & 0xff;

	if (vector != CO_CALLBACK_VECTOR) {
		co_comm->arg[0] = vector;
		co_switch(CO_R_IRQ);
	}
	co_deliver(regs);
	if (softirq_pending(0))
		do_softirq();
}

void co_take_pending(void)
{
	if (co_pending())
		__asm__ __volatile__("int %0" : : "i" (CO_CALLBACK_VECTOR) : "memory");
}

/*
 * Entered with interrupts on. The host sleeps until the next tick or a virtual
 * interrupt. It looks at the pending bits after it has noticed that we idle, so
 * none is missed.
 */
static void co_idle(void)
{
	__cli();
	if (!current->need_resched && !co_pending())
		co_switch(CO_R_IDLE);
	__sti();
	co_take_pending();
}

void __init init_IRQ(void)
{
	int i;

	for (i = 0; i < NR_IRQS; i++)
		irq_desc[i].handler = &co_irq_type;
	for (i = CO_FIRST_VECTOR; i < 256; i++)
		if (i != SYSCALL_VECTOR)
			set_intr_gate(i, co_vector_stubs + 16 * (i - CO_FIRST_VECTOR));
	set_intr_gate(CO_CALLBACK_VECTOR, co_callback_stub);
	/* hlt would stop the host's CPU; not even its test may try it */
	boot_cpu_data.hlt_works_ok = 0;
	pm_idle = co_idle;
}

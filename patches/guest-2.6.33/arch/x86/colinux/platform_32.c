// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 32-bit machine: its exceptions' gates, and the ways in which an i386
 * kernel would stop the host's CPU. Its memory: pagetable_32.c.
 */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/linkage.h>
#include <asm/desc.h>
#include <asm/paravirt.h>
#include <asm/processor.h>
#include <asm/traps.h>
#include "colinux.h"
#include "platform.h"

/*
 * From co_start(): fill the kernel's first IDT, which co_entry() keeps
 * setup_idt() from doing. No interrupt can come before init_IRQ().
 */
void __init co_early_idt(void)
{
	int i;

	for (i = 0; i < 32; i++) {
		gate_desc gate;

		pack_gate(&gate, GATE_INTERRUPT, (unsigned long)co_early_gates[i],
			  0, 0, __KERNEL_CS);
		native_write_idt_entry(idt_table, i, &gate);
	}
}

void __init co_trap_init(void)
{
	/* of the two, 2.6.33's own NMI gate serves as it is: it uses the
	 * interrupted stack, so that a second one may nest */
	set_intr_gate(X86_TRAP_NMI, nmi);
	set_intr_gate(X86_TRAP_MC, asm_co_machine_check);
	co_tighten_area();
}

/* What the kernel thinks is hlt: give the CPU to the host. */
static void co_safe_halt(void)
{
	local_irq_disable();
	co_idle();
}

void __init co_width_setup(void)
{
	pv_irq_ops.safe_halt = co_safe_halt;
	pv_irq_ops.halt = co_safe_halt;
}

/*
 * doublefault_fn(), which would loop for ever. It runs as a task of its own; the
 * registers that matter are in the other one's task state segment.
 */
void co_double_fault(void)
{
	const struct x86_hw_tss *tss = &per_cpu(init_tss, 0).x86_tss;
	static char text[128];

	if (!co_active)
		return;
	snprintf(text, sizeof(text), "double fault at %pS (%lx), stack pointer %lx",
		 (void *)tss->ip, tss->ip, tss->sp);
	co_leave_panic(text);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leaving for the host.
 *
 * The world switch itself is the driver's: one page of code, the *passage*,
 * that the loader has put into our fixmap. We call it like a function; it saves
 * our world, loads the host's and returns there, and when the host calls it in
 * turn, we return from our call. All we add is the reason, in the shared page.
 *
 * An NMI or a machine check can come between the writing of the reason and the
 * switch, and both of them switch too. So they put back what they found. (CR2,
 * which a page fault may be about to read, is part of the world: the passage
 * keeps it.)
 */
#include <stdarg.h>
#include <linux/init.h>
#include <linux/sched.h>
#include <asm/hardirq.h>
#include <asm/processor.h>
#include "colinux.h"

/*
 * What the passage met on its way in is counted, and waits for our next exit:
 * make that one now. The driver clears both counters.
 */
void co_switch(u32 reason)
{
	do {
		co_once(co_comm->reason) = reason;
		barrier();
		((void (*)(void))CO_PAGE_VA(CO_AREA_CODE))();
		barrier();
		reason = CO_R_NOP;
	} while (co_once(co_state->nmi_pending) | co_once(co_state->mce_pending));
}

void co_call(u32 reason)
{
	unsigned long flags;

	__save_flags(flags);
	__cli();
	co_switch(reason);
	__restore_flags(flags);
}

void co_doorbell(u32 device, u32 queue)
{
	unsigned long flags;

	__save_flags(flags);
	__cli();
	co_comm->arg[0] = device;
	co_comm->arg[1] = queue;
	co_switch(CO_R_DOORBELL);
	__restore_flags(flags);
	/* what the host has raised in answer, if we may be interrupted */
	if (flags & X86_EFLAGS_IF)
		co_take_pending();
}

void co_set_text(const char *text, unsigned int len)
{
	if (len > CO_TEXT_SIZE)
		len = CO_TEXT_SIZE;
	memcpy(co_comm->text, text, len);
	co_comm->text_len = len;
}

void co_leave(u32 reason)
{
	__cli();
	for (;;)
		co_switch(reason);
}

void co_leave_panic(const char *format, ...)
{
	static char text[1024];
	va_list args;

	__cli();
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	co_set_text(text, strlen(text));
	co_leave(CO_R_PANIC);
}

/* ---- NMIs and machine checks: called by entry.S ---- */

/*
 * fs and gs are user mode's even while we are in the kernel. A task switch changes
 * descriptors first and loads these anew afterwards: whoever made a passage in
 * between, and that can only be an NMI or a machine check, would lose a selector
 * which the kernel has yet to save. So: can they be loaded again, for certain?
 */
#define CO_SELECTOR_LDT		4	/* a selector's bit: of the LDT's descriptors, not the GDT's */

static inline int co_loadable(unsigned int selector)
{
	unsigned int access;
	unsigned char good;

	if (selector <= 3)
		return 1;
	/* The LDT's: its descriptor in the GDT is written before LDTR is loaded, and the passage
	 * would load LDTR by what is written. lar sees the LDT that is loaded only. */
	if (selector & CO_SELECTOR_LDT)
		return 0;
	/* a descriptor that there is, and that is present */
	__asm__ __volatile__("larl %2, %1; setz %0"
			     : "=q" (good), "=&r" (access) : "r" (selector) : "cc");
	if (!good || !(access & 0x8000))
		return 0;
	__asm__ __volatile__("verr %w1; setz %0" : "=q" (good) : "r" (selector) : "cc");
	return good;
}

static inline int co_segments_settled(void)
{
	unsigned int fs, gs;

	__asm__ __volatile__("movl %%fs, %0; movl %%gs, %1" : "=r" (fs), "=r" (gs));
	return co_loadable(fs & 0xffff) && co_loadable(gs & 0xffff);
}

static inline void co_forward(u32 reason, u32 *met_in_passage)
{
	u64 arg0, arg1;
	u32 outer;

	/* Half-way through a switch, or not to be switched just now: the next one
	 * re-issues what it finds counted here. */
	if (co_once(co_state->in_passage) || !co_segments_settled()) {
		co_once(*met_in_passage) += 1;
		return;
	}
	outer = co_comm->reason;
	arg0 = co_comm->arg[0];
	arg1 = co_comm->arg[1];
	co_switch(reason);
	co_comm->arg[1] = arg1;
	co_comm->arg[0] = arg0;
	co_comm->reason = outer;
}

asmlinkage void co_forward_nmi(void)
{
	nmi_count(0)++;
	co_forward(CO_R_NMI, &co_state->nmi_pending);
}

asmlinkage void co_forward_mce(void)
{
	co_forward(CO_R_MCE, &co_state->mce_pending);
}

/* ---- exceptions before trap_init() ---- */

struct co_early_frame {
	u32 vector, error, eip, cs, eflags;
};

asmlinkage void __init co_early_trap(struct co_early_frame *frame)
{
	static int again;
	u32 cr2;

	/* formatting may have been what failed: report plainly the second time */
	if (again++)
		co_leave_panic("early exception, and another one while reporting it");
	__asm__ __volatile__("movl %%cr2, %0" : "=r" (cr2));
	co_leave_panic("early exception 0x%02x at %08x, error %x, cr2 %08x",
		       frame->vector, frame->eip, frame->error, cr2);
}

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
#include <linux/init.h>
#include <linux/kernel.h>
#include <asm/ptrace.h>
#include <asm/segment.h>
#include "colinux.h"

#ifdef CONFIG_X86_64
typedef void (*co_passage_fn)(void *state, u64 from, u64 to);
#define co_passage() \
	((co_passage_fn)CO_PAGE_VA(CO_AREA_CODE))(co_state, CO_W_GUEST, CO_W_HOST)
#else
/* finds the state page by itself, so there is no calling convention to agree on */
typedef void (*co_passage_fn)(void);
#define co_passage()	((co_passage_fn)CO_PAGE_VA(CO_AREA_CODE))()
#endif

unsigned long co_exits[CO_EXITS];

/*
 * What the passage met on its way in is counted, and waits for our next exit:
 * make that one now. The driver clears both counters.
 */
noinstr void co_switch(u32 reason)
{
	do {
		co_exits[reason < CO_EXITS ? reason : CO_R_NONE]++;
		co_comm->reason = reason;
		co_passage();
		reason = CO_R_NOP;
	} while (unlikely(READ_ONCE(co_state->nmi_pending) |
			  READ_ONCE(co_state->mce_pending)));
}

void co_call(u32 reason)
{
	unsigned long flags;

	local_irq_save(flags);
	co_switch(reason);
	local_irq_restore(flags);
}

void co_set_text(const char *text, size_t len)
{
	len = min_t(size_t, len, CO_TEXT_SIZE);
	memcpy(co_comm->text, text, len);
	co_comm->text_len = len;
}

/* Is it certain that this selector can be loaded into a data segment register? */
static __always_inline bool co_loadable(unsigned int selector)
{
	unsigned int access;
	u8 good;

	if (selector <= 3)
		return true;
	/* The LDT's: its descriptor in the GDT is written before LDTR is loaded, and the passage
	 * would load LDTR by what is written. lar sees the LDT that is loaded only. */
	if (selector & SEGMENT_TI_MASK)
		return false;
	/* a descriptor that there is, and that is present */
	asm volatile("lar %2, %1; setz %0" : "=q" (good), "=&r" (access) : "r" (selector) : "cc");
	if (!good || !(access & 0x8000))
		return false;
	asm volatile("verr %w1; setz %0" : "=q" (good) : "r" (selector) : "cc");
	return good;
}

#define CO_SEGMENT_LOADABLE(name)				\
({								\
	unsigned int selector;					\
	asm volatile("mov %%" #name ", %0" : "=r" (selector));	\
	co_loadable(selector & 0xffff);				\
})

/*
 * The segment registers that are user mode's even while we are in the kernel. A task
 * switch changes descriptors first and loads these anew afterwards: whoever made a
 * passage in between, and that can only be an NMI or a machine check, would lose
 * a selector which the kernel has yet to save.
 */
static __always_inline bool co_segments_settled(void)
{
#ifdef CONFIG_X86_64
	return CO_SEGMENT_LOADABLE(ds) && CO_SEGMENT_LOADABLE(es) &&
	       CO_SEGMENT_LOADABLE(fs) && CO_SEGMENT_LOADABLE(gs);
#else
	return CO_SEGMENT_LOADABLE(gs);
#endif
}

/*
 * Hand an event that waits for nobody to the host: inline, since a machine
 * check allows no instrumentation and no %gs; see entry.S.
 */
static __always_inline void co_forward(u32 reason, u32 *met_in_passage)
{
	u64 arg0, arg1;
	u32 outer;

	/* Half-way through a switch, or not to be switched just now: the next one
	 * re-issues what it finds counted here. */
	if (READ_ONCE(co_state->in_passage) || !co_segments_settled()) {
		WRITE_ONCE(*met_in_passage, *met_in_passage + 1);
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

noinstr void co_forward_nmi(void)
{
	co_forward(CO_R_NMI, &co_state->nmi_pending);
}

/* Called by asm_co_machine_check only. */
asmlinkage noinstr void co_forward_mce(void);
asmlinkage noinstr void co_forward_mce(void)
{
	co_forward(CO_R_MCE, &co_state->mce_pending);
}

/*
 * There is no stack of its own for it before trap_init(): the handler runs on the interrupted stack.
 * In the last instructions of a passage that is the passage's own, and another
 * passage would overwrite it under our feet: count then, and co_switch() sees it.
 */
static bool __init co_may_forward(struct pt_regs *regs)
{
	return co_active &&
	       (unsigned long)regs - (unsigned long)co_state >= CO_PAGE_SIZE;
}

bool __init co_early_exception(struct pt_regs *regs, int trapnr)
{
	if (!co_area_mapped())
		return false;
	switch (trapnr) {
	case X86_TRAP_NMI:
		if (co_may_forward(regs))
			co_forward_nmi();
		else
			co_state->nmi_pending++;
		return true;
	case X86_TRAP_MC:
		if (co_may_forward(regs))
			co_forward_mce();
		else
			co_state->mce_pending++;
		return true;
	}
	return false;
}

void __init co_early_panic(struct pt_regs *regs, int trapnr)
{
	static char text[256] __initdata = "early exception, and another one while reporting it";
	static bool again __initdata;

	if (!co_area_mapped())
		return;
	/* formatting may have been what failed: report plainly the second time */
	if (!again) {
		again = true;
		snprintf(text, sizeof(text),
			 "early exception 0x%02x at %pS (%lx), error %lx, cr2 %lx",
			 trapnr, (void *)regs->ip, regs->ip, regs->orig_ax,
			 native_read_cr2());
	}
	co_leave_panic(text);
}

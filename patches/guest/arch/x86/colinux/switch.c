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
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <asm/pgtable.h>
#include <asm/special_insns.h>
#include <asm/trapnr.h>
#include <asm/ptrace.h>
#include "colinux.h"

typedef void (*co_passage_fn)(void *state, u64 from, u64 to);

/*
 * What the passage met on its way in is counted, and waits for our next exit:
 * make that one now. The driver clears both counters.
 */
noinstr void co_switch(u32 reason)
{
	do {
		co_comm->reason = reason;
		((co_passage_fn)CO_PAGE_VA(CO_AREA_CODE))(co_state, CO_W_GUEST,
							  CO_W_HOST);
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

/*
 * Hand an event that waits for nobody to the host: inline, since a machine
 * check allows no instrumentation and no %gs; see entry.S.
 */
static __always_inline void co_forward(u32 reason, u32 *met_in_passage)
{
	u64 arg0, arg1;
	u32 outer;

	/* Half-way through a switch: it re-issues what it finds counted here. */
	if (READ_ONCE(co_state->in_passage)) {
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
 * Before co_early_setup() there is one sign that we are a guest: the loader has
 * filled the fixmap's page-table entries.
 */
static bool __init co_area_mapped(void)
{
	return pte_flags(level1_fixmap_pgt[CO_FIXMAP_SLOT]) & _PAGE_PRESENT;
}

/*
 * There is no IST before trap_init(): the handler runs on the interrupted stack.
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

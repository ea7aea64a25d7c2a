/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A cooperative guest as the rest of the kernel sees it.
 *
 * Everything here is called from a hook: one of the few lines that the patches
 * of this series add to an existing file. A kernel without CONFIG_COLINUX_GUEST
 * compiles all of it away.
 */
#ifndef _ASM_X86_COLINUX_GUEST_H
#define _ASM_X86_COLINUX_GUEST_H

#include <linux/types.h>
#include <asm/colinux/colinux_abi.h>

struct pt_regs;

#ifdef CONFIG_COLINUX_GUEST

/* We run beside a host: set once by co_early_setup(). */
extern bool co_active;

/* Just before start_kernel(): the boot parameters name our subarchitecture. */
void co_early_setup(void);

/* Every hardware interrupt belongs to the host: let it handle @vector. */
void co_forward_irq(struct pt_regs *regs, u32 vector);

/* So does every NMI. Keeps CR2; allowed at any instruction. */
void co_forward_nmi(void);

/*
 * Before trap_init(): true if the exception was an NMI or a machine check and
 * is dealt with.
 */
bool co_early_exception(struct pt_regs *regs, int trapnr);

/* The same early: nothing can fix this exception. Does not return in a guest. */
void co_early_panic(struct pt_regs *regs, int trapnr);

/* The idle routine: entered with interrupts off, left with them on. */
void co_idle(void);

/* Linux 6.1, entry.S: IDT gates */
extern char co_bringup_nmi[], co_bringup_mce[];
void asm_co_machine_check(void);

/*
 * Linux 2.6.33 on 64 bits: map the boot parameters and the kernel at PAGE_OFFSET,
 * wherever in memory they are; and the gates until trap_init(), one a vector.
 */
void co_map_early(unsigned long params);
extern const char co_early_gates[][16];

/* Linux 2.6.33 on 32 bits, doublefault_fn(): a guest leaves to the host. */
void co_double_fault(void);

#else

#define co_active false
static inline void co_early_setup(void) { }
static inline void co_forward_irq(struct pt_regs *regs, u32 vector) { }
static inline void co_forward_nmi(void) { }
static inline bool co_early_exception(struct pt_regs *regs, int trapnr)
{
	return false;
}

static inline void co_early_panic(struct pt_regs *regs, int trapnr) { }
static inline void co_double_fault(void) { }
static inline void co_idle(void) { }
static inline void co_map_early(unsigned long params) { }

#endif
#endif

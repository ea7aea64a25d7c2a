/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the two widths of the 2.6.33 platform, 64 and 32 bits, owe each other:
 * platform.c calls these, and each width has them in files of its own.
 */
#ifndef _ARCH_X86_COLINUX_PLATFORM_H
#define _ARCH_X86_COLINUX_PLATFORM_H

#include <linux/linkage.h>

struct pt_regs;

/* The last step of co_early_setup(): hooks that only this width has. */
void co_width_setup(void);

/*
 * x86_init.irqs.trap_init, after cpu_init(): the gates of NMI and machine check
 * that may only be there now that there is a task state segment.
 */
void co_trap_init(void);

/* The gates of vectors.h; their C parts are in irq.c. */
void co_callback(void);
void co_low_vector(void);
void smp_co_callback(struct pt_regs *regs);
void smp_co_low_vector(struct pt_regs *regs);

/*
 * Until trap_init(), the early gates' C part: an NMI or a machine check is the
 * host's, and nothing can fix anything else. The error code is in orig_ax.
 */
asmlinkage void co_early_trap(struct pt_regs *regs, int trapnr);

#ifdef CONFIG_X86_32
/* platform_32.c: lead every exception to co_early_trap(). */
void co_early_idt(void);

/* pagetable_32.c: make the passage read-only. */
void co_tighten_area(void);
#endif

#endif

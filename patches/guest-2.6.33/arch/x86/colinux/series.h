/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the platform's shared files need of Linux 2.6.33: mostly words that
 * later kernels have, in terms of what this one has. Also for assembly.
 */
#ifndef _ARCH_X86_COLINUX_SERIES_H
#define _ARCH_X86_COLINUX_SERIES_H

#include <linux/const.h>
#ifndef __ASSEMBLY__
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/notifier.h>
#include <asm/system.h>
#endif

#define READ_ONCE(x)		ACCESS_ONCE(x)
#define WRITE_ONCE(x, value)	(ACCESS_ONCE(x) = (value))
#define pr_warn(...)		pr_warning(__VA_ARGS__)
#define noinstr			notrace
#define __ro_after_init		__read_mostly
#define STACK_FRAME_NON_STANDARD(function)	/* nothing checks stack frames here */

#define X86_TRAP_NMI		2
#define X86_TRAP_MC		18

#ifndef __ASSEMBLY__
/* There is no balloon: its note does not say so, and no host has a wish. */
static inline void co_balloon_changed(void)
{
}

static inline unsigned int co_balloon_given(void)
{
	return 0;
}
#endif

/* panic() has printed everything when it calls its notifiers. */
#define CO_PANIC_FLUSHES_LAST	0

/*
 * The shared area: not in the fixmap, whose page table early_ioremap_init()
 * replaces, but in a page table of its own, co_area_pgt, which is part of the
 * image and never goes away.
 */
#ifdef CONFIG_X86_64
#define CO_AREA_VA	_AC(0xffffffffff200000, UL)	/* entry 505 of level2_fixmap_pgt */
#else
#define CO_AREA_VA	_AC(0xffc00000, UL)	/* the last 4 MiB: no page table but its own */
#endif

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* What the platform's shared files need of Linux 6.1. */
#ifndef _ARCH_X86_COLINUX_SERIES_H
#define _ARCH_X86_COLINUX_SERIES_H

#include <linux/minmax.h>
#include <linux/objtool.h>
#include <linux/panic_notifier.h>
#include <asm/fixmap.h>
#include <asm/pgtable.h>
#include <asm/special_insns.h>
#include <asm/trapnr.h>

/* panic() flushes the consoles after its notifiers, and -1 restarts at once. */
#define CO_PANIC_FLUSHES_LAST	1

/* The shared area: slots of the fixmap. */
#define CO_AREA_VA	__fix_to_virt(FIX_CO_AREA)

/*
 * Which entry of level1_fixmap_pgt maps page 0 of the area: head_64.S lets that
 * table fill the last FIXMAP_PMD_NUM entries of level2_fixmap_pgt up to
 * FIXMAP_PMD_TOP, in the second gigabyte above __START_KERNEL_map.
 */
#define CO_FIXMAP_BASE	(__START_KERNEL_map + PUD_SIZE + \
			 (FIXMAP_PMD_TOP + 1 - FIXMAP_PMD_NUM) * PMD_SIZE)
#define CO_FIXMAP_SLOT	((CO_AREA_VA - CO_FIXMAP_BASE) >> PAGE_SHIFT)

/* balloon.c: the host has another wish; how many chunks are with it. */
void co_balloon_changed(void);
unsigned int co_balloon_given(void);

/* entry.S: NMIs and machine checks met before switch.c could forward any. */
extern u32 co_bringup_nmis, co_bringup_mces;

#endif

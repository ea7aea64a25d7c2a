/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A cooperative guest as the rest of the kernel sees it: everything here is
 * called from a hook, one of the few lines that the patches of this series add
 * to an existing file.
 */
#ifndef _I386_COLINUX_GUEST_H
#define _I386_COLINUX_GUEST_H

#include <linux/kernel.h>
#include <asm/cpufeature.h>

struct pt_regs;

/*
 * What a guest's CPU does not have, in words of 32 features: devices (machine
 * check banks, the local APIC, memory types, debug store, ACPI's thermals) and a
 * serial number that the kernel would switch off.
 */
#define CO_FEATURE(n)	(1 << ((n) & 31))
#define CO_ABSENT_FEATURES \
	CO_FEATURE(X86_FEATURE_MCE) | CO_FEATURE(X86_FEATURE_APIC) | \
	CO_FEATURE(X86_FEATURE_MTRR) | CO_FEATURE(X86_FEATURE_MCA) | \
	CO_FEATURE(X86_FEATURE_PN) | CO_FEATURE(X86_FEATURE_DTES) | \
	CO_FEATURE(X86_FEATURE_ACPI) | CO_FEATURE(X86_FEATURE_ACC)

/* setup_arch(): first of all. */
extern void co_setup(void);

/* trap_init(): the CPU has our descriptor tables. */
extern void co_trap_init(void);

/* panic(), when its text is printed: tells the host. */
extern NORET_TYPE void co_panic(const char *text) ATTRIB_NORET;

/* die(), when the registers are printed: in a guest every oops is a panic. */
extern NORET_TYPE void co_oops(const char *what, struct pt_regs *regs, long error) ATTRIB_NORET;

/* machine_restart(), machine_halt() */
extern NORET_TYPE void co_restart(void) ATTRIB_NORET;
extern NORET_TYPE void co_halt(void) ATTRIB_NORET;

#endif

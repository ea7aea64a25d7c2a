// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPU as a cooperative guest may use it.
 *
 * It is the real one. But a feature that needs a device of the host's, or
 * registers that the world switch does not carry over, is declared absent; and
 * no vendor's set-up code runs, since that writes registers which belong to the
 * host (it has set them up already).
 */
#include <linux/init.h>
#include <linux/kernel.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>
#include "../kernel/cpu/cpu.h"
#include "colinux.h"

/* Whoever extends the list of switched registers (the monitor's) may shorten this one. */
static const u16 co_absent_features[] __initconst = {
	/* devices: the local APIC and what hangs on it, memory types, thermals */
	X86_FEATURE_APIC, X86_FEATURE_X2APIC, X86_FEATURE_EXTAPIC,
	X86_FEATURE_ARAT, X86_FEATURE_MTRR, X86_FEATURE_MCE, X86_FEATURE_MCA,
	X86_FEATURE_ACPI, X86_FEATURE_ACC, X86_FEATURE_EST, X86_FEATURE_IDA,
	X86_FEATURE_ARCH_PERFMON, X86_FEATURE_DS, X86_FEATURE_BTS,
	X86_FEATURE_PEBS, X86_FEATURE_IBS, X86_FEATURE_APERFMPERF,
	/* idle states are the host's to choose */
	X86_FEATURE_MWAIT,
	/* a hypervisor below the host talks to the host only */
	X86_FEATURE_HYPERVISOR, X86_FEATURE_VMX, X86_FEATURE_SVM,
};

#ifdef CONFIG_X86_64
static bool __init co_cpu_is(const char *vendor)
{
	return !strcmp(boot_cpu_data.x86_vendor_id, vendor);
}
#endif

void __init co_cpu_setup(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(co_absent_features); i++)
		setup_clear_cpu_cap(co_absent_features[i]);
	/* what a vendor's code knows: every CPU with SSE2 orders rdtsc by lfence */
	if (cpu_has_xmm2)
		setup_force_cpu_cap(X86_FEATURE_LFENCE_RDTSC);
#ifdef CONFIG_X86_64
	setup_force_cpu_cap(X86_FEATURE_REP_GOOD);
	/* what is faster than int 0x80 for 32-bit programs; each vendor's CPUs have one */
	if (co_cpu_is("GenuineIntel"))
		setup_force_cpu_cap(X86_FEATURE_SYSENTER32);
	if (co_cpu_is("AuthenticAMD") || co_cpu_is("HygonGenuine"))
		setup_force_cpu_cap(X86_FEATURE_SYSCALL32);
#endif
}

static void __cpuinit co_cpu_init(struct cpuinfo_x86 *c)
{
	cpu_detect_cache_sizes(c);
}

/*
 * The vendors by name, so that the kernel does not call the CPU unknown and the
 * system possibly unstable; but as X86_VENDOR_UNKNOWN, so that nothing else
 * takes it for one that it knows how to set up.
 */
static const struct cpu_dev __cpuinitconst co_cpu = {
	.c_vendor	= "x86",
	.c_ident	= { "GenuineIntel", "AuthenticAMD" },
	.c_init		= co_cpu_init,
	.c_x86_vendor	= X86_VENDOR_UNKNOWN,
};
cpu_dev_register(co_cpu);

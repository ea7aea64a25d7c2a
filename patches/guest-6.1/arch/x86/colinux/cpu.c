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
	X86_FEATURE_TSC_DEADLINE_TIMER, X86_FEATURE_ARAT,
	X86_FEATURE_MTRR, X86_FEATURE_MCE, X86_FEATURE_MCA,
	X86_FEATURE_ACPI, X86_FEATURE_ACC, X86_FEATURE_DTHERM,
	X86_FEATURE_HWP, X86_FEATURE_EPB, X86_FEATURE_HW_PSTATE,
	X86_FEATURE_ARCH_PERFMON, X86_FEATURE_PERFCTR_CORE,
	X86_FEATURE_INTEL_PT, X86_FEATURE_ARCH_LBR, X86_FEATURE_DS,
	X86_FEATURE_IBS, X86_FEATURE_APERFMPERF, X86_FEATURE_IRPERF,
	X86_FEATURE_INTEL_PPIN, X86_FEATURE_AMD_PPIN,
	X86_FEATURE_TSC_ADJUST,		/* the kernel would "repair" it */
	/* idle states are the host's to choose */
	X86_FEATURE_MWAIT, X86_FEATURE_WAITPKG,
	/* the switch flushes everything: an ASID would gain nothing */
	X86_FEATURE_PCID,
	/* registers that stay the host's */
	X86_FEATURE_PKU, X86_FEATURE_OSPKE, X86_FEATURE_IBT,
	X86_FEATURE_XSAVES,		/* IA32_XSS */
	X86_FEATURE_XFD, X86_FEATURE_AMX_TILE,
	X86_FEATURE_ENQCMD,		/* IA32_PASID */
	X86_FEATURE_SPLIT_LOCK_DETECT, X86_FEATURE_BUS_LOCK_DETECT,
	X86_FEATURE_CPUID_FAULT, X86_FEATURE_RING3MWAIT,
	X86_FEATURE_MSR_SPEC_CTRL, X86_FEATURE_SPEC_CTRL,
	X86_FEATURE_SPEC_CTRL_SSBD, X86_FEATURE_INTEL_STIBP,
	X86_FEATURE_AMD_IBRS, X86_FEATURE_AMD_IBPB, X86_FEATURE_AMD_STIBP,
	X86_FEATURE_AMD_SSBD, X86_FEATURE_VIRT_SSBD, X86_FEATURE_LS_CFG_SSBD,
	X86_FEATURE_FLUSH_L1D, X86_FEATURE_ARCH_CAPABILITIES,
	X86_FEATURE_TSX_FORCE_ABORT, X86_FEATURE_SRBDS_CTRL,
	/* a hypervisor below the host talks to the host only */
	X86_FEATURE_HYPERVISOR, X86_FEATURE_VMX, X86_FEATURE_SVM,
	X86_FEATURE_SME, X86_FEATURE_SEV,
};

/*
 * What a vendor's set-up code would find out by touching the host's registers,
 * and the host has found out for us. A TSC that is not steady the driver
 * complains about, for there is no other clock.
 */
static const u16 co_present_features[] __initconst = {
	X86_FEATURE_CONSTANT_TSC, X86_FEATURE_NONSTOP_TSC,
	X86_FEATURE_TSC_KNOWN_FREQ, X86_FEATURE_TSC_RELIABLE,
	X86_FEATURE_LFENCE_RDTSC, X86_FEATURE_REP_GOOD,
};

/* Not boot_cpu_data's: that is filled in later. */
static bool __init co_cpu_is(const char *vendor)
{
	u32 text[3], leaf;

	cpuid(0, &leaf, &text[0], &text[2], &text[1]);
	return !memcmp(text, vendor, sizeof(text));
}

void __init co_cpu_setup(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(co_absent_features); i++)
		setup_clear_cpu_cap(co_absent_features[i]);
	for (i = 0; i < ARRAY_SIZE(co_present_features); i++)
		setup_force_cpu_cap(co_present_features[i]);
	/* what is faster than int 0x80 for 32-bit programs; each vendor's CPUs have one */
	if (co_cpu_is("GenuineIntel"))
		setup_force_cpu_cap(X86_FEATURE_SYSENTER32);
	if (co_cpu_is("AuthenticAMD") || co_cpu_is("HygonGenuine"))
		setup_force_cpu_cap(X86_FEATURE_SYSCALL32);
	/* AMD's; costs others a comparison: 32-bit programs would fault */
	setup_force_cpu_bug(X86_BUG_SYSRET_SS_ATTRS);
}

/*
 * The vendors by name, so that the kernel does not call the CPU unknown and the
 * system possibly unstable; but as X86_VENDOR_UNKNOWN, so that nothing else
 * takes it for one that it knows how to set up.
 */
static const struct cpu_dev co_cpu = {
	.c_vendor	= "x86-64",
	.c_ident	= { "GenuineIntel", "AuthenticAMD" },
	.c_init		= cpu_detect_cache_sizes,
	.c_x86_vendor	= X86_VENDOR_UNKNOWN,
};
cpu_dev_register(co_cpu);

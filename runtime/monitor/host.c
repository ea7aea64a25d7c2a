// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which hosts can have a second world at all, and a world of which kind.
 */
#include "monitor.h"
#include "cpu.h"

/* CPUID feature bits; SDM volume 2, CPUID; APM volume 3, appendix E. */
#define L1_EDX_PAE		(1u << 6)
#define L1_ECX_XSAVE		(1u << 26)
#define L1_ECX_OSXSAVE		(1u << 27)
#define X1F_EAX_MEMORY_ENCRYPTION (1u << 0 | 1u << 1)		/* SME, SEV */

#define LEAF_TDX	0x21u
#define TDX_EBX		0x65746e49u	/* "Intel" in EBX, "TDX" in EDX, blanks in ECX */
#define TDX_EDX		0x5844546cu

static int refuse(const char *reason)
{
	co_os_log("this host cannot run this guest: %s", reason);
	return CO_E_HOST;
}

const struct co_paging *co_host_paging(void)
{
	u64 cr4 = co_read_cr4();

#if defined(__i386__)
	return cr4 & CR4_PAE ? &co_paging_pae : &co_paging_2level;
#else
	return cr4 & CR4_LA57 ? &co_paging_5level : &co_paging_4level;
#endif
}

/* The passage's own GDTs have the code selectors of Linux and NT. */
static int is_known_selector(u64 cs)
{
#if defined(__i386__)
	return cs == CO_SEL_CODE || cs == CO_SEL_CODE32 || cs == SEL_CODE_NT32;
#else
	return cs == CO_SEL_CODE;
#endif
}

/* Are the host's own page tables written with an encryption bit? Then the
 * guest's, which know nothing of it, would read garbage. */
static int memory_is_encrypted(void)
{
	struct co_cpuid amd = co_cpuid(0x8000001fu, 0), tdx = co_cpuid(LEAF_TDX, 0);

	if (tdx.ebx == TDX_EBX && tdx.edx == TDX_EDX)
		return 1;
	return (amd.eax & X1F_EAX_MEMORY_ENCRYPTION) &&
	       (co_read_cr3() >> (amd.ebx & 63) & 1);
}

/*
 * Is paging not to be switched off on this CPU just now? In VMX operation it cannot
 * be (SDM volume 3, 24.8). No register says whether the CPU is in it; but only
 * CR4.VMXE lets it enter, and whoever has left takes the bit back (KVM does,
 * when its last machine has ended or its module goes, and so do others).
 */
int co_host_in_the_way(const struct co_way *way)
{
	return way->hop && (co_read_cr4() & CR4_VMXE);
}

void co_host_explain(void)
{
	refuse("its CPU is in VMX operation (another hypervisor is in use, such as KVM), "
	       "where a 32-bit guest cannot be reached; stop that one's machines, or "
	       "unload it (rmmod kvm_intel)");
}

int co_host_check(u32 note_flags)
{
	const struct co_way *way = co_way_to(note_flags);
	u64 cr4 = co_read_cr4();
	u32 ecx = co_cpuid(1, 0).ecx, edx = co_cpuid(1, 0).edx;

	if (!way)
		return refuse("no way leads from this host's paging mode to this kernel's");
	if ((note_flags & CO_NOTE_PAE) && !(edx & L1_EDX_PAE))
		return refuse("this kernel was built with CONFIG_X86_PAE, and the CPU has no PAE");
	/* A guest in 32-bit paging comes and goes with paging off. */
	if ((cr4 & CR4_LA57) && !way->identity && !(note_flags & CO_NOTE_LA57))
		return refuse("the host uses 5-level page tables, and this kernel "
			      "was built without CONFIG_X86_5LEVEL");
	if (cr4 & CR4_FRED)
		return refuse("the host uses FRED event delivery; boot it with fred=off");
	if ((cr4 & CR4_CET) && (co_rdmsr(MSR_S_CET) & S_CET_SH_STK_EN))
		return refuse("the host uses supervisor shadow stacks");
	if ((ecx & L1_ECX_XSAVE) && !(ecx & L1_ECX_OSXSAVE))
		return refuse("the CPU has XSAVE, but the host does not use it "
			      "(noxsave?); the guest would");
	if (memory_is_encrypted())
		return refuse("the host's memory is encrypted (SME, SEV or TDX)");
	if (!is_known_selector(co_read_cs()))
		return refuse("the host's kernel code selector is an unknown one");
	if (co_host_in_the_way(way)) {
		co_host_explain();
		return CO_E_HOST;
	}
	return 0;
}

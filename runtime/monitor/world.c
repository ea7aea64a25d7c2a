// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the two worlds look like at the start, and which hosts can have a second
 * one at all.
 *
 * The passage swaps everything that a kernel believes to be its own: control,
 * debug and segment registers, descriptor tables, and the MSRs listed here. A
 * register that is missing from the list is shared by the two kernels. Each
 * line of the list says why it is there; what is not there, and why, is in
 * the comment below it.
 */
#include "monitor.h"
#include "cpu.h"

/* CPUID feature bits; SDM volume 2, CPUID; APM volume 3, appendix E. */
#define L1_ECX_VMX		(1u << 5)
#define L1_ECX_XSAVE		(1u << 26)
#define L1_ECX_OSXSAVE		(1u << 27)
#define L1_EDX_DS		(1u << 21)
#define L7_ECX_CET_SS		(1u << 7)
#define L7_ECX_RDPID		(1u << 22)
#define L7_ECX_PKS		(1u << 31)
#define L7_EDX_CET_IBT		(1u << 20)
#define L7_EDX_SPEC_CTRL	(1u << 26 | 1u << 27 | 1u << 31) /* IBRS, STIBP, SSBD */
#define LD1_EAX_XSAVES		(1u << 3)
#define X1_EDX_RDTSCP		(1u << 27)
#define X8_EBX_SPEC_CTRL	(1u << 14 | 1u << 15 | 1u << 24) /* AMD's bits for the same */
#define X1F_EAX_MEMORY_ENCRYPTION (1u << 0 | 1u << 1)		/* SME, SEV */

#define LEAF_TDX	0x21u
#define TDX_EBX		0x65746e49u	/* "Intel" in EBX, "TDX" in EDX, blanks in ECX */
#define TDX_EDX		0x5844546cu

static int refuse(const char *reason)
{
	co_os_log("this host cannot run this guest: %s", reason);
	return CO_E_HOST;
}

u32 co_host_levels(void)
{
	return co_read_cr4() & CR4_LA57 ? 5 : 4;
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

int co_host_check(u32 note_flags)
{
	u64 cr4 = co_read_cr4();
	u32 ecx = co_cpuid(1, 0).ecx;

	if ((cr4 & CR4_LA57) && !(note_flags & CO_NOTE_LA57))
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
	if (co_read_cs() != CO_SEL_CODE)
		return refuse("the host's kernel code selector is not 0x10");
	return 0;
}

/* Switch this MSR, too; the guest starts with 0 in it. */
static void add(struct co_state *st, u32 index)
{
	st->msr_index[st->nmsr++] = index;
}

/* The same, if it is really there. CPUID announces it; but a hypervisor below
 * may have forgotten half, so an answer of the CPU's own counts for more. */
static void add_if(struct co_state *st, u32 announced, u32 index)
{
	u64 value;

	if (announced && co_os_rdmsr_safe(index, &value))
		add(st, index);
}

static void list_msrs(struct co_state *st)
{
	struct co_cpuid l7 = co_cpuid(7, 0);
	u32 l1_edx = co_cpuid(1, 0).edx, x1_edx = co_cpuid(0x80000001u, 0).edx;
	u64 value;

	add(st, MSR_STAR);		/* where system calls lead to */
	add(st, MSR_LSTAR);
	add(st, MSR_CSTAR);
	add(st, MSR_SFMASK);
	add(st, MSR_SYSENTER_CS);
	add(st, MSR_SYSENTER_ESP);
	add(st, MSR_SYSENTER_EIP);
	add(st, MSR_KERNEL_GS_BASE);	/* user mode's while in the kernel */
	/* getcpu() reads it in user mode: number of CPU and node */
	add_if(st, (x1_edx & X1_EDX_RDTSCP) || (l7.ecx & L7_ECX_RDPID), MSR_TSC_AUX);
	/* each kernel mitigates Spectre in its own way */
	add_if(st, (l7.edx & L7_EDX_SPEC_CTRL) ||
		   (co_cpuid(0x80000008u, 0).ebx & X8_EBX_SPEC_CTRL), MSR_SPEC_CTRL);
	/* supervisor parts of XSAVES: what each kernel allocates room for */
	add_if(st, co_cpuid(0xd, 1).eax & LD1_EAX_XSAVES, MSR_XSS);
	/* protection keys of supervisor pages: keys mean something else there */
	add_if(st, l7.ecx & L7_ECX_PKS, MSR_PKRS);
	/* branch tracking of the kernel; in force only with CR4.CET */
	add_if(st, (l7.ecx & L7_ECX_CET_SS) || (l7.edx & L7_EDX_CET_IBT), MSR_S_CET);
	/* single-stepping branches, branch trace store: the host's debugger's */
	if (co_os_rdmsr_safe(MSR_DEBUGCTL, &value) == 1)
		add(st, MSR_DEBUGCTL);
	/* With a debug store, PEBS writes to the host's virtual addresses: hold the
	 * host's counters while the guest runs. No guest counts. */
	add_if(st, (l1_edx & L1_EDX_DS) && (co_cpuid(0xa, 0).eax & 0xff) >= 2,
	       MSR_PERF_GLOBAL_CTRL);
	/*
	 * Shared on purpose: PAT and MTRRs (guests are built not to write them), the
	 * local APIC and CR8 (the host's alone), machine check banks (the
	 * host's handler reads them), microcode, power and thermal control, TSC
	 * (the guest's clock), U_CET and PL3_SSP (in force only with CR4.CET,
	 * which guests do not set), XFD (see fpu.c).
	 */
}

/*
 * Fill in both worlds, tables included; the host's registers proper are
 * saved by each passage. The guest's va_state and va_code are final: on the
 * intermediate table as in every page table of its own.
 */
void co_worlds_create(struct co_vm *vm, u64 area_va)
{
	struct co_state *st = vm->st;
	struct co_world *host = &st->host, *guest = &st->guest;
	char *code = (char *)co_passage;

	st->ipt = vm->ipt.table[0].phys;
	st->code_phys = vm->code_phys;
	st->stack_guard = CO_STACK_GUARD;
	st->nmi_entry = (u32)(co_passage_nmi - code);
	st->mce_entry = (u32)(co_passage_mce - code);
	list_msrs(st);

	host->va_state = (u64)st;
	host->va_code = (u64)code;
	co_fill_tables(st, host);
	guest->va_state = area_va + CO_AREA_STATE * CO_PAGE_SIZE;
	guest->va_code = area_va + CO_AREA_CODE * CO_PAGE_SIZE;
	co_fill_tables(st, guest);

	guest->cr0 = CR0_PG | CR0_AM | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE;
	guest->cr3 = st->ipt;
	/*
	 * LA57 cannot change in long mode. MCE stays on, as a machine check with
	 * it off shuts the CPU down. VMXE is on wherever the CPU knows it: should
	 * the host enter VMX operation later, then a guest that clears the bit
	 * would fault; one that starts with it keeps it.
	 */
	guest->cr4 = CR4_PAE | (co_read_cr4() & (CR4_LA57 | CR4_MCE));
	if (co_cpuid(1, 0).ecx & L1_ECX_VMX)
		guest->cr4 |= CR4_VMXE;
	guest->efer = co_rdmsr(MSR_EFER) & (EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE);
	guest->dr6 = 0xffff0ff0;	/* SDM volume 3, table 10-1: after reset */
	guest->dr7 = 0x400;

	/* The passage's GDT and a boot IDT, until the guest loads its own. */
	co_copy(guest->gdtr, guest->pgdtr, sizeof(guest->gdtr));
	co_fill_gate(&st->boot_idt[2 * 2], guest->va_code + (u64)(co_boot_nmi - code));
	co_fill_gate(&st->boot_idt[2 * 18], guest->va_code + (u64)(co_boot_mce - code));
	co_fill_dtr(guest->idtr,
		    guest->va_state + __builtin_offsetof(struct co_state, boot_idt),
		    sizeof(st->boot_idt));
	guest->cs = CO_SEL_CODE;
	guest->ss = guest->ds = guest->es = guest->fs = guest->gs = CO_SEL_DATA;
}

/*
 * Prepare the stack that the first passage into the guest returns on, in the
 * order in which it pops: r15, r14, r13, r12, rbx, rbp, flags, address.
 */
void co_world_enter(struct co_state *st, u64 entry, u64 boot_params)
{
	u64 *frame = &st->boot_stack[CO_ARRAY_SIZE(st->boot_stack) - 8];

	frame[0] = boot_params;
	frame[1] = entry;
	frame[2] = frame[3] = frame[4] = frame[5] = 0;
	frame[6] = 2;		/* RFLAGS: only the bit that is always set */
	frame[7] = st->guest.va_code + (u64)(co_boot_entry - (char *)co_passage);
	st->guest.rsp = st->guest.va_state + (u64)((char *)frame - (char *)st);
}

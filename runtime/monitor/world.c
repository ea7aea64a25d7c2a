// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the two worlds look like at the start, and which way leads from one to the
 * other.
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
#define L1_EDX_SEP		(1u << 11)
#define L1_EDX_DS		(1u << 21)
#define L7_ECX_CET_SS		(1u << 7)
#define L7_ECX_RDPID		(1u << 22)
#define L7_ECX_PKS		(1u << 31)
#define L7_EDX_CET_IBT		(1u << 20)
#define L7_EDX_SPEC_CTRL	(1u << 26 | 1u << 27 | 1u << 31) /* IBRS, STIBP, SSBD */
#define LD1_EAX_XSAVES		(1u << 3)
#define X1_EDX_SYSCALL		(1u << 11)
#define X1_EDX_NX		(1u << 20)
#define X1_EDX_RDTSCP		(1u << 27)
#define X1_EDX_LM		(1u << 29)
#define X8_EBX_SPEC_CTRL	(1u << 14 | 1u << 15 | 1u << 24) /* AMD's bits for the same */

/* Which passage for which guest of which host. */
static const struct co_way ways[] = {
#if defined(__i386__)
	{
		.mode = CO_NOTE_I386,	/* the host's own mode: paging stays on */
		.host = &co_paging_2level, .guest = &co_paging_2level,
		.identity = 1,
		.code = co_passage32,
		.nmi32 = co_passage32_nmi, .mce32 = co_passage32_mce,
	}, {
		.mode = CO_NOTE_I386,
		.host = &co_paging_pae, .guest = &co_paging_2level,
		.identity = 1, .hop = 1,
		.code = co_passage32,
		.nmi32 = co_passage32_nmi, .mce32 = co_passage32_mce,
	}, {
		.mode = CO_NOTE_I386 | CO_NOTE_PAE,
		.host = &co_paging_2level, .guest = &co_paging_pae,
		.identity = 1, .hop = 1,
		.code = co_passage32,
		.nmi32 = co_passage32_nmi, .mce32 = co_passage32_mce,
	}, {
		.mode = CO_NOTE_I386 | CO_NOTE_PAE,	/* the host's own again */
		.host = &co_paging_pae, .guest = &co_paging_pae,
		.identity = 1,
		.code = co_passage32,
		.nmi32 = co_passage32_nmi, .mce32 = co_passage32_mce,
	},
#else
	{
		.mode = 0,		/* x86_64: the host's own mode */
		.code = (char *)co_passage,
		.nmi = co_passage_nmi, .mce = co_passage_mce,
		.boot_nmi = co_boot_nmi, .boot_mce = co_boot_mce,
	}, {
		.mode = CO_NOTE_I386,	/* two-level page tables */
		.guest = &co_paging_2level,
		.identity = 1, .hop = 1,
		.code = co_passage6432,
		.nmi = co_passage6432_nmi, .mce = co_passage6432_mce,
		.nmi32 = co_passage6432_nmi32, .mce32 = co_passage6432_mce32,
	}, {
		.mode = CO_NOTE_I386 | CO_NOTE_PAE,
		.guest = &co_paging_pae,
		.identity = 1, .hop = 1,
		.code = co_passage6432,
		.nmi = co_passage6432_nmi, .mce = co_passage6432_mce,
		.nmi32 = co_passage6432_nmi32, .mce32 = co_passage6432_mce32,
	},
#endif
};

const struct co_way *co_way_to(u32 note_flags)
{
	u32 i;

	for (i = 0; i < CO_ARRAY_SIZE(ways); i++)
		if (ways[i].mode == (note_flags & CO_NOTE_MODE) &&
		    (!ways[i].host || ways[i].host == co_host_paging()))
			return &ways[i];
	return NULL;
}

/* Switch this MSR, too; the guest starts with 0 in it. */
static void add(struct co_state *st, u32 index)
{
	st->msr_index[st->nmsr++] = index;
}

#if !defined(__i386__)
/* A 64-bit kernel's. A 32-bit one has no use for it (EFER.SCE is clear), and starts
 * with the host's value: then no passage needs to write it. */
static void add_long(struct co_vm *vm, u32 index)
{
	if (vm->way->identity)
		vm->st->guest.msr[vm->st->nmsr] = co_rdmsr(index);
	add(vm->st, index);
}

static void list_long_msrs(struct co_vm *vm)
{
	add_long(vm, MSR_STAR);		/* where system calls lead to */
	add_long(vm, MSR_LSTAR);
	add_long(vm, MSR_CSTAR);
	add_long(vm, MSR_SFMASK);
	add_long(vm, MSR_KERNEL_GS_BASE); /* user mode's while in the kernel */
}
#else
/* A host of 32 bits has none of them; it may have EFER, for the NX bit. */
static void list_long_msrs(struct co_vm *vm)
{
	struct co_state *st = vm->st;

	st->has_efer = !!(co_cpuid(0x80000001u, 0).edx & (X1_EDX_NX | X1_EDX_LM | X1_EDX_SYSCALL));
	if (st->has_efer)
		st->guest.efer = co_rdmsr(MSR_EFER);
}
#endif

/* The same, if it is really there. CPUID announces it; but a hypervisor below
 * may have forgotten half, so an answer of the CPU's own counts for more. */
static void add_if(struct co_state *st, u32 announced, u32 index)
{
	u64 value;

	if (announced && co_os_rdmsr_safe(index, &value))
		add(st, index);
}

static void list_msrs(struct co_vm *vm)
{
	struct co_state *st = vm->st;
	struct co_cpuid l7 = co_cpuid(7, 0);
	u32 l1_edx = co_cpuid(1, 0).edx, x1_edx = co_cpuid(0x80000001u, 0).edx;
	u64 value;

	list_long_msrs(vm);
	if (l1_edx & L1_EDX_SEP) {	/* every 64-bit CPU */
		add(st, MSR_SYSENTER_CS);
		add(st, MSR_SYSENTER_ESP);
		add(st, MSR_SYSENTER_EIP);
	}
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

/* ---- the passage's tables ---- */

#define CODE64	0x00af9b000000ffffull	/* ring 0, accessed: the CPU never writes here */
#define CODE32	0x00cf9b000000ffffull	/* flat */
#define DATA	0x00cf93000000ffffull
#define GATE	0x8e00ull		/* an interrupt gate: interrupts stay off */

#define VECTOR_NMI 2
#define VECTOR_MCE 18

/* A gate of legacy mode; SDM volume 3, 6.11. */
static void fill_gate32(u64 *idt, u32 vector, u64 address, u32 selector)
{
	idt[vector] = (address & 0xffff) | (u64)selector << 16 | GATE << 32 |
		      (address & 0xffff0000ull) << 32;
}

/* A pseudo-descriptor as LGDT and LIDT read it; 32-bit code reads less of it. */
static void fill_dtr(u8 *dtr, u64 base, u32 bytes)
{
	int i;

	dtr[0] = (u8)(bytes - 1);
	dtr[1] = (u8)((bytes - 1) >> 8);
	for (i = 0; i < 8; i++)
		dtr[2 + i] = (u8)(base >> 8 * i);
}

/* One that describes a table in the state page. */
static void fill_dtr_within(u8 *dtr, const struct co_state *st, u64 va_state,
			    const u64 *table, u32 bytes)
{
	fill_dtr(dtr, va_state + (u64)((const char *)table - (const char *)st), bytes);
}

static void fill_gdts(struct co_state *st)
{
	u64 *l = st->gdt[CO_GDT_LONG], *o = st->gdt[CO_GDT_LEGACY];

	l[CO_SEL_CODE / 8] = CODE64;
	o[CO_SEL_CODE / 8] = CODE32;
	o[SEL_CODE_NT32 / 8] = CODE32;
	l[CO_SEL_CODE32 / 8] = o[CO_SEL_CODE32 / 8] = CODE32;
	l[CO_SEL_DATA / 8] = o[CO_SEL_DATA / 8] = DATA;
	l[CO_SEL_DATA32 / 8] = o[CO_SEL_DATA32 / 8] = DATA;
}

/* Gates to the two handlers of 32-bit code, at an address of the code. */
static void fill_gates32(u64 *idt, const struct co_way *way, u64 va_code, u32 selector)
{
	fill_gate32(idt, VECTOR_NMI, va_code + (u64)(way->nmi32 - way->code), selector);
	fill_gate32(idt, VECTOR_MCE, va_code + (u64)(way->mce32 - way->code), selector);
}

/* What a world's own passage tables are, at its va_state. */
static void fill_world_dtrs(struct co_state *st, struct co_world *w, u32 gdt, u32 idt)
{
	fill_dtr_within(w->pgdtr, st, w->va_state, st->gdt[gdt], sizeof(st->gdt[0]));
	fill_dtr_within(w->pidtr, st, w->va_state, st->idt[idt], sizeof(st->idt[0]));
}

/* The tables where both worlds' addresses are the same. */
static void fill_identity(struct co_vm *vm, u32 gdt)
{
	struct co_state *st = vm->st;
	u64 *idt = st->idt[CO_IDT_IDENTITY];

	fill_gates32(idt, vm->way, st->code_phys, CO_SEL_CODE32);
	fill_dtr_within(st->igdtr, st, vm->area_phys, st->gdt[gdt], sizeof(st->gdt[0]));
	fill_dtr_within(st->iidtr, st, vm->area_phys, idt, sizeof(st->idt[0]));
}

/* ---- the two worlds ---- */

#if defined(__i386__)
/* The host's own; its handlers run on its code selector, which a GDT of ours has. */
static void create_host(struct co_vm *vm)
{
	struct co_state *st = vm->st;

	st->hop = vm->way->hop;
	fill_world_dtrs(st, &st->host, CO_GDT_LEGACY, CO_IDT_HOST);
	fill_gates32(st->idt[CO_IDT_HOST], vm->way, st->host.va_code, (u32)co_read_cs());
	fill_identity(vm, CO_GDT_LEGACY);
}
#else
/* A gate of long mode, on the current stack (IST 0); SDM volume 3, 6.14.1. */
static void fill_gate64(u64 *idt, u32 vector, u64 address)
{
	idt[2 * vector] = (address & 0xffff) | (u64)CO_SEL_CODE << 16 | GATE << 32 |
			  (address & 0xffff0000ull) << 32;
	idt[2 * vector + 1] = address >> 32;
}

/* Gates to the two handlers of 64-bit code, at an address of the code. */
static void fill_gates64(u64 *idt, const struct co_way *way, u64 va_code,
			 const char *nmi, const char *mce)
{
	fill_gate64(idt, VECTOR_NMI, va_code + (u64)(nmi - way->code));
	fill_gate64(idt, VECTOR_MCE, va_code + (u64)(mce - way->code));
}

/* The host's own; and where a 32-bit guest is reached, at identity addresses: there
 * the IDT has gates of both formats. */
static void create_host(struct co_vm *vm)
{
	struct co_state *st = vm->st;

	fill_world_dtrs(st, &st->host, CO_GDT_LONG, CO_IDT_HOST);
	fill_gates64(st->idt[CO_IDT_HOST], vm->way, st->host.va_code, vm->way->nmi,
		     vm->way->mce);
	if (!vm->way->identity)
		return;
	fill_gates64(st->idt[CO_IDT_IDENTITY], vm->way, st->code_phys, vm->way->nmi,
		     vm->way->mce);
	fill_identity(vm, CO_GDT_LONG);
}

/* Of a 64-bit guest; MCE stays on, as a machine check with it off shuts the CPU
 * down. */
static void create_long_guest(struct co_vm *vm)
{
	struct co_state *st = vm->st;
	struct co_world *guest = &st->guest;

	fill_world_dtrs(st, guest, CO_GDT_LONG, CO_IDT_GUEST);
	fill_gates64(st->idt[CO_IDT_GUEST], vm->way, guest->va_code, vm->way->nmi,
		     vm->way->mce);
	fill_gates64(st->boot_idt, vm->way, guest->va_code, vm->way->boot_nmi,
		     vm->way->boot_mce);
	guest->cr0 = CR0_PG | CR0_AM | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE;
	guest->cr3 = st->ipt;
	/*
	 * LA57 cannot change in long mode. VMXE is on wherever the CPU knows it:
	 * should the host enter VMX operation later, then a guest that clears the
	 * bit would fault; one that starts with it keeps it.
	 */
	guest->cr4 = CR4_PAE | (co_read_cr4() & (CR4_LA57 | CR4_MCE));
	if (co_cpuid(1, 0).ecx & L1_ECX_VMX)
		guest->cr4 |= CR4_VMXE;
	guest->efer = co_rdmsr(MSR_EFER) & (EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE);
	guest->cs = CO_SEL_CODE;
	guest->ss = guest->ds = guest->es = guest->fs = guest->gs = CO_SEL_DATA;
}

/*
 * Prepare the stack that the first passage into the guest returns on, in the
 * order in which it pops: r15, r14, r13, r12, rbx, rbp, flags, address.
 */
static void enter_long(struct co_state *st, const struct co_start *start)
{
	u64 *frame = &st->boot_stack[CO_ARRAY_SIZE(st->boot_stack) - 8];

	frame[0] = start->boot_params;
	frame[1] = start->entry;
	frame[2] = frame[3] = frame[4] = frame[5] = 0;
	frame[6] = 2;		/* RFLAGS: only the bit that is always set */
	frame[7] = st->guest.va_code + (u64)(co_boot_entry - (char *)co_passage);
	st->guest.rsp = st->guest.va_state + (u64)((char *)frame - (char *)st);
}

#endif

/* Of a 32-bit one; its selectors, the gates with them and CR3 come with START. */
static void create_i386_guest(struct co_vm *vm)
{
	struct co_state *st = vm->st;
	struct co_world *guest = &st->guest;

	st->ipt32 = (u32)vm->ipt32.table[0].phys;
	fill_world_dtrs(st, guest, CO_GDT_LEGACY, CO_IDT_GUEST);
	guest->cr0 = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE;
	guest->cr4 = CR4_PSE | (co_read_cr4() & CR4_MCE);
	if (vm->way->guest == &co_paging_pae)
		guest->cr4 |= CR4_PAE;
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

	st->ipt = vm->ipt.table[0].phys;
	st->code_phys = vm->code_phys;
	st->stack_guard = CO_STACK_GUARD;
	list_msrs(vm);
	fill_gdts(st);

	host->va_state = co_address(st);
	host->va_code = co_address(vm->way->code);
	create_host(vm);

	guest->va_state = area_va + CO_AREA_STATE * CO_PAGE_SIZE;
	guest->va_code = area_va + CO_AREA_CODE * CO_PAGE_SIZE;
#if !defined(__i386__)
	if (!vm->way->identity)
		create_long_guest(vm);
	else
#endif
		create_i386_guest(vm);
	guest->dr6 = 0xffff0ff0;	/* SDM volume 3, table 10-1: after reset */
	guest->dr7 = 0x400;
	/* The passage's GDT and a boot IDT, until the guest loads its own. */
	co_copy(guest->gdtr, guest->pgdtr, sizeof(guest->gdtr));
	fill_dtr_within(guest->idtr, st, guest->va_state, st->boot_idt, sizeof(st->boot_idt));
}

/* The same for 32 bits: edi, esi, ebx, ebp, flags, address. */
static void enter_i386(struct co_vm *vm, const struct co_start *start)
{
	struct co_state *st = vm->st;
	struct co_world *guest = &st->guest;
	u32 *frame = (u32 *)((char *)st->boot_stack + sizeof(st->boot_stack)) - 6;
	u32 data = start->code_selector + (CO_SEL_DATA - CO_SEL_CODE);

	frame[0] = 0;
	frame[1] = (u32)start->boot_params;
	frame[2] = (u32)start->boot32;
	frame[3] = 0;
	frame[4] = 2;
	frame[5] = (u32)start->entry;
	guest->rsp = guest->va_state + (u64)((char *)frame - (char *)st);
	guest->cr3 = start->root;
	guest->cs = (u16)start->code_selector;
	guest->ss = guest->ds = guest->es = (u16)data;
	fill_gates32(st->idt[CO_IDT_GUEST], vm->way, guest->va_code, guest->cs);
	fill_gates32(st->boot_idt, vm->way, guest->va_code, guest->cs);
}

void co_world_enter(struct co_vm *vm, const struct co_start *start)
{
#if !defined(__i386__)
	if (!vm->way->identity)
		enter_long(vm->st, start);
	else
#endif
		enter_i386(vm, start);
}

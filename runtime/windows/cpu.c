// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPU, as a guest gets it from NT.
 *
 * From co_os_fpu_begin to co_os_fpu_end the thread is at DISPATCH_LEVEL: it stays on its
 * CPU and no other one runs there, so that nobody finds the guest's FPU registers, XCR0
 * and all, in place of its own. Hardware interrupts are above that level and are
 * re-issued right away; what they leave to be done (DPCs, the end of a time slice, APCs)
 * waits for the level to fall. So the section is left after each of them: must_leave.
 *
 * CR8, with which 64-bit NT keeps its level in the CPU, is the host's in the guest, too:
 * vectors of DPCs and APCs (0x2f, 0x1f) cannot come there.
 */
#include "nt.h"
#include "../monitor/cpu.h"

#define MAX_CPUS	64u	/* of group 0; others get no interrupts by co_os_notify */
#define SLICE_MS	50u	/* in the kernel at most, so that the thread can be ended */

#define CR0_EM		(1u << 2)
#define CR0_TS		(1u << 3)

#define VECTOR_NMI	2u
#define VECTOR_MCE	18u
#define FIRST_EXTERNAL	0x20u

/* Each CPU has a GDT of its own: that tells which one we are on, without a structure
 * of the system's that has moved between its versions. */
static u64 gdt_of[MAX_CPUS];
static KDPC dpc_of[MAX_CPUS];
static u32 ncpus;

/* Since Windows 7 whoever uses registers that XCR0 enables has to say so beforehand. */
static NTSTATUS (NTAPI *save_extended)(ULONG64 mask, PVOID save);
static VOID (NTAPI *restore_extended)(PVOID save);
static ULONG64 (NTAPI *enabled_features)(ULONG64 mask);

struct table { u16 limit; u64 base; } __attribute__((packed));

static u64 gdt_base(void)
{
	struct table gdtr = { 0, 0 };

	__asm__ volatile("sgdt %0" : "=m"(gdtr));
	return gdtr.base;
}

/* Context fpu: it does not change meanwhile. */
static u32 this_cpu(void)
{
	u64 base = gdt_base();
	u32 i;

	for (i = 0; i < ncpus; i++)
		if (gdt_of[i] == base)
			return i;
	return CO_NT_NO_CPU;
}

/* Being queued has interrupted the CPU, which is all that it is for. */
static VOID NTAPI nothing(PKDPC dpc, PVOID context, PVOID a, PVOID b)
{
	(void)dpc;
	(void)context;
	(void)a;
	(void)b;
}

void co_nt_cpu_init(void)
{
	KAFFINITY active = KeQueryActiveProcessors();
	u32 i;

	for (i = 0; i < MAX_CPUS && i < 8 * sizeof(active); i++) {
		if (!(active >> i & 1))		/* neither a thread nor a DPC may be sent there */
			continue;
		KeInitializeDpc(&dpc_of[i], nothing, NULL);
		KeSetTargetProcessorDpc(&dpc_of[i], (CCHAR)i);
		KeSetImportanceDpc(&dpc_of[i], HighImportance);	/* at once, by an interrupt */
		KeSetSystemAffinityThread((KAFFINITY)1 << i);
		gdt_of[i] = gdt_base();
		ncpus = i + 1;
	}
	KeRevertToUserAffinityThread();
	save_extended = co_nt_routine(L"KeSaveExtendedProcessorState");
	restore_extended = co_nt_routine(L"KeRestoreExtendedProcessorState");
	enabled_features = co_nt_routine(L"RtlGetEnabledExtendedFeatures");
}

/*
 * No DPC of ours is queued, or runs, any more. To wait for the latter is what
 * KeFlushQueuedDpcs is for, since Windows XP SP2; before that, a thread that got onto a
 * CPU at PASSIVE_LEVEL has let those there pass.
 */
void co_nt_cpu_exit(void)
{
	VOID (NTAPI *flush)(VOID) = co_nt_routine(L"KeFlushQueuedDpcs");
	u32 i;

	for (i = 0; i < ncpus; i++) {
		if (!gdt_of[i])
			continue;
		KeRemoveQueueDpc(&dpc_of[i]);
		if (!flush)
			KeSetSystemAffinityThread((KAFFINITY)1 << i);
		gdt_of[i] = 0;
	}
	if (ncpus && flush)
		flush();
	else if (ncpus)
		KeRevertToUserAffinityThread();
	ncpus = 0;
}

/* ---- interrupts ---- */

/* NT has no rdmsr that survives a fault, but in the debugger. */
int co_os_rdmsr_safe(u32 index, u64 *value)
{
	(void)index;
	*value = 0;
	return -1;
}

/* A gate of the live IDT: its type's byte, with the privilege that may call it. */
static u8 gate_type(u32 vector)
{
	struct table idtr = { 0, 0 };
	u32 bytes = sizeof(void *) == 8 ? 16 : 8;

	__asm__ volatile("sidt %0" : "=m"(idtr));
	if (vector * bytes + bytes - 1 > idtr.limit)
		return 0;
	return ((const u8 *)co_pointer(idtr.base))[vector * bytes + 5];
}

/* Hardware's: above the exceptions, an interrupt gate, and not one that user mode may
 * call: those are system calls and the like, whose handlers take their caller for it. */
int co_os_vector_ok(u64 vector)
{
	return vector >= FIRST_EXTERNAL && vector < 256 && gate_type((u32)vector) == 0x8e;
}

/* NT offers no way to send an NMI to oneself; its handler's iret, or else
 * co_unblock_nmi's, ends the CPU's blocking of others. */
void co_os_reissue(u32 vector)
{
	if (vector != VECTOR_NMI && vector != VECTOR_MCE) {
		co_reissue_open(vector);
		return;
	}
	co_reissue(vector);
	co_unblock_nmi();
}

void co_os_irq_off(void)
{
	__asm__ volatile("cli" : : : "memory");
}

void co_os_irq_on(void)
{
	__asm__ volatile("sti" : : : "memory");
}

/* ---- the FPU ---- */

/* Not AMX: guests leave it alone, and so does fpu.c, which says why. */
#define STATE_LO	(~XCR0_AMX)
#define STATE_HI	(~0u)

#if defined(__i386__)
#define WIDE
#else
#define WIDE "64"
#endif

/* Room for the host's registers. */
int co_nt_fpu_create(struct co_nt_vm *l)
{
	u64 phys;

	l->fpu_pages = l->vm.fpu.pages;		/* as many as for the guest's */
	l->fpu_area = co_os_pages(l->fpu_pages, 0, &phys);
	return l->fpu_area ? 0 : CO_E_NOMEM;
}

void co_nt_fpu_destroy(struct co_nt_vm *l)
{
	if (l->fpu_area)
		co_os_pages_free(l->fpu_area, l->fpu_pages);
	l->fpu_area = NULL;
}

static void write_cr0(u64 value)
{
	__UINTPTR_TYPE__ v = (__UINTPTR_TYPE__)value;

	__asm__ volatile("mov %0, %%cr0" : : "r"(v) : "memory");
}

/*
 * The registers as they are, whoever's they are: 32-bit NT switches them lazily, with
 * CR0.TS. They and CR0 will be the same again before the level falls, so their owner
 * need not be asked, and KeSaveFloatingPointState (which wants memory each time, and
 * may fail) has nothing to add.
 */
static void save_by_hand(struct co_nt_vm *l)
{
	if (!l->vm.fpu.fxsr)
		__asm__ volatile("fnsave (%0); fwait" : : "r"(l->fpu_area) : "memory");
	else if (!l->vm.fpu.xsave)
		__asm__ volatile("fxsave" WIDE " (%0)" : : "r"(l->fpu_area) : "memory");
	else
		__asm__ volatile("xsave" WIDE " (%0)" : : "r"(l->fpu_area), "a"(STATE_LO),
				 "d"(STATE_HI) : "memory");
}

static void restore_by_hand(struct co_nt_vm *l)
{
	if (!l->vm.fpu.fxsr)
		__asm__ volatile("frstor (%0)" : : "r"(l->fpu_area) : "memory");
	else if (!l->vm.fpu.xsave)
		__asm__ volatile("fxrstor" WIDE " (%0)" : : "r"(l->fpu_area) : "memory");
	else
		__asm__ volatile("xrstor" WIDE " (%0)" : : "r"(l->fpu_area), "a"(STATE_LO),
				 "d"(STATE_HI) : "memory");
}

/* KeSaveExtendedProcessorState may be asked for nothing that the system has not enabled. */
static ULONG64 features(void)
{
	return (enabled_features ? enabled_features(~0ull) : co_read_xcr0()) & ~(ULONG64)XCR0_AMX;
}

/*
 * Both, where there are both. The system has to know that registers of XCR0's are in
 * use; but how much of the rest it saves, where its own compiler leaves it alone (64-bit NT and
 * x87), no document says. Its saving is undone in the same thread, at the same level.
 */
void co_os_fpu_begin(struct co_vm *vm)
{
	struct co_nt_vm *l = to_nt(vm);

	KeRaiseIrql(DISPATCH_LEVEL, &l->irql);
	l->cpu = this_cpu();
	l->fpu_by_system = save_extended && restore_extended && vm->fpu.xsave &&
		NT_SUCCESS(save_extended(features(), l->xstate));
	l->fpu_cr0 = co_read_cr0();
	if (l->fpu_cr0 & (CR0_TS | CR0_EM))
		write_cr0(l->fpu_cr0 & ~(u64)(CR0_TS | CR0_EM));
	save_by_hand(l);
}

void co_os_fpu_end(struct co_vm *vm)
{
	struct co_nt_vm *l = to_nt(vm);

	restore_by_hand(l);
	if (l->fpu_cr0 & (CR0_TS | CR0_EM))
		write_cr0(l->fpu_cr0);
	if (l->fpu_by_system)
		restore_extended(l->xstate);
	KeLowerIrql(l->irql);
}

/* ---- the thread that runs a machine ---- */

int co_os_must_leave(struct co_vm *vm, int ran)
{
	(void)vm;
	return ran;
}

void co_nt_slice_begin(struct co_nt_vm *l)
{
	l->slice_end = co_rdtsc() + (u64)co_os_tsc_khz() * SLICE_MS;
}

/* The level has fallen to PASSIVE_LEVEL: whoever's turn it is has run. */
int co_os_resched(struct co_vm *vm)
{
	return co_rdtsc() >= to_nt(vm)->slice_end ? CO_E_BUSY : 0;
}

/* UserMode, alertable: the end of the thread wakes it. The event keeps what
 * co_os_notify said since the last look. */
int co_os_idle(struct co_vm *vm, u64 ns)
{
	struct co_nt_vm *l = to_nt(vm);
	LARGE_INTEGER due;
	NTSTATUS status;
	u64 ticks;

	if (co_vm_awake(vm))
		return 0;
	ticks = ns == CO_FOREVER ? 0 : co_divide(ns, 100) + 1;
	due.QuadPart = -(LONGLONG)ticks;
	status = KeWaitForSingleObject(&l->idle, UserRequest, UserMode, TRUE,
				       ns == CO_FOREVER ? NULL : &due);
	co_nt_slice_begin(l);		/* it has just let others run */
	return status == STATUS_USER_APC || status == STATUS_ALERTED ? CO_E_INTR : 0;
}

void co_os_notify(struct co_vm *vm)
{
	struct co_nt_vm *l = to_nt(vm);
	u32 cpu;

	KeSetEvent(&l->idle, IO_NO_INCREMENT, FALSE);
	cpu = co_read(&l->cpu);
	if (co_read(&vm->in_guest) && cpu < ncpus)
		KeInsertQueueDpc(&dpc_of[cpu], NULL, NULL);
}

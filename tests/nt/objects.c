// SPDX-License-Identifier: GPL-2.0-only
/* NT's dispatcher objects, threads' affinity, DPCs, and its clock. */
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/smp.h>
#include <linux/wait.h>
#include <asm/fpu/api.h>

#include "nt.h"

/* DISPATCHER_HEADER's beginning; the driver gives room for the whole. */
struct header { u8 type, more[3]; s32 signal; void *waiters[2]; };
struct mutant { struct header header; void *list[2]; struct task_struct *owner; };

enum { NOTIFICATION_EVENT, SYNCHRONIZATION_EVENT, MUTANT };

static DECLARE_WAIT_QUEUE_HEAD(dispatcher);
static DEFINE_SPINLOCK(lock);
static int held;		/* mutexes */

/* Any IRQL */
NTAPI void nt_KeInitializeEvent(struct header *event, u32 type, u8 state)
{
	*event = (struct header){ .type = type, .signal = state };
}

NTAPI void nt_KeInitializeMutex(struct mutant *mutex, u32 level)
{
	*mutex = (struct mutant){ .header = { .type = MUTANT, .signal = 1 } };
}

static bool acquire(struct header *object)
{
	unsigned long flags;
	bool got;

	spin_lock_irqsave(&lock, flags);
	got = object->signal > 0;
	if (got && object->type != NOTIFICATION_EVENT)
		object->signal = 0;
	if (got && object->type == MUTANT) {
		((struct mutant *)object)->owner = current;
		held++;
	}
	spin_unlock_irqrestore(&lock, flags);
	return got;
}

/* <= APC_LEVEL where it may wait. UserMode, alertable: a thread that is to end gets
 * STATUS_USER_APC. Negative time: from now, in 100 ns. */
NTAPI NTSTATUS nt_KeWaitForSingleObject(struct header *object, u32 reason, u8 mode, u8 alertable,
					s64 *timeout)
{
	ktime_t time = KTIME_MAX;
	int error;

	NT_IRQL(APC_LEVEL);
	if (object->type == MUTANT && ((struct mutant *)object)->owner == current)
		nt_fault("a mutex is taken twice\n");
	if (timeout) {
		if (*timeout >= 0)
			nt_fault("an absolute time to wait until\n");
		time = ns_to_ktime(-*timeout * 100);
	}
	if (!mode) {
		if (timeout)
			nt_fault("KernelMode, with a timeout: the driver has no such wait\n");
		wait_event(dispatcher, acquire(object));
		return STATUS_SUCCESS;
	}
	error = wait_event_interruptible_hrtimeout(dispatcher, acquire(object), time);
	return error == -ERESTARTSYS ? STATUS_USER_APC : error ? STATUS_TIMEOUT : STATUS_SUCCESS;
}

/* <= DISPATCH_LEVEL (Wait: FALSE) */
NTAPI s32 nt_KeSetEvent(struct header *event, s32 increment, u8 wait)
{
	unsigned long flags;
	s32 before;

	NT_IRQL(DISPATCH_LEVEL);
	spin_lock_irqsave(&lock, flags);
	before = event->signal;
	event->signal = 1;
	spin_unlock_irqrestore(&lock, flags);
	wake_up_all(&dispatcher);
	return before;
}

/* <= DISPATCH_LEVEL, by its owner */
NTAPI s32 nt_KeReleaseMutex(struct mutant *mutex, u8 wait)
{
	unsigned long flags;

	NT_IRQL(DISPATCH_LEVEL);
	if (mutex->owner != current)
		nt_fault("a mutex is released by another thread than its owner\n");
	spin_lock_irqsave(&lock, flags);
	mutex->owner = NULL;
	mutex->header.signal = 1;
	held--;
	spin_unlock_irqrestore(&lock, flags);
	wake_up_all(&dispatcher);
	return 0;
}

/* <= APC_LEVEL */
NTAPI NTSTATUS nt_KeDelayExecutionThread(u8 mode, u8 alertable, s64 *interval)
{
	NT_IRQL(APC_LEVEL);
	fsleep(div_u64(-*interval, 10));
	return STATUS_SUCCESS;
}

/* ---- affinity: < DISPATCH_LEVEL; only to processors that are active ---- */

static struct task_struct *affine;	/* the thread that has said where it wants to be */

NTAPI unsigned long nt_KeQueryActiveProcessors(void)
{
	return cpumask_bits(cpu_online_mask)[0];
}

NTAPI void nt_KeSetSystemAffinityThread(unsigned long mask)
{
	NT_IRQL(APC_LEVEL);
	if (set_cpus_allowed_ptr(current, to_cpumask(&mask)))
		nt_fault("no such processors: %lx\n", mask);
	affine = current;
}

NTAPI void nt_KeRevertToUserAffinityThread(void)
{
	NT_IRQL(APC_LEVEL);
	if (affine != current)
		nt_fault("an affinity is taken back that was not set\n");
	affine = NULL;
	set_cpus_allowed_ptr(current, cpu_possible_mask);
}

/* ---- DPCs: at once, on the CPU they are for ---- */

struct dpc { u8 type, importance; u16 number; NTAPI void (*routine)(struct dpc *, void *, void *, void *); };

NTAPI void nt_KeInitializeDpc(struct dpc *dpc, void *routine, void *context)
{
	*dpc = (struct dpc){ .routine = routine };
}

NTAPI void nt_KeSetImportanceDpc(struct dpc *dpc, u32 importance)
{
	dpc->importance = importance;
}

NTAPI void nt_KeSetTargetProcessorDpc(struct dpc *dpc, s8 number)
{
	if (number < 0 || number >= nr_cpu_ids || !cpu_online(number))
		nt_fault("a DPC for processor %d, which there is not\n", number);
	dpc->number = number;
}

static void run_dpc(void *info)
{
	struct dpc *dpc = info;

	dpc->routine(dpc, NULL, NULL, NULL);
}

NTAPI u8 nt_KeInsertQueueDpc(struct dpc *dpc, void *a, void *b)
{
	if (dpc->importance != 2)
		nt_fault("a DPC that need not interrupt its CPU\n");
	smp_call_function_single(dpc->number, run_dpc, dpc, 0);
	return 1;
}

/* Any IRQL; one that runs, it does not wait for. */
NTAPI u8 nt_KeRemoveQueueDpc(struct dpc *dpc)
{
	if (!dpc->routine)
		nt_fault("a DPC is removed that was never initialized\n");
	return 0;
}

static void pass(void *unused)
{
}

/* PASSIVE_LEVEL; returns when those that are queued have run, on every processor. */
NTAPI void nt_KeFlushQueuedDpcs(void)
{
	NT_IRQL(PASSIVE_LEVEL);
	on_each_cpu(pass, NULL, 1);
}

/* ---- the clock: <= APC_LEVEL; 1 ms on every CPU, as long as anybody wants it ---- */

static DEFINE_PER_CPU(struct hrtimer, tick);
static DEFINE_MUTEX(clock_lock);
static int fine;

static enum hrtimer_restart ticked(struct hrtimer *timer)
{
	hrtimer_forward_now(timer, ms_to_ktime(1));
	return READ_ONCE(fine) ? HRTIMER_RESTART : HRTIMER_NORESTART;
}

static void start_tick(void *unused)
{
	struct hrtimer *timer = this_cpu_ptr(&tick);

	hrtimer_init(timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	timer->function = ticked;
	hrtimer_start(timer, ms_to_ktime(1), HRTIMER_MODE_REL_PINNED_HARD);
}

static void stop_ticks(void)
{
	int cpu;

	for_each_online_cpu(cpu)
		hrtimer_cancel(&per_cpu(tick, cpu));
}

NTAPI u32 nt_ExSetTimerResolution(u32 desired, u8 set)
{
	NT_IRQL(APC_LEVEL);
	mutex_lock(&clock_lock);
	if (set && !fine++)
		on_each_cpu(start_tick, NULL, 1);
	if (!set && !--fine)
		stop_ticks();
	if (fine < 0)
		nt_fault("a clock is given back that nobody wanted\n");
	mutex_unlock(&clock_lock);
	return 10000;
}

/* Any IRQL, interrupts off too */
NTAPI u64 nt_KeQueryPerformanceCounter(u64 *frequency)
{
	if (frequency)
		*frequency = 10000000;
	return div_u64(ktime_get_mono_fast_ns(), 100);
}

/* ---- the FPU: <= DISPATCH_LEVEL; nothing that the system has not enabled; given back by
 * the thread, and at the level, that it was saved in ---- */

NTAPI u64 nt_RtlGetEnabledExtendedFeatures(u64 mask)
{
	u32 lo = 3, hi = 0;		/* x87 and SSE, where there is no XCR0 */

	if (boot_cpu_has(X86_FEATURE_OSXSAVE))
		asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return mask & ((u64)hi << 32 | lo);
}

struct saved { struct task_struct *thread; u64 level; };

NTAPI NTSTATUS nt_KeSaveExtendedProcessorState(u64 mask, struct saved *save)
{
	NT_IRQL(DISPATCH_LEVEL);
	if (mask & ~nt_RtlGetEnabledExtendedFeatures(~0ull))
		nt_fault("features that are not enabled: %llx\n", mask);
	*save = (struct saved){ current, nt_irql() };
	kernel_fpu_begin();
	return STATUS_SUCCESS;
}

NTAPI void nt_KeRestoreExtendedProcessorState(struct saved *save)
{
	if (save->thread != current || save->level != nt_irql())
		nt_fault("registers are restored that were not saved here, or at IRQL %llu\n", save->level);
	save->thread = NULL;
	kernel_fpu_end();
}

void nt_objects_exit(void)
{
	if (held || fine)
		nt_fault("left behind: %d mutexes held, %d wishes for a fine clock\n", held, fine);
}

#ifndef CONFIG_X86_64
/* ---- the IRQL, which a 32-bit HAL keeps; 64-bit NT's is CR8 ---- */

u32 nt_level;		/* of the one CPU that such a test host has */

NTAPI u8 nt_KeGetCurrentIrql(void)
{
	return nt_level;
}

NTFAST u8 nt_KfRaiseIrql(u8 level)
{
	u8 before = nt_level;

	if (level < before)
		nt_fault("IRQL %u is raised to %u\n", before, level);
	if (!before && level >= DISPATCH_LEVEL)
		kernel_fpu_begin();	/* no other thread from here on */
	nt_level = level;
	return before;
}

NTFAST void nt_KfLowerIrql(u8 level)
{
	if (level > nt_level)
		nt_fault("IRQL %u is lowered to %u\n", nt_level, level);
	if (nt_level >= DISPATCH_LEVEL && level < DISPATCH_LEVEL) {
		nt_level = level;
		kernel_fpu_end();
	}
	nt_level = level;
}
#endif

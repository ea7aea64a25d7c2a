// SPDX-License-Identifier: GPL-2.0-only
/*
 * The run loop: how a thread of the host becomes a guest's CPU.
 *
 *	co_vm_run	until there is something for the daemon
 *	  burst		until the guest wants anything but its interrupts served;
 *	    |		the FPU is the guest's throughout
 *	    crossing	one passage there and back, and the interrupt that
 *			ended it, re-issued on the host
 *
 * The guest runs with interrupts on, so that every interrupt of the host, timer
 * ticks and reschedule requests included, ends a crossing at once. The host's
 * handler then runs right here, in what looks to it like an interrupted driver.
 */
#include "monitor.h"
#include "cpu.h"

#define VECTOR_NMI	2u
#define VECTOR_MCE	18u

/* A deadline further away than this is looked at again then. In nanoseconds,
 * and such that the conversion below stays within 64 bits at 18 GHz. */
#define MAX_SECONDS	1000u

static u64 ns_until(const struct co_vm *vm, u64 deadline, u64 now)
{
	u64 ticks = deadline > now ? deadline - now : 0, most = (u64)vm->tsc_khz * 1000 * MAX_SECONDS;

	if (ticks > most)
		ticks = most;
	return co_divide(ticks * 1000000, vm->tsc_khz) + 1;
}

static int anything_pending(const struct co_vm *vm)
{
	return co_read(&vm->comm->pending[0]) || co_read(&vm->comm->pending[1]);
}

int co_vm_awake(const struct co_vm *vm)
{
	return co_read(&vm->kicked) || anything_pending(vm);
}

/* Has the guest's deadline passed? Then it becomes a virtual interrupt. The
 * deadline is only the guest's to write but here, and the guest does not run. */
static int deadline_passed(struct co_vm *vm, u64 now)
{
	if (co_read(&vm->comm->deadline) > now)
		return 0;
	co_write(&vm->comm->deadline, CO_NO_DEADLINE);
	co_set_bits(&vm->comm->pending[0], 1u << CO_VIRQ_TIMER);
	return 1;
}

/* A guest that left because of an interrupt, or to idle, takes its virtual
 * interrupts on its way back. Otherwise it may be in the midst of anything. */
static int takes_pending(u32 reason)
{
	return reason == CO_R_IRQ || reason == CO_R_IDLE;
}

/*
 * Before a crossing, context irq-off: have the guest interrupted at its deadline,
 * for a busy one leaves by itself only at the host's next interrupt. And at
 * once, if it may not look at its virtual interrupts on the way in: the host's
 * timer strikes as soon as the guest has its interrupts on, and brings it here
 * and back. The timer is this CPU's; `armed` is forgotten whenever a burst begins,
 * as the thread may have moved.
 */
static void arm_timer(struct co_vm *vm)
{
	u64 deadline, now = co_rdtsc();

	deadline_passed(vm, now);
	if (anything_pending(vm) && !takes_pending(vm->last_reason)) {
		vm->armed = CO_NO_DEADLINE;
		co_os_timer(vm, 0);
		return;
	}
	deadline = co_read(&vm->comm->deadline);
	if (deadline == vm->armed)
		return;
	vm->armed = deadline;
	if (deadline != CO_NO_DEADLINE)
		co_os_timer(vm, ns_until(vm, deadline, now));
}

/* NMIs and machine checks that only counted themselves, because they hit the
 * passage or the guest's first steps. Several are one, as in hardware. */
static void reissue_noted(struct co_vm *vm)
{
	struct co_state *st = vm->st;
	u32 n;

	if (co_read(&st->nmi_pending)) {
		n = co_exchange(&st->nmi_pending, 0);
		vm->stats.nmis_in_passage += n;
		co_os_reissue(VECTOR_NMI);
	}
	if (co_read(&st->mce_pending)) {
		n = co_exchange(&st->mce_pending, 0);
		vm->stats.mces_in_passage += n;
		co_os_reissue(VECTOR_MCE);
	}
}

static inline void cross(struct co_vm *vm)
{
#if defined(__i386__)
	co_passage32_enter(vm->st);
#else
	if (vm->way->hop)
		co_passage6432_enter(vm->st, CO_W_HOST, CO_W_GUEST);
	else
		co_passage(vm->st, CO_W_HOST, CO_W_GUEST);
#endif
}

/*
 * One passage there and back; context irq-off. What interrupted the guest is
 * re-issued before anything else, with interrupts still off: it is in service in
 * the interrupt controller already. *exit is a copy of what the guest said.
 */
static void crossing(struct co_vm *vm, struct co_run *exit)
{
	struct co_comm *comm = vm->comm;
	u64 start;

	if (vm->snapshot)
		co_snapshot_before(vm);
	start = co_rdtsc();
	cross(vm);
	vm->stats.guest_ns += co_rdtsc() - start;
	if (vm->snapshot)
		co_snapshot_after(vm);

	exit->reason = vm->last_reason = co_read(&comm->reason);
	exit->arg[0] = co_read(&comm->arg[0]);
	exit->arg[1] = co_read(&comm->arg[1]);
	vm->stats.switches++;
	switch (exit->reason) {
	case CO_R_NONE:		/* burst's own word, not a guest's */
		exit->reason = CO_R_BAD;
		break;
	case CO_R_IRQ:
		if (co_os_vector_ok(exit->arg[0])) {
			vm->stats.irqs++;
			co_os_reissue((u32)exit->arg[0]);
		} else {
			exit->reason = CO_R_BAD;
		}
		break;
	case CO_R_NMI:
		vm->stats.nmis++;
		co_os_reissue(VECTOR_NMI);
		break;
	case CO_R_MCE:
		vm->stats.mces++;
		co_os_reissue(VECTOR_MCE);
		break;
	}
	reissue_noted(vm);
}

/*
 * Crossings, until the guest says something that is not for the host's interrupt
 * handlers, or this thread has to go (exit->reason is CO_R_NONE then). CO_E_HOST:
 * something of the host's is in the way now; nothing is lost.
 */
static int burst(struct co_vm *vm, struct co_run *exit)
{
	int again, blocked = 0, ran = 0;

	co_os_fpu_begin(vm);
	co_fpu_load(&vm->fpu);
	vm->stats.fpu_switches++;
	vm->armed = CO_NO_DEADLINE;
	do {
		co_os_irq_off();
		/*
		 * The last look. Whoever changes one of these later sees in_guest,
		 * or sends an interrupt anyway: it stays pending in the
		 * interrupt controller until the guest runs, and ends the crossing.
		 */
		co_publish(&vm->in_guest, 1);
		exit->reason = CO_R_NONE;
		again = 0;
		blocked = co_host_in_the_way(vm->way);
		if (!blocked && !co_read(&vm->kicked) && !co_os_must_leave(vm, ran)) {
			arm_timer(vm);
			crossing(vm, exit);
			again = exit->reason == CO_R_IRQ || exit->reason == CO_R_NMI ||
				exit->reason == CO_R_MCE || exit->reason == CO_R_NOP;
		}
		co_write(&vm->in_guest, 0);
		co_os_irq_on();
		ran = 1;
	} while (again);
	co_fpu_save(&vm->fpu);
	co_os_fpu_end(vm);
	return blocked ? CO_E_HOST : 0;
}

/* The guest has nothing to do until its deadline or a virtual interrupt. */
static int idle(struct co_vm *vm)
{
	u64 deadline = co_read(&vm->comm->deadline), start = co_rdtsc();
	int error = 0;

	vm->stats.idles++;
	if (!deadline_passed(vm, start))
		error = co_os_idle(vm, deadline == CO_NO_DEADLINE ? CO_FOREVER :
				   ns_until(vm, deadline, start));
	vm->stats.idle_ns += co_rdtsc() - start;
	return error;
}

/* Is it one of the reasons to go for good? */
static int is_final(u32 reason)
{
	return reason == CO_R_SHUTDOWN || reason == CO_R_RESTART ||
	       reason == CO_R_HALT || reason == CO_R_PANIC;
}

static int run(struct co_vm *vm, struct co_run *exit)
{
	int error;

	for (;;) {
		error = co_os_resched(vm);
		if (co_exchange(&vm->kicked, 0) || error == CO_E_BUSY) {
			exit->reason = CO_R_KICKED;
			exit->arg[0] = exit->arg[1] = 0;
			return 0;
		}
		if (error)
			return error;
		error = burst(vm, exit);
		if (error) {
			co_host_explain();
			return error;
		}
		switch (exit->reason) {
		case CO_R_NONE:
			break;
		case CO_R_IDLE:
			error = idle(vm);
			if (error)
				return error;
			break;
		case CO_R_DOORBELL:
			vm->stats.doorbells++;
			return 0;
		case CO_R_CONSOLE:
			return 0;
		case CO_R_CHUNK:
			vm->asked = exit->arg[0] == CO_CHUNK_GIVE || exit->arg[0] == CO_CHUNK_TAKE ?
				    (u32)exit->arg[0] : 0;
			vm->asked_phys = exit->arg[1];
			return 0;
		default:
			if (!is_final(exit->reason))
				exit->reason = CO_R_BAD;
			co_publish(&vm->state, CO_VM_ENDED);
			return 0;
		}
	}
}

/*
 * Run the guest in this thread until there is something for the daemon: 0, and
 * *exit says what. CO_E_INTR on a signal: call again, nothing is lost. CO_E_HOST: the
 * host cannot let it run now; nothing is lost either.
 */
int co_vm_run(struct co_vm *vm, struct co_run *exit)
{
	int error = CO_E_BUSY;

	if (co_exchange(&vm->running, 1))
		return CO_E_BUSY;
	switch (co_read(&vm->state)) {
	case CO_VM_STARTED:
		vm->asked = 0;		/* who has not answered has refused */
		error = run(vm, exit);
		break;
	case CO_VM_ENDED:
		error = CO_E_GONE;
		break;
	}
	co_publish(&vm->running, 0);
	return error;
}

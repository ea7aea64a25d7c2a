// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time.
 *
 * The clock is the TSC, at the frequency that the host has measured. The next
 * timer event is a TSC value in the shared page: the host compares it whenever
 * it has the CPU, and sleeps no longer than to it when we idle. The wall clock
 * is the host's, given as a pair of TSC value and time.
 */
#include <linux/clockchips.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/math64.h>
#include <linux/sched.h>
#include <linux/time.h>
#include <asm/msr.h>
#include <asm/system.h>
#include <asm/tsc.h>
#include <asm/x86_init.h>
#include "colinux.h"

/*
 * A deadline nearer than this (4 ms, a common host's tick) is told to the host
 * at once: it would look at the shared page too late by itself if we went on
 * computing. Farther ones it meets at its own next interrupt.
 */
#define CO_PROMPT_MS		4u

/* TSC ticks: the shortest delay worth programming, and the longest (a minute or
 * so; what 32 bits hold is less than a second) */
#define CO_MIN_DELTA		1000ul
#define CO_MAX_DELTA		min_t(u64, 1ull << 37, LONG_MAX)

/* With it, neither ticks nor nanoseconds of that minute overflow 64 bits. */
#define CO_CLOCK_SHIFT		24

static int co_set_next_event(unsigned long delta, struct clock_event_device *ce)
{
	co_comm->deadline = __native_read_tsc() + delta;
	if (delta < CO_PROMPT_MS * co_comm->tsc_khz)
		co_switch(CO_R_NOP);
	return 0;
}

static void co_set_mode(enum clock_event_mode mode, struct clock_event_device *ce)
{
	co_comm->deadline = CO_NO_DEADLINE;
}

static struct clock_event_device co_clockevent = {
	.name		= "colinux",
	.features	= CLOCK_EVT_FEAT_ONESHOT,
	.rating		= 400,
	.shift		= CO_CLOCK_SHIFT,
	.set_next_event	= co_set_next_event,
	.set_mode	= co_set_mode,
};

static irqreturn_t co_timer_interrupt(int irq, void *dev)
{
	co_clockevent.event_handler(&co_clockevent);
	return IRQ_HANDLED;
}

static struct irqaction co_timer_action = {
	.handler	= co_timer_interrupt,
	.flags		= IRQF_DISABLED | IRQF_TIMER | IRQF_NOBALANCING,
	.name		= "timer",
};

/* tsc_init() comes after it: the frequency is the host's word. */
static void __init co_timer_init(void)
{
	co_clockevent.cpumask = cpumask_of(0);
	co_clockevent.irq = co_irq(CO_VIRQ_TIMER);
	co_clockevent.mult = div_sc(co_comm->tsc_khz, NSEC_PER_MSEC, CO_CLOCK_SHIFT);
	co_clockevent.max_delta_ns = clockevent_delta2ns(CO_MAX_DELTA, &co_clockevent);
	co_clockevent.min_delta_ns = clockevent_delta2ns(CO_MIN_DELTA, &co_clockevent);
	setup_irq(co_clockevent.irq, &co_timer_action);
	clockevents_register_device(&co_clockevent);
}

static unsigned long co_tsc_khz(void)
{
	return READ_ONCE(co_comm->tsc_khz);
}

/* The wall clock now (UTC), from the host's last pair of TSC and time. */
static void co_wall_clock(struct timespec *now)
{
	u64 tsc, sec, passed, milliseconds;
	u32 seq, nsec, ticks;

	for (;;) {
		seq = READ_ONCE(co_comm->wall_seq);
		rmb();		/* the host may write from another CPU */
		tsc = co_comm->wall_tsc;
		sec = co_comm->wall_sec;
		nsec = co_comm->wall_nsec;
		rmb();
		if (!(seq & 1) && seq == READ_ONCE(co_comm->wall_seq))
			break;
		co_yield();
	}
	rdtsc_barrier();
	passed = __native_read_tsc();
	passed = passed > tsc ? passed - tsc : 0;
	/* in two steps: ticks times 10^6 would not stay within 64 bits for long */
	milliseconds = div_u64_rem(passed, co_comm->tsc_khz, &ticks);
	passed = nsec + milliseconds * NSEC_PER_MSEC +
		 div_u64((u64)ticks * NSEC_PER_MSEC, co_comm->tsc_khz);
	now->tv_sec = sec + div_u64_rem(passed, NSEC_PER_SEC, &nsec);
	now->tv_nsec = nsec;
}

static unsigned long co_get_wallclock(void)
{
	struct timespec now;

	co_wall_clock(&now);
	return now.tv_sec;
}

static int co_set_wallclock(unsigned long now)
{
	return -1;		/* the host's clock is the host's */
}

/*
 * CO_EVENT_WALL: the host slept, or its clock was set. Only CLOCK_REALTIME
 * jumps; monotonic time goes on, whatever the host says. Process context.
 */
int co_time_sync_wall(void)
{
	struct timespec now;

	co_wall_clock(&now);
	return do_settimeofday(&now);
}

/* The hook above has whole seconds only: the rest, as soon as time can be set. */
static int __init co_set_wall_clock(void)
{
	return co_active ? co_time_sync_wall() : 0;
}
device_initcall(co_set_wall_clock);

/*
 * x86_init.timers.tsc_pre_init. The TSC is the only clock; where it is not
 * steady the driver complains. So nothing needs to watch it, and the
 * scheduler's clock is as good without the tick's help.
 */
static void __init co_tsc_pre_init(void)
{
	setup_force_cpu_cap(X86_FEATURE_CONSTANT_TSC);
	setup_force_cpu_cap(X86_FEATURE_NONSTOP_TSC);
	setup_force_cpu_cap(X86_FEATURE_TSC_RELIABLE);
#ifdef CONFIG_HAVE_UNSTABLE_SCHED_CLOCK
	sched_clock_stable = 1;
#endif
}

void __init co_time_setup(void)
{
	x86_init.timers.setup_percpu_clockev = x86_init_noop;
	x86_init.timers.tsc_pre_init = co_tsc_pre_init;
	x86_init.timers.timer_init = co_timer_init;
	x86_platform.calibrate_tsc = co_tsc_khz;
	x86_platform.get_wallclock = co_get_wallclock;
	x86_platform.set_wallclock = co_set_wallclock;
}

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
#include <linux/time64.h>
#include <linux/timekeeping.h>
#include <asm/msr.h>
#include <asm/tsc.h>
#include <asm/x86_init.h>
#include "colinux.h"

/*
 * A deadline nearer than this (4 ms, a common host's tick) is told to the host
 * at once: it would look at the shared page too late by itself if we went on
 * computing. Farther ones it meets at its own next interrupt.
 */
#define CO_PROMPT_TICKS		(4ul * tsc_khz)

/* TSC ticks: the shortest delay worth programming, and the longest */
#define CO_MIN_DELTA		1000
#define CO_MAX_DELTA		(1ul << 40)

static int co_set_next_event(unsigned long delta, struct clock_event_device *ce)
{
	WRITE_ONCE(co_comm->deadline, rdtsc() + delta);
	if (delta < CO_PROMPT_TICKS)
		co_switch(CO_R_NOP);
	return 0;
}

static int co_clear_event(struct clock_event_device *ce)
{
	WRITE_ONCE(co_comm->deadline, CO_NO_DEADLINE);
	return 0;
}

static struct clock_event_device co_clockevent = {
	.name			= "colinux",
	.features		= CLOCK_EVT_FEAT_ONESHOT,
	.rating			= 400,
	.set_next_event		= co_set_next_event,
	.set_state_shutdown	= co_clear_event,
	.set_state_oneshot	= co_clear_event,
};

static irqreturn_t co_timer_interrupt(int irq, void *dev)
{
	co_clockevent.event_handler(&co_clockevent);
	return IRQ_HANDLED;
}

static void __init co_timer_init(void)
{
	unsigned int irq = co_irq(CO_VIRQ_TIMER);
	int err = request_irq(irq, co_timer_interrupt,
			      IRQF_TIMER | IRQF_NOBALANCING, "timer", NULL);

	if (err)
		panic("colinux: no timer interrupt (%d)", err);
	co_clockevent.cpumask = cpumask_of(0);
	co_clockevent.irq = irq;
	clockevents_config_and_register(&co_clockevent, tsc_khz * 1000,
					CO_MIN_DELTA, CO_MAX_DELTA);
}

static unsigned long co_tsc_khz(void)
{
	return READ_ONCE(co_comm->tsc_khz);
}

/* The wall clock now (UTC), from the host's last pair of TSC and time. */
static void co_get_wallclock(struct timespec64 *now)
{
	u64 tsc, sec, passed;
	u32 seq, nsec;

	for (;;) {
		seq = READ_ONCE(co_comm->wall_seq);
		smp_rmb();	/* the host may write from another CPU */
		tsc = READ_ONCE(co_comm->wall_tsc);
		sec = READ_ONCE(co_comm->wall_sec);
		nsec = READ_ONCE(co_comm->wall_nsec);
		smp_rmb();
		if (!(seq & 1) && seq == READ_ONCE(co_comm->wall_seq))
			break;
		co_yield();
	}
	passed = rdtsc_ordered();
	passed = passed > tsc ? passed - tsc : 0;
	passed = nsec + mul_u64_u64_div_u64(passed, NSEC_PER_MSEC, co_tsc_khz());
	now->tv_sec = sec + div_u64_rem(passed, NSEC_PER_SEC, &nsec);
	now->tv_nsec = nsec;
}

static int co_set_wallclock(const struct timespec64 *now)
{
	return -ENODEV;		/* the host's clock is the host's */
}

/*
 * CO_EVENT_WALL: the host slept, or its clock was set. Only CLOCK_REALTIME
 * jumps; monotonic time goes on, whatever the host says. Process context.
 */
int co_time_sync_wall(void)
{
	struct timespec64 now;

	co_get_wallclock(&now);
	return do_settimeofday64(&now);
}

void __init co_time_setup(void)
{
	x86_init.timers.setup_percpu_clockev = x86_init_noop;
	x86_init.timers.timer_init = co_timer_init;
	x86_init.timers.wallclock_init = x86_init_noop;
	x86_platform.calibrate_cpu = co_tsc_khz;
	x86_platform.calibrate_tsc = co_tsc_khz;
	x86_platform.get_wallclock = co_get_wallclock;
	x86_platform.set_wallclock = co_set_wallclock;
}

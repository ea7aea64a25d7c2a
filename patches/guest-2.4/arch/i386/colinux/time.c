// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time.
 *
 * 2.4 counts ticks, HZ a second. A tick is due whenever the TSC, at the
 * frequency that the host has measured, has gone on by one period. The next one
 * is the deadline in the shared page: the host interrupts a busy guest at it,
 * and wakes an idle one. However late that is, every tick that has become due
 * is played, one after another, so none is lost and time never jumps. Between
 * ticks the TSC tells the microseconds. The wall clock is the host's, given as
 * a pair of TSC value and time.
 *
 * This file stands in the place of arch/i386/kernel/time.c.
 */
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/mc146818rtc.h>
#include <linux/sched.h>
#include <linux/time.h>
#include <linux/timex.h>
#include <asm/div64.h>
#include <asm/hw_irq.h>
#include <asm/msr.h>
#include <asm/ptrace.h>
#include "colinux.h"

extern rwlock_t xtime_lock;
extern unsigned long wall_jiffies;
extern int x86_udelay_tsc;

unsigned long cpu_khz;
/* udelay(), in arch/i386/lib/delay.c, has a choice of clocks: not this one */
const int use_cyclone;
void __cyclone_delay(unsigned long loops) { }
/* of the CMOS clock's and the timer chip's registers, which nobody touches */
spinlock_t rtc_lock = SPIN_LOCK_UNLOCKED;
spinlock_t i8253_lock = SPIN_LOCK_UNLOCKED;

static u64 co_period;		/* of a tick, in TSC ticks */
static u64 co_next_tick;	/* the TSC when it is due */

static u64 co_tsc(void)
{
	u64 tsc;

	rdtscll(tsc);
	return tsc;
}

static u64 co_usec(u64 tsc_ticks)
{
	u64 usec = tsc_ticks * 1000;

	do_div(usec, cpu_khz);
	return usec;
}

/* xtime as it would be if the clock ticked every microsecond; xtime_lock held. */
static u64 co_since_xtime(void)
{
	u64 now = co_tsc(), last = co_next_tick - co_period;
	u64 usec = now > last ? co_usec(now - last) : 0;

	return usec + (u64)(jiffies - wall_jiffies) * (1000000 / HZ);
}

void do_gettimeofday(struct timeval *tv)
{
	unsigned long flags;
	u64 usec;
	u32 rest;

	read_lock_irqsave(&xtime_lock, flags);
	usec = co_since_xtime() + xtime.tv_usec;
	tv->tv_sec = xtime.tv_sec;
	read_unlock_irqrestore(&xtime_lock, flags);
	rest = do_div(usec, 1000000);
	tv->tv_sec += usec;
	tv->tv_usec = rest;
}

void do_settimeofday(struct timeval *tv)
{
	unsigned long flags;
	u64 since;
	s32 usec;

	write_lock_irqsave(&xtime_lock, flags);
	/* take back what do_gettimeofday() will add */
	since = co_since_xtime();
	usec = tv->tv_usec - do_div(since, 1000000);
	xtime.tv_sec = tv->tv_sec - (long)since;
	if (usec < 0) {
		usec += 1000000;
		xtime.tv_sec--;
	}
	xtime.tv_usec = usec;
	time_adjust = 0;	/* stop adjtime() */
	time_status |= STA_UNSYNC;
	time_maxerror = NTP_PHASE_LIMIT;
	time_esterror = NTP_PHASE_LIMIT;
	write_unlock_irqrestore(&xtime_lock, flags);
}

/*
 * CO_VIRQ_TIMER, in an interrupt. The next deadline is told to the host at once:
 * it would look at the shared page too late by itself if we went on computing.
 * (NTP may discipline our clock; the 11-minute write to the CMOS clock that goes
 * with it on a PC has no place here: that clock is the host's.)
 */
void co_tick(struct pt_regs *regs)
{
	u64 now = co_tsc();

	irq_enter(0, CO_VIRQ_TIMER);
	/* a TSC that was set back, by a host that slept: begin anew */
	if (co_next_tick > now + co_period)
		co_next_tick = now + co_period;
	while (co_next_tick <= now) {
		write_lock(&xtime_lock);
		co_next_tick += co_period;
		do_timer(regs);
		write_unlock(&xtime_lock);
		if (!user_mode(regs))
			x86_do_profile(regs->eip);
	}
	co_comm->deadline = co_next_tick;
	co_switch(CO_R_NOP);
	irq_exit(0, CO_VIRQ_TIMER);
}

/* ---- the wall clock ---- */

/* The wall clock now (UTC), from the host's last pair of TSC and time. */
static void co_wall(struct timeval *tv)
{
	u64 tsc, sec, usec;
	u32 seq, nsec;

	for (;;) {
		seq = co_once(co_comm->wall_seq);
		rmb();		/* the host may write from another CPU */
		tsc = co_comm->wall_tsc;
		sec = co_comm->wall_sec;
		nsec = co_comm->wall_nsec;
		rmb();
		if (!(seq & 1) && seq == co_once(co_comm->wall_seq))
			break;
		co_call(CO_R_NOP);	/* let the writer run */
	}
	usec = co_tsc();
	usec = usec > tsc ? co_usec(usec - tsc) : 0;
	usec += nsec / 1000;
	tv->tv_usec = do_div(usec, 1000000);
	tv->tv_sec = sec + usec;
}

/* CO_EVENT_WALL: the host slept, or its clock was set. Process context. */
void co_sync_wall(void *unused)
{
	struct timeval tv;

	co_wall(&tv);
	do_settimeofday(&tv);
}

/* What /proc/interrupts shows: the ticks are delivered by irq.c itself. */
static void co_no_handler(int irq, void *dev, struct pt_regs *regs)
{
}

static struct irqaction co_timer_action = {
	.handler = co_no_handler, .flags = SA_INTERRUPT, .name = "timer",
};

void __init time_init(void)
{
	struct timeval now;

	cpu_khz = co_comm->tsc_khz;
	co_period = cpu_khz * (u64)1000;
	do_div(co_period, HZ);
	x86_udelay_tsc = 1;
	co_wall(&now);
	xtime = now;
	co_next_tick = co_tsc() + co_period;
	co_comm->deadline = co_next_tick;
	setup_irq(CO_VIRQ_TIMER, &co_timer_action);
	printk(KERN_INFO "colinux: TSC at %lu.%03lu MHz\n", cpu_khz / 1000, cpu_khz % 1000);
}

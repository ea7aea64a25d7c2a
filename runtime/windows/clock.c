// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time: the TSC's rate, the wall clock, and how often the system's clock ticks.
 */
#include "nt.h"
#include "../monitor/cpu.h"

#define SECOND			10000000u	/* NT's unit of time is 100 ns */
#define SYSTEM_TIME_OF_DAY	3		/* a class of NtQuerySystemInformation */
#define UNIX_EPOCH		11644473600ull	/* seconds from 1601-01-01 to 1970-01-01 */
#define FINE			10000u		/* 1 ms between two ticks */

static u32 tsc_khz;

/* KeQuerySystemTimePrecise (since Windows 8) or KeQuerySystemTime, which 32-bit NT exports
 * and 64-bit NT has in headers only. */
static VOID (NTAPI *query_time)(PLARGE_INTEGER time);

void co_nt_clock_init(void)
{
	query_time = co_nt_routine(L"KeQuerySystemTimePrecise");
	if (!query_time)
		query_time = co_nt_routine(L"KeQuerySystemTime");
}

/* ---- the TSC's rate ---- */

struct moment { u64 tsc, count; };

/* Both counters at once: of a few tries the one that took least. */
static struct moment now(void)
{
	struct moment best = { 0, 0 };
	u64 before, count, took, least = ~0ull;
	u32 i;

	for (i = 0; i < 8; i++) {
		before = co_rdtsc();
		count = (u64)KeQueryPerformanceCounter(NULL).QuadPart;
		took = co_rdtsc() - before;
		if (took < least) {
			least = took;
			best.tsc = before + took / 2;
			best.count = count;
		}
	}
	return best;
}

/*
 * Over a second and more, once: a shorter time would be wrong by more than a guest's
 * NTP corrects. Context sleep, under a lock or two that nobody else waits for.
 */
void co_nt_calibrate(void)
{
	LARGE_INTEGER frequency, second;
	struct moment a, b;
	u64 count;
	u32 shift = 0;

	if (co_read(&tsc_khz))
		return;
	second.QuadPart = -(LONGLONG)SECOND;
	KeQueryPerformanceCounter(&frequency);
	a = now();
	KeDelayExecutionThread(KernelMode, FALSE, &second);
	b = now();
	if (frequency.QuadPart <= 0 || b.count <= a.count)
		return;		/* no clock at all: co_vm_create's guest will not get far */
	/* (TSC ticks) x (counts a second) / (counts x 1000), with the precision of 32
	 * bits; the product fits, as the counts are about a second's. */
	count = (b.count - a.count) * 1000;
	while (count >> shift >> 32)
		shift++;
	co_write(&tsc_khz, (u32)co_divide((b.tsc - a.tsc) * ((u64)frequency.QuadPart >> shift),
					  (u32)(count >> shift)));
}

u32 co_os_tsc_khz(void)
{
	return co_read(&tsc_khz);
}

/* ---- the wall clock ---- */

/* As the system knows it, which may be as of its last tick; 0 if it will not say. */
static u64 system_time(void)
{
	u64 answer[4] = { 0 };	/* when booted, now, time zone, ...: Windows 2000 has no more */
	LARGE_INTEGER time;

	if (query_time) {
		query_time(&time);
		return (u64)time.QuadPart;
	}
	return co_nt_query(SYSTEM_TIME_OF_DAY, answer, sizeof(answer)) ? 0 : answer[1];
}

/* Wait for the tick, for a better answer; no longer than three of the slowest ones. */
void co_os_wall(u64 *tsc, u64 *sec, u32 *nsec)
{
	u64 start = co_rdtsc(), first = system_time(), time, seconds;

	do {
		time = system_time();
		*tsc = co_rdtsc();
	} while (time == first && *tsc - start < (u64)co_os_tsc_khz() * 50);
	seconds = co_divide(time, SECOND);
	*sec = seconds - UNIX_EPOCH;
	*nsec = (u32)(time - seconds * SECOND) * 100;
}

/* ---- ticks ---- */

/*
 * A busy guest gets to its timers with the host's interrupts, and an idle one's sleep
 * ends with a tick: while one lives, the clock ticks each millisecond. The system
 * counts who asked for it.
 */
void co_nt_fine_clock(struct co_nt_vm *l, u32 on)
{
	if (l->fine_clock == on)
		return;
	l->fine_clock = on;
	ExSetTimerResolution(FINE, (BOOLEAN)on);
}

/*
 * Setting a timer takes interrupts that are on, and here they are off: the fine clock
 * has to do (os.h allows it).
 */
void co_os_timer(struct co_vm *vm, u64 ns)
{
	(void)vm;
	(void)ns;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* Sleeps and clocks, measured; whether they are good enough the launcher says. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static void sleep_us(long us)
{
	struct timespec ts = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

	while (nanosleep(&ts, &ts))
		;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* `count` sleeps of `us`: the shortest, the median and the longest, in ms. */
static int sleeps(const char *name, long us, long count)
{
	double *ms = calloc((size_t)count, sizeof(*ms));

	if (!ms)
		return check_unable("memory");
	for (long i = 0; i < count; i++) {
		double t = check_now();

		sleep_us(us);
		ms[i] = (check_now() - t) * 1e3;
	}
	qsort(ms, (size_t)count, sizeof(*ms), by_value);
	printf("%s_min_ms=%.3f\n%s_median_ms=%.3f\n%s_max_ms=%.3f\n", name, ms[0],
	       name, ms[count / 2], name, ms[count - 1]);
	free(ms);
	return CHECK_OK;
}

int check_timers(int argc, char **argv)
{
	long count = check_number(argc, argv, 1, 20);

	if (!count) {
		fprintf(stderr, "colinux-check: %s: at least 1\n", argv[0]);
		return CHECK_USAGE;
	}
	return sleeps("sleep10", 10000, count) || sleeps("sleep1", 1000, count);
}

/*
 * Both clocks at one moment: the closest pair of some tries, since a busy machine
 * may stop us between one reading and the next.
 */
static void look(long long *monotonic, long long *wall)
{
	long long closest = -1;

	for (int i = 0; i < 1000 && (closest < 0 || closest > 50000); i++) {
		long long before = check_now_ns(), w = check_wall_ns(), apart = check_now_ns() - before;

		if (closest >= 0 && apart >= closest)
			continue;
		closest = apart;
		*monotonic = before + apart / 2;
		*wall = w;
	}
}

/*
 * Over so many milliseconds, half of them busy and half asleep: how far each
 * clock went, whether one ever stepped back. `epoch` compares with another
 * machine's wall clock.
 */
int check_clock(int argc, char **argv)
{
	long long span = check_number(argc, argv, 1, 1000) * 1000000ll;
	/* integers: the x87 compares a value in a register with a rounded one in memory */
	long long m0, w0, m, w;
	long back = 0, reads = 0;

	look(&m0, &w0);
	m = m0;
	w = w0;
	while (m - m0 < span / 2) {
		long long m1 = check_now_ns(), w1 = check_wall_ns();

		back += (m1 < m) + (w1 < w);
		m = m1;
		w = w1;
		reads++;
	}
	sleep_us((long)(span / 2000));
	look(&m, &w);
	printf("monotonic_s=%.6f\nwall_s=%.6f\nreads=%ld\nbackward=%ld\nepoch=%.3f\n",
	       (double)(m - m0) / 1e9, (double)(w - w0) / 1e9, reads, back, (double)w / 1e9);
	return back ? CHECK_FAULT : CHECK_OK;
}

#define STAMPS	2000

/*
 * The wall clock at a moment of the CPU's own counter, which guest and host share:
 * two stamps of one tell how fast its clock goes, and with the other's the same of
 * both, however long it took to ask them. Of many the one that was not interrupted:
 * `width` is how many cycles it can be off.
 */
int check_stamp(int argc, char **argv)
{
	unsigned long long before, after, width = ~0ull, tsc = 0;
	long long wall, best = 0;
	int i;

	(void)argc;
	(void)argv;
	for (i = 0; i < STAMPS; i++) {
		before = __builtin_ia32_rdtsc();
		wall = check_wall_ns();
		after = __builtin_ia32_rdtsc();
		if (after - before >= width)
			continue;
		width = after - before;
		tsc = before + width / 2;
		best = wall;
	}
	printf("tsc=%llu\nepoch=%.6f\nwidth=%llu\n", tsc, (double)best / 1e9, width);
	return CHECK_OK;
}

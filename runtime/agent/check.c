/* SPDX-License-Identifier: GPL-2.0-only */
/* colinux-check SUBCOMMAND [ARGUMENT...]: see check.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "check.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
} commands[] = {
	{ "fpu", check_fpu, "[SECONDS [HOLDERS [FORKERS]]]  FPU/SSE/AVX registers under preemption" },
	{ "state", check_state, "[SECONDS [DISK]]  segments, debug registers, entries, modes" },
	{ "timers", check_timers, "[COUNT]  10 ms and 1 ms sleeps" },
	{ "clock", check_clock, "[MILLISECONDS]  clocks against each other" },
	{ "stamp", check_stamp, "the wall clock at a moment of the time stamp counter" },
	{ "forks", check_forks, "[COUNT]  fork, exec and wait" },
	{ "mem", check_mem, "[MIB]  fill memory and read it back" },
	{ "doors", check_doors, "ways from root into ring 0" },
	{ "spin", check_spin, "[SECONDS]  keep a CPU busy" },
	{ "bench", check_bench, "cpu|fp|getpid|fork|pipe|sleep, diskseq|diskrand FILE,"
	  " netsend|nettake|netrtt ADDRESS:PORT, files|fileseq DIR, tty|serial|entropy DEVICE" },
	{ "pool", check_pool, "[trim]  the host driver's memory pool" },
	{ "folder", check_folder, "DIR [READONLY]  a host folder, mounted there" },
	{ "net", check_net, "serve|names|send|take|both|udp|rtt|lookup ...  traffic between two machines" },
	{ "serial", check_serial, "PATH...  be at the other ends of terminals of these names" },
	{ "keep", check_keep, "DIR [FIRST]  write files that have to outlive a crash" },
	{ "kept", check_kept, "DIR LAST  are they there?" },
	{ "true", check_true, "do nothing (what `forks` executes)" },
};

long long check_now_ns(void)
{
	struct timespec ts;

	if (!clock_gettime(CLOCK_MONOTONIC, &ts))
		return ts.tv_sec * 1000000000ll + ts.tv_nsec;
	return check_wall_ns();
}

long long check_wall_ns(void)
{
	struct timeval tv;

	gettimeofday(&tv, NULL);
	return tv.tv_sec * 1000000000ll + tv.tv_usec * 1000ll;
}

double check_now(void)
{
	return (double)check_now_ns() / 1e9;
}

long check_number(int argc, char **argv, int n, long otherwise)
{
	char *end;
	long v;

	if (n >= argc)
		return otherwise;
	v = strtol(argv[n], &end, 10);
	if (end == argv[n] || *end || v < 0) {
		fprintf(stderr, "colinux-check: %s: not a number: %s\n", argv[0], argv[n]);
		exit(CHECK_USAGE);
	}
	return v;
}

int check_unable(const char *what)
{
	fprintf(stderr, "colinux-check: %s: %s\n", what, strerror(errno));
	return CHECK_UNABLE;
}

int check_true(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return CHECK_OK;
}

int main(int argc, char **argv)
{
	/* a machine that stops in the middle should have told what it knew */
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "usage: colinux-check SUBCOMMAND [ARGUMENT...]\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(stderr, "  %-7s %s\n", commands[i].name, commands[i].usage);
	return CHECK_USAGE;
}

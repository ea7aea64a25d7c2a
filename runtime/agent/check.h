/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * colinux-check: what a check has to measure from inside a machine and a shell
 * cannot. It measures and prints `key=value` lines; the launcher judges them,
 * except where only this program can see the fault (then: exit status 1).
 *
 *	check.c		the table of subcommands
 *	check_fpu.c	register contents across preemption
 *	check_state.c	the rest of a process's CPU state (and check_state_*.c)
 *	check_time.c	sleeps, clocks
 *	check_load.c	forks, memory, a busy loop
 *	check_doors.c	ways from root into ring 0
 *	check_bench.c	the benchmarks of ./doit bench (and check_bench_devices.c)
 *	check_driver.c	the host driver's pool
 *	check_folder.c	a host folder, as a file system
 *	check_net.c	streams, datagrams and names, every byte looked at (and check_net_serve.c)
 *	check_serial.c	the other ends of serial lines, and their benchmark
 *	check_keep.c	files that were flushed, before and after a crash
 *
 * Exit status: 0 good, 1 a fault was found, 2 usage, 3 could not be measured.
 */
#ifndef COLINUX_CHECK_H
#define COLINUX_CHECK_H

#define CHECK_OK	0
#define CHECK_FAULT	1
#define CHECK_USAGE	2
#define CHECK_UNABLE	3

/* Seconds since some fixed moment: monotonic, or the wall clock on 2.4. */
double check_now(void);
/* The same in nanoseconds, and those of the wall clock since 1970. */
long long check_now_ns(void);
long long check_wall_ns(void);
/* argv[n] as a number, or `otherwise` when it is not there; exits on nonsense. */
long check_number(int argc, char **argv, int n, long otherwise);
/* perror and CHECK_UNABLE in one. */
int check_unable(const char *what);

int check_fpu(int argc, char **argv);
int check_state(int argc, char **argv);
int check_timers(int argc, char **argv);
int check_clock(int argc, char **argv);
int check_stamp(int argc, char **argv);
int check_forks(int argc, char **argv);
int check_mem(int argc, char **argv);
int check_doors(int argc, char **argv);
int check_spin(int argc, char **argv);
int check_bench(int argc, char **argv);
int check_pool(int argc, char **argv);
int check_folder(int argc, char **argv);
int check_net(int argc, char **argv);
int check_serial(int argc, char **argv);
int check_keep(int argc, char **argv);
int check_kept(int argc, char **argv);
int check_true(int argc, char **argv);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Does a process keep what it has in the CPU beside registers and floating point
 * (those: check_fpu.c)? Segments, descriptors, debug registers, entries into the
 * kernel, modes: each in several processes at once, while others sleep, fork and
 * read a disk, so that the host is entered from wherever a process may be.
 *
 * Prints a line a kind, `KIND=ok rounds=N holders=N`, `KIND=absent`, or `KIND=lost`.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "check_state.h"

#define BLKFLSBUF	_IO(0x12, 97)	/* linux/fs.h: forget what was read */
#define DISK_BLOCKS	4096l		/* 16 MiB of it */
#define BLOCK		4096
#define HOLDERS		2		/* of each kind: with different values */

static const struct {
	const char *name;
	state_hold *hold;
} kinds[] = {
	{ "tls", state_tls },
	{ "ldt", state_ldt },
	{ "segments", state_segments },
	{ "watch", state_watch },
	{ "int80", state_int80 },
#ifdef __x86_64__
	{ "bases", state_bases },
	{ "syscall", state_syscall },
	{ "compat32", state_compat32 },
	{ "fast32", state_fast32 },
#else
	{ "sysenter", state_sysenter },
	{ "vm86", state_vm86 },
#endif
};
#define KINDS ((int)(sizeof(kinds) / sizeof(kinds[0])))

/* What a process tells at its end; less than PIPE_BUF, so never torn. */
struct told {
	int kind, verdict;	/* kind KINDS: the disturbers' */
	long rounds;
};

int state_lost(const char *kind, int copy, const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("fault: %s %d: %s\n", kind, copy, text);
	return STATE_LOST;
}

void state_wait(unsigned round)
{
	static const long nap[2] = { 0, 1000000 };	/* the kernel's own timespec: 1 ms */
	unsigned long n;

	for (n = 50000; n; n--)
		__asm__ volatile("");
	if (round % 4)
		state_call(NR_SCHED_YIELD, 0, 0, 0);
	else
		state_call(NR_NANOSLEEP, (long)nap, 0, 0);
}

static sigjmp_buf trial;

static void on_fault(int sig)
{
	siglongjmp(trial, sig);
}

int state_has_gate32(void)
{
	struct sigaction sa, old;
	volatile int has = 0;	/* lives across siglongjmp */

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_fault;
	sigaction(SIGSEGV, &sa, &old);
	if (!sigsetjmp(trial, 1))
		has = state_call32(NR32_GETPID, 0, 0, 0) == getpid();
	sigaction(SIGSEGV, &old, NULL);
	return has;
}

/* ---- the disturbers ---- */

/* Processes come and go, each with a page table, and an LDT where it sets one up. */
static long fork_often(double until)
{
	long n = 0;

	for (; check_now() < until; n++) {
		pid_t pid = fork();
		int status;

		if (!pid)
			_exit(0);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			return -1;
	}
	return n;
}

/* Read places of a disk again and again: doorbells, and the host's answers. */
static long read_often(const char *disk, double until)
{
	static char block[BLOCK];
	int fd = open(disk, O_RDONLY);
	long n = 0;

	if (fd < 0)
		return -1;
	for (; check_now() < until; n++) {
		if (!(n % 64))
			ioctl(fd, BLKFLSBUF, 0);
		if (pread(fd, block, BLOCK, n * 1103 % DISK_BLOCKS * BLOCK) != BLOCK)
			return -1;
	}
	close(fd);
	return n;
}

/* Interrupts that this kernel has counted; each of them came from the host. */
static long interrupts(void)
{
	FILE *f = fopen("/proc/interrupts", "r");
	char line[512], *word, *end;
	long sum = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		word = strchr(line, ':');
		while (word) {
			long n = strtol(word + 1, &end, 10);

			if (end == word + 1)
				break;
			sum += n;
			word = *end == ' ' ? end : NULL;
		}
	}
	fclose(f);
	return sum;
}

/* ---- all at once ---- */

static void tell(int fd, int kind, int verdict, long rounds)
{
	struct told told = { kind, verdict, rounds };

	fflush(stdout);
	_exit(write(fd, &told, sizeof(told)) == (ssize_t)sizeof(told) ? 0 : 1);
}

static void hold(int fd, int kind, int copy, double until)
{
	char name[16];	/* as long as the kernel keeps it */
	long rounds = 0;
	int verdict;

	/* For whoever looks from outside: which of them is this? Linux 2.4 has static names. */
	snprintf(name, sizeof(name), "%s %d", kinds[kind].name, copy);
	prctl(PR_SET_NAME, name, 0, 0, 0);
	verdict = kinds[kind].hold(copy, until, &rounds);
	tell(fd, kind, verdict, rounds);
}

static void disturb(int fd, const char *disk, double until)
{
	long n = disk ? read_often(disk, until) : fork_often(until);

	if (n < 0)
		n = state_lost("disturber", 0, "%s: %s", disk ? disk : "fork", strerror(errno));
	tell(fd, KINDS, n < 0 ? STATE_LOST : STATE_KEPT, n);
}

static pid_t start(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		exit(check_unable("fork"));
	return pid;
}

/* Wait for every child; those that did not end by themselves are faults. */
static int faults_of(const pid_t *pid, int n)
{
	int faults = 0, status;

	for (int i = 0; i < n; i++) {
		const char *name = i < KINDS * HOLDERS ? kinds[i / HOLDERS].name : "disturber";

		if (waitpid(pid[i], &status, 0) == pid[i] && !status)
			continue;
		faults++;
		state_lost(name, i % HOLDERS, WIFSIGNALED(status) ? "died of signal %d" : "status %x",
			   WIFSIGNALED(status) ? WTERMSIG(status) : status);
	}
	return faults;
}

/* One line a kind; returns how many were lost. */
static int judge(int fd)
{
	int ended[KINDS + 1] = { 0 }, verdict[KINDS + 1] = { 0 }, lost = 0;
	long rounds[KINDS + 1] = { 0 };
	struct told told;

	while (read(fd, &told, sizeof(told)) == (ssize_t)sizeof(told)) {
		ended[told.kind]++;
		rounds[told.kind] += told.rounds;
		if (told.verdict > verdict[told.kind])
			verdict[told.kind] = told.verdict;
	}
	for (int i = 0; i < KINDS; i++) {
		/* a holder that never got round to it has proved nothing */
		if (ended[i] == HOLDERS && verdict[i] == STATE_ABSENT) {
			printf("%s=absent\n", kinds[i].name);
		} else if (ended[i] == HOLDERS && verdict[i] == STATE_KEPT && rounds[i] >= HOLDERS) {
			printf("%s=ok rounds=%ld holders=%d\n", kinds[i].name, rounds[i], ended[i]);
		} else {
			printf("%s=lost rounds=%ld holders=%d\n", kinds[i].name, rounds[i], ended[i]);
			lost++;
		}
	}
	printf("disturbances=%ld\n", rounds[KINDS]);
	return lost + (verdict[KINDS] != STATE_KEPT);
}

int check_state(int argc, char **argv)
{
	long seconds = check_number(argc, argv, 1, 5), before = interrupts();
	const char *disk = argc > 2 ? argv[2] : NULL;
	double until = check_now() + (double)seconds;
	pid_t pid[KINDS * HOLDERS + 2];
	int p[2], n = 0, faults;

	if (pipe(p))
		return check_unable("pipe");
	for (; n < KINDS * HOLDERS; n++) {
		pid[n] = start();
		if (!pid[n])
			hold(p[1], n / HOLDERS, n % HOLDERS, until);
	}
	for (int i = 0; i < (disk ? 2 : 1); i++, n++) {
		pid[n] = start();
		if (!pid[n])
			disturb(p[1], i ? disk : NULL, until);
	}
	close(p[1]);
	faults = faults_of(pid, n);
	faults += judge(p[0]);
	printf("interrupts=%ld\nfaults=%d\n", interrupts() - before, faults);
	return faults ? CHECK_FAULT : CHECK_OK;
}

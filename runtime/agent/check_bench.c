/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The benchmarks of ./doit bench: the same program in guest and host, so that
 * their ratio is the guest's cost. Each prints one `name=value` line; lower is
 * better throughout (seconds, or milliseconds of error).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE		/* O_DIRECT */
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "check_bench.h"

#define BLOCK 4096
#define SEQ_CHUNK (1 << 20)
#define SEQ_TOTAL (16 << 20)
#define RAND_READS 500

static int bench_cpu(const char *arg)
{
	volatile uint64_t x = 1;
	double t = check_now();

	(void)arg;
	for (long i = 0; i < 20000000; i++)
		x = x * 6364136223846793005ull + 1442695040888963407ull;
	printf("cpu_s=%.6f\n", check_now() - t);
	return CHECK_OK;
}

static int bench_fp(const char *arg)
{
	volatile double f = 1.0;
	double t = check_now();

	(void)arg;
	for (long i = 0; i < 2000000; i++)
		f = f * 1.0000001 + 0.5 / f;
	printf("fp_s=%.6f\n", check_now() - t);
	return CHECK_OK;
}

static int bench_getpid(const char *arg)
{
	double t = check_now();

	(void)arg;
	for (long i = 0; i < 200000; i++)
		syscall(SYS_getppid);	/* getpid itself may be answered by the C library */
	printf("getpid_s=%.6f\n", check_now() - t);
	return CHECK_OK;
}

static int bench_fork(const char *arg)
{
	double t = check_now();

	(void)arg;
	for (int i = 0; i < 200; i++) {
		pid_t pid = fork();
		int status;

		if (pid < 0)
			return check_unable("fork");
		if (!pid) {
			execl("/proc/self/exe", "colinux-check", "true", (char *)NULL);
			_exit(126);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			return check_unable("fork+exec");
	}
	printf("forkexec_s=%.6f\n", check_now() - t);
	return CHECK_OK;
}

/* Two processes and two pipes: every round is two context switches. */
static int bench_pipe(const char *arg)
{
	int there[2], back[2], status;
	double t;
	pid_t pid;
	char c = 0;

	(void)arg;
	if (pipe(there) || pipe(back))
		return check_unable("pipe");
	pid = fork();
	if (pid < 0)
		return check_unable("fork");
	if (!pid) {
		close(there[1]);
		while (read(there[0], &c, 1) == 1)
			if (write(back[1], &c, 1) != 1)
				_exit(1);
		_exit(0);
	}
	t = check_now();
	for (int i = 0; i < 5000; i++)
		if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
			return check_unable("pipe");
	t = check_now() - t;
	close(there[1]);
	waitpid(pid, &status, 0);
	printf("pipe_s=%.6f\n", t);
	return CHECK_OK;
}

/* How much longer than asked 10 ms take, on average. */
static int bench_sleep(const char *arg)
{
	struct timespec ts = { .tv_sec = 0, .tv_nsec = 10000000 };
	double t = check_now();

	(void)arg;
	for (int i = 0; i < 50; i++)
		nanosleep(&ts, NULL);
	printf("sleep10_error_ms=%.4f\n", (check_now() - t) / 50 * 1e3 - 10);
	return CHECK_OK;
}

/* Past the page cache where the file system can, so that the device is measured. */
static int open_disk(const char *path, void **buf, size_t size)
{
	int fd;

	if (!path) {
		errno = EINVAL;
		return -1;
	}
	fd = open(path, O_RDONLY | O_DIRECT);
	if (fd < 0 && errno == EINVAL)
		fd = open(path, O_RDONLY);
	if (fd >= 0 && posix_memalign(buf, BLOCK, size)) {
		close(fd);
		errno = ENOMEM;
		return -1;
	}
	return fd;
}

static int bench_diskseq(const char *path)
{
	void *buf = NULL;
	int fd = open_disk(path, &buf, SEQ_CHUNK);
	double t = check_now();
	long total = 0;
	ssize_t n;

	if (fd < 0)
		return check_unable(path ? path : "diskseq FILE");
	while (total < SEQ_TOTAL && (n = read(fd, buf, SEQ_CHUNK)) > 0)
		total += n;
	if (total < SEQ_TOTAL) {
		fprintf(stderr, "colinux-check: %s is shorter than %d MiB\n", path, SEQ_TOTAL >> 20);
		return CHECK_UNABLE;
	}
	printf("diskseq_s=%.6f\n", check_now() - t);
	close(fd);
	free(buf);
	return CHECK_OK;
}

static int bench_diskrand(const char *path)
{
	void *buf = NULL;
	int fd = open_disk(path, &buf, BLOCK);
	uint32_t r = 1;
	double t = check_now();

	if (fd < 0)
		return check_unable(path ? path : "diskrand FILE");
	for (int i = 0; i < RAND_READS; i++) {
		r = r * 1664525u + 1013904223u;
		off_t at = (off_t)((r >> 8) % (SEQ_TOTAL / BLOCK)) * BLOCK;

		if (pread(fd, buf, BLOCK, at) != BLOCK)
			return check_unable(path);
	}
	printf("diskrand_s=%.6f\n", check_now() - t);
	close(fd);
	free(buf);
	return CHECK_OK;
}

int check_bench(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const char *arg);
	} benches[] = {
		{ "cpu", bench_cpu }, { "fp", bench_fp }, { "getpid", bench_getpid },
		{ "fork", bench_fork }, { "pipe", bench_pipe }, { "sleep", bench_sleep },
		{ "diskseq", bench_diskseq }, { "diskrand", bench_diskrand },
		{ "netsend", bench_netsend }, { "nettake", bench_nettake }, { "netrtt", bench_netrtt },
		{ "files", bench_files }, { "fileseq", bench_fileseq },
		{ "tty", bench_tty }, { "serial", bench_serial }, { "entropy", bench_entropy },
	};

	for (size_t i = 0; argc > 1 && i < sizeof(benches) / sizeof(benches[0]); i++)
		if (!strcmp(argv[1], benches[i].name))
			return benches[i].run(argc > 2 ? argv[2] : NULL);
	fprintf(stderr, "colinux-check: bench: one of cpu fp getpid fork pipe sleep diskseq diskrand"
		" netsend nettake netrtt files fileseq tty serial entropy\n");
	return CHECK_USAGE;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* Processes, memory, and a busy CPU. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static const char self[] = "/proc/self/exe";

/*
 * Fork, and wait for the very status that this child was told to end with;
 * every second child executes this program anew.
 */
int check_forks(int argc, char **argv)
{
	long count = check_number(argc, argv, 1, 300);
	double t = check_now();
	long faults = 0;

	for (long i = 0; i < count; i++) {
		int want = i & 1 ? 0 : (int)(i % 120) + 1, status;
		pid_t pid = fork();

		if (pid < 0)
			return check_unable("fork");
		if (!pid) {
			if (i & 1) {
				execl(self, "colinux-check", "true", (char *)NULL);
				_exit(126);
			}
			_exit(want);
		}
		if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
		    WEXITSTATUS(status) != want) {
			printf("fault: fork %ld: status %x, not %d\n", i, status, want);
			faults++;
		}
	}
	printf("forks=%ld\nseconds=%.3f\nfaults=%ld\n", count, check_now() - t, faults);
	return faults ? CHECK_FAULT : CHECK_OK;
}

/* Fill memory with what depends on each word's place; read all of it back. */
int check_mem(int argc, char **argv)
{
	size_t bytes = (size_t)check_number(argc, argv, 1, 32) << 20;
	size_t n = bytes / sizeof(uint64_t);
	long faults = 0;
	uint64_t *p;

	if (!bytes) {
		fprintf(stderr, "colinux-check: %s: at least 1\n", argv[0]);
		return CHECK_USAGE;
	}
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return check_unable("mmap");
	for (int pass = 0; pass < 2; pass++) {
		uint64_t flip = pass ? ~0ull : 0;

		for (size_t i = 0; i < n; i++)
			p[i] = (i * 0x9e3779b97f4a7c15ull) ^ flip;
		for (size_t i = 0; i < n; i++)
			if (p[i] != ((i * 0x9e3779b97f4a7c15ull) ^ flip) && faults++ < 5)
				printf("fault: word %lu of pass %d is %llx\n", (unsigned long)i,
				       pass, (unsigned long long)p[i]);
	}
	printf("mib=%lu\nfaults=%ld\n", (unsigned long)(bytes >> 20), faults);
	return faults ? CHECK_FAULT : CHECK_OK;
}

int check_spin(int argc, char **argv)
{
	double until = check_now() + (double)check_number(argc, argv, 1, 1);
	volatile unsigned long x = 0;

	while (check_now() < until)
		for (int i = 0; i < 100000; i++)
			x++;
	return CHECK_OK;
}

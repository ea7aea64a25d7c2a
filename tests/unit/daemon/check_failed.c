// SPDX-License-Identifier: GPL-2.0-only
/* What a failed CHECK says, and files for tests. */
#include "check.h"

#include <fcntl.h>
#include <unistd.h>

void check_failed(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: not true: %s\n", file, line, condition);
	exit(1);
}

void check_not_equal(const char *file, int line, const char *what, unsigned long long got,
		     unsigned long long expected)
{
	fprintf(stderr, "%s:%d: %s is %llu (0x%llx), expected %llu (0x%llx)\n", file, line, what, got,
		got, expected, expected);
	exit(1);
}

void check_no_text(const char *file, int line, const char *text, const char *part)
{
	fprintf(stderr, "%s:%d: \"%s\" does not hold \"%s\"\n", file, line, text, part);
	exit(1);
}

const char *check_file(const char *name, size_t bytes)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0 && !ftruncate(fd, bytes));
	close(fd);
	return name;
}


/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A test program's frame: a table of named tests, each run in a process of its
 * own by tests/unit/test_daemon_devices.py, which asks for the names first.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test {
	const char *name;
	void (*run)(void);
};

/* Ends with {}; every test_*.c has one. */
extern const struct test tests[];

#define CHECK(condition) do { \
	if (!(condition)) \
		check_failed(__FILE__, __LINE__, #condition); \
} while (0)

#define CHECK_EQUAL(got, expected) do { \
	unsigned long long got_ = (got), expected_ = (expected); \
	if (got_ != expected_) \
		check_not_equal(__FILE__, __LINE__, #got, got_, expected_); \
} while (0)

/* The part must occur in the text. */
#define CHECK_TEXT(text, part) do { \
	if (!strstr(text, part)) \
		check_no_text(__FILE__, __LINE__, text, part); \
} while (0)

void check_failed(const char *file, int line, const char *condition);
void check_not_equal(const char *file, int line, const char *what, unsigned long long got,
		     unsigned long long expected);
void check_no_text(const char *file, int line, const char *text, const char *part);

/* A new file of so many zero bytes in the current folder; its path. */
const char *check_file(const char *name, size_t bytes);

#endif

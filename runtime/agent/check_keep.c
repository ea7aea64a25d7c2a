/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is said to be on the disk is there, whatever is killed in between.
 *
 *	keep DIR FIRST		writes file after file until it is killed, the first one
 *				being number FIRST, and says `kept=N` when fsync() has
 *				promised the content of number N and its name
 *	kept DIR LAST		looks at what is there after `kept=LAST` was read by somebody
 *
 * Number N is named by N % SLOTS, so that names are replaced over and over; it is
 * written beside and renamed, as programs do that must not lose the old content.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

#define SLOTS	64
#define BYTES	40000

static char text[BYTES + 1], found[BYTES + 1];

/* The content of a number: its length and every byte say which. At least one line. */
static size_t content_of(long number)
{
	size_t bytes = 32 + (unsigned long)number * 7919 % (BYTES - 32), at = 0;

	while (at < bytes)
		at += snprintf(text + at, sizeof(text) - at, "%ld at %zu\n", number, at);
	return bytes;
}

static int write_all(int fd, const char *from, size_t bytes)
{
	while (bytes) {
		ssize_t done = write(fd, from, bytes);

		if (done < 0)
			return -1;
		from += done;
		bytes -= done;
	}
	return 0;
}

/* The file's content, then its name: what was renamed is only safe with its folder. */
static int keep_one(const char *dir, int dir_fd, long number)
{
	char fresh[PATH_MAX], name[PATH_MAX];
	int fd;

	snprintf(fresh, sizeof(fresh), "%s/new", dir);
	snprintf(name, sizeof(name), "%s/%ld", dir, number % SLOTS);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0)
		return check_unable(fresh);
	if (write_all(fd, text, content_of(number)) || fsync(fd) || close(fd))
		return check_unable(fresh);
	if (rename(fresh, name) || fsync(dir_fd))
		return check_unable(name);
	return CHECK_OK;
}

int check_keep(int argc, char **argv)
{
	long number = check_number(argc, argv, 2, 1);
	int dir_fd, result;

	if (argc < 2 || number < 1)
		return CHECK_USAGE;
	dir_fd = open(argv[1], O_RDONLY | O_DIRECTORY);
	if (dir_fd < 0)
		return check_unable(argv[1]);
	for (;; number++) {
		result = keep_one(argv[1], dir_fd, number);
		if (result)
			return result;
		printf("kept=%ld\n", number);
		fflush(stdout);
	}
}

/* Which number's content the slot has, whole; -1: none's. */
static long number_in(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t bytes = 0, more;
	long number;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	while ((more = read(fd, found + bytes, BYTES - bytes)) > 0)
		bytes += more;
	close(fd);
	if (more < 0)
		return -1;
	found[bytes] = '\0';
	number = strtol(found, NULL, 10);
	if (number < 1 || content_of(number) != (size_t)bytes || memcmp(text, found, bytes))
		return -1;
	return number;
}

int check_kept(int argc, char **argv)
{
	long last = check_number(argc, argv, 2, 0), slot, number, least, faults = 0, newest = 0;
	char path[PATH_MAX];

	if (argc < 3 || last < 0)
		return CHECK_USAGE;
	for (slot = 0; slot < SLOTS; slot++) {
		/* the last one of this name that was promised; 0: none was */
		least = last - ((last - slot) % SLOTS + SLOTS) % SLOTS;
		snprintf(path, sizeof(path), "%s/%ld", argv[1], slot);
		number = number_in(path);
		if (number > newest)
			newest = number;
		/* more than that may be there: promises that nobody read, and what was being written */
		if (number >= 0 && number >= least && (number == 0 || number % SLOTS == slot))
			continue;
		faults++;
		printf("fault: %s holds %ld, and %ld was promised\n", path, number, least);
	}
	printf("newest=%ld\nfaults=%ld\n", newest, faults);
	return faults ? CHECK_FAULT : CHECK_OK;
}

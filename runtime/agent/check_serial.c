/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial lines. `serial PATH...` is who is at their other ends: each PATH becomes a terminal for somebody to write
 * to, all that comes out of it is taken, and after each SERIAL_BYTES one byte goes back. `bench serial DEVICE` writes
 * so many and waits for that: what it has measured then has arrived, wherever it was kept meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "check.h"
#include "check_bench.h"
#include "check_net.h"

#define SERIAL_BYTES	(256 * 1024)
#define SERIAL_CHUNK	4096
#define PATIENCE_MS	250000
#define LINES_MAX	8

static int make_raw(int fd)
{
	struct termios mode;

	if (tcgetattr(fd, &mode))
		return -1;
	cfmakeraw(&mode);
	mode.c_cflag |= CLOCAL;
	return tcsetattr(fd, TCSANOW, &mode);
}

static long taken[LINES_MAX];

/* The master of a terminal whose name PATH is a link to. It has one user, us, until others come, and while they go. */
static int make_line(const char *path)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY), user;
	const char *name;

	if (fd < 0 || grantpt(fd) || unlockpt(fd) || !(name = ptsname(fd)))
		return -1;
	user = open(name, O_RDWR | O_NOCTTY);
	if (user < 0 || make_raw(user))
		return -1;
	unlink(path);
	return symlink(name, path) ? -1 : fd;
}

/* What there is of a line; -1: it is gone. */
static int take(int fd, long *count)
{
	char data[SERIAL_CHUNK];
	ssize_t n = read(fd, data, sizeof(data));

	if (n <= 0)
		return n < 0 && errno == EINTR ? 0 : -1;
	*count += n;
	for (; *count >= SERIAL_BYTES; *count -= SERIAL_BYTES)
		if (net_write_all(fd, "", 1))
			return -1;
	return 0;
}

int check_serial(int argc, char **argv)
{
	struct pollfd lines[LINES_MAX];
	int n = argc - 1;

	if (n < 1 || n > LINES_MAX) {
		fprintf(stderr, "colinux-check: serial: one to %d paths\n", LINES_MAX);
		return CHECK_USAGE;
	}
	for (int i = 0; i < n; i++) {
		lines[i] = (struct pollfd){ .fd = make_line(argv[i + 1]), .events = POLLIN };
		if (lines[i].fd < 0)
			return check_unable(argv[i + 1]);
	}
	printf("ready=%d\n", n);
	for (;;) {
		if (poll(lines, (nfds_t)n, -1) < 0)
			return check_unable("serial");
		for (int i = 0; i < n; i++)
			if (lines[i].revents && take(lines[i].fd, &taken[i]))
				return check_unable(argv[i + 1]);
	}
}

/* The far end's byte; 0, or -1. */
static int answered(int fd)
{
	struct pollfd line = { .fd = fd, .events = POLLIN };
	char byte;

	if (poll(&line, 1, PATIENCE_MS) == 1)
		return read(fd, &byte, 1) == 1 ? 0 : -1;
	errno = ETIMEDOUT;
	return -1;
}

int bench_serial(const char *path)
{
	static char data[SERIAL_CHUNK];
	double t;
	int fd;

	if (!path) {
		fprintf(stderr, "colinux-check: bench: serial DEVICE?\n");
		return CHECK_USAGE;
	}
	fd = open(path, O_RDWR | O_NOCTTY);
	/* an answer that an earlier one did not wait for would be this one's */
	if (fd < 0 || make_raw(fd) || tcflush(fd, TCIFLUSH))
		return check_unable(path);
	memset(data, '.', sizeof(data));
	t = check_now();
	for (int sent = 0; sent < SERIAL_BYTES; sent += SERIAL_CHUNK)
		if (net_write_all(fd, data, sizeof(data)))
			return check_unable(path);
	if (answered(fd))
		return check_unable(path);
	printf("serial_s=%.6f\n", check_now() - t);
	close(fd);
	return CHECK_OK;
}

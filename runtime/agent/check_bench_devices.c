/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The benchmarks of ./doit bench that have a device between them and what answers: network, host folder, terminal,
 * entropy. Each takes where that is, and prints what check_bench.c says of all.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "check.h"
#include "check_bench.h"
#include "check_net.h"

#define NET_BYTES	(8u << 20)
#define NET_TRIPS	200
#define FILES		200
#define FILE_BYTES	4096
#define FILE_CHUNK	(64 * 1024)
#define FILE_TOTAL	(8 << 20)
#define TTY_BYTES	(64 * 1024)
#define ENTROPY_BYTES	(16 * 1024)
#define PATH_SIZE	512

static int usage(const char *what)
{
	fprintf(stderr, "colinux-check: bench: %s?\n", what);
	return CHECK_USAGE;
}

/* "ADDRESS:PORT"; what comes back is the operation's connection. Exits where there is none. */
static int begin(const char *where, enum net_op op, uint32_t bytes)
{
	const char *colon = where ? strrchr(where, ':') : NULL;
	char host[PATH_SIZE];

	if (!colon || (size_t)(colon - where) >= sizeof(host)) {
		exit(usage("ADDRESS:PORT of `colinux-check net serve`"));
	}
	signal(SIGPIPE, SIG_IGN);
	memcpy(host, where, (size_t)(colon - where));
	host[colon - where] = 0;
	return net_begin(host, colon + 1, op, bytes, 0);
}

int bench_netsend(const char *where)
{
	static const unsigned char data[NET_CHUNK];
	struct net_answer answer;
	int fd = begin(where, NET_DRAIN, 0);
	double t = check_now();

	for (uint32_t sent = 0; sent < NET_BYTES; sent += sizeof(data))
		if (net_write_all(fd, data, sizeof(data)))
			return check_unable("netsend");
	if (shutdown(fd, SHUT_WR) || net_read_all(fd, &answer, sizeof(answer)) != sizeof(answer))
		return check_unable("netsend: the answer");
	t = check_now() - t;
	close(fd);
	if (ntohl(answer.good) != NET_BYTES) {
		printf("fault: of %u bytes %u arrived\n", NET_BYTES, (unsigned)ntohl(answer.good));
		return CHECK_FAULT;
	}
	printf("netsend_s=%.6f\n", t);
	return CHECK_OK;
}

int bench_nettake(const char *where)
{
	static unsigned char data[NET_CHUNK];
	int fd = begin(where, NET_POUR, NET_BYTES);
	double t = check_now();
	uint32_t got = 0;
	long n;

	while ((n = net_read_all(fd, data, sizeof(data))) > 0)
		got += (uint32_t)n;
	t = check_now() - t;
	close(fd);
	if (n < 0)
		return check_unable("nettake");
	if (got != NET_BYTES) {
		printf("fault: of %u bytes %u arrived\n", NET_BYTES, (unsigned)got);
		return CHECK_FAULT;
	}
	printf("nettake_s=%.6f\n", t);
	return CHECK_OK;
}

/* One byte there and back, so often. */
int bench_netrtt(const char *where)
{
	int fd = begin(where, NET_ECHO, 0), on = 1;
	char byte = 0;
	double t;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	t = check_now();
	for (int i = 0; i < NET_TRIPS; i++)
		if (net_write_all(fd, &byte, 1) || net_read_all(fd, &byte, 1) != 1)
			return check_unable("netrtt");
	t = check_now() - t;
	close(fd);
	printf("netrtt_s=%.6f\n", t);
	return CHECK_OK;
}

/* How many bytes a file takes or gives; all of them, or -1. */
static int file_bytes(const char *path, int flags, long total)
{
	static char data[FILE_CHUNK];
	int fd = open(path, flags, 0600);

	if (fd < 0)
		return -1;
	while (total > 0) {
		size_t most = total < FILE_CHUNK ? (size_t)total : FILE_CHUNK;
		ssize_t n = flags & O_WRONLY ? write(fd, data, most) : read(fd, data, most);

		if (n <= 0) {
			close(fd);
			return -1;
		}
		total -= n;
	}
	return close(fd);
}

/* What a compiler does to a folder: many small files are made, looked for, read and removed. */
int bench_files(const char *folder)
{
	char path[PATH_SIZE];
	struct stat st;
	double t = check_now();

	if (!folder || strlen(folder) > PATH_SIZE - sizeof("/bench999"))
		return usage("files DIR");
	for (int step = 0; step < 4; step++)
		for (int i = 0; i < FILES; i++) {
			int bad;

			snprintf(path, sizeof(path), "%s/bench%d", folder, i);
			switch (step) {
			case 0:
				bad = file_bytes(path, O_WRONLY | O_CREAT | O_EXCL, FILE_BYTES);
				break;
			case 1:
				bad = stat(path, &st) || st.st_size != FILE_BYTES;
				break;
			case 2:
				bad = file_bytes(path, O_RDONLY, FILE_BYTES);
				break;
			default:
				bad = unlink(path);
			}
			if (bad)
				return check_unable(path);
		}
	printf("files_s=%.6f\n", check_now() - t);
	return CHECK_OK;
}

int bench_fileseq(const char *folder)
{
	char path[PATH_SIZE];
	double t = check_now();

	if (!folder || snprintf(path, sizeof(path), "%s/bench", folder) >= (int)sizeof(path))
		return usage("fileseq DIR");
	if (file_bytes(path, O_WRONLY | O_CREAT | O_EXCL, FILE_TOTAL) || file_bytes(path, O_RDONLY, FILE_TOTAL) ||
	    unlink(path))
		return check_unable(path);
	printf("fileseq_s=%.6f\n", check_now() - t);
	return CHECK_OK;
}

/* Until whoever reads at the terminal's other end has taken all. */
int bench_tty(const char *path)
{
	static char line[64];
	double t;
	int fd;

	if (!path)
		return usage("tty DEVICE");
	fd = open(path, O_WRONLY | O_NOCTTY);
	if (fd < 0)
		return check_unable(path);
	memset(line, '.', sizeof(line) - 2);
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	t = check_now();
	for (int sent = 0; sent < TTY_BYTES; sent += (int)sizeof(line))
		if (net_write_all(fd, line, sizeof(line)))
			return check_unable(path);
	if (isatty(fd) && tcdrain(fd))
		return check_unable(path);
	printf("tty_s=%.6f\n", check_now() - t);
	close(fd);
	return CHECK_OK;
}

int bench_entropy(const char *path)
{
	double t = check_now();

	if (!path)
		return usage("entropy DEVICE");
	if (file_bytes(path, O_RDONLY, ENTROPY_BYTES))
		return check_unable(path);
	printf("entropy_s=%.6f\n", check_now() - t);
	return CHECK_OK;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's end of slirp_guest's network: sockets of 127.0.0.1, on Linux and on Windows. On Linux they
 * are used in the daemon's sandbox, so they call nothing that libslirp and the daemon do not.
 */
#ifndef SLIRP_HOST_H
#define SLIRP_HOST_H

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <winsock2.h>
#include <windows.h>
#include <ws2tcpip.h>
#else
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>
#endif

#include <stdbool.h>

#include "check.h"
#include "colinux_types.h"

#ifdef _WIN32

static inline void host_begin(void)
{
	WSADATA data;

	CHECK(!WSAStartup(MAKEWORD(2, 2), &data));
}

static inline void host_close(int fd)
{
	closesocket(fd);
}

static inline void host_yield(void)
{
	Sleep(0);
}

static inline void host_sleep(void)
{
	Sleep(1);
}

static inline bool host_readable(int fd, int ms)
{
	struct timeval time = { ms / 1000, ms % 1000 * 1000 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET((SOCKET)fd, &set);
	return select(0, &set, NULL, NULL, &time) == 1;
}

#else

static inline void host_begin(void)
{
}

static inline void host_close(int fd)
{
	close(fd);
}

static inline void host_yield(void)
{
	sched_yield();
}

static inline void host_sleep(void)
{
	usleep(100);
}

/* It has something, be it an end or an error, within so many milliseconds. */
static inline bool host_readable(int fd, int ms)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	return poll(&wait, 1, ms) == 1;
}

#endif

static inline struct sockaddr_in host_address(u16 port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return at;
}

/* A socket of a free port (SOCK_DGRAM), which is listened to (SOCK_STREAM). */
static inline int host_socket(int type, u16 *port)
{
	struct sockaddr_in at = host_address(0);
	socklen_t length = sizeof(at);
	int fd = socket(AF_INET, type, 0);

	CHECK(fd >= 0 && !bind(fd, (struct sockaddr *)&at, sizeof(at)));
	CHECK(!getsockname(fd, (struct sockaddr *)&at, &length));
	CHECK(type != SOCK_STREAM || !listen(fd, 1));
	*port = ntohs(at.sin_port);
	return fd;
}

/* Nobody has that port. */
static inline bool host_is_free(int type, u16 port)
{
	struct sockaddr_in at = host_address(port);
	int fd = socket(AF_INET, type, 0);
	bool is_free = !bind(fd, (struct sockaddr *)&at, sizeof(at));

	host_close(fd);
	return is_free;
}

/* One that is connected to that port; -1: nobody is there. */
static inline int host_connect(int type, u16 port)
{
	struct sockaddr_in at = host_address(port);
	int fd = socket(AF_INET, type, 0);

	CHECK(fd >= 0);
	if (!connect(fd, (struct sockaddr *)&at, sizeof(at)))
		return fd;
	host_close(fd);
	return -1;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* colinux-check net serve, and net names: what the other machine speaks to. See check_net.h. */
#include "check_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

/* --- streams and datagrams --- */

static int sink(int fd, uint32_t seed)
{
	unsigned char data[NET_CHUNK];
	struct net_answer answer;
	struct net_stream s;
	long n;

	net_stream_start(&s, seed);
	while ((n = net_read_all(fd, data, sizeof(data))) > 0)
		net_stream_check(&s, data, (size_t)n);
	if (n < 0)
		return -1;
	answer = (struct net_answer){ htonl(s.good), htonl(s.hash) };
	return net_write_all(fd, &answer, sizeof(answer));
}

static int source(int fd, uint32_t bytes, uint32_t seed)
{
	unsigned char data[NET_CHUNK];
	struct net_stream s;

	net_stream_start(&s, seed);
	while (s.bytes < bytes) {
		size_t n = bytes - s.bytes < sizeof(data) ? bytes - s.bytes : sizeof(data);

		net_stream_make(&s, data, n);
		if (net_write_all(fd, data, n))
			return -1;
	}
	return 0;
}

/* As sink() and source(), of bytes that are nobody's. */
static int drain(int fd)
{
	unsigned char data[NET_CHUNK];
	struct net_answer answer = { 0, 0 };
	uint32_t bytes = 0;
	long n;

	while ((n = net_read_all(fd, data, sizeof(data))) > 0)
		bytes += (uint32_t)n;
	if (n < 0)
		return -1;
	answer.good = htonl(bytes);
	return net_write_all(fd, &answer, sizeof(answer));
}

static int pour(int fd, uint32_t bytes)
{
	static const unsigned char data[NET_CHUNK];

	while (bytes) {
		size_t n = bytes < sizeof(data) ? bytes : sizeof(data);

		if (net_write_all(fd, data, n))
			return -1;
		bytes -= (uint32_t)n;
	}
	return 0;
}

static int echo(int fd)
{
	unsigned char data[NET_CHUNK];
	ssize_t n;
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	while ((n = read(fd, data, sizeof(data))) > 0)
		if (net_write_all(fd, data, (size_t)n))
			return -1;
	return (int)n;
}

/* One client, in a process of its own. */
static int serve_stream(int fd)
{
	struct net_ask ask;

	if (net_read_all(fd, &ask, sizeof(ask)) != sizeof(ask) || ntohl(ask.magic) != NET_MAGIC)
		return -1;
	switch (ntohl(ask.op)) {
	case NET_SINK:
		return sink(fd, ntohl(ask.seed));
	case NET_SOURCE:
		return source(fd, ntohl(ask.bytes), ntohl(ask.seed));
	case NET_ECHO:
		return echo(fd);
	case NET_DRAIN:
		return drain(fd);
	case NET_POUR:
		return pour(fd, ntohl(ask.bytes));
	}
	return -1;
}

static void serve_datagram(int fd)
{
	static unsigned char data[NET_DATAGRAM];
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	ssize_t n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &size);

	if (n > 0 && sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&from, size) < 0)
		perror("colinux-check: net: an answer");
}

/* A socket at a port of every address; IPv6's as well where the kernel has it. Exits when it cannot be. */
static int open_port(int socktype, const char *port)
{
	struct sockaddr_in6 every6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT };
	struct sockaddr_in every = { .sin_family = AF_INET };
	int fd = socket(AF_INET6, socktype, 0), on = 1, off = 0, bad;

	every.sin_port = every6.sin6_port = htons((uint16_t)atoi(port));
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
		bad = bind(fd, (struct sockaddr *)&every6, sizeof(every6));
	} else {
		fd = socket(AF_INET, socktype, 0);
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		bad = bind(fd, (struct sockaddr *)&every, sizeof(every));
	}
	if (bad || (socktype == SOCK_STREAM && listen(fd, 16))) {
		fprintf(stderr, "colinux-check: net: port %s: %s\n", port, strerror(errno));
		exit(CHECK_UNABLE);
	}
	return fd;
}

int net_serve(int argc, char **argv)
{
	struct pollfd pfd[2] = { { .events = POLLIN }, { .events = POLLIN } };

	if (argc < 3) {
		fprintf(stderr, "colinux-check: net serve PORT\n");
		return CHECK_USAGE;
	}
	signal(SIGCHLD, SIG_IGN);	/* nobody waits for them */
	pfd[0].fd = open_port(SOCK_STREAM, argv[2]);
	pfd[1].fd = open_port(SOCK_DGRAM, argv[2]);
	printf("ready=%s\n", argv[2]);
	for (;;) {
		if (poll(pfd, 2, -1) < 0)
			continue;
		if (pfd[1].revents)
			serve_datagram(pfd[1].fd);
		if (pfd[0].revents) {
			int fd = accept(pfd[0].fd, NULL, NULL);

			if (fd >= 0 && !fork())
				_exit(serve_stream(fd) ? CHECK_FAULT : CHECK_OK);
			if (fd >= 0)
				close(fd);
		}
	}
}

/* --- a name server (RFC 1035, 4.1) --- */

#define DNS_HEADER	12
#define DNS_MESSAGE	512
#define DNS_ANSWER	16	/* a record with an IPv4 address, its name by reference */
#define TYPE_A		1
#define CLASS_IN	1
#define NO_SUCH_NAME	3

/* A question's name as text ("a.b"); returns where it ends, 0: it is none. */
static size_t read_name(const unsigned char *data, size_t size, char *text)
{
	size_t at = DNS_HEADER, n = 0;

	while (at < size && data[at]) {
		size_t label = data[at++];

		if (label > 63 || at + label >= size || n + label + 1 > 255)
			return 0;
		if (n)
			text[n++] = '.';
		memcpy(text + n, data + at, label);
		n += label;
		at += label;
	}
	text[n] = 0;
	return at < size ? at + 1 : 0;
}

/* The address in NAME=ADDRESS whose name this is. */
static const char *known(const char *name, int argc, char **argv)
{
	for (int i = 2; i < argc; i++) {
		size_t n = strcspn(argv[i], "=");

		if (argv[i][n] && strlen(name) == n && !strncasecmp(argv[i], name, n))
			return argv[i] + n + 1;
	}
	return NULL;
}

/* Makes the answer of a question of `size` bytes in its place; returns its size, 0: no answer. */
static size_t answer(unsigned char *data, size_t size, int argc, char **argv)
{
	char name[256];
	size_t end = size > DNS_HEADER ? read_name(data, size, name) : 0;
	const char *address;
	unsigned type;

	/* a question, and only one */
	if (!end || end + 4 > size || data[2] & 0xf8 || data[4] || data[5] != 1)
		return 0;
	type = (unsigned)data[end] << 8 | data[end + 1];
	end += 4;
	address = known(name, argc, argv);
	data[2] = 0x84 | (data[2] & 1);		/* an answer, by who knows */
	data[3] = 0x80 | (address ? 0 : NO_SUCH_NAME);
	memset(data + 6, 0, 6);
	if (address && type == TYPE_A) {
		static const unsigned char record[DNS_ANSWER - 4] = {
			0xc0, DNS_HEADER, 0, TYPE_A, 0, CLASS_IN, 0, 0, 0, 60, 0, 4 };

		data[7] = 1;
		memcpy(data + end, record, sizeof(record));
		if (inet_pton(AF_INET, address, data + end + sizeof(record)) != 1)
			return 0;
		end += DNS_ANSWER;
	}
	printf("asked=%s type=%u\n", name, type);
	return end;
}

int net_names(int argc, char **argv)
{
	const char *port = known("PORT", argc, argv);
	int fd = open_port(SOCK_DGRAM, port ? port : "53");

	printf("ready=names\n");
	for (;;) {
		unsigned char data[DNS_MESSAGE + DNS_ANSWER];
		struct sockaddr_storage from;
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(fd, data, DNS_MESSAGE, 0, (struct sockaddr *)&from, &size);
		size_t said = n > 0 ? answer(data, (size_t)n, argc, argv) : 0;

		if (said)
			sendto(fd, data, said, 0, (struct sockaddr *)&from, size);
	}
}

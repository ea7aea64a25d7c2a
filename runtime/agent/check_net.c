/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * colinux-check net OP ...: traffic between two machines, every byte of it looked at; see check_net.h.
 *
 *	serve PORT			the other end of all that follows, TCP and UDP, until it is killed
 *	names NAME=ADDRESS...		a name server for these names and no others, on UDP port 53 (or PORT=)
 *	send|take|both HOST PORT MIB	a stream to the server, from it, there and back at the same time
 *	udp HOST PORT [COUNT [BYTES]]	datagrams, there and back, of up to BYTES
 *	rtt HOST PORT [COUNT]		how long a byte takes, there and back
 *	lookup NAME			the addresses of a name, by this machine's resolver
 */
#include "check_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

/* A datagram that was lost is sent again; what is lost so often is not lost by chance. */
#define UDP_TRIES	20
#define UDP_WAIT_MS	2000

/* --- the stream --- */

void net_stream_start(struct net_stream *s, uint32_t seed)
{
	memset(s, 0, sizeof(*s));
	s->state = 0x9e3779b97f4a7c15ull ^ seed;
	s->hash = 2166136261u;
}

/* xorshift64 (Marsaglia 2003): the low bits are not random, the high ones serve. */
static unsigned char next(struct net_stream *s)
{
	s->state ^= s->state << 13;
	s->state ^= s->state >> 7;
	s->state ^= s->state << 17;
	return s->state >> 56;
}

static void hash(struct net_stream *s, unsigned char byte)
{
	s->hash = (s->hash ^ byte) * 16777619u;
	s->bytes++;
}

void net_stream_make(struct net_stream *s, unsigned char *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		data[i] = next(s);
		hash(s, data[i]);
	}
}

void net_stream_check(struct net_stream *s, const unsigned char *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		hash(s, data[i]);
		s->bad |= data[i] != next(s);
		s->good += !s->bad;
	}
}

/* --- sockets --- */

int net_write_all(int fd, const void *data, size_t n)
{
	const char *at = data;

	while (n) {
		ssize_t done = write(fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		at += done;
		n -= (size_t)done;
	}
	return 0;
}

long net_read_all(int fd, void *data, size_t n)
{
	size_t have = 0;

	while (have < n) {
		ssize_t done = read(fd, (char *)data + have, n - have);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		if (!done)
			break;
		have += (size_t)done;
	}
	return (long)have;
}

struct addrinfo *net_find(const char *host, const char *port, int socktype)
{
	struct addrinfo hints = { .ai_socktype = socktype }, *found;
	int error = getaddrinfo(host, port, &hints, &found);

	if (error) {
		fprintf(stderr, "colinux-check: net: %s: %s\n", host, gai_strerror(error));
		exit(CHECK_UNABLE);
	}
	return found;
}

static int connect_to(const char *host, const char *port, int socktype)
{
	struct addrinfo *found = net_find(host, port, socktype);
	int fd = socket(found->ai_family, socktype, 0);

	if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen)) {
		fprintf(stderr, "colinux-check: net: %s port %s: %s\n", host, port, strerror(errno));
		exit(CHECK_UNABLE);
	}
	freeaddrinfo(found);
	return fd;
}

int net_begin(const char *host, const char *port, enum net_op op, uint32_t bytes, uint32_t seed)
{
	struct net_ask question = { htonl(NET_MAGIC), htonl(op), htonl(bytes), htonl(seed) };
	int fd = connect_to(host, port, SOCK_STREAM);

	if (net_write_all(fd, &question, sizeof(question))) {
		check_unable("net");
		exit(CHECK_UNABLE);
	}
	return fd;
}

/* --- streams --- */

static void say(const char *name, const struct net_stream *s, double began)
{
	double seconds = check_now() - began;

	printf("%s_bytes=%u\n%s_good=%u\n%s_hash=%08x\n%s_mib_s=%.2f\n", name, s->bytes, name, s->good, name,
	       s->hash, name, seconds > 0 ? s->bytes / seconds / (1 << 20) : 0);
}

static int send_stream(const char *host, const char *port, uint32_t bytes, uint32_t seed)
{
	int fd = net_begin(host, port, NET_SINK, bytes, seed);
	double began = check_now();
	unsigned char data[NET_CHUNK];
	struct net_answer answer;
	struct net_stream s;

	net_stream_start(&s, seed);
	while (s.bytes < bytes) {
		size_t n = bytes - s.bytes < sizeof(data) ? bytes - s.bytes : sizeof(data);

		net_stream_make(&s, data, n);
		if (net_write_all(fd, data, n))
			return check_unable("net: send");
	}
	if (shutdown(fd, SHUT_WR))
		return check_unable("net: shutdown");
	if (net_read_all(fd, &answer, sizeof(answer)) != sizeof(answer)) {
		printf("fault: the server did not say what it got\n");
		return CHECK_FAULT;
	}
	close(fd);
	s.good = ntohl(answer.good);
	say("sent", &s, began);
	printf("received_hash=%08x\n", (unsigned)ntohl(answer.hash));
	if (s.good == bytes && ntohl(answer.hash) == s.hash)
		return CHECK_OK;
	printf("fault: of %u bytes sent the server got %u as they were\n", bytes, s.good);
	return CHECK_FAULT;
}

/* What came is the whole stream? */
static int whole(const char *name, const struct net_stream *s, uint32_t bytes, double began)
{
	say(name, s, began);
	if (s->bytes == bytes && s->good == bytes)
		return CHECK_OK;
	printf("fault: %u bytes of %u came, the first %u as they were sent\n", s->bytes, bytes, s->good);
	return CHECK_FAULT;
}

static int take_stream(const char *host, const char *port, uint32_t bytes, uint32_t seed)
{
	int fd = net_begin(host, port, NET_SOURCE, bytes, seed);
	double began = check_now();
	unsigned char data[NET_CHUNK];
	struct net_stream s;
	long n;

	net_stream_start(&s, seed);
	while ((n = net_read_all(fd, data, sizeof(data))) > 0)
		net_stream_check(&s, data, (size_t)n);
	if (n < 0)
		return check_unable("net: take");
	close(fd);
	return whole("taken", &s, bytes, began);
}

/* Sends when the line takes something, reads whenever something is there: neither way may block the other. */
static int both_streams(const char *host, const char *port, uint32_t bytes, uint32_t seed)
{
	int fd = net_begin(host, port, NET_ECHO, bytes, seed), ended = 0;
	double began = check_now();
	unsigned char out[NET_CHUNK], in[NET_CHUNK];
	struct net_stream to, from;
	size_t have = 0, done = 0;

	net_stream_start(&to, seed);
	net_stream_start(&from, seed);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (!ended) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (done == have && to.bytes < bytes) {
			have = bytes - to.bytes < sizeof(out) ? bytes - to.bytes : sizeof(out);
			net_stream_make(&to, out, have);
			done = 0;
		}
		if (done < have)
			pfd.events |= POLLOUT;
		if (poll(&pfd, 1, -1) < 0)
			continue;
		if (done < have && pfd.revents & POLLOUT) {
			n = write(fd, out + done, have - done);
			if (n < 0 && errno != EAGAIN)
				return check_unable("net: both: write");
			done += n > 0 ? (size_t)n : 0;
			if (done == have && to.bytes == bytes)
				shutdown(fd, SHUT_WR);
		}
		n = read(fd, in, sizeof(in));
		if (n < 0 && errno != EAGAIN)
			return check_unable("net: both: read");
		if (n > 0)
			net_stream_check(&from, in, (size_t)n);
		ended = !n;
	}
	close(fd);
	return whole("echoed", &from, bytes, began);
}

static int stream(int argc, char **argv)
{
	static int (*const ways[])(const char *, const char *, uint32_t, uint32_t) = {
		send_stream, take_stream, both_streams };
	int way = argv[1][0] == 's' ? 0 : argv[1][0] == 't' ? 1 : 2;
	long mib = check_number(argc, argv, 4, 1);

	if (argc < 4 || mib > 1024) {
		fprintf(stderr, "colinux-check: net %s HOST PORT MIB: at most 1024 MiB\n", argv[1]);
		return CHECK_USAGE;
	}
	return ways[way](argv[2], argv[3], (uint32_t)mib << 20, (uint32_t)check_now_ns());
}

/* --- datagrams --- */

/* One of them there and back. 1: it came back as it was; 0: not; -1 with errno. */
static int datagram(int fd, const unsigned char *data, size_t n, unsigned *sent)
{
	static unsigned char back[NET_DATAGRAM];

	for (int i = 0; i < UDP_TRIES; i++) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };

		++*sent;
		if (send(fd, data, n, 0) != (ssize_t)n)
			return -1;
		/* what comes may be the answer to an earlier one that was only late */
		while (poll(&pfd, 1, UDP_WAIT_MS) > 0) {
			ssize_t got = recv(fd, back, sizeof(back), 0);

			if (got < 0)
				return -1;
			if (got == (ssize_t)n && !memcmp(back, data, n))
				return 1;
			if (got >= 4 && !memcmp(back, data, 4))
				return 0;	/* this one's number, and not as it was */
		}
	}
	return 0;
}

static int datagrams(int argc, char **argv)
{
	long count = check_number(argc, argv, 4, 20), most = check_number(argc, argv, 5, 1400), good = 0;
	static unsigned char data[NET_DATAGRAM];
	unsigned sent = 0;
	int fd;

	if (argc < 4 || !count || most < 8 || most > NET_DATAGRAM) {
		fprintf(stderr, "colinux-check: net udp HOST PORT [COUNT [BYTES]]: 8 to %d bytes\n", NET_DATAGRAM);
		return CHECK_USAGE;
	}
	fd = connect_to(argv[2], argv[3], SOCK_DGRAM);
	for (long i = 0; i < count; i++) {
		/* from the shortest to the longest, each with its number in front */
		size_t n = (size_t)(8 + (count > 1 ? (most - 8) * i / (count - 1) : most - 8));
		uint32_t number = htonl((uint32_t)i);
		struct net_stream s;
		int came;

		net_stream_start(&s, (uint32_t)i);
		net_stream_make(&s, data, n);
		memcpy(data, &number, sizeof(number));
		came = datagram(fd, data, n, &sent);
		if (came < 0)
			return check_unable("net: udp");
		if (!came)
			printf("fault: a datagram of %lu bytes did not come back\n", (unsigned long)n);
		good += came;
	}
	printf("datagrams=%ld\nlongest=%ld\nsent=%u\n", good, most, sent);
	return good == count ? CHECK_OK : CHECK_FAULT;
}

/* --- there and back --- */

static int compare(const void *one, const void *two)
{
	double a = *(const double *)one, b = *(const double *)two;

	return (a > b) - (a < b);
}

static int round_trips(int argc, char **argv)
{
	long count = check_number(argc, argv, 4, 100);
	double *took;
	int fd, on = 1;

	if (argc < 4 || !count || count > 1000000) {
		fprintf(stderr, "colinux-check: net rtt HOST PORT [COUNT]\n");
		return CHECK_USAGE;
	}
	took = calloc((size_t)count, sizeof(*took));
	if (!took)
		return check_unable("net: rtt");
	fd = net_begin(argv[2], argv[3], NET_ECHO, 0, 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	for (long i = 0; i < count; i++) {
		double began = check_now();
		char byte = (char)i, back = (char)(i + 1);

		if (net_write_all(fd, &byte, 1) || net_read_all(fd, &back, 1) != 1)
			return check_unable("net: rtt");
		took[i] = check_now() - began;
		if (back != byte) {
			printf("fault: another byte came back\n");
			return CHECK_FAULT;
		}
	}
	close(fd);
	qsort(took, (size_t)count, sizeof(*took), compare);
	printf("trips=%ld\nmin_ms=%.3f\nmedian_ms=%.3f\nmax_ms=%.3f\n", count, took[0] * 1e3,
	       took[count / 2] * 1e3, took[count - 1] * 1e3);
	free(took);
	return CHECK_OK;
}

/* --- names --- */

static int lookup(int argc, char **argv)
{
	char text[INET6_ADDRSTRLEN];
	struct addrinfo *found, *one;

	if (argc < 3) {
		fprintf(stderr, "colinux-check: net lookup NAME\n");
		return CHECK_USAGE;
	}
	found = net_find(argv[2], NULL, SOCK_STREAM);
	for (one = found; one; one = one->ai_next) {
		const void *address = one->ai_family == AF_INET ?
			(const void *)&((struct sockaddr_in *)(void *)one->ai_addr)->sin_addr :
			(const void *)&((struct sockaddr_in6 *)(void *)one->ai_addr)->sin6_addr;

		printf("address=%s\n", inet_ntop(one->ai_family, address, text, sizeof(text)));
	}
	freeaddrinfo(found);
	return CHECK_OK;
}

int check_net(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} ops[] = {
		{ "serve", net_serve }, { "names", net_names }, { "send", stream }, { "take", stream },
		{ "both", stream }, { "udp", datagrams }, { "rtt", round_trips }, { "lookup", lookup },
	};

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; argc > 1 && i < sizeof(ops) / sizeof(ops[0]); i++)
		if (!strcmp(argv[1], ops[i].name))
			return ops[i].run(argc, argv);
	fprintf(stderr, "colinux-check: net: serve, names, send, take, both, udp, rtt or lookup?\n");
	return CHECK_USAGE;
}

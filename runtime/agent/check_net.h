/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the two ends of `colinux-check net` agree on.
 *
 * The bytes of a stream follow from its seed, so that each end knows them all and a single wrong, lost,
 * doubled or misplaced one is found. Over TCP a client begins with a struct net_ask, in network byte order:
 *
 *	SINK	the client sends `bytes` of the stream and its end; the server answers with a struct net_answer
 *	SOURCE	the server sends `bytes` of the stream, and its end
 *	ECHO	the server sends back what it gets, until the end
 *	DRAIN	as SINK, and POUR as SOURCE, for who measures time: nobody makes or looks at the bytes, which
 *		costs more than their way does; `good` is how many came
 *
 * A datagram is answered by the same datagram.
 */
#ifndef COLINUX_CHECK_NET_H
#define COLINUX_CHECK_NET_H

#include <netdb.h>
#include <stddef.h>
#include <stdint.h>

#define NET_MAGIC	0x636f6e74u	/* "cont" */
#define NET_CHUNK	(16 * 1024)
/* The longest that IPv4 can carry in one datagram is 65507. */
#define NET_DATAGRAM	60000

enum net_op { NET_SINK = 1, NET_SOURCE, NET_ECHO, NET_DRAIN, NET_POUR };

struct net_ask {
	uint32_t magic;
	uint32_t op;
	uint32_t bytes;
	uint32_t seed;
};

/* `good`: how many bytes came as they should before the first other one; `hash`: of all that came. */
struct net_answer {
	uint32_t good;
	uint32_t hash;
};

struct net_stream {
	uint64_t state;
	uint32_t hash;		/* FNV-1a of the bytes that went by */
	uint32_t bytes;
	uint32_t good;
	int bad;
};

void net_stream_start(struct net_stream *s, uint32_t seed);
/* The next bytes of a stream. */
void net_stream_make(struct net_stream *s, unsigned char *data, size_t n);
/* Are these the next bytes of the stream? */
void net_stream_check(struct net_stream *s, const unsigned char *data, size_t n);

/* All of it; 0, or -1 with errno. */
int net_write_all(int fd, const void *data, size_t n);
/* As much as comes, up to n; fewer: the other end closed. -1 with errno. */
long net_read_all(int fd, void *data, size_t n);

/* The first address of a name; exits with CHECK_UNABLE where there is none. */
struct addrinfo *net_find(const char *host, const char *port, int socktype);

/* A connection on which `op` was asked for; exits with CHECK_UNABLE where there is none. */
int net_begin(const char *host, const char *port, enum net_op op, uint32_t bytes, uint32_t seed);

int net_serve(int argc, char **argv);
int net_names(int argc, char **argv);

#endif

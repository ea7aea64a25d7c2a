// SPDX-License-Identifier: GPL-2.0-only
/*
 * waiter.h on Windows, for sockets only: select(), and a datagram socket that sends to itself.
 * (Events of sockets and WaitForMultipleObjects() end at 64 of them, WSAPoll() is Vista's.)
 */
#ifdef CO_SLIRP

#define WIN32_LEAN_AND_MEAN
#include <winsock2.h>

#include "waiter.h"

#include <stdbool.h>
#include <stdlib.h>

#include "os.h"

/* As fd_set, but as long as it has to be: the count says how many there are. */
struct set {
	u_int count;
	SOCKET sockets[];
};

enum { READABLE, WRITABLE, OTHER, SETS };

struct entry {
	SOCKET socket;
	u32 events, got;
};

struct waiter {
	struct entry *entries;	/* [0] is the one that wakes */
	struct set *sets[SETS];
	u32 count, room;
	bool started;
};

/* What is asked of each set, and what being found in it means. */
static const struct {
	u32 asks, means;
} events_of[SETS] = {
	[READABLE] = { WAIT_IN | WAIT_HANGUP, WAIT_IN },
	[WRITABLE] = { WAIT_OUT, WAIT_OUT },
	[OTHER] = { WAIT_URGENT | WAIT_ERROR, 0 },	/* see found() */
};

static bool make_room(struct waiter *waiter, u32 room)
{
	void *more = realloc(waiter->entries, room * sizeof(*waiter->entries));
	u32 i;

	if (!more)
		return false;
	waiter->entries = more;
	for (i = 0; i < SETS; i++) {
		more = realloc(waiter->sets[i], sizeof(struct set) + room * sizeof(SOCKET));
		if (!more)
			return false;
		waiter->sets[i] = more;
	}
	waiter->room = room;
	return true;
}

/* A socket of this computer's own network that is its own peer: nobody else can send to it. */
static bool make_waker(struct entry *waker, struct error *error)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int length = sizeof(at);
	u_long on = 1;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	waker->events = WAIT_IN;
	waker->socket = socket(AF_INET, SOCK_DGRAM, 0);
	if (waker->socket != INVALID_SOCKET &&
	    !bind(waker->socket, (struct sockaddr *)&at, sizeof(at)) &&
	    !getsockname(waker->socket, (struct sockaddr *)&at, &length) &&
	    !connect(waker->socket, (struct sockaddr *)&at, sizeof(at)) &&
	    !ioctlsocket(waker->socket, FIONBIO, &on))
		return true;
	error_set(error, "a socket of 127.0.0.1: %s", os_last_error());
	return false;
}

struct waiter *waiter_new(struct error *error)
{
	struct waiter *waiter = calloc(1, sizeof(*waiter));
	WSADATA data;
	int failed;

	if (!waiter || !make_room(waiter, 8)) {
		error_set(error, "out of memory");
		waiter_free(waiter);
		return NULL;
	}
	waiter->entries[0] = (struct entry){ INVALID_SOCKET, 0, 0 };
	waiter->count = 1;
	failed = WSAStartup(MAKEWORD(2, 2), &data);
	waiter->started = !failed;
	if (failed) {
		SetLastError(failed);
		error_set(error, "Windows' network does not start: %s", os_last_error());
	}
	if (failed || !make_waker(&waiter->entries[0], error)) {
		waiter_free(waiter);
		return NULL;
	}
	return waiter;
}

void waiter_free(struct waiter *waiter)
{
	u32 i;

	if (!waiter)
		return;
	if (waiter->started && waiter->entries[0].socket != INVALID_SOCKET)
		closesocket(waiter->entries[0].socket);
	if (waiter->started)
		WSACleanup();
	for (i = 0; i < SETS; i++)
		free(waiter->sets[i]);
	free(waiter->entries);
	free(waiter);
}

void waiter_wake(struct waiter *waiter)
{
	/* fails when its buffer is full of wake-ups, which is as good */
	send(waiter->entries[0].socket, "", 1, 0);
}

void waiter_clear(struct waiter *waiter)
{
	waiter->count = 1;
}

int waiter_add(struct waiter *waiter, int fd, u32 events)
{
	if (waiter->count == waiter->room && !make_room(waiter, 2 * waiter->room))
		return -1;
	/* handles have 32 bits that count, as libslirp takes them to have */
	waiter->entries[waiter->count] = (struct entry){ (SOCKET)(u32)fd, events, 0 };
	return waiter->count++;
}

static void fill(struct waiter *waiter)
{
	u32 kind, i;

	for (kind = 0; kind < SETS; kind++) {
		waiter->sets[kind]->count = 0;
		for (i = 0; i < waiter->count; i++)
			if (waiter->entries[i].events & events_of[kind].asks)
				waiter->sets[kind]->sockets[waiter->sets[kind]->count++] = waiter->entries[i].socket;
	}
}

static int compare(const void *one, const void *other)
{
	SOCKET a = *(const SOCKET *)one, b = *(const SOCKET *)other;

	return (a > b) - (a < b);
}

static bool is_in(const struct set *set, SOCKET socket)
{
	return bsearch(&socket, set->sockets, set->count, sizeof(socket), compare);
}

/* The third set has sockets with urgent data, and those that could not be connected. */
static u32 found(const struct waiter *waiter, const struct entry *entry)
{
	u32 got = 0, kind;

	for (kind = 0; kind < SETS; kind++)
		if (is_in(waiter->sets[kind], entry->socket))
			got |= kind != OTHER ? events_of[kind].means :
			       entry->events & WAIT_URGENT ? WAIT_URGENT : WAIT_ERROR;
	return got;
}

void waiter_wait(struct waiter *waiter, u32 ms)
{
	struct timeval time = { ms / 1000, ms % 1000 * 1000 };
	bool failed;
	char drop;
	u32 i;

	fill(waiter);
	failed = select(0, (fd_set *)waiter->sets[READABLE], (fd_set *)waiter->sets[WRITABLE],
			(fd_set *)waiter->sets[OTHER], ms == ~0u ? NULL : &time) == SOCKET_ERROR;
	for (i = 0; i < SETS; i++) {
		if (failed)	/* nothing is known */
			waiter->sets[i]->count = 0;
		qsort(waiter->sets[i]->sockets, waiter->sets[i]->count, sizeof(SOCKET), compare);
	}
	for (i = 0; i < waiter->count; i++)
		waiter->entries[i].got = found(waiter, &waiter->entries[i]);
	if (failed)
		Sleep(ms < 10 ? ms : 10);	/* not again and again as fast as can be */
	while (recv(waiter->entries[0].socket, &drop, 1, 0) > 0)
		;
}

u32 waiter_got(const struct waiter *waiter, int number)
{
	return number < 1 || (u32)number >= waiter->count ? 0 : waiter->entries[number].got;
}

#endif

// SPDX-License-Identifier: GPL-2.0-only
/* waiter.h on Linux: poll(2) and an eventfd. */
#include "waiter.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct waiter {
	struct pollfd *fds;	/* [0] is the eventfd */
	u32 count, room;
};

static const struct {
	u32 ours;
	short poll;
} events_of[] = {
	{ WAIT_IN, POLLIN },
	{ WAIT_OUT, POLLOUT },
	{ WAIT_URGENT, POLLPRI },
	{ WAIT_ERROR, POLLERR | POLLNVAL },
	{ WAIT_HANGUP, POLLHUP },
};
#define EVENTS (sizeof(events_of) / sizeof(*events_of))

struct waiter *waiter_new(struct error *error)
{
	struct waiter *waiter = calloc(1, sizeof(*waiter));

	if (waiter) {
		waiter->room = 8;
		waiter->fds = calloc(waiter->room, sizeof(*waiter->fds));
	}
	if (!waiter || !waiter->fds) {
		free(waiter);
		error_set(error, "out of memory");
		return NULL;
	}
	waiter->fds[0].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	waiter->fds[0].events = POLLIN;
	waiter->count = 1;
	if (waiter->fds[0].fd < 0) {
		error_set(error, "eventfd: %s", strerror(errno));
		free(waiter->fds);
		free(waiter);
		return NULL;
	}
	return waiter;
}

void waiter_free(struct waiter *waiter)
{
	if (!waiter)
		return;
	close(waiter->fds[0].fd);
	free(waiter->fds);
	free(waiter);
}

void waiter_wake(struct waiter *waiter)
{
	/* fails only when 2^64 - 2 wake-ups are waiting already */
	eventfd_write(waiter->fds[0].fd, 1);
}

void waiter_clear(struct waiter *waiter)
{
	waiter->count = 1;
}

int waiter_add(struct waiter *waiter, int fd, u32 events)
{
	struct pollfd *more;
	size_t i;

	if (waiter->count == waiter->room) {
		more = realloc(waiter->fds, 2 * waiter->room * sizeof(*more));
		if (!more)
			return -1;
		waiter->fds = more;
		waiter->room *= 2;
	}
	more = &waiter->fds[waiter->count];
	more->fd = fd;
	more->events = more->revents = 0;
	for (i = 0; i < EVENTS; i++)
		if (events & events_of[i].ours)
			more->events |= events_of[i].poll;
	return waiter->count++;
}

void waiter_wait(struct waiter *waiter, u32 ms)
{
	u32 i;

	if (poll(waiter->fds, waiter->count, ms > 0x7fffffff ? -1 : (int)ms) < 0)
		for (i = 0; i < waiter->count; i++)	/* EINTR, ENOMEM: nothing is known */
			waiter->fds[i].revents = 0;
	if (waiter->fds[0].revents) {
		eventfd_t wakes;

		eventfd_read(waiter->fds[0].fd, &wakes);
	}
}

u32 waiter_got(const struct waiter *waiter, int number)
{
	u32 got = 0;
	size_t i;

	if (number < 1 || (u32)number >= waiter->count)
		return 0;
	for (i = 0; i < EVENTS; i++)
		if (waiter->fds[number].revents & events_of[i].poll)
			got |= events_of[i].ours;
	return got;
}

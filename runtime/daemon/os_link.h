/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the control door asks of the operating system: connections from programs
 * of the same computer and the same user. Like os.h: link_linux.c, link_windows.c.
 *
 * A daemon listens under its guest's name, in a folder that only its user can open;
 * and as a folder's mode is changed by accident, every peer is asked who it is.
 */
#ifndef COLINUX_OS_LINK_H
#define COLINUX_OS_LINK_H

#include "os.h"

struct os_listener;
struct os_link;

/*
 * NULL: see error; *taken: a living daemon listens under that name. What a daemon
 * that was killed left behind is taken over.
 */
struct os_listener *os_listener_open(const char *name, bool *taken, struct error *error);
/* The name is free again. */
void os_listener_close(struct os_listener *listener);
/* The next connection; NULL: none now. Peers of another user are turned away. */
struct os_link *os_listener_accept(struct os_listener *listener);

/*
 * Both: how many bytes went through, 0: none now, -1: the peer is gone. They never block.
 * What was not taken is offered again, and nothing in its place: it may be on its way.
 */
long os_link_read(struct os_link *link, void *buffer, size_t bytes);
long os_link_write(struct os_link *link, const void *buffer, size_t bytes);
void os_link_close(struct os_link *link);

enum { OS_LINK_READABLE = 1, OS_LINK_WRITABLE = 2, OS_LINK_GONE = 4 };

struct os_link_wait {
	struct os_link *link;
	u32 wanted, ready;	/* GONE is never wanted and may always come */
};

/*
 * Waits for any of these, for a connection if accept is set, for os_listener_wake(),
 * at most ms (~0u: forever). True: os_listener_accept() has something.
 */
bool os_links_wait(struct os_listener *listener, bool accept, struct os_link_wait *waits,
		   u32 count, u32 ms);
/* Any thread: ends os_links_wait(), the running one or the next. */
void os_listener_wake(struct os_listener *listener);

/* This process, as the system's own tools number it. */
u32 os_process_number(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One end of a named pipe that is never waited for by itself: what struct os_link is on
 * Windows, for the daemon's end and for colinux-console's.
 *
 * There is no poll() for pipes. So what is waited for is begun, as an overlapped request
 * with an event: a read into the link's own memory, a write from there.
 */
#ifndef COLINUX_PIPE_LINK_WINDOWS_H
#define COLINUX_PIPE_LINK_WINDOWS_H

#include "io_request_windows.h"
#include "os_link.h"

/* How many there are of a pipe that we make; 0: that is not known. */
u32 pipe_instances(HANDLE pipe);

/* The pipe, opened for overlapped requests, is the link's from now on. NULL: no memory. */
struct os_link *pipe_link_new(HANDLE pipe);

/* Which of OS_LINK_* are so now. Unless that is one of those that are wanted, the events tell
 * of a change; *ms becomes less where there is no event for that the peer has gone. */
u32 pipe_link_look(struct os_link *link, u32 wanted, u32 *ms);
/* Returns how many there are: those of requests under way. */
u32 pipe_link_events(struct os_link *link, HANDLE events[2]);

#endif

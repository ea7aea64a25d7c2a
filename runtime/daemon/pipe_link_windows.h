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

#include "os_link.h"

struct pipe_request {
	OVERLAPPED overlapped;	/* with an event of its own */
	bool pending;
};

/* False: no memory. */
bool pipe_request_new(struct pipe_request *request);
/* Gives it up. The system has no more to do with it afterwards. */
void pipe_request_end(struct pipe_request *request, HANDLE pipe);
/* What ReadFile() and the like have said of its beginning. False: it has failed, see GetLastError(). */
bool pipe_request_begun(struct pipe_request *request, BOOL begun);

enum pipe_outcome { PIPE_UNDER_WAY, PIPE_FINISHED, PIPE_FAILED };
/* Of a pending one; it is pending no more when it is not PIPE_UNDER_WAY. */
enum pipe_outcome pipe_request_look(struct pipe_request *request, HANDLE pipe, u32 *bytes);

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

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A server of 9P2000.L and 9P2000.u for one guest and one folder. It knows nothing of how messages
 * come and go, and answers them one at a time, in the order in which they come.
 */
#ifndef COLINUX_P9_SERVER_H
#define COLINUX_P9_SERVER_H

#include "folder.h"

struct p9_server;

struct p9_stats {
	u64 requests, errors, bytes_read, bytes_written;
};

/* The folder stays the caller's. NULL: out of memory. */
struct p9_server *p9_server_new(struct folder *folder);
/* As if nobody had ever asked for anything: no fid, no lock stays. */
void p9_server_reset(struct p9_server *server);
void p9_server_free(struct p9_server *server);

/*
 * Answers one message of so many bytes. Returns the answer's length, at most `room`; 0:
 * this is no message, or there is no room for any answer.
 */
u32 p9_server_answer(struct p9_server *server, const u8 *request, u32 bytes, u8 *answer, u32 room);

const struct p9_stats *p9_server_stats(const struct p9_server *server);
/* How many files the guest holds on to. */
u32 p9_server_fids(const struct p9_server *server);

#endif

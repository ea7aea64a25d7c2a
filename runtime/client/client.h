/* SPDX-License-Identifier: GPL-2.0-only */
/* What the programs that talk to running daemons share: finding them, asking them. */
#ifndef COLINUX_CLIENT_H
#define COLINUX_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

#define CLIENT_NAME_SIZE	64u
#define CLIENT_REPLY_MAX	(64u << 10)
#define CLIENT_REQUEST_MAX	255u		/* with its NUL: the daemon takes no more */
/* A daemon that is stopped, or works hard, answers late; one that is gone, never. */
#define CLIENT_PATIENCE_MS	10000

/*
 * The names of the guests that run, sorted, in *names (one block: free() it). Returns how
 * many, -1: see error. No folder for them: 0.
 */
int client_list(char (**names)[CLIENT_NAME_SIZE], struct error *error);

/*
 * A connection to a guest's daemon; name NULL: the only one that runs, its name in
 * chosen. -1: see error, which lists those that run.
 */
int client_connect(const char *name, char chosen[CLIENT_NAME_SIZE], struct error *error);

/*
 * Sends a request (NULL: none) and reads one line, without its end, NUL-terminated. ms: how long
 * it may take, -1: for ever. -1: see error.
 */
int client_ask(int fd, const char *request, char reply[CLIENT_REPLY_MAX], int ms,
	       struct error *error);

/* The daemon's own words when it has refused ("ok" is false): -1; else 0. */
int client_refused(const char *reply, struct error *error);

#endif

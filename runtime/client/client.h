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

/* A connection to a guest's daemon. */
struct client_link;

/*
 * The names of the guests that run, sorted, in *names (one block: free() it). Returns how
 * many, -1: see error. No place for them: 0.
 */
int client_list(char (**names)[CLIENT_NAME_SIZE], struct error *error);

/*
 * A connection to a guest's daemon; name NULL: to that of the only one that runs, its name in
 * chosen. NULL: see error, which lists those that run.
 */
struct client_link *client_connect(const char *name, char chosen[CLIENT_NAME_SIZE], struct error *error);

/*
 * Sends a request (NULL: none) and reads one line, without its end, NUL-terminated. ms: how long
 * it may take, -1: for ever. -1: see error.
 */
int client_ask(struct client_link *link, const char *request, char reply[CLIENT_REPLY_MAX], int ms,
	       struct error *error);

/* The daemon's own words when it has refused ("ok" is false): -1; else 0. */
int client_refused(const char *reply, struct error *error);

/* --- of the system: client_linux.c, client_windows.c --- */

/* The words of the command line, which main() was given as argv; first of all. */
char **client_arguments(int *argc, char **argv);
void client_close(struct client_link *link);

/* For client.c: */

/* Milliseconds of a clock that only goes forward. */
long long client_now_ms(void);
/* Tells found() every name under which somebody may listen; -1: see error. No place for them: 0. */
int client_names(void (*found)(void *arg, const char *name), void *arg, struct error *error);
/* NULL: see error, or *absent: nobody listens under that name. */
struct client_link *client_open(const char *name, bool *absent, struct error *error);
/* Both: how many bytes went through, CLIENT_LATE or CLIENT_CLOSED, or CLIENT_FAILED: see error.
 * ms: how long it may take, -1: for ever. */
enum { CLIENT_LATE = 0, CLIENT_CLOSED = -1, CLIENT_FAILED = -2 };
long client_send(struct client_link *link, const void *bytes, size_t count, int ms, struct error *error);
/* What follows a line's end stays there: it is the next reader's. */
long client_receive(struct client_link *link, char *bytes, size_t room, int ms, struct error *error);

#endif

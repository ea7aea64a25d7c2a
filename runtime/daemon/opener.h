/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The opener: a process beside a sandboxed daemon, which keeps the rights that the daemon
 * gives up, and does with them what the configuration says and nothing else. It is asked
 * by messages of a socket, one at a time, and answers with a descriptor. What it may be
 * asked for is a list of paths (opener_list_linux.c) that is closed before the guest's
 * first instruction; it reads nothing that a guest has written but those messages.
 *
 * Without an opener (sandbox=off) opener_is_there() is false, and nobody asks.
 */
#ifndef COLINUX_OPENER_H
#define COLINUX_OPENER_H

#include "options.h"

/* What may be done with a path. Whatever else: its attributes may be looked at. */
enum {
	OPENER_LOOK = 0,
	OPENER_READ = 1,
	OPENER_WRITE = 2,
	OPENER_CREATE = 4,	/* where there is no such file */
	OPENER_REMOVE = 8,
	OPENER_CONNECT = 16,	/* to the Unix socket of that path */
};

bool opener_is_there(void);

/* --- before the sandbox --- */

/* Forks it; no thread may have been started. -1: see error. */
int opener_begin(const struct options *options, struct error *error);
/* One more path. Without an opener nothing happens. */
void opener_allow(const char *path, u32 what);
/* The list is closed. */
void opener_seal(void);
/* Ends it, with all programs that it has started. */
void opener_end(void);

/* --- from any thread, and from the handler of a system call that was caught --- */

/* As open(2), with a path that is in the list: a descriptor, or -errno (EACCES: it is not). */
int opener_open(const char *path, u32 flags, u32 mode);
/* As unlink(2): 0, or -errno. */
int opener_remove(const char *path);
/* A stream connected to a Unix socket, or -errno. */
int opener_connect(const char *path);
/* The descriptor of a tap interface of the configuration's, as tap_make(); -1: see error. */
int opener_tap(const char *device, const char *name, struct error *error);
/* One of the programs of execN=: its number from now on. -1: see error. */
int opener_start(const char *program, const char *arguments, struct error *error);
/* As os_process_end(). */
void opener_stop(u32 number);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the daemon gives up before its guest exists. It reads rings, requests and frames
 * that a guest has made, so whoever finds a fault in that has the daemon, and is to have
 * little by it: no capability that no device needs, no file but those that the
 * configuration names, no system call but those in a table (sandbox_calls_linux.c).
 *
 * A guest that starts anew has its files opened anew, long after that. So all of them
 * are opened by another process, from the first time on: see opener.h.
 *
 * None of this keeps a guest's kernel from anything: it shares ring 0 with the host's.
 */
#ifndef COLINUX_SANDBOX_H
#define COLINUX_SANDBOX_H

#include "options.h"

/* "on", "off" (by sandbox=off), "unavailable": what it will be with these options. */
const char *sandbox_would_be(const struct options *options);
/* And what it is, from sandbox_enter() on. */
const char *sandbox_is(void);

/*
 * Starts the opener. What only a free process can do has to happen between this and
 * sandbox_enter(), and nothing of it may start a thread. -1: see error; that there is no
 * sandbox is one only for who has given sandbox=on.
 */
int sandbox_begin(const struct options *options, struct error *error);
int sandbox_enter(const struct options *options, struct error *error);
/* Before the process ends: the opener has ended as well. */
void sandbox_end(void);

#endif

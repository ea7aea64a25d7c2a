/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What colinux-console asks of its system: a terminal, the daemon and what comes from
 * outside, all of it at once. attach_linux.c, attach_windows.c.
 */
#ifndef COLINUX_ATTACH_OS_H
#define COLINUX_ATTACH_OS_H

#include <stdbool.h>
#include <stddef.h>

#include "client.h"

/* Before the others, when the daemon has agreed; the link is closed by attach_end(). */
int attach_begin(struct client_link *link, struct error *error);
void attach_end(void);

/* Raw mode for the terminal on stdin, if there is one; returns whether. */
bool attach_raw(void);
/* The mode it had; and what the guest's programs have switched is switched back. */
void attach_cooked(void);
/* Of the terminal on stdout; false: none. */
bool attach_size(unsigned int *columns, unsigned int *rows);

enum {
	ATTACH_OUTPUT = 1,	/* the daemon has sent something, or is gone */
	ATTACH_ROOM = 2,	/* it takes something */
	ATTACH_INPUT = 4,	/* something was typed, or nothing will be any more */
};

/* Waits for any of these, or for something from outside; returns which of them are so. */
unsigned int attach_wait(unsigned int wanted);

/* Of what came from outside. A signal's number that ends us, 0: none. */
int attach_ended_by(void);
/* The terminal has another size; or it was the shell's meanwhile, and *raw is what attach_raw() said. */
bool attach_terminal_changed(bool *raw);

/* How many bytes; 0: none now; -1: no more, or for the daemon: it is gone. None of them waits. */
long attach_type(char *bytes, size_t room);
long attach_receive(char *bytes, size_t room);
/* What was not taken is offered again, and nothing in its place. */
long attach_send(const char *bytes, size_t count);
/* All of it to stdout. -1: see error; or attach_ended_by() has become something. */
int attach_show(const char *bytes, size_t count, struct error *error);

#endif

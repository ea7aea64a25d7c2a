/* SPDX-License-Identifier: GPL-2.0-only */
/* The user's terminal while a guest's console is shown on it, and clean afterwards. */
#ifndef COLINUX_ATTACH_TERMINAL_H
#define COLINUX_ATTACH_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* Raw mode for the terminal on stdin, if there is one; returns whether. */
bool terminal_begin(void);
/* The mode it had; and what the guest's programs have switched is switched back. */
void terminal_end(void);
/* Of the terminal on stdout; false: none. */
bool terminal_size(unsigned int *columns, unsigned int *rows);

/*
 * Reads along what is shown, for terminal_end(): private modes (cursor, other screen,
 * mouse, pasting in brackets; "DEC private mode set", CSI ? N h) in what state they are.
 */
void terminal_watch(const char *bytes, size_t count);
/* What terminal_end() would write; returns its length. */
size_t terminal_reset_text(char *text, size_t size);

#endif

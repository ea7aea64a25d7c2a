/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages to stderr, one line each, prefixed with the program's name. */
#ifndef COLINUX_LOG_H
#define COLINUX_LOG_H

#include "error.h"

/* The -v level from which on a message is shown. */
enum log_level {
	LOG_WARN = 0,	/* always: errors, and what the guest did wrong */
	LOG_NOTE = 1,	/* what was started, stopped, counted */
	LOG_INFO = 2,	/* addresses, handshakes, peers that come and go */
	LOG_DEBUG = 3,	/* single requests */
};

void log_set_level(int level);
int log_enabled(enum log_level level);
void log_at(enum log_level level, const char *format, ...) CO_PRINTF(2, 3);

#define log_warn(...)	log_at(LOG_WARN, __VA_ARGS__)
#define log_note(...)	log_at(LOG_NOTE, __VA_ARGS__)
#define log_info(...)	log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...)	do { if (log_enabled(LOG_DEBUG)) log_at(LOG_DEBUG, __VA_ARGS__); } while (0)

/*
 * Makes text that a guest or a file chose fit to be shown: control characters
 * become '?', so that no terminal obeys them; newlines and tabs stay when
 * keep_lines is set. Returns out, NUL-terminated, cut to out_size.
 */
const char *log_printable(char *out, unsigned long out_size, const char *text,
			  unsigned long bytes, int keep_lines);

#endif

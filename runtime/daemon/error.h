/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An error, on its way up to main(): what was wrong, where, and what to do
 * next. Functions that can fail take a struct error and return -1 (or NULL)
 * after error_set(); nobody below main() prints it or exits.
 */
#ifndef COLINUX_ERROR_H
#define COLINUX_ERROR_H

/* Exit codes of the daemon; 3, 14 and 255 are coLinux's own. */
enum {
	EXIT_OK = 0,
	EXIT_VERSION_MISMATCH = 3,
	EXIT_NO_DRIVER = 14,
	EXIT_GUEST_PANIC = 16,
	EXIT_GUEST_RESTART = 17,
	EXIT_OTHER = 255,
	/* none of its own: the daemon goes on with the same guest */
	EXIT_AGAIN = 1000,
};

struct error {
	int exit_code;
	char text[4096];	/* of a line; several, when several things are wrong */
};

#define CO_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Both return -1, so that `return error_set(...)` reads well. */
int error_set(struct error *error, const char *format, ...) CO_PRINTF(2, 3);
int error_set_code(struct error *error, int exit_code, const char *format, ...) CO_PRINTF(3, 4);

/* One more thing that is wrong, in a line of its own. Returns -1. */
int error_add(struct error *error, const struct error *more);

#endif

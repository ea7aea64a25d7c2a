/* SPDX-License-Identifier: GPL-2.0-only */
/* The values of the configuration language: numbers, quoted paths, numbered keys. */
#ifndef COLINUX_OPTION_VALUES_H
#define COLINUX_OPTION_VALUES_H

#include "options.h"

/* The first bytes of a text, as a string of its own; NULL: out of memory. */
char *option_copy_text(const char *text, size_t bytes);

/* A whole number from low to high, without sign or blanks. */
int option_number(const char *text, const char *unit, u64 low, u64 high, u32 *out,
		  struct error *error);

/* "cobd12" with prefix "cobd" is 12; -1: not such a key, -2: no such number. */
int option_key_index(const char *key, size_t key_len, const char *prefix, u32 limit);

/*
 * Takes one value's quotes off: "a b" and "a b",ro. Returns the new string, its
 * part after a closing quote (or after the last comma of an unquoted value) in
 * *suffix; NULL: out of memory.
 */
char *option_unquote(const char *text, const char **suffix);

/* A value that is one path and nothing else. */
int option_path(struct option_value *value, const struct option_given *given, struct error *error);

#endif

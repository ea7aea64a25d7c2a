/* SPDX-License-Identifier: GPL-2.0-only */
/* Text of the user's in formats that other programs read: JSON and TOML. */
#ifndef COLINUX_PRINT_TEXT_H
#define COLINUX_PRINT_TEXT_H

#include <stdio.h>

#include "options.h"

/*
 * "A string in quotes", as JSON and TOML both read it: UTF-8; bytes that are no
 * UTF-8 (old files of Windows) are taken for Latin-1.
 */
void print_quoted(FILE *out, const char *text);

/* For comments: the same without quotes, control characters as '?'. */
void print_plain(FILE *out, const char *text);

/* How many bytes the UTF-8 character at text has; 0: it is none. A NUL ends the text. */
size_t utf8_character(const unsigned char *text);

/* toml.c: a machine for colinux.toml. */
int print_toml(FILE *out, const struct options *options, struct error *error);
/* json.c: everything that was understood. */
int print_json(FILE *out, const struct options *options, struct error *error);

#endif

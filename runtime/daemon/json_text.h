/* SPDX-License-Identifier: GPL-2.0-only */
/* JSON in a buffer of a fixed size: the control door's answers. */
#ifndef COLINUX_JSON_TEXT_H
#define COLINUX_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "colinux_types.h"
#include "error.h"

struct json_text {
	char *text;		/* always NUL-terminated */
	size_t size, used;
	bool full;		/* something did not fit: the text is of no use */
};

void json_begin(struct json_text *json, char *buffer, size_t size);
/* JSON as it is, punctuation and numbers; no strings of others. */
void json_add(struct json_text *json, const char *format, ...) CO_PRINTF(2, 3);
/* A string in quotes: UTF-8, other bytes taken for Latin-1, as print_quoted() does. */
void json_add_string(struct json_text *json, const char *string);

/* Members of an object; each begins with the comma unless it is the first. */
void json_member_string(struct json_text *json, const char *name, const char *string);
void json_member_number(struct json_text *json, const char *name, u64 number);
void json_member_bool(struct json_text *json, const char *name, bool truth);
/* name: [ or name: { ; close with json_add(json, "]"). */
void json_member_open(struct json_text *json, const char *name, char bracket);
/* The comma before an array's next element, if it needs one. */
void json_next(struct json_text *json);

#endif

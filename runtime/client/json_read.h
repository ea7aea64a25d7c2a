/* SPDX-License-Identifier: GPL-2.0-only */
/* Looks things up in JSON text, where it lies. NULL goes in and out: what is not there has no parts. */
#ifndef COLINUX_JSON_READ_H
#define COLINUX_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>

/* The value of an object's member. */
const char *json_find(const char *object, const char *name);
/* An array's first element, and the one after an element. */
const char *json_first(const char *array);
const char *json_after(const char *element);

/* A string without quotes and escapes, cut to size; anything else: "". Returns out. */
const char *json_string(const char *value, char *out, size_t size);
/* 0 where there is no number. */
double json_number(const char *value);
bool json_true(const char *value);

#endif

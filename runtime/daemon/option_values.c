// SPDX-License-Identifier: GPL-2.0-only
/* The values of the configuration language: numbers, quoted paths, numbered keys. */
#include "option_values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Not every system has strndup(). */
char *option_copy_text(const char *text, size_t bytes)
{
	char *copy = malloc(bytes + 1);

	if (copy) {
		memcpy(copy, text, bytes);
		copy[bytes] = '\0';
	}
	return copy;
}

int option_number(const char *text, const char *unit, u64 low, u64 high, u32 *out,
		  struct error *error)
{
	const char *digit = text;
	u64 number = 0;

	for (; *digit >= '0' && *digit <= '9' && number <= high; digit++)
		number = number * 10 + (*digit - '0');
	if (digit == text || *digit || number < low || number > high)
		return error_set(error, "expected a whole number of %s, %llu to %llu", unit,
				 (unsigned long long)low, (unsigned long long)high);
	*out = number;
	return 0;
}

int option_key_index(const char *key, size_t key_len, const char *prefix, u32 limit)
{
	size_t prefix_len = strlen(prefix), i;
	u32 index = 0;

	if (key_len <= prefix_len || memcmp(key, prefix, prefix_len))
		return -1;
	for (i = prefix_len; i < key_len; i++) {
		if (key[i] < '0' || key[i] > '9')
			return -1;
		if (index < limit)
			index = index * 10 + (key[i] - '0');
	}
	/* cobd01 would be a second name of cobd1 */
	if (index >= limit || (key[prefix_len] == '0' && key_len > prefix_len + 1))
		return -2;
	return index;
}

char *option_unquote(const char *text, const char **suffix)
{
	const char *close;
	char *copy;

	*suffix = NULL;
	if (text[0] == '"' && (close = strchr(text + 1, '"'))) {
		copy = option_copy_text(text + 1, close - text - 1);
		if (close[1])
			*suffix = close + 1;
		return copy;
	}
	*suffix = strrchr(text, ',');
	return strdup(text);
}

int option_path(struct option_value *value, const struct option_given *given, struct error *error)
{
	const char *suffix;
	char *path = option_unquote(given->text, &suffix);

	if (!path)
		return error_set(error, "out of memory");
	if (given->text[0] == '"' && suffix)
		error_set(error, "unexpected %.40s after the closing quote", suffix);
	else if (!*path)
		error_set(error, "a path is needed");
	else {
		value->text = path;
		snprintf(value->place, sizeof(value->place), "%s", given->place);
		return 0;
	}
	free(path);
	return -1;
}

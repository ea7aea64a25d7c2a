// SPDX-License-Identifier: GPL-2.0-only
/* Looks things up in JSON text (RFC 8259). */
#include "json_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *blanks(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

/* Past a string's closing quote; at: the opening one. NULL: it has none. */
static const char *skip_string(const char *at)
{
	for (at++; *at && *at != '"'; at++)
		if (*at == '\\' && !*++at)
			return NULL;
	return *at ? at + 1 : NULL;
}

/* Past a value. */
static const char *skip(const char *at)
{
	size_t depth = 0;

	do {
		at = blanks(at);
		switch (*at) {
		case '\0':
			return NULL;
		case '"':
			at = skip_string(at);
			if (!at)
				return NULL;
			break;
		case '[':
		case '{':
			depth++;
			at++;
			break;
		case ']':
		case '}':
			if (!depth)
				return NULL;
			depth--;
			at++;
			break;
		case ',':
		case ':':
			if (!depth)
				return NULL;
			at++;
			break;
		default:
			at += strcspn(at, ",:]}[{\" \t\r\n");
		}
	} while (depth);
	return at;
}

const char *json_after(const char *element)
{
	const char *at = element ? skip(element) : NULL;

	if (!at)
		return NULL;
	at = blanks(at);
	return *at == ',' ? blanks(at + 1) : NULL;
}

const char *json_first(const char *array)
{
	if (!array || *array != '[')
		return NULL;
	array = blanks(array + 1);
	return *array == ']' || !*array ? NULL : array;
}

const char *json_find(const char *object, const char *name)
{
	const char *at, *value;
	char key[64];

	if (!object || *object != '{')
		return NULL;
	for (at = blanks(object + 1); *at == '"'; at = blanks(at + 1)) {
		json_string(at, key, sizeof(key));
		value = skip_string(at);
		if (!value || *(value = blanks(value)) != ':')
			return NULL;
		value = blanks(value + 1);
		if (!strcmp(key, name))
			return value;
		at = skip(value);
		if (!at || *(at = blanks(at)) != ',')
			return NULL;
	}
	return NULL;
}

/* \uXXXX as UTF-8; surrogates, which ours never writes, as '?'. Returns the bytes. */
static size_t from_escape(const char *digits, char out[3])
{
	unsigned int code = 0;

	if (sscanf(digits, "%4x", &code) != 1 || (code >= 0xd800 && code <= 0xdfff))
		code = '?';
	if (code < 0x80) {
		out[0] = code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = 0xc0 | code >> 6;
		out[1] = 0x80 | (code & 0x3f);
		return 2;
	}
	out[0] = 0xe0 | code >> 12;
	out[1] = 0x80 | (code >> 6 & 0x3f);
	out[2] = 0x80 | (code & 0x3f);
	return 3;
}

const char *json_string(const char *value, char *out, size_t size)
{
	static const char letters[] = "nrtbf", meant[] = "\n\r\t\b\f";
	const char *end = value && *value == '"' ? skip_string(value) : NULL, *letter;
	char bytes[3];
	size_t used = 0, count;

	for (value = end ? value + 1 : ""; end && value < end - 1; value++) {
		bytes[0] = *value;
		count = 1;
		if (*value == '\\') {
			value++;
			letter = strchr(letters, *value);
			bytes[0] = letter ? meant[letter - letters] : *value;
			if (*value == 'u' && end - 1 - value > 4) {
				count = from_escape(value + 1, bytes);
				value += 4;
			}
		}
		if (used + count >= size)
			break;
		memcpy(out + used, bytes, count);
		used += count;
	}
	out[used] = '\0';
	return out;
}

double json_number(const char *value)
{
	return value ? strtod(value, NULL) : 0;
}

bool json_true(const char *value)
{
	return value && !strncmp(value, "true", 4);
}

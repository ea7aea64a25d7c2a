// SPDX-License-Identifier: GPL-2.0-only
/* JSON in a buffer of a fixed size. */
#include "json_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "print_text.h"

void json_begin(struct json_text *json, char *buffer, size_t size)
{
	json->text = buffer;
	json->size = size;
	json->used = 0;
	json->full = false;
	buffer[0] = '\0';
}

void json_add(struct json_text *json, const char *format, ...)
{
	size_t room = json->size - json->used;
	va_list args;
	int bytes;

	if (json->full)
		return;
	va_start(args, format);
	bytes = vsnprintf(json->text + json->used, room, format, args);
	va_end(args);
	if (bytes < 0 || (size_t)bytes >= room) {
		json->text[json->used] = '\0';
		json->full = true;
		return;
	}
	json->used += bytes;
}

void json_add_string(struct json_text *json, const char *string)
{
	const unsigned char *at = (const unsigned char *)string;
	size_t bytes;

	json_add(json, "\"");
	for (; *at; at += bytes) {
		bytes = utf8_character(at);
		if (*at < 0x20 || *at == 0x7f)
			json_add(json, "\\u%04x", *at);
		else if (*at == '"' || *at == '\\')
			json_add(json, "\\%c", *at);
		else if (bytes)
			json_add(json, "%.*s", (int)bytes, (const char *)at);
		else
			json_add(json, "%c%c", 0xc0 | *at >> 6, 0x80 | (*at & 0x3f));
		if (!bytes)
			bytes = 1;
	}
	json_add(json, "\"");
}

void json_next(struct json_text *json)
{
	char last = json->used ? json->text[json->used - 1] : '{';

	if (last != '{' && last != '[')
		json_add(json, ",");
}

/* Names are ours: they need no escapes. */
static void member(struct json_text *json, const char *name)
{
	json_next(json);
	json_add(json, "\"%s\":", name);
}

void json_member_string(struct json_text *json, const char *name, const char *string)
{
	member(json, name);
	json_add_string(json, string);
}

void json_member_number(struct json_text *json, const char *name, u64 number)
{
	member(json, name);
	json_add(json, "%llu", (unsigned long long)number);
}

void json_member_bool(struct json_text *json, const char *name, bool truth)
{
	member(json, name);
	json_add(json, truth ? "true" : "false");
}

void json_member_open(struct json_text *json, const char *name, char bracket)
{
	member(json, name);
	json_add(json, "%c", bracket);
}

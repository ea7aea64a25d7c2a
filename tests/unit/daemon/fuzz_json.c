// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_json SEED COUNT: answers of a daemon as colinux-ctl and colinux-console read them:
 * texts out of pieces of JSON, which are mostly none, and objects that the daemon's own writer
 * has made, with noise in their strings. What is found lies in the text; what was written is
 * read. Prints how many lookups found something and how many did not.
 */
#include "check.h"
#include "fuzz.h"
#include "json_read.h"
#include "json_text.h"
#include "colinux_types.h"

static u64 found, missed;

static const char *const names[] = { "ok", "error", "guest", "devices", "queues", "a", "", "name" };
#define NAMES (sizeof(names) / sizeof(*names))

static char *compose(void)
{
	static const char *const pieces[] = {
		"{", "}", "[", "]", ":", ",", "\"", "\\", "\\u", "\\u00e4", "\\ud800", "\\u12", "true", "null", "-1e999", "0x10",
		" ", "\n", "\"ok\":true", "\"devices\":[", "\"queues\":[{}", "\"error\":\"", "{\"ok\":", "\"a\":{\"a\":", "\xff", "nan",
		"\"name\":\"cobd0\",", "{\"guest\":{\"name\":\"x\"},\"devices\":[{\"name\":\"a\",\"queues\":[{\"size\":8}]}]}",
	};
	u32 count = one_of(2) ? one_of(12) : one_of(80);
	char *text = malloc(1), *longer;
	size_t bytes = 0, more;

	while (count--) {
		const char *piece = pieces[one_of(sizeof(pieces) / sizeof(*pieces))];

		/* as long as it is, so that the sanitizer sees one byte too far */
		more = strlen(piece);
		longer = realloc(text, bytes + more + 1);
		CHECK(longer);
		text = longer;
		memcpy(text + bytes, piece, more);
		bytes += more;
	}
	text[bytes] = '\0';
	for (count = one_of(3) ? 0 : one_of(3); count && bytes; count--)
		text[one_of(bytes)] = 1 + one_of(255);
	return text;
}

/* The value that was found, if one was, and every value in it. */
static void look_into(const char *text, const char *value, u32 depth)
{
	char *out;
	size_t size = 1 + one_of(40);
	const char *element;
	u32 i;

	if (!value) {
		missed++;
		return;
	}
	found++;
	CHECK(value >= text && value <= text + strlen(text));
	out = malloc(size);
	CHECK(json_string(value, out, size) == out && strlen(out) < size);
	free(out);
	json_number(value);
	json_true(value);
	if (depth == 4)
		return;
	for (element = json_first(value); element; element = json_after(element)) {
		CHECK(element > value && element <= text + strlen(text));
		if (one_of(4) == 0)
			look_into(text, element, depth + 1);
	}
	for (i = 0; i < 2; i++)
		look_into(text, json_find(value, names[one_of(NAMES)]), depth + 1);
}

/* What the daemon writes of any bytes is one line, and read as those bytes, where they are text. */
static void write_and_read(void)
{
	char text[4096], bytes[64], read[sizeof(bytes)];
	u32 count = one_of(sizeof(bytes) - 1), i;
	struct json_text json;
	u64 number = random_number() >> one_of(64);

	for (i = 0; i < count; i++)
		bytes[i] = one_of(4) ? (char)(1 + one_of(127)) : "\"\\/\n{}[]"[one_of(8)];
	bytes[count] = '\0';
	json_begin(&json, text, sizeof(text));
	json_add(&json, "{");
	json_member_string(&json, "first", bytes);
	json_member_number(&json, "number", number);
	json_member_string(&json, "last", bytes);
	json_add(&json, "}");
	CHECK(!strchr(text, '\n'));
	json_string(json_find(text, "last"), read, sizeof(read));
	CHECK(!strcmp(read, bytes));
	json_string(json_find(text, "first"), read, sizeof(read));
	CHECK(!strcmp(read, bytes));
	CHECK(json_number(json_find(text, "number")) == (double)number);
	CHECK(!json_find(text, "number "));
}

int main(int argc, char **argv)
{
	unsigned long long count;

	CHECK(argc == 3);
	random_begin(argv[1]);
	for (count = strtoull(argv[2], NULL, 10); count; count--) {
		char *text = compose();

		look_into(text, text, 0);
		free(text);
		write_and_read();
	}
	printf("%llu %llu\n", (unsigned long long)found, (unsigned long long)missed);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* Text of the user's in formats that other programs read: JSON and TOML. */
#include "print_text.h"

#include <string.h>

/* RFC 3629, section 4. */
size_t utf8_character(const unsigned char *text)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t bytes, i;

	if (text[0] < 0x80)
		return 1;
	if (text[0] >= 0xc2 && text[0] <= 0xdf)
		bytes = 2;
	else if (text[0] >= 0xe0 && text[0] <= 0xef)
		bytes = 3;
	else if (text[0] >= 0xf0 && text[0] <= 0xf4)
		bytes = 4;
	else
		return 0;
	/* no longer form of a shorter one, no surrogate, nothing above U+10FFFF */
	if (text[0] == 0xe0)
		low = 0xa0;
	else if (text[0] == 0xed)
		high = 0x9f;
	else if (text[0] == 0xf0)
		low = 0x90;
	else if (text[0] == 0xf4)
		high = 0x8f;
	if (text[1] < low || text[1] > high)
		return 0;
	for (i = 2; i < bytes; i++)
		if (text[i] < 0x80 || text[i] > 0xbf)
			return 0;
	return bytes;
}

/* One character; returns how many bytes of the text it took. */
static size_t print_character(FILE *out, const unsigned char *text)
{
	size_t bytes = utf8_character(text);

	if (bytes)
		fwrite(text, 1, bytes, out);
	else
		fprintf(out, "%c%c", 0xc0 | text[0] >> 6, 0x80 | (text[0] & 0x3f));
	return bytes ? bytes : 1;
}

void print_quoted(FILE *out, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	putc('"', out);
	while (*at) {
		if (*at < 0x20 || *at == 0x7f) {
			fprintf(out, "\\u%04x", *at++);
			continue;
		}
		if (*at == '"' || *at == '\\')
			putc('\\', out);
		at += print_character(out, at);
	}
	putc('"', out);
}

void print_plain(FILE *out, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		if (*at < 0x20 || *at == 0x7f) {
			putc('?', out);
			at++;
		} else {
			at += print_character(out, at);
		}
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Configuration files (@FILE): words between blanks and line ends. "Double
 * quotes" hold a word together, # starts a comment. A backslash is an ordinary
 * character: paths of Windows are full of them. Every fault of a file is
 * reported, with its line.
 */
#include "conf_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "option_keys.h"
#include "option_values.h"
#include "os.h"

#define CONFIG_FILE_MAX		(1u << 20)
/* A message with a longer name would lose its line number. */
#define NAME_SHOWN		72

/* Where the reader is. */
struct text {
	const char *name;
	const char *bytes;
	size_t length, at;
	u32 line;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void format_place(const struct text *text, char place[OPTIONS_PLACE_SIZE])
{
	size_t length = strlen(text->name);

	if (length <= NAME_SHOWN)
		snprintf(place, OPTIONS_PLACE_SIZE, "%s:%u", text->name, text->line);
	else
		snprintf(place, OPTIONS_PLACE_SIZE, "...%s:%u", text->name + length - NAME_SHOWN,
			 text->line);
}

/* To the next word; false: there is none. */
static bool skip_to_word(struct text *text)
{
	while (text->at < text->length) {
		char c = text->bytes[text->at];

		if (is_blank(c)) {
			text->line += c == '\n';
			text->at++;
		} else if (c == '#') {
			while (text->at < text->length && text->bytes[text->at] != '\n')
				text->at++;
		} else {
			return true;
		}
	}
	return false;
}

/*
 * Takes one word, quotes and all, as a string of its own. NULL: see error; the
 * next call goes on behind the fault, at the end of the text if that is none.
 */
static char *take_word(struct text *text, const char *place, struct error *error)
{
	size_t start = text->at;
	bool quoted = false;
	char *word;

	for (; text->at < text->length; text->at++) {
		unsigned char c = text->bytes[text->at];

		if (c == '"')
			quoted = !quoted;
		if (c == '\n' || (!quoted && is_blank(c)))
			break;
		if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7f) {
			text->at = text->length;
			error_set(error, "%s: control character 0x%02x; this is no text file", place, c);
			return NULL;
		}
	}
	if (quoted) {
		error_set(error, "%s: a quote is opened and not closed on its line", place);
		return NULL;
	}
	word = option_copy_text(text->bytes + start, text->at - start);
	if (!word)
		error_set(error, "out of memory");
	return word;
}

static int use_word(struct options *options, const char *word, const char *place,
		    struct error *error)
{
	if (word[0] == '@')
		return error_set(error, "%s: %.60s: a configuration file cannot name another one",
				 place, word);
	if (word[0] == '-' && strcmp(word, "--") && !options->passing_through)
		return error_set(error, "%s: %.60s: switches belong on the command line", place, word);
	return option_word(options, word, place, error);
}

/* What is not even a text of words; 0: go on. Skips a byte order mark. */
static int check_kind(struct text *text, struct error *error)
{
	const char *bytes = text->bytes;
	struct text first;

	if (text->length >= 2 && (!memcmp(bytes, "\xff\xfe", 2) || !memcmp(bytes, "\xfe\xff", 2)))
		return error_set(error, "%s:1: is UTF-16; save it as UTF-8 or plain text", text->name);
	if (text->length >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3))
		text->at = 3;
	first = *text;
	if (skip_to_word(&first) && bytes[first.at] == '<')
		return error_set(error, "%s:%u: is XML, the form before coLinux 0.7; write lines of key=value, see --help",
				 text->name, first.line);
	return 0;
}

int options_parse_text(struct options *options, const char *name, const char *bytes, size_t length,
		       struct error *error)
{
	struct text text = { name, bytes, length, 0, 1 };
	char place[OPTIONS_PLACE_SIZE];
	struct error one;
	int result = 0;

	options->passing_through = false;
	if (check_kind(&text, &one))
		return error_add(error, &one);
	while (skip_to_word(&text)) {
		char *word;

		format_place(&text, place);
		word = take_word(&text, place, &one);
		if (!word || use_word(options, word, place, &one))
			result = error_add(error, &one);
		free(word);
	}
	options->passing_through = false;
	return result;
}

int conf_file_parse(struct options *options, const char *path, struct error *error)
{
	struct error one;
	size_t bytes = 0;
	int result = -1;
	FILE *file;
	char *text;

	if (!options->file)
		options->file = path;
	file = *path ? os_fopen(path, "rb") : NULL;
	text = file ? malloc(CONFIG_FILE_MAX + 1) : NULL;
	if (text)
		bytes = fread(text, 1, CONFIG_FILE_MAX + 1, file);
	if (!*path)
		error_set(&one, "@ needs a file's path right after it");
	else if (!file || ferror(file))
		error_set(&one, "@%s: %s", path, strerror(errno));
	else if (!text)
		error_set(&one, "out of memory");
	else if (bytes > CONFIG_FILE_MAX)
		error_set(&one, "@%s: larger than %u KiB; this is no configuration file", path,
			  CONFIG_FILE_MAX >> 10);
	else
		result = 0;
	if (result)
		error_add(error, &one);
	else
		result = options_parse_text(options, path, text, bytes, error);
	free(text);
	if (file)
		fclose(file);
	return result;
}

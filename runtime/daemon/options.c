// SPDX-License-Identifier: GPL-2.0-only
/*
 * coLinux's configuration language: words, each a switch, a key=value of ours,
 * or a word for the guest kernel's command line. Words come from the command
 * line, where the shell has split them, and from @files, where blanks split
 * them, "double quotes" hold them together and # starts a comment. A backslash
 * is an ordinary character: paths of Windows are full of them.
 */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "colinux_types.h"
#include "colinux_ioctl.h"
#include "option_values.h"

#define CONFIG_FILE_MAX		(1u << 20)
#define DEFAULT_MEM_MIB		128
#define DEFAULT_SHUTDOWN_S	30

static int keep_disk(struct options *options, u32 index, const char *key, const char *text,
		     const char *place, struct error *error)
{
	const char *suffix;
	char *path = option_unquote(text, &suffix);
	bool quoted = text[0] == '"';
	int result = -1;

	if (!path)
		return error_set(error, "out of memory");
	if (suffix && (!strcmp(suffix, ",ro") || !strcmp(suffix, ",rw"))) {
		options->disk_read_only[index] = suffix[2] == 'o';
		if (!quoted)
			path[suffix - text] = '\0';
	} else if (suffix && quoted) {
		error_set(error, "%s: %s=: unexpected %.40s after the closing quote; known: ,ro ,rw",
			  place, key, suffix);
		goto out;
	}
	if (!*path)
		error_set(error, "%s: %s= needs a path", place, key);
	else
		result = option_keep(&options->disk[index], key, path, place, error);
out:
	free(path);
	return result;
}

/* --- words --- */

static int pass_to_guest(struct options *options, const char *word, const char *place,
			 struct error *error)
{
	size_t used = strlen(options->cmdline), more = strlen(word);

	if (used + (used != 0) + more >= sizeof(options->cmdline))
		return error_set(error, "%s: the guest kernel's command line is longer than %u bytes",
				 place, OPTIONS_CMDLINE_SIZE - 1);
	if (used)
		options->cmdline[used++] = ' ';
	memcpy(options->cmdline + used, word, more + 1);
	return 0;
}

/* Keys of coLinux's that a later version of this daemon will serve. */
static bool is_reserved(const char *key, size_t len)
{
	static const char *const numbered[] = { "cofs", "eth", "exec", "scsi", "pci" };
	size_t i;

	for (i = 0; i < sizeof(numbered) / sizeof(*numbered); i++)
		if (option_key_index(key, len, numbered[i], 1000) != -1)
			return true;
	/* hda1, sdb */
	if (len >= 3 && (!memcmp(key, "hd", 2) || !memcmp(key, "sd", 2)) &&
	    key[2] >= 'a' && key[2] <= 'z' &&
	    (len == 3 || option_key_index(key + 2, len - 2, (char[]){ key[2], 0 }, 1000) != -1))
		return true;
	return len == 5 && !memcmp(key, "cocon", 5);
}

static bool is_key(const char *key, size_t len, const char *name)
{
	return len == strlen(name) && !memcmp(key, name, len);
}

/* One word that is no switch. */
static int parse_word(struct options *options, const char *word, const char *place,
		      struct error *error)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : 0;
	const char *text = equals ? equals + 1 : NULL;
	char key[32];
	int index;

	if (!strcmp(word, "--"))
		options->passing_through = true;
	if (options->passing_through || !equals || !len)
		return pass_to_guest(options, word, place, error);
	snprintf(key, sizeof(key), "%.*s", (int)(len < 31 ? len : 31), word);

	if (is_key(word, len, "kernel"))
		return option_keep_path(&options->kernel, key, text, place, error);
	if (is_key(word, len, "initrd"))
		return option_keep_path(&options->initrd, key, text, place, error);
	if (is_key(word, len, "mem"))
		return option_keep(&options->mem, key, text, place, error);
	if (is_key(word, len, "shutdown-timeout"))
		return option_keep(&options->shutdown_timeout, key, text, place, error);

	index = option_key_index(word, len, "cobd", OPTIONS_DISKS);
	if (index == -2)
		return error_set(error, "%s: there is no %s; disks are cobd0 to cobd%u",
				 place, key, OPTIONS_DISKS - 1);
	if (index >= 0)
		return keep_disk(options, index, key, text, place, error);

	index = option_key_index(word, len, "ttys", OPTIONS_SERIALS);
	if (index == -2)
		return error_set(error, "%s: there is no %s; serial ports are ttys0 to ttys%u",
				 place, key, OPTIONS_SERIALS - 1);
	if (index >= 0 && text[0] != '"' && strstr(text, ",\""))
		return error_set(error, "%s: %s=: a line mode (%.40s) is not supported yet; set it with stty",
				 place, key, strstr(text, ",\""));
	if (index >= 0)
		return option_keep_path(&options->serial[index], key, text, place, error);

	if (is_reserved(word, len))
		return error_set(error, "%s: %s= is not supported by this version", place, key);
	return pass_to_guest(options, word, place, error);
}

/* --- files --- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int options_parse_text(struct options *options, const char *name, const char *text, size_t bytes,
		       struct error *error)
{
	char place[OPTIONS_PLACE_SIZE];
	size_t at = 0;
	u32 line = 1;

	options->passing_through = false;
	while (at < bytes) {
		size_t start, len;
		bool quoted = false;
		char *word;
		int result;

		if (is_blank(text[at])) {
			line += text[at++] == '\n';
			continue;
		}
		if (text[at] == '#') {
			while (at < bytes && text[at] != '\n')
				at++;
			continue;
		}
		snprintf(place, sizeof(place), "%s:%u", name, line);
		for (start = at; at < bytes && (quoted || !is_blank(text[at])); at++) {
			unsigned char c = text[at];

			if (c == '"')
				quoted = !quoted;
			if (c == '\n')
				break;
			if (c < 0x20 && c != '\t' && c != '\r')
				return error_set(error, "%s: control character 0x%02x; this is no text file",
						 place, c);
		}
		if (quoted)
			return error_set(error, "%s: a quote is opened and not closed on its line", place);
		len = at - start;
		word = option_copy_text(text + start, len);
		if (!word)
			return error_set(error, "out of memory");
		if (word[0] == '@')
			result = error_set(error, "%s: %.60s: a configuration file cannot name another one",
					   place, word);
		else if (word[0] == '-' && strcmp(word, "--") && !options->passing_through)
			result = error_set(error, "%s: %.60s: switches belong on the command line",
					   place, word);
		else
			result = parse_word(options, word, place, error);
		free(word);
		if (result)
			return result;
	}
	options->passing_through = false;
	return 0;
}

static int parse_file(struct options *options, const char *path, struct error *error)
{
	FILE *file;
	char *text;
	size_t bytes;
	int result;

	if (!*path)
		return error_set(error, "@ needs a file's path right after it");
	file = fopen(path, "rb");
	if (!file)
		return error_set(error, "@%s: %s", path, strerror(errno));
	text = malloc(CONFIG_FILE_MAX + 1);
	bytes = text ? fread(text, 1, CONFIG_FILE_MAX + 1, file) : 0;
	if (!text)
		result = error_set(error, "out of memory");
	else if (ferror(file))
		result = error_set(error, "@%s: %s", path, strerror(errno));
	else if (bytes > CONFIG_FILE_MAX)
		result = error_set(error, "@%s: larger than %u KiB; this is no configuration file",
				   path, CONFIG_FILE_MAX >> 10);
	else
		result = options_parse_text(options, path, text, bytes, error);
	free(text);
	fclose(file);
	return result;
}

/* --- the command line --- */

/*
 * The shell has taken the quotes off; the guest kernel, which splits its
 * command line at blanks, needs them back: key="a b".
 */
static char *requote(const char *word)
{
	const char *equals = strchr(word, '=');
	size_t len = strlen(word), key = equals ? (size_t)(equals - word) + 1 : 0;
	char *copy;

	if (!strpbrk(word, " \t") || strchr(word, '"'))
		return strdup(word);
	copy = malloc(len + 3);
	if (copy)
		sprintf(copy, "%.*s\"%s\"", (int)key, word, word + key);
	return copy;
}

static int parse_switch(struct options *options, char **argv, int argc, int *at,
			struct error *error)
{
	static const struct { const char *name; size_t offset; } flags[] = {
		{ "-h", offsetof(struct options, help) },
		{ "--help", offsetof(struct options, help) },
		{ "--version", offsetof(struct options, version) },
		{ "--check", offsetof(struct options, check) },
		{ "--status-driver", offsetof(struct options, status_driver) },
		{ "--stats", offsetof(struct options, stats) },
		{ "-d", offsetof(struct options, no_console) },
		{ "-k", offsetof(struct options, no_early_messages) },
	};
	const char *word = argv[*at], *value;
	char place[OPTIONS_PLACE_SIZE];
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (!strcmp(word, flags[i].name)) {
			*(bool *)((char *)options + flags[i].offset) = true;
			return 0;
		}
	if (strncmp(word, "-v", 2) && strncmp(word, "-p", 2))
		return error_set(error, "argument %d: unknown switch %.40s; see --help", *at, word);
	snprintf(place, sizeof(place), "argument %d", *at);
	value = word + 2;
	if (!*value) {
		if (*at + 1 >= argc)
			return error_set(error, "%s: %s needs a value", place, word);
		value = argv[++*at];
	}
	if (word[1] == 'p')
		return option_keep(&options->pidfile, "-p", value, place, error);
	if (value[0] < '0' || value[0] > '3' || value[1])
		return error_set(error, "%s: -v %.40s: expected a level from 0 to 3", place, value);
	options->verbosity = value[0] - '0';
	return 0;
}

static int parse_arguments(struct options *options, int argc, char **argv, struct error *error)
{
	char place[OPTIONS_PLACE_SIZE];
	int at, result;

	for (at = 1; at < argc; at++) {
		char *word = argv[at];

		snprintf(place, sizeof(place), "argument %d", at);
		if (!*word)
			continue;
		if (options->passing_through) {
			result = parse_word(options, word, place, error);
		} else if (word[0] == '@') {
			result = parse_file(options, word + 1, error);
		} else if (word[0] == '-' && strcmp(word, "--")) {
			result = parse_switch(options, argv, argc, &at, error);
		} else {
			char *quoted = requote(word);

			if (!quoted)
				return error_set(error, "out of memory");
			result = parse_word(options, quoted, place, error);
			free(quoted);
		}
		if (result)
			return result;
	}
	return 0;
}

/* --- all of it together --- */

static bool has_word(const char *cmdline, const char *prefix)
{
	const char *at = cmdline;

	while ((at = strstr(at, prefix))) {
		if (at == cmdline || at[-1] == ' ')
			return true;
		at++;
	}
	return false;
}

static int complete(struct options *options, struct error *error)
{
	u32 disks = 0, serials = 0, i;

	options->mem_mib = DEFAULT_MEM_MIB;
	if (options->mem.text &&
	    option_number(&options->mem, "mem", "MiB", CO_MEM_MIN >> 20, CO_MEM_MAX >> 20,
			 &options->mem_mib, error))
		return -1;
	options->shutdown_seconds = DEFAULT_SHUTDOWN_S;
	if (options->shutdown_timeout.text &&
	    option_number(&options->shutdown_timeout, "shutdown-timeout", "seconds", 0, 86400,
			 &options->shutdown_seconds, error))
		return -1;
	for (i = 0; i < OPTIONS_DISKS; i++)
		disks += options->disk[i].text != NULL;
	for (i = 0; i < OPTIONS_SERIALS; i++)
		serials += options->serial[i].text != NULL;
	if (1 + disks + serials > CO_NR_VDEV)
		return error_set(error, "%u disks and %u serial ports are too many: a guest has room for %u devices, one of them its console",
				 disks, serials, CO_NR_VDEV);
	if (options->help || options->version || options->status_driver)
		return 0;
	if (!options->kernel.text)
		return error_set(error, "no kernel= is given; see --help");
	/* Without a word of its own a kernel would pick no console at all.
	 * It goes first: "--" may end the kernel's part of the line. */
	if (!has_word(options->cmdline, "console=")) {
		static const char word[] = "console=hvc0";
		size_t used = strlen(options->cmdline), len = sizeof(word) - 1;

		if (used + len + 1 >= sizeof(options->cmdline))
			return error_set(error, "no room for %s on the guest kernel's command line", word);
		memmove(options->cmdline + len + (used != 0), options->cmdline, used + 1);
		memcpy(options->cmdline, word, len);
		if (used)
			options->cmdline[len] = ' ';
		else
			options->cmdline[len] = '\0';
	}
	return 0;
}

int options_parse(struct options *options, int argc, char **argv, struct error *error)
{
	memset(options, 0, sizeof(*options));
	if (parse_arguments(options, argc, argv, error))
		return -1;
	return complete(options, error);
}

void options_free(struct options *options)
{
	u32 i;

	free(options->pidfile.text);
	free(options->kernel.text);
	free(options->initrd.text);
	free(options->mem.text);
	free(options->shutdown_timeout.text);
	for (i = 0; i < OPTIONS_DISKS; i++)
		free(options->disk[i].text);
	for (i = 0; i < OPTIONS_SERIALS; i++)
		free(options->serial[i].text);
	memset(options, 0, sizeof(*options));
}

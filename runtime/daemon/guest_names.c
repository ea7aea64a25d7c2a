// SPDX-License-Identifier: GPL-2.0-only
/* The names that disks have inside the guest, and the command line with them in it. */
#include "guest_names.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "option_values.h"

/* Linux 2.4's COMMAND_LINE_SIZE on i386, with the NUL. */
#define CMDLINE_SIZE_24		256u

enum guest_kind guest_kind(const struct kernel_image *image)
{
	return image->is_i386 && image->note.code_selector == CO_SELECTOR_24 ? GUEST_24 : GUEST_VIRTIO;
}

enum guest_kind guest_kind_of_file(const char *path)
{
	enum guest_kind kind = GUEST_VIRTIO;
	struct kernel_image image;
	struct error error;

	if (path && !kernel_image_open(&image, path, &error)) {
		kind = guest_kind(&image);
		kernel_image_close(&image);
	}
	return kind;
}

void guest_disk_name(const struct options *options, u32 number, enum guest_kind kind,
		     char name[GUEST_NAME_SIZE])
{
	u32 position = 0, i;

	for (i = 0; i < number; i++)
		position += options->disk[i].given != NULL;
	if (kind == GUEST_24)
		snprintf(name, GUEST_NAME_SIZE, "/dev/cobd%u", position);
	else if (position < 26)
		snprintf(name, GUEST_NAME_SIZE, "/dev/vd%c", 'a' + position);
	else
		snprintf(name, GUEST_NAME_SIZE, "/dev/vd%c%c", 'a' + position / 26 - 1, 'a' + position % 26);
}

/* --- root= --- */

/* The decimal digits at the start of a text; 0: none, or no partition's number. */
static u32 partition_number(const char *digits)
{
	u32 number = 0;

	if (*digits == '0')
		return 0;
	for (; *digits >= '0' && *digits <= '9' && number < 100; digits++)
		number = number * 10 + (*digits - '0');
	return *digits || number > 99 ? 0 : number;
}

/* "cobd3", "cobd/3", "cobd3p1": the disk's number; -1: none of these. */
static int cobd_number(const char *name, u32 *partition)
{
	const char *digits = name + 4 + (name[4] == '/'), *end;
	char key[16];

	end = digits + strspn(digits, "0123456789");
	*partition = *end == 'p' ? partition_number(end + 1) : 0;
	if ((*end && !*partition) || end == digits || end - digits > 8)
		return -1;
	snprintf(key, sizeof(key), "cobd%.*s", (int)(end - digits), digits);
	return option_key_index(key, strlen(key), "cobd", OPTIONS_DISKS);
}

static const struct option_alias *find_alias(const struct options *options, const char *name,
					     size_t length)
{
	u32 i;

	for (i = 0; i < options->naliases; i++) {
		const char *key = options->alias[i].given->key;

		if (strlen(key) == length && !memcmp(key, name, length))
			return &options->alias[i];
	}
	return NULL;
}

/* "vdb2" is the second disk that there is: its number; -1: none is so called. */
static int virtio_number(const struct options *options, const char *name, u32 *partition)
{
	char device[GUEST_NAME_SIZE];
	size_t length;
	u32 i;

	for (i = 0; i < OPTIONS_DISKS; i++) {
		if (!options->disk[i].given)
			continue;
		guest_disk_name(options, i, GUEST_VIRTIO, device);
		length = strlen(device + 5);
		if (strncmp(name, device + 5, length))
			continue;
		*partition = partition_number(name + length);
		if (*partition || !name[length])
			return i;
	}
	return -1;
}

/*
 * Which disk, and which of its partitions (0: all of it), the user means by a
 * name in /dev. 1: by one of ours, 0: it is none of ours, -1: see error.
 */
static int find_root(const struct options *options, const char *name, u32 *disk, u32 *partition,
		     struct error *error)
{
	const struct option_alias *alias = find_alias(options, name, strlen(name));
	int number;

	*partition = 0;
	if (!strncmp(name, "cobd", 4)) {
		number = cobd_number(name, partition);
		if (number < 0 || !options->disk[number].given)
			return error_set(error, "there is no such disk; disks are cobdN=, and further names of theirs hdXN=:cobdN");
		*disk = number;
		return 1;
	}
	if (!strncmp(name, "vd", 2)) {
		number = virtio_number(options, name, partition);
		*disk = number;
		return number >= 0;
	}
	if ((strncmp(name, "hd", 2) && strncmp(name, "sd", 2)) || name[2] < 'a' || name[2] > 'z')
		return 0;
	if (!alias) {
		*partition = partition_number(name + 3);
		alias = *partition ? find_alias(options, name, 3) : NULL;
	}
	if (!alias)
		return error_set(error, "no disk has that name; say which one it is: %.20s=:cobdN, or root=/dev/cobdN",
				 name);
	*disk = alias->disk;
	return 1;
}

bool guest_root_disk(const struct options *options, u32 *disk)
{
	u32 partition;
	struct error error;

	return options->root.text && !strncmp(options->root.text, "/dev/", 5) &&
	       find_root(options, options->root.text + 5, disk, &partition, &error) > 0;
}

/* The value of root= as this kernel understands it. */
static int translate_root(const struct options *options, const char *value, enum guest_kind kind,
			  bool partitions, char *out, size_t size, struct error *error)
{
	char name[GUEST_NAME_SIZE];
	u32 disk, partition = 0;
	struct error why;
	int found = 0;

	if (!strncmp(value, "/dev/", 5))
		found = find_root(options, value + 5, &disk, &partition, &why);
	if (!partitions)
		partition = 0;
	if (found < 0)
		return error_set(error, "%s: root=%.40s: %s", options->root.place, value, why.text);
	if (found && partition && kind == GUEST_24)
		return error_set(error, "%s: root=%.40s: Linux 2.4 reads no partitions on cobd disks; give it the partition as a disk",
				 options->root.place, value);
	if (!found) {
		snprintf(out, size, "%s", value);
		return 0;
	}
	guest_disk_name(options, disk, kind, name);
	if (partition)
		snprintf(out, size, "%s%u", name, partition);
	else
		snprintf(out, size, "%s", name);
	return 0;
}

/* --- the line --- */

/* A line that is put together; once something did not fit, it stays too long. */
struct line {
	char *text;
	size_t bytes, size;
};

static void CO_PRINTF(2, 3) append(struct line *line, const char *format, ...)
{
	size_t room = line->bytes < line->size ? line->size - line->bytes : 0;
	va_list args;
	int more;

	va_start(args, format);
	more = vsnprintf(room ? line->text + line->bytes : NULL, room, format, args);
	va_end(args);
	line->bytes += more > 0 ? more : 0;
}

static bool needs_names(const struct options *options)
{
	u32 i;

	for (i = 1; i < OPTIONS_DISKS; i++)
		if (options->disk[i].given && !options->disk[i - 1].given)
			return true;
	return options->naliases;
}

static void append_names(struct line *line, const struct options *options)
{
	const char *before = "colinux.names=";
	u32 i, n;

	for (i = 0; i < OPTIONS_DISKS; i++) {
		if (!options->disk[i].given)
			continue;
		append(line, "%scobd%u", before, i);
		before = ",";
		for (n = 0; n < options->naliases; n++)
			if (options->alias[n].disk == i)
				append(line, ":%s", options->alias[n].given->key);
	}
	append(line, " ");
}

/* The end of the word that begins at text: a blank outside of quotes. */
static const char *word_end(const char *text)
{
	bool quoted = false;

	for (; *text && (quoted || *text != ' '); text++)
		if (*text == '"')
			quoted = !quoted;
	return text;
}

/* Does the kernel's part of the line have a word that begins so? */
static bool has_word(const char *cmdline, const char *prefix)
{
	const char *word, *end;

	for (word = cmdline; *word; word = *end ? end + 1 : end) {
		end = word_end(word);
		if (end - word == 2 && !memcmp(word, "--", 2))
			return false;
		if (!strncmp(word, prefix, strlen(prefix)))
			return true;
	}
	return false;
}

static int append_words(struct line *line, const struct options *options, enum guest_kind kind,
			bool partitions, struct error *error)
{
	const char *word, *end;
	bool ours = true;

	for (word = options->cmdline; *word; word = *end ? end + 1 : end) {
		char value[OPTIONS_CMDLINE_SIZE], root[OPTIONS_CMDLINE_SIZE];
		size_t length;

		end = word_end(word);
		length = end - word;
		if (length == 2 && !memcmp(word, "--", 2))
			ours = false;
		if (ours && length > 5 && !memcmp(word, "root=", 5)) {
			snprintf(value, sizeof(value), "%.*s", (int)(length - 5), word + 5);
			if (translate_root(options, value, kind, partitions, root, sizeof(root), error))
				return -1;
			append(line, "root=%s", root);
		} else {
			append(line, "%.*s", (int)length, word);
		}
		if (*end)
			append(line, " ");
	}
	return 0;
}

static int check_length(const struct line *line, enum guest_kind kind, struct error *error)
{
	if (line->bytes < line->size)
		return 0;
	return error_set(error, "the guest kernel's command line would have %lu bytes; %s reads %u",
			 (unsigned long)line->bytes, kind == GUEST_24 ? "Linux 2.4" : "Linux",
			 (u32)line->size - 1);
}

int guest_words(const struct options *options, enum guest_kind kind,
		char cmdline[OPTIONS_CMDLINE_SIZE], struct error *error)
{
	struct line line = { cmdline, 0, OPTIONS_CMDLINE_SIZE };

	cmdline[0] = '\0';
	if (append_words(&line, options, kind, false, error))
		return -1;
	return check_length(&line, kind, error);
}

int guest_cmdline(const struct options *options, enum guest_kind kind,
		  char cmdline[OPTIONS_CMDLINE_SIZE], struct error *error)
{
	struct line line = {
		cmdline, 0, kind == GUEST_24 ? CMDLINE_SIZE_24 : OPTIONS_CMDLINE_SIZE,
	};

	/* Ours go first: "--" may end the kernel's part of the line. Without a
	 * word of its own a kernel would pick no console at all. */
	cmdline[0] = '\0';
	if (!has_word(options->cmdline, "console="))
		append(&line, "console=hvc0 ");
	if (needs_names(options))
		append_names(&line, options);
	if (append_words(&line, options, kind, true, error))
		return -1;
	if (line.bytes && line.bytes < line.size && cmdline[line.bytes - 1] == ' ')
		cmdline[--line.bytes] = '\0';
	return check_length(&line, kind, error);
}

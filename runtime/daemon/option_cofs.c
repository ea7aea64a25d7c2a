// SPDX-License-Identifier: GPL-2.0-only
/* cofsN=: folders of the host's, and whom their files belong to. */
#include "option_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "option_values.h"

#define ID_MAX	0xfffffffeu	/* the last number means "none" to Linux */

static bool is_word(const char *word)
{
	return !strcmp(word, "ro") || !strcmp(word, "rw") || !strncmp(word, "owner=", 6);
}

/* 1000 or 1000:1001; -1: see error. */
static int parse_user(const char *text, struct folder_setting *setting, struct error *error)
{
	const char *colon = strchr(text, ':');
	char *user = option_copy_text(text, colon ? (size_t)(colon - text) : strlen(text));
	int result;

	if (!user)
		return error_set(error, "out of memory");
	result = option_number(user, "user", 0, ID_MAX, &setting->uid, error);
	if (!result)
		result = option_number(colon ? colon + 1 : user, "group", 0, ID_MAX, &setting->gid, error);
	free(user);
	setting->owner = FOLDER_USER;
	return result ? error_set(error, "owner=%.40s: known are owner=same, owner=xattr and owner=UID:GID in numbers",
				  text) : 0;
}

static int parse_one(const char *word, struct folder_setting *setting, struct error *error)
{
	const char *owner = word + 6;

	if (!strcmp(word, "ro") || !strcmp(word, "rw"))
		setting->read_only = word[1] == 'o';
	else if (strncmp(word, "owner=", 6))
		return error_set(error, "unexpected ,%.40s; known: ,ro ,rw ,owner=", word);
	else if (!strcmp(owner, "same"))
		setting->owner = FOLDER_SAME;
	else if (!strcmp(owner, "xattr"))
		setting->owner = FOLDER_STORED;
	else
		return parse_user(owner, setting, error);
	return 0;
}

/* PATH or "PATH", then words of ours with a comma before each. */
int parse_cofs(struct options *options, const struct option_given *given, struct error *error)
{
	struct option_folder *folder = &options->folder[given->index];
	const char *after;
	char *path = option_unquote(given->text, &after), *words = NULL, *word;
	int result = 0;

	if (!path)
		return error_set(error, "out of memory");
	folder->given = given;
	folder->path = path;
	if (given->text[0] == '"' && after) {
		if (*after != ',')
			return error_set(error, "unexpected %.40s after the closing quote", after);
		words = option_copy_text(after, strlen(after));
		if (!words)
			return error_set(error, "out of memory");
	} else if (given->text[0] != '"') {
		/* from its end: a comma before anything else belongs to the path */
		for (word = strrchr(path, ','); word && is_word(word + 1); word = strrchr(path, ',')) {
			result = result ? result : parse_one(word + 1, &folder->setting, error);
			*word = '\0';
		}
	}
	for (word = words; word && *word && !result; ) {
		char *next = strchr(word + 1, ',');

		if (next)
			*next = '\0';
		result = parse_one(word + 1, &folder->setting, error);
		if (next)
			*next = ',';
		word = next;
	}
	free(words);
	if (!result && !*path)
		return error_set(error, "a folder is needed");
	return result;
}

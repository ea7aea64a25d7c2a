// SPDX-License-Identifier: GPL-2.0-only
/* cobdN=, hdXN=, sdXN=: the guest's disks, and the names they have. */
#include "option_parse.h"

#include <stdlib.h>
#include <string.h>

#include "option_values.h"

/* PATH, "PATH", each perhaps with ,ro or ,rw. Returns the path; NULL: see error. */
static char *disk_path(const char *text, bool *read_only, struct error *error)
{
	bool quoted = text[0] == '"', mode;
	const char *suffix;
	char *path = option_unquote(text, &suffix);

	if (!path) {
		error_set(error, "out of memory");
		return NULL;
	}
	mode = suffix && (!strcmp(suffix, ",ro") || !strcmp(suffix, ",rw"));
	if (mode && !quoted)
		path[suffix - text] = '\0';
	if (suffix && quoted && !mode)
		error_set(error, "unexpected %.40s after the closing quote; known: ,ro ,rw", suffix);
	else if (!*path)
		error_set(error, "a path is needed");
	else {
		*read_only = mode && suffix[2] == 'o';
		return path;
	}
	free(path);
	return NULL;
}

int parse_cobd(struct options *options, const struct option_given *given, struct error *error)
{
	struct option_disk *disk = &options->disk[given->index];

	if (given->text[0] == ':')
		return error_set(error, "cobdN= needs a path; a further name is given to it by hda=%.20s",
				 given->text);
	disk->given = given;
	disk->path = disk_path(given->text, &disk->read_only, error);
	return disk->path ? 0 : -1;
}

int parse_alias(struct options *options, const struct option_given *given, struct error *error)
{
	struct option_alias *alias = &options->alias[options->naliases];
	const char *name = given->text + 1;
	int disk;

	if (options->naliases == OPTIONS_ALIASES)
		return error_set(error, "there is room for %u names of disks", OPTIONS_ALIASES);
	memset(alias, 0, sizeof(*alias));
	alias->given = given;
	if (given->text[0] == ':') {
		disk = option_key_index(name, strlen(name), "cobd", OPTIONS_DISKS);
		if (disk < 0)
			return error_set(error, "expected a disk, :cobd0 to :cobd%u, or a path",
					 OPTIONS_DISKS - 1);
		alias->disk = disk;
	} else {
		alias->path = disk_path(given->text, &alias->read_only, error);
		if (!alias->path)
			return -1;
	}
	options->naliases++;
	return 0;
}

/* A disk without a cobdN= of its own gets the first number that is free. */
static int take_number(struct options *options, struct option_alias *alias, struct error *error)
{
	u32 i;

	for (i = 0; i < OPTIONS_DISKS; i++)
		if (!options->disk[i].given) {
			options->disk[i].path = alias->path;
			options->disk[i].read_only = alias->read_only;
			options->disk[i].given = alias->given;
			alias->path = NULL;
			alias->disk = i;
			return 0;
		}
	return error_set(error, "a guest has no more than %u disks", OPTIONS_DISKS);
}

int option_disks_complete(struct options *options, struct error *error)
{
	struct error one;
	int result = 0;
	u32 i;

	/* before numbers are taken: hdb=:cobd1 means the user's own cobd1= */
	for (i = 0; i < options->naliases; i++) {
		struct option_alias *alias = &options->alias[i];

		if (alias->path || options->disk[alias->disk].given)
			continue;
		error_set(&one, "there is no cobd%u=", alias->disk);
		option_blame(alias->given, &one);
		result = error_add(error, &one);
	}
	for (i = 0; i < options->naliases; i++) {
		struct option_alias *alias = &options->alias[i];

		if (!alias->path || !take_number(options, alias, &one))
			continue;
		option_blame(alias->given, &one);
		result = error_add(error, &one);
	}
	return result;
}

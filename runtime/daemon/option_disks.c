// SPDX-License-Identifier: GPL-2.0-only
/* cobdN=, hdXN=, sdXN=: the guest's disks, and the names they have. */
#include "option_parse.h"

#include <stdlib.h>
#include <string.h>

#include "option_values.h"

#define COW	",cow="

void option_image_free(struct option_image *image)
{
	free(image->path);
	free(image->overlay);
}

/* PATH, "PATH", each perhaps with ,ro or ,rw or ,cow=FILE. -1: see error. */
static int parse_disk(struct option_image *image, const char *text, struct error *error)
{
	const char *suffix, *cow, *end = NULL;
	char *path = option_unquote(text, &suffix);
	bool quoted = text[0] == '"', mode;

	if (!path)
		return error_set(error, "out of memory");
	cow = quoted ? suffix : strstr(text, COW);	/* its path may have a comma */
	if (cow && strncmp(cow, COW, strlen(COW)))
		cow = NULL;
	suffix = cow ? cow : suffix;
	mode = suffix && (!strcmp(suffix, ",ro") || !strcmp(suffix, ",rw"));
	if ((mode || cow) && !quoted)
		path[suffix - text] = '\0';
	if (cow)
		image->overlay = option_unquote(cow + strlen(COW), &end);
	if (cow && cow[strlen(COW)] != '"')
		end = NULL;
	image->path = path;
	image->read_only = mode && suffix[2] == 'o';
	if (suffix && quoted && !mode && !cow)
		return error_set(error, "unexpected %.40s after the closing quote; known: ,ro ,rw ,cow=FILE",
				 suffix);
	if (!*path)
		return error_set(error, "a path is needed");
	if (!cow)
		return 0;
	if (!quoted && strlen(path) > 3 && !strcmp(path + strlen(path) - 3, ",ro"))
		return error_set(error, "with cow= a disk is only read anyway: leave ,ro out, or put the path in quotes");
	if (!image->overlay)
		return error_set(error, "out of memory");
	if (end)
		return error_set(error, "unexpected %.40s after the closing quote", end);
	if (!*image->overlay)
		return error_set(error, "a path is needed after cow=");
	return 0;
}

int parse_cobd(struct options *options, const struct option_given *given, struct error *error)
{
	struct option_disk *disk = &options->disk[given->index];

	if (given->text[0] == ':')
		return error_set(error, "cobdN= needs a path; a further name is given to it by hda=%.20s",
				 given->text);
	disk->given = given;
	return parse_disk(&disk->image, given->text, error);
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
		if (parse_disk(&alias->image, given->text, error)) {
			option_image_free(&alias->image);
			return -1;
		}
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
			options->disk[i].image = alias->image;
			options->disk[i].given = alias->given;
			memset(&alias->image, 0, sizeof(alias->image));
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

		if (alias->image.path || options->disk[alias->disk].given)
			continue;
		error_set(&one, "there is no cobd%u=", alias->disk);
		option_blame(alias->given, &one);
		result = error_add(error, &one);
	}
	for (i = 0; i < options->naliases; i++) {
		struct option_alias *alias = &options->alias[i];

		if (!alias->image.path || !take_number(options, alias, &one))
			continue;
		option_blame(alias->given, &one);
		result = error_add(error, &one);
	}
	return result;
}

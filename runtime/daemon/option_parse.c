// SPDX-License-Identifier: GPL-2.0-only
/* The values of the keys that are a path, a number, or little more. */
#include "option_parse.h"

#include <stdio.h>
#include <string.h>

#include "colinux_ioctl.h"
#include "option_values.h"

int parse_kernel(struct options *options, const struct option_given *given, struct error *error)
{
	return option_path(&options->kernel, given, error);
}

int parse_initrd(struct options *options, const struct option_given *given, struct error *error)
{
	return option_path(&options->initrd, given, error);
}

int parse_mem(struct options *options, const struct option_given *given, struct error *error)
{
	return option_number(given->text, "MiB", CO_MEM_MIN >> 20, CO_MEM_MAX >> 20,
			     &options->mem_mib, error);
}

int parse_shutdown_timeout(struct options *options, const struct option_given *given,
			   struct error *error)
{
	return option_number(given->text, "seconds", 0, 86400, &options->shutdown_seconds, error);
}

int parse_ttys(struct options *options, const struct option_given *given, struct error *error)
{
	const char *mode = given->text[0] == '"' ? NULL : strstr(given->text, ",\"");

	if (mode)
		return error_set(error, "a line mode is not supported yet; set it with stty");
	return option_path(&options->serial[given->index], given, error);
}

/* Takes "what is in quotes", or what comes before `stop`, off the front of *text. */
static char *take_piece(const char **text, char stop, struct error *error)
{
	const char *start = *text, *end;
	char *piece;

	if (*start == '"') {
		end = strchr(++start, '"');
		if (!end) {
			error_set(error, "a quote is opened and not closed");
			return NULL;
		}
		*text = end + 1;
	} else {
		end = strchr(start, stop);
		*text = end = end ? end : start + strlen(start);
	}
	piece = option_copy_text(start, end - start);
	if (!piece)
		error_set(error, "out of memory");
	return piece;
}

/*
 * exec0=PROGRAM, exec0="PRO GRAM","-a b" or exec0=PROGRAM,-a: the arguments are
 * one text, split at blanks when the program is started.
 */
int parse_exec(struct options *options, const struct option_given *given, struct error *error)
{
	struct option_program *program = &options->program[given->index];
	const char *at = given->text;

	program->given = given;
	program->path = take_piece(&at, ',', error);
	if (!program->path)
		return -1;
	if (!program->path[0])
		return error_set(error, "a program is needed: %s=PROGRAM,\"ARGUMENTS\"", given->key);
	if (*at == ',')
		at++;
	else if (*at)
		return error_set(error, "unexpected %.40s after the closing quote", at);
	program->arguments = take_piece(&at, '\0', error);
	if (!program->arguments)
		return -1;
	if (*at)
		return error_set(error, "unexpected %.40s after the closing quote", at);
	return 0;
}

int parse_cocon(struct options *options, const struct option_given *given, struct error *error)
{
	unsigned int columns, rows;
	char end;

	if (strspn(given->text, "0123456789x") != strlen(given->text) ||
	    sscanf(given->text, "%4ux%4u%c", &columns, &rows, &end) != 2 ||
	    columns < 16 || columns > 1000 || rows < 4 || rows > 1000)
		return error_set(error, "expected COLUMNSxROWS, like 80x25");
	options->columns = columns;
	options->rows = rows;
	return 0;
}

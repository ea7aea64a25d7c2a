// SPDX-License-Identifier: GPL-2.0-only
/* The values of the keys that are a path, a number, or little more. */
#include "option_parse.h"

#include <stdio.h>
#include <stdlib.h>
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
 * ttys0=PATH, ttys0=PATH,SETTINGS, ttys0="PA,TH","SETTINGS": a path without quotes
 * ends at its first comma.
 */
int parse_ttys(struct options *options, const struct option_given *given, struct error *error)
{
	struct option_value *value = &options->serial[given->index];
	struct serial_line *line = &options->line[given->index];
	const char *at = given->text;
	char *settings;
	int result;

	value->text = take_piece(&at, ',', error);
	if (!value->text)
		return -1;
	if (!value->text[0])
		return error_set(error, "a path is needed");
	snprintf(value->place, sizeof(value->place), "%s", given->place);
	if (*at && *at != ',')
		return error_set(error, "unexpected %.40s after the closing quote", at);
	if (!*at)
		return 0;
	at++;
	settings = take_piece(&at, '\0', error);
	if (!settings)
		return -1;
	result = *at ? error_set(error, "unexpected %.40s after the closing quote", at) :
		 serial_line_parse(line, settings, error);
	free(settings);
	if (!result && serial_line_any(line) && !strncmp(value->text, "unix:", 5))
		return error_set(error, "a socket has no line to be set");
	return result;
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
	if (given->row->form == KEY_NUMBERED && !given->index)
		return error_set(error, "the first console is cocon=, without a number");
	options->console[given->index].columns = columns;
	options->console[given->index].rows = rows;
	return 0;
}

int parse_sandbox(struct options *options, const struct option_given *given, struct error *error)
{
	if (!strcmp(given->text, "on"))
		options->sandbox = SANDBOX_INSISTED;
	else if (!strcmp(given->text, "off"))
		options->sandbox = SANDBOX_NOT_WANTED;
	else
		return error_set(error, "expected on or off");
	return 0;
}

int parse_balloon(struct options *options, const struct option_given *given, struct error *error)
{
	options->balloon_auto = !strcmp(given->text, "auto");
	if (!options->balloon_auto && strcmp(given->text, "off"))
		return error_set(error, "expected auto or off");
	return 0;
}

/* --- the guest's name --- */

static bool is_name_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_name(const char *text)
{
	size_t i;

	for (i = 0; text[i]; i++)
		if (!is_name_letter(text[i]) && (!i || !strchr("._-", text[i])))
			return false;
	return i && i < OPTIONS_NAME_SIZE;
}

int parse_name(struct options *options, const struct option_given *given, struct error *error)
{
	if (!is_name(given->text))
		return error_set(error, "expected 1 to %u letters, digits, '.', '_' or '-', a letter or digit first",
				 OPTIONS_NAME_SIZE - 1);
	strcpy(options->name, given->text);
	return 0;
}

bool option_guest_name(const struct options *options, char name[OPTIONS_NAME_SIZE])
{
	const char *file = options->file ? options->file : "", *at;
	size_t bytes, i;

	if (options->name[0]) {
		strcpy(name, options->name);
		return true;
	}
	for (at = file; *at; at++)
		if (*at == '/' || *at == '\\')
			file = at + 1;
	bytes = strlen(file);
	if (bytes > 5 && !strcmp(file + bytes - 5, ".conf"))
		bytes -= 5;
	if (bytes >= OPTIONS_NAME_SIZE)
		bytes = OPTIONS_NAME_SIZE - 1;
	for (i = 0; i < bytes; i++)
		name[i] = is_name_letter(file[i]) || (i && strchr("._-", file[i])) ? file[i] : '-';
	name[bytes] = '\0';
	if (!is_name(name))
		strcpy(name, "colinux");
	return false;
}

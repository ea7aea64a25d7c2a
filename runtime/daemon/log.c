// SPDX-License-Identifier: GPL-2.0-only
/* Messages to stderr and errors on their way to main(). */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int log_level;

void log_set_level(int level)
{
	log_level = level;
}

int log_enabled(enum log_level level)
{
	return (int)level <= log_level;
}

void log_at(enum log_level level, const char *format, ...)
{
	char line[1400];
	int used, more;
	va_list args;

	if (!log_enabled(level))
		return;
	used = snprintf(line, sizeof(line), "colinux-daemon: ");
	va_start(args, format);
	more = vsnprintf(line + used, sizeof(line) - used - 1, format, args);
	va_end(args);
	if (more < 0)
		return;
	used += more;
	if (used > (int)sizeof(line) - 2)
		used = sizeof(line) - 2;
	line[used++] = '\n';
	/* one write, so that lines of several threads do not mix */
	fwrite(line, 1, used, stderr);
	fflush(stderr);
}

const char *log_printable(char *out, unsigned long out_size, const char *text,
			  unsigned long bytes, int keep_lines)
{
	unsigned long i, n = 0;

	for (i = 0; i < bytes && n + 1 < out_size; i++) {
		unsigned char c = text[i];

		if (keep_lines && (c == '\n' || c == '\t'))
			out[n++] = c;
		else
			out[n++] = c < 0x20 || c >= 0x7f ? '?' : c;
	}
	while (keep_lines && n && out[n - 1] == '\n')
		n--;
	out[n] = '\0';
	return out;
}

static int error_format(struct error *error, int exit_code, const char *format, va_list args)
{
	error->exit_code = exit_code;
	vsnprintf(error->text, sizeof(error->text), format, args);
	return -1;
}

int error_set(struct error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	error_format(error, EXIT_OTHER, format, args);
	va_end(args);
	return -1;
}

int error_set_code(struct error *error, int exit_code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	error_format(error, exit_code, format, args);
	va_end(args);
	return -1;
}

int error_add(struct error *error, const struct error *more)
{
	static const char others[] = "\n(and more of the kind)";
	size_t used = strlen(error->text), bytes = strlen(more->text);

	error->exit_code = more->exit_code;
	if (!used) {
		memcpy(error->text, more->text, bytes + 1);
	} else if (used + 1 + bytes + sizeof(others) <= sizeof(error->text)) {
		error->text[used++] = '\n';
		memcpy(error->text + used, more->text, bytes + 1);
	} else if (used + sizeof(others) <= sizeof(error->text) &&
		   (used < sizeof(others) || strcmp(error->text + used - sizeof(others) + 1, others))) {
		memcpy(error->text + used, others, sizeof(others));
	}
	return -1;
}

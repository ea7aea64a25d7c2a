// SPDX-License-Identifier: GPL-2.0-only
/* runtime/daemon/windows/glib.h: what libslirp uses of GLib, where there is none. */
#ifdef CO_SLIRP

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "colinux_types.h"
#include "os.h"

#define MESSAGE	500u

/* --- messages --- */

static GLogFunc log_handler;
static gpointer log_arg;

GLogFunc g_log_set_default_handler(GLogFunc handler, gpointer arg)
{
	GLogFunc before = log_handler;

	log_handler = handler;
	log_arg = arg;
	return before;
}

static void say(const gchar *domain, GLogLevelFlags level, const gchar *format, va_list args)
{
	char text[MESSAGE];

	vsnprintf(text, sizeof(text), format, args);
	if (log_handler)
		log_handler(domain, level, text, log_arg);
}

void g_log(const gchar *domain, GLogLevelFlags level, const gchar *format, ...)
{
	va_list args;

	/* GLib shows these when a variable of the environment wants it */
	if (level == G_LOG_LEVEL_DEBUG)
		return;
	va_start(args, format);
	say(domain, level, format, args);
	va_end(args);
}

void g_fatal(const gchar *domain, const gchar *format, ...)
{
	va_list args;

	va_start(args, format);
	say(domain, G_LOG_LEVEL_ERROR | G_LOG_FLAG_FATAL, format, args);
	va_end(args);
	abort();
}

/* --- memory and strings --- */

static gpointer got(gpointer memory, gsize bytes)
{
	if (!memory && bytes)
		g_fatal("GLib", "out of memory: %zu bytes", bytes);
	return memory;
}

gpointer g_malloc(gsize bytes)
{
	return bytes ? got(malloc(bytes), bytes) : NULL;
}

gpointer g_array(gsize count, gsize bytes)
{
	return count && bytes ? got(calloc(count, bytes), bytes) : NULL;
}

gpointer g_malloc0(gsize bytes)
{
	return g_array(1, bytes);
}

gpointer g_realloc(gpointer memory, gsize bytes)
{
	if (!bytes) {
		free(memory);
		return NULL;
	}
	return got(realloc(memory, bytes), bytes);
}

void g_free(gpointer memory)
{
	free(memory);
}

gchar *g_strdup(const gchar *text)
{
	size_t bytes;

	if (!text)
		return NULL;
	bytes = strlen(text) + 1;
	return memcpy(g_malloc(bytes), text, bytes);
}

gboolean g_str_has_prefix(const gchar *text, const gchar *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

/* The text ends at a zero byte or after so many (-1: there is a zero byte). */
gchar *g_strstr_len(const gchar *text, gssize bytes, const gchar *wanted)
{
	size_t length = strlen(wanted), room = 0;

	while ((bytes < 0 || room < (gsize)bytes) && text[room])
		room++;
	for (; room >= length; text++, room--)
		if (!memcmp(text, wanted, length))
			return (gchar *)text;
	return NULL;
}

guint g_strv_length(GStrv texts)
{
	guint count = 0;

	while (texts[count])
		count++;
	return count;
}

void g_strfreev(GStrv texts)
{
	GStrv at;

	for (at = texts; at && *at; at++)
		free(*at);
	free(texts);
}

const gchar *g_strerror(gint number)
{
	return strerror(number);
}

const gchar *g_getenv(const gchar *name)
{
	return getenv(name);
}

gint g_vsnprintf(gchar *text, gsize bytes, const gchar *format, va_list args)
{
	return vsnprintf(text, bytes, format, args);
}

gint g_snprintf(gchar *text, gsize bytes, const gchar *format, ...)
{
	va_list args;
	gint length;

	va_start(args, format);
	length = vsnprintf(text, bytes, format, args);
	va_end(args);
	return length;
}

/* Names with anything between them, in whatever letters; "all" is all of them. */
guint g_parse_debug_string(const gchar *text, const GDebugKey *keys, guint count)
{
	static const char between[] = ":;, \t";
	guint found = 0, i;
	size_t length;

	for (; text && *text; text += length + (text[length] != '\0')) {
		length = strcspn(text, between);
		for (i = 0; i < count; i++)
			if ((length == strlen(keys[i].key) && !_strnicmp(text, keys[i].key, length)) ||
			    (length == 3 && !_strnicmp(text, "all", length)))
				found |= keys[i].value;
	}
	return found;
}

GString *g_string_new(const gchar *text)
{
	GString *string = g_malloc(sizeof(*string));

	string->str = g_strdup(text ? text : "");
	string->len = strlen(string->str);
	string->allocated_len = string->len + 1;
	return string;
}

void g_string_append_printf(GString *string, const gchar *format, ...)
{
	va_list args;
	int more;

	va_start(args, format);
	more = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (more <= 0)
		return;
	string->allocated_len = string->len + more + 1;
	string->str = g_realloc(string->str, string->allocated_len);
	va_start(args, format);
	vsnprintf(string->str + string->len, more + 1, format, args);
	va_end(args);
	string->len += more;
}

gchar *g_string_free(GString *string, gboolean with_text)
{
	gchar *text = string->str;

	if (with_text) {
		free(text);
		text = NULL;
	}
	free(string);
	return text;
}

/* --- random numbers --- */

struct g_rand {
	char nothing;	/* the system remembers */
};

GRand *g_rand_new(void)
{
	return g_malloc0(sizeof(GRand));
}

void g_rand_free(GRand *rand)
{
	free(rand);
}

gint g_rand_int_range(GRand *rand, gint first, gint end)
{
	u32 range = (u32)end - (u32)first, number, unfair;

	(void)rand;
	if (!range)
		return first;
	/* the last numbers below 2^32, which would make the first ones of the range likelier */
	unfair = -range % range;
	do {
		if (!os_random(&number, sizeof(number)))
			g_fatal("GLib", "Windows gives no random numbers");
	} while (number < unfair);
	return (gint)((u32)first + number % range);
}

/* --- programs --- */

static gboolean refused(GError **error)
{
	if (error) {
		*error = g_malloc(sizeof(**error));
		(*error)->message = g_strdup("no programs are started here");
	}
	return FALSE;
}

void g_error_free(GError *error)
{
	free(error->message);
	free(error);
}

gboolean g_shell_parse_argv(const gchar *line, gint *argc, gchar ***argv, GError **error)
{
	(void)line;
	*argc = 0;
	*argv = NULL;
	return refused(error);
}

gboolean g_spawn_async_with_fds(const gchar *folder, gchar **argv, gchar **environment, GSpawnFlags flags,
				GSpawnChildSetupFunc setup, gpointer arg, GPid *child, gint in, gint out,
				gint err, GError **error)
{
	(void)folder, (void)argv, (void)environment, (void)flags, (void)setup, (void)arg, (void)child;
	(void)in, (void)out, (void)err;
	return refused(error);
}

#endif

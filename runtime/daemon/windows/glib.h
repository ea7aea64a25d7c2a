/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What libslirp uses of GLib, for daemons for Windows: there is no GLib for MinGW among
 * Debian's packages, and of the whole library these few functions would be all that is used.
 * What each does is in GLib's reference manual, but: none of them returns without memory, and
 * programs are never started (libslirp does that for guests' connections to programs of the
 * host, which the daemon does not offer).
 */
#ifndef COLINUX_GLIB_H
#define COLINUX_GLIB_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define G_OS_WIN32
#define GLIB_CHECK_VERSION(major, minor, micro)	1

/* libslirp asks for it by the preprocessor, which would take a name that is missing for 0 */
#define GLIB_SIZEOF_VOID_P	__SIZEOF_POINTER__
/* Both architectures of Windows that there are daemons for. */
#define G_LITTLE_ENDIAN	1234
#define G_BIG_ENDIAN	4321
#define G_BYTE_ORDER	G_LITTLE_ENDIAN

typedef char gchar;
typedef int gint;
typedef unsigned int guint;
typedef gint gboolean;
typedef size_t gsize;
typedef ptrdiff_t gssize;
typedef void *gpointer;
typedef gchar **GStrv;

#ifndef FALSE
#define FALSE	0
#define TRUE	1
#endif
#ifndef MIN
#define MIN(a, b)	((a) < (b) ? (a) : (b))
#define MAX(a, b)	((a) > (b) ? (a) : (b))
#endif

#define G_N_ELEMENTS(array)	(sizeof(array) / sizeof((array)[0]))
#define G_SIZEOF_MEMBER(type, member)	sizeof(((type *)0)->member)
#define G_STATIC_ASSERT(what)	_Static_assert(what, #what)
#define G_UNLIKELY(what)	__builtin_expect(!!(what), 0)
#define G_GNUC_PRINTF(at, first)	__attribute__((format(gnu_printf, at, first)))

/* --- messages --- */

typedef enum {
	G_LOG_FLAG_FATAL = 1 << 1,
	G_LOG_LEVEL_ERROR = 1 << 2,	/* always fatal */
	G_LOG_LEVEL_CRITICAL = 1 << 3,
	G_LOG_LEVEL_WARNING = 1 << 4,
	G_LOG_LEVEL_DEBUG = 1 << 7,
} GLogLevelFlags;

typedef void (*GLogFunc)(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer arg);

#ifndef G_LOG_DOMAIN
#define G_LOG_DOMAIN	((const gchar *)0)
#endif

/* Returns the one before; NULL: there was none. */
GLogFunc g_log_set_default_handler(GLogFunc handler, gpointer arg);
void g_log(const gchar *domain, GLogLevelFlags level, const gchar *format, ...) G_GNUC_PRINTF(3, 4);
/* An error's message, and the end of the program. */
void g_fatal(const gchar *domain, const gchar *format, ...) G_GNUC_PRINTF(2, 3) __attribute__((noreturn));

#define g_debug(...)	g_log(G_LOG_DOMAIN, G_LOG_LEVEL_DEBUG, __VA_ARGS__)
#define g_warning(...)	g_log(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, __VA_ARGS__)
#define g_critical(...)	g_log(G_LOG_DOMAIN, G_LOG_LEVEL_CRITICAL, __VA_ARGS__)
#define g_error(...)	g_fatal(G_LOG_DOMAIN, __VA_ARGS__)

#define g_assert(what) \
	((what) ? (void)0 : g_fatal(G_LOG_DOMAIN, "%s:%d: %s does not hold", __FILE__, __LINE__, #what))
#define g_assert_not_reached() \
	g_fatal(G_LOG_DOMAIN, "%s:%d: nobody should come here", __FILE__, __LINE__)
#define g_warn_if_fail(what) \
	((what) ? (void)0 : g_warning("%s:%d: %s does not hold", __FILE__, __LINE__, #what))
#define g_warn_if_reached()	g_warning("%s:%d: nobody should come here", __FILE__, __LINE__)
#define g_return_val_if_fail(what, value) \
	do { \
		if (!(what)) { \
			g_critical("%s: %s does not hold", __func__, #what); \
			return value; \
		} \
	} while (0)
#define g_return_if_fail(what)	g_return_val_if_fail(what, )

/* --- memory and strings --- */

gpointer g_malloc(gsize bytes);
gpointer g_malloc0(gsize bytes);
gpointer g_realloc(gpointer memory, gsize bytes);
void g_free(gpointer memory);
gpointer g_array(gsize count, gsize bytes);	/* of zeros */
#define g_new0(type, count)	((type *)g_array(count, sizeof(type)))
#define g_new(type, count)	g_new0(type, count)

gchar *g_strdup(const gchar *text);
gboolean g_str_has_prefix(const gchar *text, const gchar *prefix);
gchar *g_strstr_len(const gchar *text, gssize bytes, const gchar *wanted);
guint g_strv_length(GStrv texts);
void g_strfreev(GStrv texts);
const gchar *g_strerror(gint number);
const gchar *g_getenv(const gchar *name);
gint g_snprintf(gchar *text, gsize bytes, const gchar *format, ...) G_GNUC_PRINTF(3, 4);
gint g_vsnprintf(gchar *text, gsize bytes, const gchar *format, va_list args);

typedef struct {
	const gchar *key;
	guint value;
} GDebugKey;

guint g_parse_debug_string(const gchar *text, const GDebugKey *keys, guint count);

typedef struct {
	gchar *str;
	gsize len, allocated_len;
} GString;

GString *g_string_new(const gchar *text);
void g_string_append_printf(GString *string, const gchar *format, ...) G_GNUC_PRINTF(2, 3);
gchar *g_string_free(GString *string, gboolean with_text);

/* --- random numbers: the system's, which nobody can foresee --- */

typedef struct g_rand GRand;

GRand *g_rand_new(void);
void g_rand_free(GRand *rand);
/* first <= the number < end */
gint g_rand_int_range(GRand *rand, gint first, gint end);

/* --- programs --- */

typedef struct {
	gchar *message;
} GError;

typedef int GSpawnFlags;
typedef void *GPid;
typedef void (*GSpawnChildSetupFunc)(gpointer arg);
#define G_SPAWN_SEARCH_PATH	4

void g_error_free(GError *error);
gboolean g_shell_parse_argv(const gchar *line, gint *argc, gchar ***argv, GError **error);
gboolean g_spawn_async_with_fds(const gchar *folder, gchar **argv, gchar **environment, GSpawnFlags flags,
				GSpawnChildSetupFunc setup, gpointer arg, GPid *child, gint in, gint out,
				gint err, GError **error);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names of a guest's and of NT's. A guest's are bytes, by convention UTF-8; NT's are
 * UTF-16, and " * : < > ? \ | and control characters are in none of them, nor a dot or a space
 * at an end, which Win32 takes away. Those become U+F000 and the character, as Services for
 * Unix, Cygwin and Linux's cifs (mapposix) have it; so no name of a guest's is a path, a
 * stream ("file:stream") or a pattern.
 */
#include <string.h>

#include "folder_windows.h"
#include "p9.h"

#define PRIVATE	0xf000u

static bool is_special(u32 c)
{
	return c < 0x20 || (c < 0x80 && strchr("\"*:<>?\\|", (int)c));
}

/* One character of UTF-8; 0: there is none. Halves of pairs, which NT lets names have, are characters. */
static u32 next(const u8 **at, const u8 *end)
{
	static const u32 least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	u32 c = *(*at)++, more = c < 0x80 ? 0 : c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1, count = more;

	if (!more)
		return c;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	c &= 0x3f >> more;
	for (; more; more--) {
		if (*at == end || (**at & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (*(*at)++ & 0x3f);
	}
	return c < least[count + 1] || c > 0x10ffff ? 0 : c;
}

/* Count of characters; -EINVAL: no UTF-8, -ENAMETOOLONG. */
static int widen(const char *text, size_t bytes, WCHAR *to, u32 max, bool is_name)
{
	const u8 *at = (const u8 *)text, *end = at + bytes;
	u32 chars = 0;

	while (at < end) {
		u32 c = next(&at, end);

		if (!c)
			return -P9_EINVAL;
		if (chars + 2 > max)
			return -P9_ENAMETOOLONG;
		if (is_name && (is_special(c) || (at == end && (c == '.' || c == ' '))))
			c += PRIVATE;
		if (c >= 0x10000) {
			to[chars++] = 0xd800 | (c - 0x10000) >> 10;
			c = 0xdc00 | (c & 0x3ff);
		}
		to[chars++] = c;
	}
	return chars;
}

/* Count of bytes, with a NUL behind them; -ENAMETOOLONG. */
static int narrow(const WCHAR *wide, u32 chars, char *to, u32 max, bool is_name)
{
	u32 bytes = 0, i;

	for (i = 0; i < chars; i++) {
		u32 c = wide[i], more;

		if (is_name && c > PRIVATE && c < PRIVATE + 0x80 &&
		    (is_special(c - PRIVATE) || c == PRIVATE + '.' || c == PRIVATE + ' '))
			c -= PRIVATE;
		if (c >= 0xd800 && c < 0xdc00 && i + 1 < chars && wide[i + 1] >= 0xdc00 && wide[i + 1] < 0xe000)
			c = 0x10000 + ((c & 0x3ff) << 10 | (wide[++i] & 0x3ff));
		more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
		if (bytes + more + 2 > max)
			return -P9_ENAMETOOLONG;
		to[bytes++] = more ? (char)(0xff00u >> (more + 1) | c >> 6 * more) : (char)c;
		for (; more; more--)
			to[bytes++] = (char)(0x80 | (c >> 6 * (more - 1) & 0x3f));
	}
	to[bytes] = '\0';
	return bytes;
}

int nt_name_of(const char *name, struct nt_name *wide)
{
	size_t bytes = strlen(name);
	int chars;

	if (!folder_name_is_good(name, bytes))
		return -P9_EINVAL;
	chars = widen(name, bytes, wide->text, sizeof(wide->text) / sizeof(*wide->text), true);
	if (chars < 0)
		return chars;
	wide->chars = chars;
	wide->text[chars] = 0;
	/* for the guest there are none of that name, and shall be none */
	return !wcsncmp(wide->text, GONE_NAME, wcslen(GONE_NAME)) ? -P9_EPERM : 0;
}

u32 guest_name_of(const WCHAR *wide, u32 chars, char name[256])
{
	int bytes = narrow(wide, chars, name, 256, true);

	if (bytes <= 0 || (chars >= wcslen(GONE_NAME) && !wcsncmp(wide, GONE_NAME, wcslen(GONE_NAME))))
		return 0;
	return folder_name_is_good(name, bytes) ? bytes : 0;
}

int nt_text_of(const char *text, WCHAR *to, u32 max)
{
	return widen(text, strlen(text), to, max, false);
}

int guest_text_of(const WCHAR *wide, u32 chars, char *to, u32 max)
{
	return narrow(wide, chars, to, max, false);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A console as a byte stream: keys become what a terminal sends, and what a
 * terminal obeys is shown. Windows 10's console does both by itself, once asked
 * (terminal_windows.c); before that the common keys are translated here, and the
 * escape sequences of output are left out.
 */
#include "stream_windows.h"

#include <string.h>

#include "terminal_windows.h"

/* --- keys --- */

#define EVENTS	32u
#define PENDING	(EVENTS * 16u)

struct console_in {
	struct stream_back back;
	HANDLE handle;
	wchar_t high;		/* the first half of a surrogate pair */
	u8 pending[PENDING];	/* translated, and not yet taken */
	size_t at, used;
};

/* What vt220 and xterm send; a key of which Windows gives a character is not in here. */
static const struct key_row {
	WORD key;
	const char *sends;
} keys[] = {
	{ VK_UP, "\33[A" }, { VK_DOWN, "\33[B" }, { VK_RIGHT, "\33[C" }, { VK_LEFT, "\33[D" },
	{ VK_HOME, "\33[H" }, { VK_END, "\33[F" }, { VK_INSERT, "\33[2~" }, { VK_DELETE, "\33[3~" },
	{ VK_PRIOR, "\33[5~" }, { VK_NEXT, "\33[6~" },
	{ VK_F1, "\33OP" }, { VK_F2, "\33OQ" }, { VK_F3, "\33OR" }, { VK_F4, "\33OS" },
	{ VK_F5, "\33[15~" }, { VK_F6, "\33[17~" }, { VK_F7, "\33[18~" }, { VK_F8, "\33[19~" },
	{ VK_F9, "\33[20~" }, { VK_F10, "\33[21~" }, { VK_F11, "\33[23~" }, { VK_F12, "\33[24~" },
};

static void put(struct console_in *in, const char *bytes, size_t count)
{
	if (count > PENDING - in->used)
		return;
	memcpy(in->pending + in->used, bytes, count);
	in->used += count;
}

static void put_character(struct console_in *in, wchar_t character)
{
	wchar_t pair[2] = { in->high, character };
	char utf8[8];
	int count;

	in->high = 0;
	if (character >= 0xd800 && character < 0xdc00) {
		in->high = character;
		return;
	}
	if (character >= 0xdc00 && character < 0xe000)
		count = WideCharToMultiByte(CP_UTF8, 0, pair, 2, utf8, sizeof(utf8), NULL, NULL);
	else
		count = WideCharToMultiByte(CP_UTF8, 0, pair + 1, 1, utf8, sizeof(utf8), NULL, NULL);
	put(in, utf8, count);
}

static void put_key(struct console_in *in, const KEY_EVENT_RECORD *key)
{
	bool control = key->dwControlKeyState & (LEFT_CTRL_PRESSED | RIGHT_CTRL_PRESSED);
	wchar_t character = key->uChar.UnicodeChar;
	size_t i;

	/* a character typed by its number comes when Alt is let go */
	if (!key->bKeyDown && !(key->wVirtualKeyCode == VK_MENU && character))
		return;
	if (key->wVirtualKeyCode == VK_BACK && !control)
		character = 0x7f;
	if (character || (control && key->wVirtualKeyCode == VK_SPACE)) {
		if (key->bKeyDown && !control && character < 0x80 && character != 27 &&
		    key->dwControlKeyState & LEFT_ALT_PRESSED)
			put(in, "\33", 1);
		put_character(in, character);
		return;
	}
	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (keys[i].key == key->wVirtualKeyCode)
			put(in, keys[i].sends, strlen(keys[i].sends));
}

static bool read_events(struct console_in *in)
{
	INPUT_RECORD events[EVENTS];
	DWORD count, i;

	if (!ReadConsoleInputW(in->handle, events, EVENTS, &count))
		return false;
	for (i = 0; i < count; i++) {
		if (events[i].EventType == KEY_EVENT)
			put_key(in, &events[i].Event.KeyEvent);
		else if (events[i].EventType == WINDOW_BUFFER_SIZE_EVENT)
			os_requests_post(OS_REQUEST_RESIZE);
	}
	return true;
}

static size_t console_read(struct stream_back *back, u8 *bytes, size_t room)
{
	struct console_in *in = (struct console_in *)back;
	HANDLE handles[2] = { back->stop, in->handle };
	size_t count;

	while (in->at == in->used) {
		in->at = in->used = 0;
		if (WaitForMultipleObjects(2, handles, FALSE, INFINITE) != WAIT_OBJECT_0 + 1)
			return 0;
		if (!read_events(in))
			return 0;
	}
	count = in->used - in->at < room ? in->used - in->at : room;
	memcpy(bytes, in->pending + in->at, count);
	in->at += count;
	return count;
}

static const struct stream_ops console_in_ops = { .read = console_read, .close = stream_back_free };

struct stream_back *console_in_open(HANDLE handle, struct error *error)
{
	struct console_in *in = stream_back_new(sizeof(*in), &console_in_ops, error);

	if (!in)
		return NULL;
	in->handle = handle;
	return &in->back;
}

/* --- output --- */

/* Where in an escape sequence the output is (ECMA-48, 5.3 to 5.6), where it is left out. */
enum escape { OUTSIDE, AFTER_ESCAPE, IN_SEQUENCE, IN_STRING };

struct console_out {
	struct stream_back back;
	HANDLE handle;
	enum escape escape;
	u32 character, more;	/* of a UTF-8 sequence: bits so far, bytes to come */
};

/* Is this character of the guest's for the eye? */
static bool shown(struct console_out *out, u32 c)
{
	switch (out->escape) {
	case OUTSIDE:
		if (c == 0x1b)
			out->escape = AFTER_ESCAPE;
		return c != 0x1b;
	case AFTER_ESCAPE:
		if (c == '[')
			out->escape = IN_SEQUENCE;
		else if (c == ']' || c == 'P' || c == '_' || c == '^')
			out->escape = IN_STRING;
		else if (c < 0x20 || c > 0x2f)
			out->escape = OUTSIDE;
		return false;
	case IN_SEQUENCE:
		if (c >= 0x40 && c <= 0x7e)
			out->escape = OUTSIDE;
		return false;
	case IN_STRING:
		if (c == 7)
			out->escape = OUTSIDE;
		else if (c == 0x1b)
			out->escape = AFTER_ESCAPE;
		return false;
	}
	return false;
}

/* One more byte; returns how many UTF-16 units are ready. What is no UTF-8 becomes U+FFFD. */
static u32 decode(struct console_out *out, u8 byte, wchar_t *wide)
{
	if (out->more && (byte & 0xc0) == 0x80) {
		out->character = out->character << 6 | (byte & 0x3f);
		if (--out->more)
			return 0;
	} else {
		out->more = byte < 0xc2 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : byte < 0xf5 ? 3 : 0;
		out->character = byte < 0x80 ? byte : out->more ? byte & (0x3f >> out->more) : 0xfffd;
		if (out->more)
			return 0;
	}
	if (!windows_terminal_writes_vt() && !shown(out, out->character))
		return 0;
	if (out->character < 0x10000) {
		wide[0] = out->character;
		return 1;
	}
	wide[0] = 0xd800 + ((out->character - 0x10000) >> 10);
	wide[1] = 0xdc00 + ((out->character - 0x10000) & 0x3ff);
	return 2;
}

static bool console_write(struct stream_back *back, const u8 *bytes, size_t count)
{
	struct console_out *out = (struct console_out *)back;
	wchar_t wide[512 + 2];
	DWORD used = 0, at, done;
	size_t i;

	for (i = 0; i < count; i++) {
		used += decode(out, bytes[i], wide + used);
		if (used < 512 && i + 1 < count)
			continue;
		for (at = 0; at < used; at += done)
			if (!WriteConsoleW(out->handle, wide + at, used - at, &done, NULL) || !done)
				return false;
		used = 0;
	}
	return true;
}

static const struct stream_ops console_out_ops = { .write = console_write, .close = stream_back_free };

struct stream_back *console_out_open(HANDLE handle, struct error *error)
{
	struct console_out *out = stream_back_new(sizeof(*out), &console_out_ops, error);

	if (!out)
		return NULL;
	out->handle = handle;
	return &out->back;
}

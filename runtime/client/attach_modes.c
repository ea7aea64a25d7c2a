// SPDX-License-Identifier: GPL-2.0-only
/* What a guest's programs have switched in the terminal, and how it is switched back. */
#include "attach_modes.h"

#include <stdbool.h>
#include <stdio.h>

/*
 * Modes that programs switch and forget when their connection ends, and how a
 * terminal is without them (xterm's "Control Sequences", DECSET).
 */
static struct mode {
	unsigned int number;
	bool normal, now;
} modes[] = {
	{ 1, false, false },		/* cursor keys of applications */
	{ 7, true, true },		/* lines wrap */
	{ 25, true, true },		/* the cursor is seen */
	{ 47, false, false },		/* the other screen, in three ways */
	{ 1047, false, false },
	{ 1049, false, false },
	{ 1000, false, false },		/* the mouse, in some more */
	{ 1002, false, false },
	{ 1003, false, false },
	{ 1004, false, false },
	{ 1006, false, false },
	{ 1015, false, false },
	{ 2004, false, false },		/* what is pasted comes in brackets */
};
#define MODES (sizeof(modes) / sizeof(*modes))

/* Where in ESC [ ? N ; N h we are; it may come in pieces. */
static enum { TEXT, ESCAPE, BRACKET, NUMBERS } state;
static unsigned int numbers[8], count;

static void switch_modes(bool on)
{
	unsigned int i;
	size_t m;

	for (i = 0; i <= count && i < sizeof(numbers) / sizeof(*numbers); i++)
		for (m = 0; m < MODES; m++)
			if (modes[m].number == numbers[i])
				modes[m].now = on;
}

static void watch_number(char byte)
{
	unsigned int at = count < 8 ? count : 7;

	if (byte >= '0' && byte <= '9' && numbers[at] < 100000) {
		numbers[at] = numbers[at] * 10 + (byte - '0');
		return;
	}
	if (byte == ';' && count < 8) {
		if (++count < 8)
			numbers[count] = 0;
		return;
	}
	if (byte == 'h' || byte == 'l')
		switch_modes(byte == 'h');
	state = byte == '\033' ? ESCAPE : TEXT;
}

void modes_watch(const char *bytes, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++) {
		char byte = bytes[i];

		switch (state) {
		case TEXT:
			state = byte == '\033' ? ESCAPE : TEXT;
			break;
		case ESCAPE:
			state = byte == '[' ? BRACKET : byte == '\033' ? ESCAPE : TEXT;
			break;
		case BRACKET:
			state = byte == '?' ? NUMBERS : byte == '\033' ? ESCAPE : TEXT;
			count = numbers[0] = 0;
			break;
		case NUMBERS:
			watch_number(byte);
			break;
		}
	}
}

size_t modes_reset_text(char *text, size_t size)
{
	/* no sequence that began is to swallow ours (CAN); attributes off, letters as usual */
	size_t used = snprintf(text, size, "\030\033[0m\033(B\017"), m;

	for (m = 0; m < MODES; m++)
		if (modes[m].now != modes[m].normal && used < size)
			used += snprintf(text + used, size - used, "\033[?%u%c", modes[m].number,
					 modes[m].normal ? 'h' : 'l');
	/* the scrolling region and insert mode, without moving the cursor (DECSTR) */
	if (used < size)
		used += snprintf(text + used, size - used, "\033[!p");
	return used < size ? used : size - 1;
}

// SPDX-License-Identifier: GPL-2.0-only
/* Somebody who is attached to a console through the control door. */
#include "attachment.h"

#include <stdio.h>
#include <string.h>

struct console *attachment_console(const struct machine *machine, const char *name)
{
	struct console *console;
	u32 i;

	for (i = 0; machine && i < machine->ndevices; i++) {
		console = console_of(machine->device[i]);
		if (console && !strcmp(machine->device[i]->name, name))
			return console;
	}
	return NULL;
}

size_t attachment_output(struct attachment *attachment, struct console *console, char *buffer,
			 size_t bytes)
{
	static const char form[] = "\r\n[%llu bytes were lost here]\r\n";
	u64 before = attachment->position, lost;
	size_t remark = 0, count;

	/* the room for the remark is kept free until it is known whether it is needed */
	count = console_read(console, &attachment->position, buffer + ATTACH_OUTPUT_MIN / 2,
			     bytes - ATTACH_OUTPUT_MIN / 2, &lost);
	/* who has seen nothing has lost nothing */
	if (lost && before)
		remark = snprintf(buffer, ATTACH_OUTPUT_MIN / 2, form, (unsigned long long)lost);
	memmove(buffer + remark, buffer + ATTACH_OUTPUT_MIN / 2, count);
	return remark + count;
}

bool attachment_is_behind(const struct attachment *attachment, struct console *console)
{
	u64 position = attachment->position, lost;
	char byte;

	return console_read(console, &position, &byte, 1, &lost);
}

static bool is_frame(char kind, u32 count)
{
	return (kind == 'i' && count <= FRAME_MAX) || (kind == 'r' && count == 4);
}

static void obey_size(struct attachment *attachment, struct console *console, const u8 *size)
{
	attachment->columns = size[0] << 8 | size[1];
	attachment->rows = size[2] << 8 | size[3];
	if (console)
		console_sized(console, attachment->columns, attachment->rows);
}

enum frames attachment_input(struct attachment *attachment, struct console *console, char *buffer,
			     u32 *bytes)
{
	u32 at = 0, count, typed;
	enum frames result = FRAMES_WANT_MORE;

	while (*bytes - at >= FRAME_HEAD) {
		char *frame = buffer + at;

		count = (u8)frame[1];
		if (!is_frame(frame[0], count)) {
			result = FRAMES_WRONG;
			break;
		}
		if (*bytes - at < FRAME_HEAD + count)
			break;
		typed = count;
		if (frame[0] == 'r')
			obey_size(attachment, console, (u8 *)frame + FRAME_HEAD);
		else if (console)
			typed = console_type(console, frame + FRAME_HEAD, count);
		if (typed < count) {
			/* a shorter frame takes its place */
			at += typed;
			buffer[at] = 'i';
			buffer[at + 1] = count - typed;
			result = FRAMES_STUCK;
			break;
		}
		at += FRAME_HEAD + count;
	}
	*bytes -= at;
	memmove(buffer, buffer + at, *bytes);
	return result;
}

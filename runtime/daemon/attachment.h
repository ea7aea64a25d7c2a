/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Somebody who is attached to a console through the control door. After the answer to
 *
 *	console NAME [COLUMNSxROWS] [new]
 *
 * the daemon sends what the console prints, as it is, from the oldest byte that is
 * kept on ("new": from now on). The other way go frames: a letter, a byte that says
 * how many bytes follow, and these: 'i' input, 'r' the terminal's new size (columns
 * and rows, two bytes each, the higher one first). Anything else ends the connection.
 */
#ifndef COLINUX_ATTACHMENT_H
#define COLINUX_ATTACHMENT_H

#include "machine.h"

#define ATTACH_NAME_SIZE	12u	/* of a console: "console", "ttys15", "cocon7" */
#define FRAME_HEAD		2u
#define FRAME_MAX		200u	/* bytes that follow */
/* A piece of output may begin with a remark about what is lost. */
#define ATTACH_OUTPUT_MIN	128u

struct attachment {
	char name[ATTACH_NAME_SIZE];
	u16 columns, rows;	/* 0: not told yet */
	bool from_now;
	u64 position;
	u32 life;		/* of the guest, in which position counts */
};

/* The console of that name; NULL: there is none. */
struct console *attachment_console(const struct machine *machine, const char *name);

/* The next piece of output for it, 0: nothing now. bytes >= ATTACH_OUTPUT_MIN. */
size_t attachment_output(struct attachment *attachment, struct console *console, char *buffer,
			 size_t bytes);
/* Is there more? */
bool attachment_is_behind(const struct attachment *attachment, struct console *console);

/*
 * Obeys the whole frames in the buffer and drops them from it; console NULL: the guest
 * is just being started anew, input goes nowhere. What there is no room for stays.
 */
enum frames { FRAMES_WANT_MORE, FRAMES_STUCK, FRAMES_WRONG };
enum frames attachment_input(struct attachment *attachment, struct console *console, char *buffer,
			     u32 *bytes);

#endif

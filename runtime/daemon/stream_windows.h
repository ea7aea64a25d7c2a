/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Byte streams on Windows. There is no poll() that knows consoles, pipes and
 * ports alike; so each stream has a thread that reads and one that writes, each with
 * a buffer that os_stream_wait() looks at, and behind them one of several backs.
 */
#ifndef COLINUX_STREAM_WINDOWS_H
#define COLINUX_STREAM_WINDOWS_H

#include "os.h"

#define STREAM_BYTES	4096u

struct stream_back;

/* What a stream is on. Each half is used by one thread; both may run at once. */
struct stream_ops {
	/*
	 * Waits for bytes and returns how many; 0: there will be none any more, or
	 * back->stop is set. NULL: nothing is ever read.
	 */
	size_t (*read)(struct stream_back *back, u8 *bytes, size_t room);
	/* Writes all of it, or drops it where nobody is there; false: never again. */
	bool (*write)(struct stream_back *back, const u8 *bytes, size_t count);
	/* Both threads have ended, or will not be heard of again. */
	void (*close)(struct stream_back *back);
};

struct stream_back {
	const struct stream_ops *ops;
	HANDLE stop;		/* manual: both halves are to return */
};

/* console_windows.c: a console on stdin or stdout. */
struct stream_back *console_in_open(HANDLE in, struct error *error);
struct stream_back *console_out_open(HANDLE out, struct error *error);
/* port_windows.c: a named pipe that we make, a serial port, a file. */
struct stream_back *port_open(const char *path, const struct serial_line *line, struct error *error);

/* stream_back_windows.c, for the backs: of this size, with ops and stop. NULL: see error. */
void *stream_back_new(size_t bytes, const struct stream_ops *ops, struct error *error);
void stream_back_free(struct stream_back *back);

#endif

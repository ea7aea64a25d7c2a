/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtio consoles: hvc0 on the terminal, ttysN on a port, pty or socket, coconN on
 * nothing; and all of them for whoever attaches through the control door: what was
 * printed is kept for a while, and read by position.
 */
#ifndef COLINUX_CONSOLE_H
#define COLINUX_CONSOLE_H

#include "device.h"

struct console;

/*
 * Takes the stream over (closed with the console, and on failure). name must
 * outlive the console. interactive: the stream is a raw terminal, so watch for
 * the escape (Ctrl-] three times within two seconds) and tell its size.
 * NULL: see error.
 */
struct console *console_open(const char *name, struct os_stream *stream, bool interactive,
			     struct error *error);
/* Before console_attach(): the size that the guest is told where there is no terminal. */
void console_set_size(struct console *console, u16 columns, u16 rows);
/* Makes it device `index` of the vm and starts its thread. */
int console_attach(struct console *console, struct vm *vm, u32 index, struct error *error);
/* Gives waiting output up to wait_ms to get out, ends the thread, closes the stream. */
void console_close(struct console *console, u32 wait_ms);

/* No vCPU thread waits for this console any more; output may be lost. */
void console_abandon(struct console *console);

/* vCPU thread: early messages, before the guest has its own driver. */
void console_put(struct console *console, const char *text, size_t bytes);
/* The terminal's size has changed. */
void console_resize(struct console *console);

/* --- any thread: somebody is attached --- */

/* How many bytes, ever: the position of the next one. */
u64 console_printed(struct console *console);
/*
 * history_read(): copies what was printed from *position on, and moves it; *lost: bytes
 * that were printed there and are not kept any more.
 */
size_t console_read(struct console *console, u64 *position, void *buffer, size_t bytes, u64 *lost);
/* As if it were typed; returns how many bytes there was room for. */
size_t console_type(struct console *console, const void *bytes, size_t count);
/* Whose terminal is used has this size. */
void console_sized(struct console *console, u16 columns, u16 rows);
/* To be called when there is more to read, or room to type; it must not wait. */
void console_watch(struct console *console, void (*changed)(void *), void *arg);

/* The console of a device; NULL: it is none. */
struct console *console_of(struct device *device);

struct device *console_device(struct console *console);

#endif

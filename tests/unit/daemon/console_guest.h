/* SPDX-License-Identifier: GPL-2.0-only */
/* The two ends of a console under test: a guest's driver, and whoever is outside. */
#ifndef CONSOLE_GUEST_H
#define CONSOLE_GUEST_H

#include "check.h"
#include "console.h"
#include "guest.h"

extern struct error error;
extern struct console *console;
extern struct device *device;
extern struct queue receive, transmit;
extern u64 in, out;	/* buffers in guest memory, 64 KiB each */

/* --- the guest's driver --- */

/* A console on this stream, device 0 of a new vm, its driver ready. */
void attach(struct os_stream *stream);
/* Resets the device and brings its driver up again. */
void start_driver(void);
/* What hvc does: one buffer, doorbell, and it is gone when the doorbell returns. */
void say(const char *text);
/* One receive buffer of so many bytes, at `in`. */
void offer_input(u32 bytes);
/* The next used receive buffer holds exactly this. */
void expect_input(const char *text);

/* --- the other end --- */

/* Makes stdin and stdout of this process pipes; returns what to read, *input: what to write. */
int stdio_peer(int *input);
void expect_bytes(int fd, const char *text);
void put_bytes(int fd, const char *text);
/* Says a word again and again until it arrives: what was said to nobody is lost. */
void say_until_heard(int fd, const char *text);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* Linux: setting the line of an open serial port. */
#ifndef COLINUX_LINE_LINUX_H
#define COLINUX_LINE_LINUX_H

#include "serial_line.h"

/* The ioctls that it makes (TCGETS2 and TCSETS2 of x86), for who has to know them and cannot include their header. */
#define LINE_GET	0x802c542au
#define LINE_SET	0x402c542bu

/* -1: see error; the line may have been set in part. */
int line_set(int fd, const struct serial_line *line, struct error *error);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* How the line of a serial port is to be set: ttysN=/dev/ttyS0,115200,8n1,rtscts. */
#ifndef COLINUX_SERIAL_LINE_H
#define COLINUX_SERIAL_LINE_H

#include <stdbool.h>

#include "colinux_types.h"
#include "error.h"

enum serial_flow {
	FLOW_AS_IT_IS,
	FLOW_NONE,
	FLOW_RTSCTS,		/* by two more wires */
	FLOW_XONXOFF,		/* by two bytes of the data */
};

/* Whatever is 0 stays as it is; on Linux a line that is not told otherwise has 8 bits and no parity. */
struct serial_line {
	u32 baud;		/* bits a second */
	u8 data_bits;		/* 5 to 8 */
	char parity;		/* none, even, odd, mark, space: 'n', 'e', 'o', 'm', 's' */
	u8 stop_bits;		/* 1 or 2 */
	enum serial_flow flow;
};

#define SERIAL_LINE_TEXT_SIZE	48u

/*
 * Words with commas or blanks between them: 115200, 8n1, rtscts, xonxoff, noflow; and those
 * of Windows' MODE, with which coLinux set its lines: BAUD=115200 PARITY=n. -1: see error.
 */
int serial_line_parse(struct serial_line *line, const char *text, struct error *error);
/* False: there is nothing to be set. */
bool serial_line_any(const struct serial_line *line);
/* "115200,8n1,rtscts", with - for a part of 8n1 that stays as it is. Returns out. */
const char *serial_line_text(const struct serial_line *line, char out[SERIAL_LINE_TEXT_SIZE]);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A serial port's line on Linux. The kernel's own struct termios2 takes any speed, where
 * the C library's termios knows a list of them; the two cannot be in one file. What a
 * driver cannot do it leaves out without a word (ioctl_tty(2)): so we look.
 */
#include "line_linux.h"

#include <asm/termbits.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

_Static_assert(LINE_GET == TCGETS2 && LINE_SET == TCSETS2, "they are as line_linux.h says");

/* A receiver that samples in the middle of bits follows a clock that is a little off. */
#define BAUD_PERCENT	3u

static u32 frame_flags(const struct serial_line *line, u32 *mask)
{
	static const u32 sizes[] = { CS5, CS6, CS7, CS8 };
	u32 flags = 0;

	*mask = 0;
	if (line->data_bits) {
		*mask |= CSIZE;
		flags |= sizes[line->data_bits - 5];
	}
	if (line->parity) {
		*mask |= PARENB | PARODD | CMSPAR;
		flags |= line->parity != 'n' ? PARENB : 0;
		flags |= line->parity == 'o' || line->parity == 'm' ? PARODD : 0;
		flags |= line->parity == 'm' || line->parity == 's' ? CMSPAR : 0;
	}
	if (line->stop_bits) {
		*mask |= CSTOPB;
		flags |= line->stop_bits == 2 ? CSTOPB : 0;
	}
	if (line->flow) {
		*mask |= CRTSCTS;
		flags |= line->flow == FLOW_RTSCTS ? CRTSCTS : 0;
	}
	return flags;
}

/* A speed that has a name is set by it: not every program can read another one (stty). */
static u32 speed_flags(u32 baud)
{
	static const struct {
		u32 baud, flag;
	} named[] = {
		{ 50, B50 }, { 75, B75 }, { 110, B110 }, { 134, B134 }, { 150, B150 }, { 200, B200 },
		{ 300, B300 }, { 600, B600 }, { 1200, B1200 }, { 1800, B1800 }, { 2400, B2400 },
		{ 4800, B4800 }, { 9600, B9600 }, { 19200, B19200 }, { 38400, B38400 },
		{ 57600, B57600 }, { 115200, B115200 }, { 230400, B230400 }, { 460800, B460800 },
		{ 500000, B500000 }, { 576000, B576000 }, { 921600, B921600 }, { 1000000, B1000000 },
		{ 1152000, B1152000 }, { 1500000, B1500000 }, { 2000000, B2000000 },
		{ 2500000, B2500000 }, { 3000000, B3000000 }, { 3500000, B3500000 },
		{ 4000000, B4000000 },
	};
	size_t i;

	for (i = 0; i < sizeof(named) / sizeof(*named); i++)
		if (named[i].baud == baud)
			return named[i].flag;
	return BOTHER;
}

static bool near(u32 got, u32 wanted)
{
	u32 off = got > wanted ? got - wanted : wanted - got;

	return (u64)off * 100 <= (u64)wanted * BAUD_PERCENT;
}

int line_set(int fd, const struct serial_line *line, struct error *error)
{
	struct termios2 mode;
	u32 mask, flags = frame_flags(line, &mask);
	char text[SERIAL_LINE_TEXT_SIZE];

	serial_line_text(line, text);
	if (ioctl(fd, LINE_GET, &mode))
		return error_set(error, "%s: it is no serial port (%s)", text, strerror(errno));
	mode.c_cflag = (mode.c_cflag & ~mask) | flags;
	if (line->flow)
		mode.c_iflag = (mode.c_iflag & ~(IXON | IXOFF | IXANY)) |
			       (line->flow == FLOW_XONXOFF ? IXON | IXOFF : 0);
	if (line->baud) {
		mode.c_cflag = (mode.c_cflag & ~(CBAUD | CBAUD << IBSHIFT)) |
			       speed_flags(line->baud);
		mode.c_ospeed = mode.c_ispeed = line->baud;
	}
	if (ioctl(fd, LINE_SET, &mode) || ioctl(fd, LINE_GET, &mode))
		return error_set(error, "%s: %s", text, strerror(errno));
	if (line->baud && !near(mode.c_ospeed, line->baud))
		return error_set(error, "%s: the port cannot do this speed, it is at %u", text, mode.c_ospeed);
	if ((mode.c_cflag & mask) != flags)
		return error_set(error, "%s: the port cannot be set so", text);
	return 0;
}

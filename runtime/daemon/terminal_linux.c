// SPDX-License-Identifier: GPL-2.0-only
/* os.h on Linux: the terminal, and requests from outside (signals). */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* --- the terminal --- */

static struct termios cooked_mode, raw_mode;
static volatile sig_atomic_t terminal_is_raw;

/* In the background the terminal is somebody else's. */
static bool in_foreground(void)
{
	return tcgetpgrp(STDIN_FILENO) == getpgrp();
}

bool os_terminal_raw(void)
{
	if (!isatty(STDIN_FILENO) || !in_foreground() || tcgetattr(STDIN_FILENO, &cooked_mode))
		return false;
	raw_mode = cooked_mode;
	cfmakeraw(&raw_mode);
	/* our own messages and the guest's early ones end lines with \n alone */
	raw_mode.c_oflag |= OPOST;
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw_mode))
		return false;
	terminal_is_raw = 1;
	atexit(os_terminal_restore);
	return true;
}

/* Called from signal handlers, too: tcsetattr may be. */
void os_terminal_restore(void)
{
	if (!terminal_is_raw)
		return;
	terminal_is_raw = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &cooked_mode);
}

bool os_terminal_size(u16 *columns, u16 *rows)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row)
		return false;
	*columns = size.ws_col;
	*rows = size.ws_row;
	return true;
}

/* --- requests from outside --- */

/* Handlers and other threads write one byte a request, the main thread reads. */
static int request_pipe[2] = { -1, -1 };

/* Beside enum os_request's: what is served here and never returned. */
enum { BYTE_STOPPED = 100, BYTE_CONTINUED };

static void post_byte(u8 byte)
{
	int saved = errno;

	/* a full pipe holds requests enough */
	if (write(request_pipe[1], &byte, 1) < 0)
		errno = saved;
	errno = saved;
}

void os_requests_post(enum os_request request)
{
	post_byte(request);
}

static void on_signal(int number)
{
	switch (number) {
	case SIGWINCH:
		post_byte(OS_REQUEST_RESIZE);
		break;
	case SIGQUIT:
		post_byte(OS_REQUEST_KILL);
		break;
	case SIGTSTP:
		post_byte(BYTE_STOPPED);
		break;
	case SIGCONT:
		post_byte(BYTE_CONTINUED);
		break;
	default:
		post_byte(OS_REQUEST_STOP);
	}
}

/* Our own fault: the user gets the terminal back, and the core file. */
static void on_fault(int number)
{
	os_terminal_restore();
	signal(number, SIG_DFL);
	raise(number);
}

/*
 * A descriptor that our starter closed would be the next file's that we open,
 * and a disk would get the guest's console output.
 */
static void fill_standard_descriptors(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
			abort();
}

int os_requests_begin(struct error *error)
{
	static const int requests[] = {
		SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT,
	};
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	size_t i;

	fill_standard_descriptors();
	if (pipe2(request_pipe, O_CLOEXEC | O_NONBLOCK))
		return error_set(error, "pipe: %s", strerror(errno));
	sigfillset(&action.sa_mask);
	for (i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		struct sigaction before;

		/* nohup and shells' background jobs: ignored stays ignored */
		if (!sigaction(requests[i], NULL, &before) && before.sa_handler == SIG_IGN &&
		    requests[i] != SIGTERM)
			continue;
		sigaction(requests[i], &action, NULL);
	}
	action.sa_handler = on_fault;
	action.sa_flags = SA_RESETHAND;
	for (i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		sigaction(faults[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* in the background, to set or read a terminal is an error, not a stop */
	signal(SIGTTOU, SIG_IGN);
	signal(SIGTTIN, SIG_IGN);
	return 0;
}

static void stop_ourselves(void)
{
	bool raw = terminal_is_raw;

	os_terminal_restore();
	raise(SIGSTOP);
	terminal_is_raw = raw;	/* SIGCONT's byte puts the mode back */
}

enum os_request os_requests_wait(u32 ms)
{
	struct pollfd poll_pipe = { .fd = request_pipe[0], .events = POLLIN };
	u64 deadline = os_now_ms() + ms, now;
	u8 byte;

	for (;;) {
		if (read(request_pipe[0], &byte, 1) == 1) {
			if (byte == BYTE_STOPPED)
				stop_ourselves();
			else if (byte == BYTE_CONTINUED && terminal_is_raw && in_foreground())
				tcsetattr(STDIN_FILENO, TCSADRAIN, &raw_mode);
			else if (byte != BYTE_CONTINUED)
				return byte;
			continue;
		}
		now = os_now_ms();
		if (ms != ~0u && now >= deadline)
			return OS_REQUEST_NONE;
		poll(&poll_pipe, 1, ms == ~0u ? -1 : deadline - now < 60000 ? (int)(deadline - now) : 60000);
	}
}

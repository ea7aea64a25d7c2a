// SPDX-License-Identifier: GPL-2.0-only
/* attach_os.h on Linux: poll(), signals, termios. */
#include "attach_os.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "attach_modes.h"
#include "client_linux.h"

static struct client_link *daemon_link;
static sigset_t open_signals;

/* --- signals --- */

static volatile sig_atomic_t ended_by, size_changed, stopped, continued;

static void on_signal(int number)
{
	if (number == SIGWINCH)
		size_changed = 1;
	else if (number == SIGTSTP)
		stopped = 1;
	else if (number == SIGCONT)
		continued = 1;
	else
		ended_by = number;
}

/* Blocked but while ppoll() waits: no signal comes between a look and a wait. */
int attach_begin(struct client_link *link, struct error *error)
{
	static const int numbers[] = {
		SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT,
	};
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t ours;
	size_t i;

	(void)error;
	daemon_link = link;
	sigemptyset(&ours);
	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		sigaction(numbers[i], &action, NULL);
		sigaddset(&ours, numbers[i]);
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
	sigprocmask(SIG_BLOCK, &ours, &open_signals);
	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		sigdelset(&open_signals, numbers[i]);
	return 0;
}

void attach_end(void)
{
	client_close(daemon_link);
}

int attach_ended_by(void)
{
	return ended_by;
}

bool attach_terminal_changed(bool *raw)
{
	bool changed;

	if (stopped) {
		/* the shell gets its terminal back, until it lets us go on */
		stopped = 0;
		attach_cooked();
		raise(SIGSTOP);
	}
	if (continued) {
		continued = 0;
		*raw = attach_raw();
		size_changed = 1;
	}
	changed = size_changed;
	size_changed = 0;
	return changed;
}

/* --- the terminal --- */

static struct termios cooked;
static bool is_raw;

bool attach_raw(void)
{
	struct termios raw;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &cooked))
		return false;
	raw = cooked;
	cfmakeraw(&raw);
	/* in the background this is an error, not a stop: SIGTTOU is ignored */
	is_raw = !tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	return is_raw;
}

void attach_cooked(void)
{
	char text[MODES_RESET_SIZE];
	size_t used;

	if (!is_raw)
		return;
	is_raw = false;
	if (isatty(STDOUT_FILENO)) {
		used = modes_reset_text(text, sizeof(text));
		if (write(STDOUT_FILENO, text, used) < 0)
			used = 0;	/* it is gone: nothing is left to be clean */
	}
	tcsetattr(STDIN_FILENO, TCSADRAIN, &cooked);
}

bool attach_size(unsigned int *columns, unsigned int *rows)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row)
		return false;
	*columns = size.ws_col;
	*rows = size.ws_row;
	return true;
}

/* --- bytes --- */

unsigned int attach_wait(unsigned int wanted)
{
	struct pollfd fds[2] = {
		{ .fd = daemon_link->fd, .events = POLLIN | (wanted & ATTACH_ROOM ? POLLOUT : 0) },
		{ .fd = wanted & ATTACH_INPUT ? STDIN_FILENO : -1, .events = POLLIN },
	};

	if (ppoll(fds, 2, NULL, &open_signals) < 0)
		return 0;
	return (fds[0].revents & ~POLLOUT ? ATTACH_OUTPUT : 0) | (fds[0].revents & POLLOUT ? ATTACH_ROOM : 0) |
	       (fds[1].revents ? ATTACH_INPUT : 0);
}

static bool is_for_later(void)
{
	return errno == EINTR || errno == EAGAIN;
}

long attach_type(char *bytes, size_t room)
{
	ssize_t now = read(STDIN_FILENO, bytes, room);

	return now > 0 ? now : now < 0 && is_for_later() ? 0 : -1;
}

long attach_receive(char *bytes, size_t room)
{
	ssize_t now = recv(daemon_link->fd, bytes, room, MSG_DONTWAIT);

	return now > 0 ? now : now < 0 && is_for_later() ? 0 : -1;
}

long attach_send(const char *bytes, size_t count)
{
	ssize_t now = send(daemon_link->fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);

	return now >= 0 ? now : is_for_later() ? 0 : -1;
}

/* Stdout may take nothing for a long time: in pieces that poll() promises, so that a signal ends the wait. */
int attach_show(const char *bytes, size_t count, struct error *error)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };
	size_t most = isatty(STDOUT_FILENO) ? 256 : PIPE_BUF;
	ssize_t now;

	while (count) {
		if (ended_by)
			return -1;
		if (ppoll(&out, 1, NULL, &open_signals) < 0)
			continue;
		now = write(STDOUT_FILENO, bytes, count < most ? count : most);
		if (now < 0 && !is_for_later())
			return error_set(error, "stdout: %s", strerror(errno));
		bytes += now > 0 ? now : 0;
		count -= now > 0 ? now : 0;
	}
	return 0;
}

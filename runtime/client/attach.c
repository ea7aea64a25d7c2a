// SPDX-License-Identifier: GPL-2.0-only
/*
 * colinux-console: shows a console of a running guest on this terminal, until the
 * user detaches. Any number may be attached; all of them see and type the same.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attach_terminal.h"
#include "client.h"

#ifndef CO_RELEASE
#define CO_RELEASE "development"
#endif

enum { DONE = 0, FAILED = 1, USAGE = 2 };

#define ESCAPE		0x1d	/* Ctrl-] */
#define FRAME_MAX	200u
#define FRAME_HEAD	2u

static const char manual[] =
"usage: colinux-console [--new] [NAME [CONSOLE]]\n"
"\n"
"Shows a console of a guest that runs, and types into it. NAME as for colinux-ctl;\n"
"CONSOLE is `console` (the default), ttysN or coconN, as in the configuration.\n"
"What the guest has printed before, up to 256 KiB of it, is shown first.\n"
"\n"
"  Ctrl-] d       detach; the guest goes on\n"
"  Ctrl-] Ctrl-]  one Ctrl-] for the guest\n"
"\n"
"  --new          begin with what comes from now on\n"
"  --version, --help\n"
"\n"
"Without a terminal stdin is typed as it is, and its end detaches.\n"
"\n"
"Exit status: 0 detached, or the guest has ended; 1 an error; 2 a mistake in the\n"
"command line; 128 + N a signal.\n";

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
static void begin_signals(sigset_t *open)
{
	static const int numbers[] = {
		SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT,
	};
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t ours;
	size_t i;

	sigemptyset(&ours);
	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		sigaction(numbers[i], &action, NULL);
		sigaddset(&ours, numbers[i]);
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
	sigprocmask(SIG_BLOCK, &ours, open);
	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		sigdelset(open, numbers[i]);
}

/* --- bytes --- */

/* What is on its way to the daemon: it takes no more while the guest does not read. */
static struct {
	char bytes[16 * (FRAME_HEAD + FRAME_MAX)];
	size_t used;
} queue;

static bool queue_has_room(void)
{
	return sizeof(queue.bytes) - queue.used >= 2 * (FRAME_HEAD + FRAME_MAX);
}

/* A frame that there is no room for is lost. */
static void add_frame(char kind, const char *bytes, size_t count)
{
	char *frame = queue.bytes + queue.used;

	if (sizeof(queue.bytes) - queue.used < FRAME_HEAD + count)
		return;
	frame[0] = kind;
	frame[1] = count;
	memcpy(frame + FRAME_HEAD, bytes, count);
	queue.used += FRAME_HEAD + count;
}

/* Sends what goes without waiting; -1: the daemon is gone. */
static int flush_queue(int link)
{
	ssize_t now = send(link, queue.bytes, queue.used, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (now < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	queue.used -= now;
	memmove(queue.bytes, queue.bytes + now, queue.used);
	return 0;
}

static void add_size(void)
{
	unsigned int columns, rows;
	char size[4];

	if (!terminal_size(&columns, &rows))
		return;
	size[0] = columns >> 8;
	size[1] = columns;
	size[2] = rows >> 8;
	size[3] = rows;
	add_frame('r', size, sizeof(size));
}

/*
 * To stdout, which may take nothing for a long time: in pieces that poll() promises,
 * so that a signal ends the wait. -1: it ended, or stdout is gone.
 */
static int show(const char *bytes, size_t count, const sigset_t *open)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };
	size_t most = isatty(STDOUT_FILENO) ? 256 : PIPE_BUF;
	ssize_t now;

	while (count) {
		if (ended_by)
			return -1;
		if (ppoll(&out, 1, NULL, open) < 0)
			continue;
		now = write(STDOUT_FILENO, bytes, count < most ? count : most);
		if (now < 0 && errno != EINTR && errno != EAGAIN)
			return -1;
		bytes += now > 0 ? now : 0;
		count -= now > 0 ? now : 0;
	}
	return 0;
}

/*
 * What was typed, without the escape's own keys; true: detach. escaped: the last
 * one was an escape.
 */
static bool typed(const char *bytes, size_t count, bool *escaped, char *out, size_t *used)
{
	size_t i;

	*used = 0;
	for (i = 0; i < count; i++) {
		if (!*escaped && bytes[i] == ESCAPE) {
			*escaped = true;
			continue;
		}
		if (*escaped && (bytes[i] == 'd' || bytes[i] == 'D'))
			return true;
		/* anything else behind it: both are the guest's */
		if (*escaped && bytes[i] != ESCAPE)
			out[(*used)++] = ESCAPE;
		*escaped = false;
		out[(*used)++] = bytes[i];
	}
	return false;
}

/* --- the loop --- */

enum end { GOES_ON, DETACHED, GUEST_ENDED, LOST };

static enum end take_input(bool raw, bool *escaped)
{
	char bytes[FRAME_MAX / 2], out[FRAME_MAX];
	ssize_t now = read(STDIN_FILENO, bytes, sizeof(bytes));
	size_t used = now > 0 ? now : 0;
	bool detach = false;

	if (now < 0 && (errno == EINTR || errno == EAGAIN))
		return GOES_ON;
	if (now <= 0)
		return DETACHED;
	if (raw)
		detach = typed(bytes, now, escaped, out, &used);
	else
		memcpy(out, bytes, used);
	if (used)
		add_frame('i', out, used);
	return detach ? DETACHED : GOES_ON;
}

static enum end give_output(int link, const sigset_t *open)
{
	char bytes[8192];
	ssize_t now = recv(link, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (now < 0 && (errno == EINTR || errno == EAGAIN))
		return GOES_ON;
	if (now <= 0)
		return GUEST_ENDED;
	terminal_watch(bytes, now);
	return show(bytes, now, open) ? LOST : GOES_ON;
}

/* The shell gets its terminal back, until it lets us go on. */
static void stop_ourselves(void)
{
	stopped = 0;
	terminal_end();
	raise(SIGSTOP);
}

static enum end serve_signals(bool *raw)
{
	if (ended_by)
		return LOST;
	if (stopped)
		stop_ourselves();
	if (continued) {
		continued = 0;
		*raw = terminal_begin();
		size_changed = 1;
	}
	if (size_changed) {
		size_changed = 0;
		add_size();
	}
	return GOES_ON;
}

static enum end loop(int link, bool *raw, const sigset_t *open)
{
	bool escaped = false, input_over = false;
	enum end end;

	for (;;) {
		struct pollfd fds[2] = { { .fd = link }, { .fd = STDIN_FILENO, .events = POLLIN } };

		end = serve_signals(raw);
		if (end != GOES_ON)
			return end;
		fds[0].events = POLLIN | (queue.used ? POLLOUT : 0);
		/* a terminal is read all the same: the escape is in there */
		if (input_over || (!*raw && !queue_has_room()))
			fds[1].fd = -1;
		if (ppoll(fds, 2, NULL, open) < 0)
			continue;
		if (fds[0].revents & ~POLLOUT)
			end = give_output(link, open);
		if (end == GOES_ON && fds[1].revents)
			end = take_input(*raw, &escaped);
		input_over |= end == DETACHED;
		if (queue.used && flush_queue(link))
			return GUEST_ENDED;
		/* what came before the end of a file or pipe is typed first */
		if (end == DETACHED && !*raw)
			end = GOES_ON;
		if (input_over && !queue.used)
			return DETACHED;
		if (end != GOES_ON)
			return end;
	}
}

static int attach(int link, const char *guest, const char *console, bool from_now,
		  struct error *error)
{
	char request[100], size[24] = "";
	static char reply[CLIENT_REPLY_MAX];
	unsigned int columns, rows;
	sigset_t open;
	enum end end;
	bool raw;

	if (terminal_size(&columns, &rows))
		snprintf(size, sizeof(size), " %ux%u", columns, rows);
	snprintf(request, sizeof(request), "console %.20s%s%s", console, size, from_now ? " new" : "");
	if (client_ask(link, request, reply, CLIENT_PATIENCE_MS, error) ||
	    client_refused(reply, error))
		return FAILED;
	begin_signals(&open);
	raw = terminal_begin();
	if (raw)
		fprintf(stderr, "[attached to %s of %s; Ctrl-] d detaches]\r\n", console, guest);
	end = loop(link, &raw, &open);
	terminal_end();
	if (raw)
		fprintf(stderr, "\n[%s]\n", end == DETACHED ? "detached" :
			end == GUEST_ENDED ? "the guest has ended" : "detached by a signal or a broken output");
	if (end == LOST && !ended_by)
		error_set(error, "stdout: %s", strerror(errno));
	return end != LOST ? DONE : ended_by ? 128 + ended_by : FAILED;
}

int main(int argc, char **argv)
{
	const char *name = NULL, *console = NULL;
	char chosen[CLIENT_NAME_SIZE];
	struct error error = { 0 };
	bool from_now = false;
	int i, link, result;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return fputs(manual, stdout) < 0 || fflush(stdout) ? FAILED : DONE;
		if (!strcmp(argv[i], "--version"))
			return printf("colinux-console %s\n", CO_RELEASE) < 0 || fflush(stdout) ? FAILED : DONE;
		if (!strcmp(argv[i], "--new")) {
			from_now = true;
		} else if (argv[i][0] != '-' && !name) {
			name = argv[i];
		} else if (argv[i][0] != '-' && !console) {
			console = argv[i];
		} else {
			fprintf(stderr, "colinux-console: unexpected %s; see --help\n", argv[i]);
			return USAGE;
		}
	}
	link = client_connect(name, chosen, &error);
	result = link < 0 ? FAILED : attach(link, chosen, console ? console : "console", from_now, &error);
	if (link >= 0)
		close(link);
	if (error.text[0])
		fprintf(stderr, "colinux-console: %s\n", error.text);
	return result;
}

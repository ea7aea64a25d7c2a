// SPDX-License-Identifier: GPL-2.0-only
/*
 * colinux-console: shows a console of a running guest on this terminal, until the
 * user detaches. Any number may be attached; all of them see and type the same.
 */
#include <stdio.h>
#include <string.h>

#include "attach_modes.h"
#include "attach_os.h"
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
static int flush_queue(void)
{
	long now = attach_send(queue.bytes, queue.used);

	if (now < 0)
		return -1;
	queue.used -= now;
	memmove(queue.bytes, queue.bytes + now, queue.used);
	return 0;
}

static void add_size(void)
{
	unsigned int columns, rows;
	char size[4];

	if (!attach_size(&columns, &rows))
		return;
	size[0] = columns >> 8;
	size[1] = columns;
	size[2] = rows >> 8;
	size[3] = rows;
	add_frame('r', size, sizeof(size));
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
	long now = attach_type(bytes, sizeof(bytes));
	size_t used = now > 0 ? now : 0;
	bool detach = false;

	if (now < 0)
		return DETACHED;
	if (raw)
		detach = typed(bytes, now, escaped, out, &used);
	else
		memcpy(out, bytes, used);
	if (used)
		add_frame('i', out, used);
	return detach ? DETACHED : GOES_ON;
}

static enum end give_output(struct error *error)
{
	char bytes[8192];
	long now = attach_receive(bytes, sizeof(bytes));

	if (now < 0)
		return GUEST_ENDED;
	modes_watch(bytes, now);
	return attach_show(bytes, now, error) ? LOST : GOES_ON;
}

static enum end loop(bool *raw, struct error *error)
{
	bool escaped = false, input_over = false;
	unsigned int wanted, ready;
	enum end end;

	for (;;) {
		if (attach_ended_by())
			return LOST;
		if (attach_terminal_changed(raw))
			add_size();
		wanted = ATTACH_OUTPUT | (queue.used ? ATTACH_ROOM : 0);
		/* a terminal is read all the same: the escape is in there */
		if (!input_over && (*raw || queue_has_room()))
			wanted |= ATTACH_INPUT;
		ready = attach_wait(wanted);
		if (!ready)
			continue;
		end = ready & ATTACH_OUTPUT ? give_output(error) : GOES_ON;
		if (end == GOES_ON && ready & ATTACH_INPUT)
			end = take_input(*raw, &escaped);
		input_over |= end == DETACHED;
		if (queue.used && flush_queue())
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

static int attach(struct client_link *link, const char *guest, const char *console, bool from_now,
		  struct error *error)
{
	char request[100], size[24] = "";
	static char reply[CLIENT_REPLY_MAX];
	unsigned int columns, rows;
	enum end end;
	bool raw;

	if (attach_size(&columns, &rows))
		snprintf(size, sizeof(size), " %ux%u", columns, rows);
	snprintf(request, sizeof(request), "console %.20s%s%s", console, size, from_now ? " new" : "");
	if (client_ask(link, request, reply, CLIENT_PATIENCE_MS, error) ||
	    client_refused(reply, error)) {
		client_close(link);
		return FAILED;
	}
	if (attach_begin(link, error))
		return FAILED;
	raw = attach_raw();
	if (raw)
		fprintf(stderr, "[attached to %s of %s; Ctrl-] d detaches]\r\n", console, guest);
	end = loop(&raw, error);
	attach_cooked();
	attach_end();
	if (raw)
		fprintf(stderr, "\n[%s]\n", end == DETACHED ? "detached" :
			end == GUEST_ENDED ? "the guest has ended" : "detached by a signal or a broken output");
	return end != LOST ? DONE : attach_ended_by() ? 128 + attach_ended_by() : FAILED;
}

int main(int argc, char **argv)
{
	const char *name = NULL, *console = NULL;
	char chosen[CLIENT_NAME_SIZE];
	struct error error = { 0 };
	bool from_now = false;
	struct client_link *link;
	int i, result;

	argv = client_arguments(&argc, argv);
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
	result = link ? attach(link, chosen, console ? console : "console", from_now, &error) : FAILED;
	if (error.text[0])
		fprintf(stderr, "colinux-console: %s\n", error.text);
	return result;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * attach_os.h on Windows. The daemon's pipe and what comes from outside have events; keys
 * have none that would be theirs alone, and a file or pipe on stdin has none at all: a thread
 * reads them. Consoles are the daemon's (console_windows.c, terminal_windows.c): with escape
 * sequences from Windows 10 on, before that with the common keys, and output without them.
 */
#include "attach_os.h"

#include <stdlib.h>
#include <string.h>

#include "attach_modes.h"
#include "client_windows.h"
#include "pipe_link_windows.h"
#include "stream_windows.h"
#include "terminal_windows.h"
#include "text_windows.h"

/* For an output that takes nothing, when we are to end. */
#define LAST_MS	2000u
/* What a shell on Linux calls an end by Ctrl-C, and by what is more urgent. */
#define BY_STOP	2
#define BY_KILL	3

static struct os_link *daemon_link;

/* --- from outside --- */

static HANDLE outside;		/* something has come */
static int ended_by;		/* both atomic */
static bool size_changed, is_raw;

static void outside_thread(void *arg)
{
	(void)arg;
	for (;;) {
		switch (os_requests_wait(~0u)) {
		case OS_REQUEST_STOP:
			__atomic_store_n(&ended_by, BY_STOP, __ATOMIC_SEQ_CST);
			break;
		case OS_REQUEST_KILL:
			__atomic_store_n(&ended_by, BY_KILL, __ATOMIC_SEQ_CST);
			break;
		case OS_REQUEST_RESIZE:
			__atomic_store_n(&size_changed, true, __ATOMIC_SEQ_CST);
			break;
		default:
			break;
		}
		SetEvent(outside);
		if (!attach_ended_by())
			continue;
		Sleep(LAST_MS);
		exit(128 + attach_ended_by());	/* the console's modes are given back by that, too */
	}
}

int attach_ended_by(void)
{
	return __atomic_load_n(&ended_by, __ATOMIC_SEQ_CST);
}

bool attach_terminal_changed(bool *raw)
{
	(void)raw;	/* no shell takes a console from us */
	return __atomic_exchange_n(&size_changed, false, __ATOMIC_SEQ_CST);
}

/* --- stdin --- */

static struct {
	HANDLE handle;
	struct stream_back *console;	/* NULL: it is none */
	struct os_thread thread;
	HANDLE there, taken;		/* there: there is something, or nothing any more */
	struct os_mutex lock;
	/* under the lock: */
	u8 bytes[256];
	size_t at, used;
	bool over;
} input;

/* Waits; 0: there is no more. */
static size_t read_input(u8 *bytes, size_t room)
{
	DWORD done = 0;

	if (input.console)
		return input.console->ops->read(input.console, bytes, room);
	return ReadFile(input.handle, bytes, room, &done, NULL) ? done : 0;
}

static void input_thread(void *arg)
{
	u8 bytes[sizeof(input.bytes)];
	size_t count;

	(void)arg;
	do {
		count = read_input(bytes, sizeof(bytes));
		os_lock(&input.lock);
		memcpy(input.bytes, bytes, count);
		input.at = 0;
		input.used = count;
		input.over = !count;
		SetEvent(input.there);
		os_unlock(&input.lock);
		WaitForSingleObject(input.taken, INFINITE);
	} while (count);
}

long attach_type(char *bytes, size_t room)
{
	long count;

	os_lock(&input.lock);
	count = input.used - input.at < room ? input.used - input.at : room;
	memcpy(bytes, input.bytes + input.at, count);
	input.at += count;
	if (!count && input.over)
		count = -1;
	if (count > 0 && input.at == input.used) {
		ResetEvent(input.there);
		SetEvent(input.taken);
	}
	os_unlock(&input.lock);
	return count;
}

/* --- stdout --- */

static HANDLE out;
static struct stream_back *out_console;	/* NULL: it is none */

static bool write_out(const char *bytes, size_t count)
{
	DWORD done;

	if (out_console)
		return out_console->ops->write(out_console, (const u8 *)bytes, count);
	while (count) {
		if (!WriteFile(out, bytes, count, &done, NULL))
			return false;
		bytes += done;
		count -= done;
	}
	return true;
}

int attach_show(const char *bytes, size_t count, struct error *error)
{
	return write_out(bytes, count) ? 0 : error_set(error, "stdout: %s", os_last_error());
}

/* --- the terminal --- */

bool attach_raw(void)
{
	is_raw = os_terminal_raw();
	return is_raw;
}

void attach_cooked(void)
{
	char text[MODES_RESET_SIZE];

	if (!is_raw)
		return;
	is_raw = false;
	if (out_console && windows_terminal_writes_vt())
		write_out(text, modes_reset_text(text, sizeof(text)));
	os_terminal_restore();
}

bool attach_size(unsigned int *columns, unsigned int *rows)
{
	u16 width, height;

	if (!os_terminal_size(&width, &height))
		return false;
	*columns = width;
	*rows = height;
	return true;
}

/* --- beginning and end --- */

static int open_standard(struct error *error)
{
	DWORD mode;

	input.handle = GetStdHandle(STD_INPUT_HANDLE);
	out = GetStdHandle(STD_OUTPUT_HANDLE);
	if (GetConsoleMode(input.handle, &mode)) {
		input.console = console_in_open(input.handle, error);
		if (!input.console)
			return -1;
	}
	if (GetConsoleMode(out, &mode)) {
		out_console = console_out_open(out, error);
		if (!out_console)
			return -1;
	}
	return 0;
}

int attach_begin(struct client_link *link, struct error *error)
{
	struct os_thread thread;

	daemon_link = pipe_link_new(link->pipe);
	outside = CreateEventW(NULL, FALSE, FALSE, NULL);
	input.there = CreateEventW(NULL, TRUE, FALSE, NULL);
	input.taken = CreateEventW(NULL, FALSE, FALSE, NULL);
	if (!daemon_link || !outside || !input.there || !input.taken) {
		if (!daemon_link)
			CloseHandle(link->pipe);
		CloseHandle(link->done);
		free(link);
		return error_set(error, "out of memory");
	}
	CloseHandle(link->done);
	free(link);
	os_mutex_init(&input.lock);
	if (open_standard(error) || os_requests_begin(error) ||
	    os_thread_start(&thread, "requests", outside_thread, NULL, error) ||
	    os_thread_start(&input.thread, "input", input_thread, NULL, error))
		return -1;
	return 0;
}

/* The threads end with the program: one may be stuck in a read of the system's. */
void attach_end(void)
{
	os_link_close(daemon_link);
}

/* --- the daemon --- */

static unsigned int look(unsigned int wanted, u32 *ms)
{
	u32 ready = pipe_link_look(daemon_link, OS_LINK_READABLE | (wanted & ATTACH_ROOM ? OS_LINK_WRITABLE : 0), ms);

	return (ready & (OS_LINK_READABLE | OS_LINK_GONE) ? ATTACH_OUTPUT : 0) |
	       (ready & OS_LINK_WRITABLE ? ATTACH_ROOM : 0) |
	       (wanted & ATTACH_INPUT && WaitForSingleObject(input.there, 0) == WAIT_OBJECT_0 ? ATTACH_INPUT : 0);
}

unsigned int attach_wait(unsigned int wanted)
{
	HANDLE events[4] = { outside };
	u32 ms = INFINITE, used = 1;
	unsigned int ready = look(wanted, &ms);

	if (ready)
		return ready;
	if (wanted & ATTACH_INPUT)
		events[used++] = input.there;
	used += pipe_link_events(daemon_link, events + used);
	WaitForMultipleObjects(used, events, FALSE, ms);
	return look(wanted, &ms);
}

long attach_receive(char *bytes, size_t room)
{
	return os_link_read(daemon_link, bytes, room);
}

long attach_send(const char *bytes, size_t count)
{
	return os_link_write(daemon_link, bytes, count);
}

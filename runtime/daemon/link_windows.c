// SPDX-License-Identifier: GPL-2.0-only
/*
 * os_link.h on Windows: a named pipe for each guest, an instance of it for each
 * connection, and one more that waits for the next.
 */
#include <stdlib.h>

#include "pipe_link_windows.h"
#include "run_pipe_windows.h"

#define PIPE_BYTES	16384u	/* what the system keeps for a reader that is slow */
#define LINKS_MAX	30u	/* two events each, and MAXIMUM_WAIT_OBJECTS is 64 */
#define AGAIN_MS	100u	/* when nobody can be waited for */
#define VANISHED_MAX	100u	/* who come and go faster than we look */

/* Windows Vista's, and newer than the headers' version of Windows that we ask for. */
#ifndef PIPE_REJECT_REMOTE_CLIENTS
#define PIPE_REJECT_REMOTE_CLIENTS	0x8
#endif

struct os_listener {
	wchar_t path[RUN_PIPE_SIZE];
	PSECURITY_DESCRIPTOR security;
	DWORD mode;
	HANDLE name;		/* the event */
	HANDLE wake, pipe;	/* pipe: the instance that waits for somebody */
	struct io_request coming;
	bool has_come;
};

/* --- a name --- */

/* One more instance of the pipe; only the first one takes the name. */
static HANDLE make_instance(const struct os_listener *listener, bool first)
{
	SECURITY_ATTRIBUTES security = {
		.nLength = sizeof(security), .lpSecurityDescriptor = listener->security,
	};

	return CreateNamedPipeW(listener->path, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED |
				(first ? FILE_FLAG_FIRST_PIPE_INSTANCE : 0), listener->mode,
				PIPE_UNLIMITED_INSTANCES, PIPE_BYTES, PIPE_BYTES, 0, &security);
}

/* Of a name that is taken: by a guest, or by somebody who wants to be asked in its place? */
static int blame(const struct os_listener *listener, const char *name, struct error *error)
{
	HANDLE pipe = CreateFileW(listener->path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
				  SECURITY_SQOS_PRESENT | SECURITY_ANONYMOUS, NULL);
	bool guests = pipe == INVALID_HANDLE_VALUE ? GetLastError() == ERROR_PIPE_BUSY :
		      run_pipe_is_trusted(pipe);

	if (pipe != INVALID_HANDLE_VALUE)
		CloseHandle(pipe);
	if (guests)
		return error_set(error, "a guest of the name %s is running", name);
	return error_set(error, "the name %s is taken: another user's program has a pipe or an event called colinux-ctl-%s",
			 name, name);
}

/* -1: see error. Windows 2000 does not know that an instance is to be the first one: it is asked. */
static int make_pipe(struct os_listener *listener, const char *name, bool *taken, struct error *error)
{
	listener->pipe = make_instance(listener, true);
	if (listener->pipe == INVALID_HANDLE_VALUE && GetLastError() == ERROR_INVALID_PARAMETER)
		return 0;
	*taken = listener->pipe == INVALID_HANDLE_VALUE ?
		 GetLastError() == ERROR_ACCESS_DENIED || GetLastError() == ERROR_PIPE_BUSY :
		 pipe_instances(listener->pipe) > 1;
	if (!*taken && listener->pipe == INVALID_HANDLE_VALUE)
		return error_set(error, "a pipe for colinux-ctl: %s", os_last_error());
	if (!*taken)
		return 0;
	/* so that nobody comes to us who wants to somebody else */
	if (listener->pipe != INVALID_HANDLE_VALUE)
		CloseHandle(listener->pipe);
	listener->pipe = INVALID_HANDLE_VALUE;
	return blame(listener, name, error);
}

static int take_name(struct os_listener *listener, const char *name, bool *taken, struct error *error)
{
	bool local;

	/* Before Windows Vista it is the descriptor that keeps the network out. */
	for (local = false; listener->pipe == INVALID_HANDLE_VALUE; local = true) {
		listener->mode = PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT |
				 (local ? 0 : PIPE_REJECT_REMOTE_CLIENTS);
		if (listener->security)
			LocalFree(listener->security);
		listener->security = run_pipe_security(local, error);
		if (!listener->security)
			return -1;
		if (!listener->name)
			listener->name = run_pipe_take_name(name, listener->security, taken, error);
		if (!listener->name)
			return *taken ? blame(listener, name, error) : -1;
		if (make_pipe(listener, name, taken, error))
			return -1;
		if (local && listener->pipe == INVALID_HANDLE_VALUE)
			return error_set(error, "a pipe for colinux-ctl: %s", os_last_error());
	}
	return 0;
}

/* Waits for somebody at the instance, or sees that somebody is there. */
static void begin_waiting(struct os_listener *listener)
{
	u32 vanished;

	for (vanished = 0; vanished < VANISHED_MAX; vanished++) {
		ResetEvent(listener->coming.overlapped.hEvent);
		if (io_request_begun(&listener->coming,
				       ConnectNamedPipe(listener->pipe, &listener->coming.overlapped)))
			return;
		listener->has_come = GetLastError() == ERROR_PIPE_CONNECTED;
		/* anything else but one who has come and gone is tried again, after a while */
		if (listener->has_come || GetLastError() != ERROR_NO_DATA)
			return;
		DisconnectNamedPipe(listener->pipe);
	}
}

static bool somebody_has_come(struct os_listener *listener)
{
	enum io_outcome outcome;
	u32 bytes;

	if (listener->coming.pending) {
		outcome = io_request_look(&listener->coming, listener->pipe, &bytes);
		listener->has_come = outcome == IO_FINISHED;
		if (outcome == IO_FAILED)
			DisconnectNamedPipe(listener->pipe);
	}
	if (!listener->coming.pending && !listener->has_come)
		begin_waiting(listener);
	return listener->has_come;
}

struct os_listener *os_listener_open(const char *name, bool *taken, struct error *error)
{
	struct os_listener *listener = calloc(1, sizeof(*listener));

	*taken = false;
	if (!listener) {
		error_set(error, "out of memory");
		return NULL;
	}
	listener->pipe = INVALID_HANDLE_VALUE;
	listener->wake = CreateEventW(NULL, FALSE, FALSE, NULL);
	if (!run_pipe_path(listener->path, name) || !listener->wake || !io_request_new(&listener->coming)) {
		error_set(error, "a pipe for colinux-ctl: %s", os_last_error());
		goto failed;
	}
	if (take_name(listener, name, taken, error))
		goto failed;
	begin_waiting(listener);
	return listener;
failed:
	os_listener_close(listener);
	return NULL;
}

void os_listener_close(struct os_listener *listener)
{
	io_request_end(&listener->coming, listener->pipe);
	if (listener->pipe != INVALID_HANDLE_VALUE)
		CloseHandle(listener->pipe);
	if (listener->wake)
		CloseHandle(listener->wake);
	if (listener->name)
		CloseHandle(listener->name);
	if (listener->security)
		LocalFree(listener->security);
	free(listener);
}

/* --- connections --- */

struct os_link *os_listener_accept(struct os_listener *listener)
{
	struct os_link *link;
	HANDLE next;

	if (!somebody_has_come(listener))
		return NULL;
	/* before the link may be closed: without an instance the name would be anybody's */
	next = make_instance(listener, false);
	if (next == INVALID_HANDLE_VALUE)
		return NULL;
	link = pipe_link_new(listener->pipe);
	if (!link) {
		CloseHandle(next);
		return NULL;
	}
	listener->pipe = next;
	listener->has_come = false;
	begin_waiting(listener);
	return link;
}

/* All of them; *ms: no longer than this. Returns whether any is ready. */
static bool look_at_all(struct os_link_wait *waits, u32 count, u32 *ms)
{
	bool any = false;
	u32 i;

	for (i = 0; i < count; i++) {
		waits[i].ready = pipe_link_look(waits[i].link, waits[i].wanted, ms);
		any |= waits[i].ready != 0;
	}
	return any;
}

bool os_links_wait(struct os_listener *listener, bool accept, struct os_link_wait *waits,
		   u32 count, u32 ms)
{
	HANDLE events[2 + 2 * LINKS_MAX] = { listener->wake };
	bool come = accept && somebody_has_come(listener);
	u32 used = 1, i;

	if (look_at_all(waits, count, &ms) || come)
		ms = 0;
	if (accept && !come && listener->coming.pending)
		events[used++] = listener->coming.overlapped.hEvent;
	else if (accept && !come && ms > AGAIN_MS)
		ms = AGAIN_MS;
	for (i = 0; i < count && i < LINKS_MAX; i++)
		used += pipe_link_events(waits[i].link, events + used);
	/* the wake-up's event is the first: it is taken back even when others are there */
	WaitForMultipleObjects(used, events, FALSE, ms);
	look_at_all(waits, count, &ms);
	return accept && somebody_has_come(listener);
}

void os_listener_wake(struct os_listener *listener)
{
	SetEvent(listener->wake);
}

u32 os_process_number(void)
{
	return GetCurrentProcessId();
}

// SPDX-License-Identifier: GPL-2.0-only
/* Where daemons listen on Windows, and lines to and from them. */
#include "client_windows.h"

#include <stdlib.h>
#include <string.h>

#include "run_pipe_windows.h"
#include "text_windows.h"

/* In between two looks at a pipe all of whose instances are in use. */
#define BUSY_MS	500u

char **client_arguments(int *argc, char **argv)
{
	return os_arguments(argc, argv);
}

long long client_now_ms(void)
{
	return os_now_ms();
}

/* --- finding --- */

/* INVALID_HANDLE_VALUE and GetLastError(). Who answers learns nothing of who we are, and cannot act as we. */
static HANDLE connect_to(const wchar_t *path)
{
	u64 until = os_now_ms() + CLIENT_PATIENCE_MS;
	HANDLE pipe;

	for (;;) {
		pipe = CreateFileW(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
				   FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_ANONYMOUS, NULL);
		if (pipe != INVALID_HANDLE_VALUE || GetLastError() != ERROR_PIPE_BUSY || os_now_ms() >= until)
			return pipe;
		/* whatever it says: the next CreateFile() is what counts */
		WaitNamedPipeW(path, BUSY_MS);
	}
}

static void explain(const char *name, DWORD failure, struct error *error)
{
	if (failure == ERROR_ACCESS_DENIED)
		error_set(error, "%s: %s; guests belong to administrators: start this as one (\"Run as administrator\")",
			  name, windows_error(failure));
	else
		error_set(error, "%s: %s", name, windows_error(failure));
}

struct client_link *client_open(const char *name, bool *absent, struct error *error)
{
	struct client_link *link;
	wchar_t path[RUN_PIPE_SIZE];

	*absent = !run_pipe_path(path, name);
	if (*absent)
		return NULL;
	link = calloc(1, sizeof(*link));
	if (link)
		link->done = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (!link || !link->done) {
		error_set(error, "out of memory");
		free(link);
		return NULL;
	}
	link->pipe = connect_to(path);
	if (link->pipe != INVALID_HANDLE_VALUE && run_pipe_is_trusted(link->pipe))
		return link;
	if (link->pipe == INVALID_HANDLE_VALUE) {
		*absent = GetLastError() == ERROR_FILE_NOT_FOUND;
		explain(name, GetLastError(), error);
	} else {
		error_set(error, "%s: that pipe was made by a user who is no administrator: it is no guest's", name);
		CloseHandle(link->pipe);
	}
	CloseHandle(link->done);
	free(link);
	return NULL;
}

void client_close(struct client_link *link)
{
	CloseHandle(link->pipe);
	CloseHandle(link->done);
	free(link);
}

int client_names(void (*found)(void *arg, const char *name), void *arg, struct error *error)
{
	return run_pipe_names(found, arg, error);
}

/* --- lines --- */

/* The end of a request, or of the time for it: then it is given up. */
static long outcome(struct client_link *link, BOOL begun, OVERLAPPED *overlapped, int ms)
{
	DWORD done = 0;

	if (!begun && GetLastError() != ERROR_IO_PENDING)
		return CLIENT_FAILED;
	if (WaitForSingleObject(link->done, ms < 0 ? INFINITE : (DWORD)ms) == WAIT_TIMEOUT)
		CancelIo(link->pipe);
	if (GetOverlappedResult(link->pipe, overlapped, &done, TRUE))
		return done;
	return GetLastError() == ERROR_OPERATION_ABORTED ? CLIENT_LATE : CLIENT_FAILED;
}

static long receive(struct client_link *link, char *bytes, size_t room, int ms)
{
	OVERLAPPED overlapped = { .hEvent = link->done };

	ResetEvent(link->done);
	return outcome(link, ReadFile(link->pipe, bytes, room, NULL, &overlapped), &overlapped, ms);
}

long client_send(struct client_link *link, const void *bytes, size_t count, int ms, struct error *error)
{
	OVERLAPPED overlapped = { .hEvent = link->done };
	long result;

	ResetEvent(link->done);
	result = outcome(link, WriteFile(link->pipe, bytes, count, NULL, &overlapped), &overlapped, ms);
	if (result == CLIENT_FAILED)
		error_set(error, "the guest's daemon: %s", os_last_error());
	return result;
}

long client_receive(struct client_link *link, char *bytes, size_t room, int ms, struct error *error)
{
	DWORD more = 0;
	long now, rest;
	char *end;

	(void)error;
	/* one byte is waited for; behind it is looked at what is there, and taken as far as the line goes */
	now = receive(link, bytes, 1, ms);
	if (now == CLIENT_FAILED)
		return CLIENT_CLOSED;
	if (now <= 0 || bytes[0] == '\n' || room == 1 ||
	    !PeekNamedPipe(link->pipe, bytes + 1, room - 1, &more, NULL, NULL) || !more)
		return now;
	end = memchr(bytes + 1, '\n', more);
	rest = receive(link, bytes + 1, end ? (size_t)(end - bytes) : more, ms);
	return rest > 0 ? now + rest : now;
}

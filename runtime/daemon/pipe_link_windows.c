// SPDX-License-Identifier: GPL-2.0-only
/* One end of a named pipe that is never waited for by itself, see pipe_link_windows.h. */
#include "pipe_link_windows.h"

#include <stdlib.h>
#include <string.h>

#include <winternl.h>

#define LINK_BYTES	4096u	/* of a request */
#define GONE_MS		500u	/* how often a peer is looked for where no request tells */

/* NtQueryInformationFile(): what npfs tells of a pipe's end ([MS-FSCC], FilePipeLocalInformation) */
#define PIPE_LOCAL_INFORMATION	24
#define PIPE_CONNECTED		3u
struct pipe_local {
	ULONG type, configuration, maximum_instances, current_instances, inbound_quota, read_available,
	      outbound_quota, write_available, state, end;
};

struct os_link {
	HANDLE pipe;
	bool gone;
	struct io_request reading, writing;
	u32 at, used;		/* of in[]: read, and not yet asked for */
	u32 written;		/* and not yet told */
	char in[LINK_BYTES], out[LINK_BYTES];
};

/* --- the link --- */

struct os_link *pipe_link_new(HANDLE pipe)
{
	struct os_link *link = calloc(1, sizeof(*link));

	if (!link || !io_request_new(&link->reading) || !io_request_new(&link->writing)) {
		if (link && link->reading.overlapped.hEvent)
			CloseHandle(link->reading.overlapped.hEvent);
		free(link);
		return NULL;
	}
	link->pipe = pipe;
	return link;
}

/* Wants the next bytes; those before have been taken. */
static void begin_reading(struct os_link *link)
{
	if (link->gone || link->reading.pending || link->at < link->used)
		return;
	link->at = link->used = 0;
	ResetEvent(link->reading.overlapped.hEvent);
	if (!io_request_begun(&link->reading,
				ReadFile(link->pipe, link->in, LINK_BYTES, NULL, &link->reading.overlapped)))
		link->gone = true;
}

static void look(struct os_link *link)
{
	if (link->reading.pending)
		link->gone |= io_request_look(&link->reading, link->pipe, &link->used) == IO_FAILED;
	if (link->writing.pending)
		link->gone |= io_request_look(&link->writing, link->pipe, &link->written) == IO_FAILED;
	begin_reading(link);
}

static bool ask(HANDLE pipe, struct pipe_local *about)
{
	IO_STATUS_BLOCK done;

	return NtQueryInformationFile(pipe, &done, about, sizeof(*about), PIPE_LOCAL_INFORMATION) >= 0;
}

u32 pipe_instances(HANDLE pipe)
{
	struct pipe_local about;

	return ask(pipe, &about) ? about.current_instances : 0;
}

/* Nobody is at the other end: for where no request of ours finds out. */
static bool is_deserted(const struct os_link *link)
{
	struct pipe_local about;

	return ask(link->pipe, &about) && about.state != PIPE_CONNECTED;
}

long os_link_read(struct os_link *link, void *buffer, size_t bytes)
{
	u32 count;

	look(link);
	/* while a request is under way, in[] is the system's */
	count = link->reading.pending ? 0 : link->used - link->at;
	if (count > bytes)
		count = bytes;
	memcpy(buffer, link->in + link->at, count);
	link->at += count;
	begin_reading(link);
	return count ? (long)count : link->gone ? -1 : 0;
}

/* A piece is under way until the system has all of it; then it is told. */
long os_link_write(struct os_link *link, const void *buffer, size_t bytes)
{
	long told;

	if (!link->writing.pending && !link->written && !link->gone) {
		bytes = bytes < LINK_BYTES ? bytes : LINK_BYTES;
		memcpy(link->out, buffer, bytes);
		ResetEvent(link->writing.overlapped.hEvent);
		if (!io_request_begun(&link->writing,
					WriteFile(link->pipe, link->out, bytes, NULL, &link->writing.overlapped)))
			link->gone = true;
	}
	look(link);
	told = link->written;
	link->written = 0;
	return told ? told : link->gone ? -1 : 0;
}

/* What has been written stays there for a peer that reads it later. */
void os_link_close(struct os_link *link)
{
	io_request_end(&link->reading, link->pipe);
	io_request_end(&link->writing, link->pipe);
	CloseHandle(link->pipe);
	free(link);
}

/* --- waiting --- */

u32 pipe_link_look(struct os_link *link, u32 wanted, u32 *ms)
{
	u32 ready = 0;

	look(link);
	if (!link->reading.pending && link->at < link->used)
		ready |= OS_LINK_READABLE;
	if (!link->writing.pending)
		ready |= OS_LINK_WRITABLE;
	/* no request is under way that would fail, as nobody takes what is there already */
	if (!link->reading.pending && !link->writing.pending && !link->gone && !(ready & wanted)) {
		if (is_deserted(link))
			ready |= OS_LINK_GONE;
		else if (*ms > GONE_MS)
			*ms = GONE_MS;
	}
	if (link->gone)
		ready |= OS_LINK_GONE;
	return ready & (wanted | OS_LINK_GONE);
}

u32 pipe_link_events(struct os_link *link, HANDLE events[2])
{
	u32 count = 0;

	if (link->reading.pending)
		events[count++] = link->reading.overlapped.hEvent;
	if (link->writing.pending)
		events[count++] = link->writing.overlapped.hEvent;
	return count;
}

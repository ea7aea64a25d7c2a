// SPDX-License-Identifier: GPL-2.0-only
/* os.h on Windows: byte streams, see stream_windows.h; here is what all of them share, and stdin and stdout. */
#include "stream_windows.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "service_windows.h"
#include "text_windows.h"

/* For what was written last to get away, and for a thread that the system holds. */
#define CLOSE_MS	1000u

struct half {
	struct stream_back *back;	/* NULL: there is none */
	struct os_thread thread;
	bool has_thread, ended;
	u8 bytes[STREAM_BYTES];
	size_t at, used;		/* [at, used) is in there */
};

struct os_stream {
	struct os_mutex lock;
	struct os_cond changed;
	/* under the lock: */
	struct half in, out;
	bool woken, stopping;
};

/* --- a file or a pipe that we were given: it is read and written as it is --- */

struct given {
	struct stream_back back;
	HANDLE handle;
};

static size_t given_read(struct stream_back *back, u8 *bytes, size_t room)
{
	struct given *given = (struct given *)back;
	DWORD done = 0;

	return ReadFile(given->handle, bytes, room, &done, NULL) ? done : 0;
}

static bool given_write(struct stream_back *back, const u8 *bytes, size_t count)
{
	struct given *given = (struct given *)back;
	DWORD done;

	while (count) {
		if (!WriteFile(given->handle, bytes, count, &done, NULL))
			return false;
		bytes += done;
		count -= done;
	}
	return true;
}

static const struct stream_ops given_ops = {
	.read = given_read, .write = given_write, .close = stream_back_free,
};

static struct stream_back *given_open(HANDLE handle, struct error *error)
{
	struct given *given = stream_back_new(sizeof(*given), &given_ops, error);

	if (!given)
		return NULL;
	given->handle = handle;
	return &given->back;
}

/* --- the threads --- */

static void reader(void *arg)
{
	struct os_stream *stream = arg;
	struct half *in = &stream->in;
	u8 bytes[STREAM_BYTES];
	size_t count;

	do {
		count = in->back->ops->read(in->back, bytes, sizeof(bytes));
		os_lock(&stream->lock);
		while (in->at < in->used && !stream->stopping)
			os_wait(&stream->changed, &stream->lock);
		memcpy(in->bytes, bytes, count);
		in->at = 0;
		in->used = count;
		in->ended = !count || stream->stopping;
		os_wake_all(&stream->changed);
		os_unlock(&stream->lock);
	} while (!in->ended);
}

static void writer(void *arg)
{
	struct os_stream *stream = arg;
	struct half *out = &stream->out;
	u8 bytes[STREAM_BYTES];
	size_t count;
	bool well = true;

	os_lock(&stream->lock);
	while (well) {
		count = out->used;
		if (!count && stream->stopping)
			break;
		if (!count) {
			os_wait(&stream->changed, &stream->lock);
			continue;
		}
		memcpy(bytes, out->bytes, count);
		os_unlock(&stream->lock);
		well = out->back->ops->write(out->back, bytes, count);
		os_lock(&stream->lock);
		out->used = 0;
		os_wake_all(&stream->changed);
	}
	out->ended = true;
	os_wake_all(&stream->changed);
	os_unlock(&stream->lock);
}

static int start_halves(struct os_stream *stream, struct error *error)
{
	if (stream->in.back && stream->in.back->ops->read) {
		if (os_thread_start(&stream->in.thread, "input", reader, stream, error))
			return -1;
		stream->in.has_thread = true;
	}
	if (stream->out.back) {
		if (os_thread_start(&stream->out.thread, "output", writer, stream, error))
			return -1;
		stream->out.has_thread = true;
	}
	return 0;
}

/* --- opening and closing --- */

struct os_stream *os_stream_null(struct error *error)
{
	struct os_stream *stream = calloc(1, sizeof(*stream));

	if (!stream) {
		error_set(error, "out of memory");
		return NULL;
	}
	os_mutex_init(&stream->lock);
	os_cond_init(&stream->changed);
	return stream;
}

/* NULL with no error: there is no such handle, as where a program has no console. */
static struct stream_back *standard_open(DWORD which, struct error *error, bool *failed)
{
	HANDLE handle = GetStdHandle(which);
	struct stream_back *back;
	DWORD mode;

	if (!handle || handle == INVALID_HANDLE_VALUE)
		return NULL;
	if (!GetConsoleMode(handle, &mode))
		back = given_open(handle, error);
	else if (which == STD_INPUT_HANDLE)
		back = console_in_open(handle, error);
	else
		back = console_out_open(handle, error);
	*failed = *failed || !back;
	return back;
}

struct os_stream *os_stream_stdio(struct error *error)
{
	struct os_stream *stream;
	bool failed = false;

	if (windows_console_pipe)
		return os_stream_open(windows_console_pipe, error);
	stream = os_stream_null(error);
	if (!stream)
		return NULL;
	stream->in.back = standard_open(STD_INPUT_HANDLE, error, &failed);
	stream->out.back = standard_open(STD_OUTPUT_HANDLE, error, &failed);
	if (failed || start_halves(stream, error)) {
		os_stream_close(stream);
		return NULL;
	}
	return stream;
}

struct os_stream *os_stream_open(const char *path, struct error *error)
{
	static const struct serial_line as_it_is;

	return os_stream_open_line(path, &as_it_is, error);
}

struct os_stream *os_stream_open_line(const char *path, const struct serial_line *line,
				      struct error *error)
{
	struct os_stream *stream = os_stream_null(error);

	if (!stream)
		return NULL;
	stream->in.back = stream->out.back = port_open(path, line, error);
	if (!stream->in.back || start_halves(stream, error)) {
		os_stream_close(stream);
		return NULL;
	}
	return stream;
}

/* True: the half's thread is gone. One that waits in the system's ReadFile() is asked to leave it. */
static bool end_half(struct half *half, u32 ms)
{
	BOOL (WINAPI *cancel)(HANDLE) = windows_newer(L"kernel32.dll", "CancelSynchronousIo");
	u64 deadline = os_now_ms() + ms;

	if (!half->has_thread)
		return true;
	do {
		if (cancel)
			cancel(half->thread.handle);
		if (os_thread_join_ms(&half->thread, 20))
			return true;
	} while (os_now_ms() < deadline);
	return false;
}

void os_stream_close(struct os_stream *stream)
{
	struct stream_back *in = stream->in.back, *out = stream->out.back;
	u64 deadline = os_now_ms() + CLOSE_MS, now;
	bool gone;

	os_lock(&stream->lock);
	while (stream->out.used && !stream->out.ended && (now = os_now_ms()) < deadline)
		os_wait_ms(&stream->changed, &stream->lock, (u32)(deadline - now));
	stream->stopping = true;
	os_wake_all(&stream->changed);
	os_unlock(&stream->lock);
	if (in)
		SetEvent(in->stop);
	if (out)
		SetEvent(out->stop);
	gone = end_half(&stream->in, CLOSE_MS);
	gone = end_half(&stream->out, CLOSE_MS) && gone;
	/* Where a thread is stuck in the system all stays as it is: the program is about to end. */
	if (!gone)
		return;
	if (in)
		in->ops->close(in);
	if (out && out != in)
		out->ops->close(out);
	CloseHandle(stream->changed.released_event);
	DeleteCriticalSection(&stream->lock.lock);
	free(stream);
}

/* --- waiting, reading, writing --- */

u32 os_stream_wait(struct os_stream *stream, u32 wanted)
{
	u32 ready = 0;

	os_lock(&stream->lock);
	for (;;) {
		if (stream->woken)
			ready |= OS_STREAM_WOKEN;
		stream->woken = false;
		if ((wanted & OS_STREAM_READABLE) && stream->in.at < stream->in.used)
			ready |= OS_STREAM_READABLE;
		/* with nobody there, bytes go nowhere at once */
		if ((wanted & OS_STREAM_WRITABLE) &&
		    (!stream->out.has_thread || stream->out.ended || !stream->out.used))
			ready |= OS_STREAM_WRITABLE;
		if (ready)
			break;
		os_wait(&stream->changed, &stream->lock);
	}
	os_unlock(&stream->lock);
	return ready;
}

void os_stream_wake(struct os_stream *stream)
{
	os_lock(&stream->lock);
	stream->woken = true;
	os_wake_all(&stream->changed);
	os_unlock(&stream->lock);
}

size_t os_stream_read(struct os_stream *stream, void *buffer, size_t bytes)
{
	struct half *in = &stream->in;
	size_t count;

	os_lock(&stream->lock);
	count = in->used - in->at;
	if (count > bytes)
		count = bytes;
	memcpy(buffer, in->bytes + in->at, count);
	in->at += count;
	os_wake_all(&stream->changed);
	os_unlock(&stream->lock);
	return count;
}

size_t os_stream_write(struct os_stream *stream, const void *buffer, size_t bytes)
{
	struct half *out = &stream->out;
	size_t count = bytes < STREAM_BYTES ? bytes : STREAM_BYTES;

	os_lock(&stream->lock);
	if (!out->has_thread || out->ended) {
		count = bytes;
	} else if (out->used) {
		count = 0;
	} else {
		memcpy(out->bytes, buffer, count);
		out->used = count;
		os_wake_all(&stream->changed);
	}
	os_unlock(&stream->lock);
	return count;
}

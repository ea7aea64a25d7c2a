// SPDX-License-Identifier: GPL-2.0-only
/*
 * The console device (VIRTIO 1.2, 5.3), one port.
 *
 * Output: a guest with one CPU spins with interrupts off until the host has
 * taken its bytes. So the vCPU thread takes them during the doorbell, into a
 * buffer that this console's thread empties; only when the buffer is full the
 * guest waits, with its vCPU thread asleep and the host alive.
 *
 * Input: the thread reads ahead into a small buffer and fills the guest's
 * receive buffers from it. It goes on reading a terminal when the guest does
 * not take its input, because the escape must always work.
 *
 * What the guest prints is kept for a while as well; those who are attached read it
 * there at their own pace, and the guest never waits for them.
 */
#include "console.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "log.h"

enum { QUEUE_RECEIVE = 0, QUEUE_TRANSMIT = 1 };

#define QUEUE_SIZE	64u
#define OUTPUT_BYTES	(64u << 10)
#define INPUT_BYTES	4096u
#define ESCAPE		0x1d	/* Ctrl-] */
#define ESCAPE_TIMES	3u
#define ESCAPE_MS	2000u

struct console {
	struct device device;
	struct os_stream *stream;
	bool interactive;
	u16 columns, rows;		/* where there is no terminal; 0: unknown */
	struct os_thread thread;
	bool has_thread;
	struct os_mutex lock;
	struct os_cond space;		/* the output buffer has shrunk */
	/* under the lock: */
	u8 output[OUTPUT_BYTES];	/* a ring */
	u32 output_start, output_bytes;
	u8 input[INPUT_BYTES];
	u32 input_bytes;
	struct history history;
	void (*changed)(void *);	/* somebody is attached; NULL: nobody */
	void *changed_arg;
	bool enabled;			/* the receive queue may be used */
	bool abandoned, quit;
	/* the thread's own */
	struct chain receive;
	u32 escapes;
	u64 first_escape_ms;
	bool lost_input;
	/* the vCPU thread's own */
	struct chain transmit;
};

struct device *console_device(struct console *console)
{
	return &console->device;
}

/* --- output --- */

static void tell_watcher(struct console *console)
{
	if (console->changed)
		console->changed(console->changed_arg);
}

void console_put(struct console *console, const char *text, size_t bytes)
{
	os_lock(&console->lock);
	history_add(&console->history, text, bytes);
	tell_watcher(console);
	while (bytes && !console->abandoned) {
		u32 end = (console->output_start + console->output_bytes) % OUTPUT_BYTES;
		u32 now = OUTPUT_BYTES - console->output_bytes;

		if (!now) {
			os_wait(&console->space, &console->lock);
			continue;
		}
		if (now > OUTPUT_BYTES - end)
			now = OUTPUT_BYTES - end;
		if (now > bytes)
			now = bytes;
		memcpy(console->output + end, text, now);
		if (!console->output_bytes)
			os_stream_wake(console->stream);
		console->output_bytes += now;
		text += now;
		bytes -= now;
	}
	os_unlock(&console->lock);
}

/* vCPU thread: everything the guest has in its transmit queue. */
static void transmit(struct console *console)
{
	struct device *device = &console->device;
	struct vring *ring = &device->ring[QUEUE_TRANSMIT];
	enum vring_pop popped;
	u32 i;

	do {
		while ((popped = vring_pop(ring, &console->transmit)) == VRING_CHAIN) {
			for (i = 0; i < console->transmit.nread; i++)
				console_put(console, console->transmit.iov[i].base,
					    console->transmit.iov[i].bytes);
			vring_push(ring, console->transmit.head, 0);
		}
		if (popped == VRING_BROKEN) {
			device_break(device, "%s", ring->problem);
			return;
		}
	} while (vring_listen(ring));
	device_signal_used(device, ring);
}

/* The thread: writes what it can without waiting. */
static void write_output(struct console *console)
{
	u8 piece[4096];
	u32 bytes, i;

	os_lock(&console->lock);
	bytes = console->output_bytes < sizeof(piece) ? console->output_bytes : sizeof(piece);
	for (i = 0; i < bytes; i++)
		piece[i] = console->output[(console->output_start + i) % OUTPUT_BYTES];
	os_unlock(&console->lock);
	/* only this thread takes bytes out, so they are still there afterwards */
	bytes = os_stream_write(console->stream, piece, bytes);
	os_lock(&console->lock);
	console->output_start = (console->output_start + bytes) % OUTPUT_BYTES;
	console->output_bytes -= bytes;
	os_wake_all(&console->space);
	os_unlock(&console->lock);
}

/* --- input --- */

static void watch_escape(struct console *console, const u8 *bytes, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (bytes[i] != ESCAPE) {
			console->escapes = 0;
			continue;
		}
		if (!console->escapes || os_now_ms() - console->first_escape_ms > ESCAPE_MS) {
			console->escapes = 0;
			console->first_escape_ms = os_now_ms();
		}
		if (++console->escapes == ESCAPE_TIMES) {
			console->escapes = 0;
			os_requests_post(OS_REQUEST_STOP);
		}
	}
}

static void read_input(struct console *console)
{
	u8 piece[512];
	size_t bytes = sizeof(piece);
	u32 room;

	/* a read does not wait, and who is attached wants the same room: console_type() */
	os_lock(&console->lock);
	room = INPUT_BYTES - console->input_bytes;
	if (!console->interactive && bytes > room)
		bytes = room;
	bytes = os_stream_read(console->stream, piece, bytes);
	if (console->interactive)
		watch_escape(console, piece, bytes);
	if (bytes > room) {
		if (!console->lost_input)
			log_info("%s: the guest does not read its input; some is lost",
				 console->device.name);
		console->lost_input = true;
		bytes = room;
	}
	memcpy(console->input + console->input_bytes, piece, bytes);
	console->input_bytes += bytes;
	os_unlock(&console->lock);
}

/* Fills the guest's receive buffers, as far as both reach. The lock is held. */
static void deliver_input(struct console *console)
{
	struct device *device = &console->device;
	struct vring *ring = &device->ring[QUEUE_RECEIVE];
	bool used = false;

	if (!console->enabled || !ring->size)
		return;
	while (console->input_bytes && !device_is_broken(device)) {
		enum vring_pop popped = vring_pop(ring, &console->receive);
		struct chain *chain = &console->receive;
		u32 bytes;

		if (popped == VRING_BROKEN) {
			device_break(device, "%s", ring->problem);
			break;
		}
		if (popped == VRING_EMPTY) {
			if (vring_listen(ring))
				continue;
			break;
		}
		bytes = iov_fill(chain->iov + chain->nread, chain->nwrite, console->input,
				 console->input_bytes);
		console->input_bytes -= bytes;
		memmove(console->input, console->input + bytes, console->input_bytes);
		vring_push(ring, chain->head, bytes);
		used = true;
	}
	if (!console->input_bytes)
		vring_ignore(ring);
	if (!used)
		return;
	device_signal_used(device, ring);
	tell_watcher(console);
}

/* --- who is attached --- */

u64 console_printed(struct console *console)
{
	u64 printed;

	os_lock(&console->lock);
	printed = console->history.printed;
	os_unlock(&console->lock);
	return printed;
}

size_t console_read(struct console *console, u64 *position, void *buffer, size_t bytes, u64 *lost)
{
	os_lock(&console->lock);
	bytes = history_read(&console->history, position, buffer, bytes, lost);
	os_unlock(&console->lock);
	return bytes;
}

size_t console_type(struct console *console, const void *bytes, size_t count)
{
	u32 room;

	os_lock(&console->lock);
	room = INPUT_BYTES - console->input_bytes;
	if (count > room)
		count = room;
	memcpy(console->input + console->input_bytes, bytes, count);
	console->input_bytes += count;
	os_unlock(&console->lock);
	if (count)
		os_stream_wake(console->stream);
	return count;
}

void console_sized(struct console *console, u16 columns, u16 rows)
{
	struct virtio_console_config config = { .columns = columns, .rows = rows };

	/* one writer at a time */
	os_lock(&console->lock);
	device_set_config(&console->device, 0, &config, 2 * sizeof(u16));
	os_unlock(&console->lock);
}

void console_watch(struct console *console, void (*changed)(void *), void *arg)
{
	os_lock(&console->lock);
	console->changed = changed;
	console->changed_arg = arg;
	os_unlock(&console->lock);
}

/* --- the thread --- */

static void console_thread(void *arg)
{
	struct console *console = arg;
	u32 wanted, ready;

	for (;;) {
		os_lock(&console->lock);
		deliver_input(console);
		wanted = console->output_bytes ? OS_STREAM_WRITABLE : 0;
		if (console->interactive || console->input_bytes < INPUT_BYTES)
			wanted |= OS_STREAM_READABLE;
		if (console->quit) {
			os_unlock(&console->lock);
			return;
		}
		os_unlock(&console->lock);
		ready = os_stream_wait(console->stream, wanted);
		if (ready & OS_STREAM_WRITABLE)
			write_output(console);
		if (ready & OS_STREAM_READABLE)
			read_input(console);
	}
}

/* --- the device --- */

static void console_start(struct device *device)
{
	struct console *console = device->back;

	os_lock(&console->lock);
	console->enabled = true;
	os_unlock(&console->lock);
	/*
	 * Linux 6.1 reads the size when it is told of a new one, and never before; it keeps that in mind until
	 * its driver is ready. Legacy drivers (2.6.33's) ask by themselves, and might not be.
	 */
	if (device->features_ok)
		device_config_changed(device);
}

static void console_stop(struct device *device)
{
	struct console *console = device->back;

	/* the thread holds the lock while it touches the receive queue */
	os_lock(&console->lock);
	console->enabled = false;
	os_unlock(&console->lock);
}

static void console_kick(struct device *device, u32 queue)
{
	struct console *console = device->back;

	if (queue == QUEUE_TRANSMIT)
		transmit(console);
	else
		os_stream_wake(console->stream);
}

static const struct device_ops console_ops = {
	.id = VIRTIO_ID_CONSOLE,
	.nqueues = 2,
	.queue_size = QUEUE_SIZE,
	.start = console_start,
	.stop = console_stop,
	.kick = console_kick,
};

struct console *console_of(struct device *device)
{
	return device->ops == &console_ops ? device->back : NULL;
}

void console_resize(struct console *console)
{
	u16 columns, rows;

	if (console->interactive && os_terminal_size(&columns, &rows))
		console_sized(console, columns, rows);
}

struct console *console_open(const char *name, struct os_stream *stream, bool interactive,
			     struct error *error)
{
	struct console *console = calloc(1, sizeof(*console));

	if (!console) {
		os_stream_close(stream);
		error_set(error, "out of memory");
		return NULL;
	}
	console->device.ops = &console_ops;
	console->device.name = name;
	console->device.back = console;
	console->stream = stream;
	console->interactive = interactive;
	os_mutex_init(&console->lock);
	os_cond_init(&console->space);
	return console;
}

void console_set_size(struct console *console, u16 columns, u16 rows)
{
	console->columns = columns;
	console->rows = rows;
}

int console_attach(struct console *console, struct vm *vm, u32 index, struct error *error)
{
	struct virtio_console_config config = {
		.columns = console->columns, .rows = console->rows, .max_nr_ports = 1,
	};

	if (console->interactive)
		os_terminal_size(&config.columns, &config.rows);
	/* a size of 0 is one that is not known yet: somebody may attach and have one */
	device_attach(&console->device, vm, index, VIRTIO_CONSOLE_F_SIZE, &config, sizeof(config));
	if (os_thread_start(&console->thread, console->device.name, console_thread, console, error))
		return -1;
	console->has_thread = true;
	return 0;
}

void console_abandon(struct console *console)
{
	os_lock(&console->lock);
	console->abandoned = true;
	os_wake_all(&console->space);
	os_unlock(&console->lock);
}

void console_close(struct console *console, u32 wait_ms)
{
	u64 deadline = os_now_ms() + wait_ms, now;

	if (!console)
		return;
	if (console->has_thread) {
		os_lock(&console->lock);
		while (console->output_bytes && (now = os_now_ms()) < deadline)
			os_wait_ms(&console->space, &console->lock, deadline - now);
		console->quit = true;
		os_unlock(&console->lock);
		os_stream_wake(console->stream);
		os_thread_join(&console->thread);
	}
	os_stream_close(console->stream);
	free(console);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * tuntap: an adapter of TAP-Windows, whose other end we hold. What the host does with it, an
 * address, a bridge, a shared connection, is the host's.
 *
 * A read is a frame of the host's: some are always under way, in the order in which they will be
 * answered. A write is one of the guest's, and lasts as long as the host uses its memory; the guest
 * does not wait for it. An adapter that goes (disabled, its driver exchanged, a
 * host that sleeps) is let go, so that it can, and looked for until it is back.
 */
#include <stdlib.h>
#include <string.h>

#include "io_request_windows.h"
#include "log.h"
#include "tap_windows.h"
#include "text_windows.h"
#include "wire.h"

#define READS		8u
#define WRITES		32u
/* After so many frames the device may have something to send in its turn. */
#define FRAMES_AT_ONCE	64u
#define AGAIN_MS	1000u

struct reading {
	struct io_request request;
	u8 frame[WIRE_FRAME_MAX];
};

struct writing {
	struct io_request request;
	u8 frame[WIRE_FRAME_MAX];
};

struct tap {
	struct wire wire;
	const char *device;
	struct tap_adapter adapter;
	HANDLE wake;
	bool there;			/* what follows is in use */
	u64 again_ms;			/* while it is not: when to look */
	struct tap_device open;
	u32 first, under_way;		/* of the reads */
	u32 next;			/* of the writes: the oldest one */
	struct reading reading[READS];
	struct writing writing[WRITES];
};

static struct tap *to_tap(struct wire *wire)
{
	return (struct tap *)wire;	/* its first member */
}

/* --- the adapter comes and goes --- */

static void let_go(struct tap *tap)
{
	u32 i;

	for (i = 0; i < WRITES; i++)
		io_request_end(&tap->writing[i].request, tap->open.handle);
	for (i = 0; i < READS; i++)
		io_request_end(&tap->reading[i].request, tap->open.handle);
	tap_device_close(&tap->open);
	tap->there = false;
}

static int take(struct tap *tap, const struct tap_adapter *adapter, struct error *error)
{
	bool memory = true;
	u32 i;

	if (tap_device_open(&tap->open, adapter, error))
		return -1;
	if (adapter != &tap->adapter)
		tap->adapter = *adapter;
	tap->there = true;
	tap->first = tap->under_way = tap->next = 0;
	for (i = 0; i < READS; i++)
		memory &= io_request_new(&tap->reading[i].request);
	for (i = 0; i < WRITES; i++)
		memory &= io_request_new(&tap->writing[i].request);
	if (memory)
		return 0;
	let_go(tap);
	return error_set(error, "out of memory");
}

/* A read has failed; GetLastError() tells how. */
static void vanish(struct tap *tap)
{
	log_warn("%s: reading from the host's \"%s\": %s; it is cut off until that is back", tap->device,
		 tap->adapter.shown, os_last_error());
	let_go(tap);
	tap->again_ms = os_now_ms() + AGAIN_MS;
}

static void look_for_it(struct tap *tap)
{
	u64 now = os_now_ms();
	struct error error;

	WaitForSingleObject(tap->wake, tap->again_ms > now ? (DWORD)(tap->again_ms - now) : 0);
	if (os_now_ms() < tap->again_ms)
		return;
	if (take(tap, &tap->adapter, &error)) {
		log_debug("%s: %s", tap->device, error.text);
		tap->again_ms = os_now_ms() + AGAIN_MS;
	} else {
		log_warn("%s: the host's \"%s\" is back", tap->device, tap->adapter.shown);
	}
}

/* --- frames --- */

static void tap_send(struct wire *wire, const void *frame, u32 bytes)
{
	struct tap *tap = to_tap(wire);
	struct writing *writing = &tap->writing[tap->next];
	struct io_request *request = &writing->request;
	u32 written;

	/* lost, as on any cable: nobody is there, or the host is behind with those before */
	if (!tap->there)
		return;
	if (request->pending) {
		switch (io_request_look(request, tap->open.handle, &written)) {
		case IO_UNDER_WAY:
			log_debug("%s: a frame of %u bytes: the host has not yet taken %u others", tap->device,
				  bytes, WRITES);
			return;
		case IO_FAILED:
			log_debug("%s: an earlier frame: %s", tap->device, os_last_error());
			break;
		case IO_FINISHED:
			break;
		}
	}
	memcpy(writing->frame, frame, bytes);
	ResetEvent(request->overlapped.hEvent);
	if (io_request_begun(request, WriteFile(tap->open.handle, writing->frame, bytes, NULL, &request->overlapped)))
		tap->next = (tap->next + 1) % WRITES;
	else
		log_debug("%s: a frame of %u bytes: %s", tap->device, bytes, os_last_error());
}

/* False: the adapter is gone. */
static bool begin_reading(struct tap *tap)
{
	while (tap->under_way < READS) {
		struct reading *reading = &tap->reading[(tap->first + tap->under_way) % READS];
		OVERLAPPED *overlapped = &reading->request.overlapped;

		ResetEvent(overlapped->hEvent);
		/* a frame that is too long has been thrown away by then, and the request has ended */
		if (!io_request_begun(&reading->request, ReadFile(tap->open.handle, reading->frame, WIRE_FRAME_MAX,
								  NULL, overlapped) || GetLastError() == ERROR_MORE_DATA)) {
			vanish(tap);
			return false;
		}
		tap->under_way++;
	}
	return true;
}

static void deliver_some(struct tap *tap)
{
	struct wire *wire = &tap->wire;
	u32 frames = 0, bytes = 0;
	bool more = true;

	while (more && frames++ < FRAMES_AT_ONCE) {
		struct reading *reading = &tap->reading[tap->first];

		switch (io_request_look(&reading->request, tap->open.handle, &bytes)) {
		case IO_UNDER_WAY:
			return;
		case IO_FAILED:
			if (GetLastError() != ERROR_MORE_DATA) {
				vanish(tap);
				return;
			}
			break;		/* longer than a frame: the host's side has a greater MTU */
		case IO_FINISHED:
			if (bytes >= WIRE_FRAME_MIN && bytes <= WIRE_FRAME_MAX)
				more = wire->deliver(wire->arg, reading->frame, bytes);
			break;
		}
		tap->first = (tap->first + 1) % READS;
		tap->under_way--;
		if (!begin_reading(tap))
			return;
	}
}

static void tap_wait(struct wire *wire, bool take)
{
	struct tap *tap = to_tap(wire);

	if (!tap->there) {
		look_for_it(tap);
	} else if (begin_reading(tap)) {
		HANDLE events[2] = { tap->wake, tap->reading[tap->first].request.overlapped.hEvent };

		WaitForMultipleObjects(take ? 2 : 1, events, FALSE, INFINITE);
		if (take)
			deliver_some(tap);
	}
}

static void tap_wake(struct wire *wire)
{
	SetEvent(to_tap(wire)->wake);
}

/* --- opening and closing --- */

static void tap_close(struct wire *wire)
{
	struct tap *tap = to_tap(wire);

	if (tap->there)
		let_go(tap);
	if (tap->wake)
		CloseHandle(tap->wake);
	free(tap);
}

static const struct wire_ops tap_ops = {
	.send = tap_send,
	.wait = tap_wait,
	.wake = tap_wake,
	.close = tap_close,
};

/* The one that is named; without a name the first that nobody has. -1: see error. */
static int take_one(struct tap *tap, const struct tap_adapters *adapters, const char *name, struct error *error)
{
	const struct tap_adapter *adapter;
	struct error one;
	char tried[1000];
	size_t used = 0;
	u32 from = 0;

	adapter = tap_adapter_choose(adapters, name, 0, error);
	if (!adapter)
		return -1;
	if (name)
		return take(tap, adapter, error);
	for (; adapter; adapter = tap_adapter_choose(adapters, NULL, from, &one)) {
		if (!take(tap, adapter, &one))
			return 0;
		if (used < sizeof(tried))
			used += snprintf(tried + used, sizeof(tried) - used, "%s\"%s\": %s", used ? "; " : "",
					 adapter->shown, one.text);
		from = adapter - adapters->list + 1;
	}
	return error_set(error, "no adapter of TAP-Windows can be used: %s", tried);
}

int tap_look(const char *name, char *text, size_t bytes, struct error *error)
{
	const struct tap_adapter *adapter;
	struct tap_adapters adapters;
	struct error no_more;
	size_t used;
	int result;

	result = tap_adapters_find(&adapters, error);
	adapter = result ? NULL : tap_adapter_choose(&adapters, name, 0, error);
	if (adapter)
		used = snprintf(text, bytes, "%s\"%s\", driver %s", name ? "" : "the first that is free: ", adapter->shown,
				adapter->driver);
	else
		result = -1;
	while (adapter && !name) {
		adapter = tap_adapter_choose(&adapters, NULL, adapter - adapters.list + 1, &no_more);
		if (adapter && used < bytes)
			used += snprintf(text + used, bytes - used, "; \"%s\", driver %s", adapter->shown, adapter->driver);
	}
	tap_adapters_free(&adapters);
	return result;
}

struct wire *wire_open_tap(const char *device, const char *name, struct error *error)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	struct tap_adapters adapters;
	int result;

	if (!tap) {
		error_set(error, "out of memory");
		return NULL;
	}
	tap->wire.ops = &tap_ops;
	tap->device = device;
	tap->wake = CreateEventW(NULL, FALSE, FALSE, NULL);
	if (!tap->wake) {
		error_set(error, "an event: %s", os_last_error());
		tap_close(&tap->wire);
		return NULL;
	}
	result = tap_adapters_find(&adapters, error);
	if (!result)
		result = take_one(tap, &adapters, name, error);
	tap_adapters_free(&adapters);
	if (result) {
		tap_close(&tap->wire);
		return NULL;
	}
	log_note("%s: is \"%s\" on the host (%s, version %u.%u, MTU %u)", device, tap->adapter.shown,
		 tap->adapter.driver, tap->open.version[0], tap->open.version[1], tap->open.mtu);
	return &tap->wire;
}

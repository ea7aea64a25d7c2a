// SPDX-License-Identifier: GPL-2.0-only
/* See fake_wire.h. Like a real one it can be woken before it sleeps. */
#include "fake_wire.h"

#include <stdlib.h>
#include <string.h>

#include "os.h"

#define PUT_MAX 2048u

struct fake_wire {
	struct wire wire;
	struct os_mutex lock;
	struct os_cond changed;
	bool woken, echo;
	u32 first, waiting, sent, last_bytes;
	u8 last[WIRE_FRAME_MAX];
	struct {
		u32 bytes;
		u8 frame[WIRE_FRAME_MAX];
	} put[PUT_MAX];
};

static struct fake_wire *to_fake(struct wire *wire)
{
	return (struct fake_wire *)wire;
}

static void fake_send(struct wire *wire, const void *frame, u32 bytes)
{
	struct fake_wire *fake = to_fake(wire);

	os_lock(&fake->lock);
	memcpy(fake->last, frame, bytes);
	fake->last_bytes = bytes;
	fake->sent++;
	os_unlock(&fake->lock);
	if (fake->echo)
		wire->deliver(wire->arg, frame, bytes);
}

static void fake_wait(struct wire *wire, bool take)
{
	struct fake_wire *fake = to_fake(wire);

	os_lock(&fake->lock);
	while (!fake->woken && !(take && fake->waiting))
		os_wait(&fake->changed, &fake->lock);
	fake->woken = false;
	while (take && fake->waiting) {
		take = wire->deliver(wire->arg, fake->put[fake->first].frame,
				     fake->put[fake->first].bytes);
		fake->first = (fake->first + 1) % PUT_MAX;
		fake->waiting--;
	}
	os_unlock(&fake->lock);
}

static void fake_wake(struct wire *wire)
{
	struct fake_wire *fake = to_fake(wire);

	os_lock(&fake->lock);
	fake->woken = true;
	os_wake_all(&fake->changed);
	os_unlock(&fake->lock);
}

static void fake_close(struct wire *wire)
{
	free(to_fake(wire));
}

struct wire *fake_wire(void)
{
	static const struct wire_ops ops = {
		.send = fake_send, .wait = fake_wait, .wake = fake_wake, .close = fake_close,
	};
	struct fake_wire *fake = calloc(1, sizeof(*fake));

	fake->wire.ops = &ops;
	os_mutex_init(&fake->lock);
	os_cond_init(&fake->changed);
	return &fake->wire;
}

bool fake_wire_put(struct wire *wire, const void *frame, u32 bytes)
{
	struct fake_wire *fake = to_fake(wire);
	u32 at;
	bool room;

	os_lock(&fake->lock);
	at = (fake->first + fake->waiting) % PUT_MAX;
	room = fake->waiting < PUT_MAX;
	if (room) {
		memcpy(fake->put[at].frame, frame, bytes);
		fake->put[at].bytes = bytes;
		fake->waiting++;
		os_wake_all(&fake->changed);
	}
	os_unlock(&fake->lock);
	return room;
}

bool fake_wire_idle(struct wire *wire)
{
	struct fake_wire *fake = to_fake(wire);
	bool idle;

	os_lock(&fake->lock);
	idle = !fake->waiting;
	os_unlock(&fake->lock);
	return idle;
}

u32 fake_wire_sent(struct wire *wire, u8 last[WIRE_FRAME_MAX], u32 *bytes)
{
	struct fake_wire *fake = to_fake(wire);
	u32 sent;

	os_lock(&fake->lock);
	memcpy(last, fake->last, fake->last_bytes);
	*bytes = fake->last_bytes;
	sent = fake->sent;
	os_unlock(&fake->lock);
	return sent;
}

void fake_wire_echo(struct wire *wire)
{
	to_fake(wire)->echo = true;
}

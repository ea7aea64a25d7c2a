/* SPDX-License-Identifier: GPL-2.0-only */
/* A network cable with a test at its other end. */
#ifndef FAKE_WIRE_H
#define FAKE_WIRE_H

#include "wire.h"

struct wire *fake_wire(void);
/* Any thread: a frame for the guest; false when there is no room for another. */
bool fake_wire_put(struct wire *wire, const void *frame, u32 bytes);
/* Has the device taken all of them? */
bool fake_wire_idle(struct wire *wire);
/* The guest's frames so far, and the last of them. */
u32 fake_wire_sent(struct wire *wire, u8 last[WIRE_FRAME_MAX], u32 *bytes);
/* Every frame of the guest's comes back to it at once. */
void fake_wire_echo(struct wire *wire);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* The last bytes that were printed, by their position since the beginning. */
#ifndef COLINUX_HISTORY_H
#define COLINUX_HISTORY_H

#include <stddef.h>

#include "colinux_types.h"

#define HISTORY_BYTES	(256u << 10)

struct history {
	u64 printed;			/* bytes, ever */
	u8 bytes[HISTORY_BYTES];	/* a ring: byte n lies at n % HISTORY_BYTES */
};

void history_add(struct history *history, const void *bytes, size_t count);
/*
 * Copies what was printed from *position on, and moves it behind that. What is not
 * kept any more is skipped: *lost says how many bytes that were. Returns the bytes copied.
 */
size_t history_read(const struct history *history, u64 *position, void *buffer, size_t bytes,
		    u64 *lost);

#endif

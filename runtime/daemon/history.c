// SPDX-License-Identifier: GPL-2.0-only
/* The last bytes that were printed. */
#include "history.h"

#include <string.h>

/* From a position on, as far as the ring goes without a turn. */
static size_t in_one_piece(u64 position, size_t bytes)
{
	size_t room = HISTORY_BYTES - position % HISTORY_BYTES;

	return room < bytes ? room : bytes;
}

void history_add(struct history *history, const void *bytes, size_t count)
{
	const u8 *from = bytes;

	while (count) {
		size_t now = in_one_piece(history->printed, count);

		memcpy(history->bytes + history->printed % HISTORY_BYTES, from, now);
		history->printed += now;
		from += now;
		count -= now;
	}
}

size_t history_read(const struct history *history, u64 *position, void *buffer, size_t bytes,
		    u64 *lost)
{
	u64 oldest = history->printed < HISTORY_BYTES ? 0 : history->printed - HISTORY_BYTES;
	size_t done = 0;

	*lost = 0;
	if (*position < oldest) {
		*lost = oldest - *position;
		*position = oldest;
	}
	if (bytes > history->printed - *position)
		bytes = history->printed - *position;
	while (done < bytes) {
		size_t now = in_one_piece(*position, bytes - done);

		memcpy((u8 *)buffer + done, history->bytes + *position % HISTORY_BYTES, now);
		*position += now;
		done += now;
	}
	return done;
}

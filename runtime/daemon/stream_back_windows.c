// SPDX-License-Identifier: GPL-2.0-only
/* What the backs of byte streams on Windows share, see stream_windows.h. */
#include "stream_windows.h"

#include <stdlib.h>

void *stream_back_new(size_t bytes, const struct stream_ops *ops, struct error *error)
{
	struct stream_back *back = calloc(1, bytes);

	if (back)
		back->stop = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (!back || !back->stop) {
		free(back);
		error_set(error, "out of memory");
		return NULL;
	}
	back->ops = ops;
	return back;
}

void stream_back_free(struct stream_back *back)
{
	CloseHandle(back->stop);
	free(back);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control door's request about the guest's memory:
 *
 *	balloon			how it is
 *	balloon MIB		so much the guest shall keep
 *	balloon auto		as much as it finds good, from now on
 *
 * Each is answered at once; the guest gives and takes afterwards, and may not come to all of it:
 *
 *	{"ok":true,"balloon":{"auto":false,"target_mib":128,"actual_mib":200,"given_mib":56,"broken":false}}
 *
 * `actual` is what it has now, of what it began with (actual + given); with `auto` there is no target.
 */
#include "control_parts.h"

#include <stdio.h>
#include <string.h>

#include "option_values.h"

/* "128", "auto"; false: something else. */
static bool parse(const char *words, size_t bytes, u32 *mib)
{
	char text[CONTROL_REQUEST_MAX], word[CONTROL_REQUEST_MAX], end;
	struct error error;

	memcpy(text, words, bytes);
	text[bytes] = '\0';
	_Static_assert(CONTROL_REQUEST_MAX == 256, "the width here");
	if (sscanf(text, "%255s %c", word, &end) != 1)
		return false;
	*mib = BALLOON_AUTO;
	return !strcmp(word, "auto") || !option_number(word, "MiB", 1, CO_MEM_MAX >> 20, mib, &error);
}

void control_balloon(const struct control_view *view, const char *words, size_t bytes,
		     struct json_text *json)
{
	struct error error = { 0 };
	u32 mib;

	if (!view->machine) {
		control_refuse(json, "the guest is just being started or ended");
		return;
	}
	if (!bytes && view->machine->balloon.refusal) {
		control_refuse(json, view->machine->balloon.refusal);
		return;
	}
	if (bytes && !parse(words, bytes, &mib)) {
		control_refuse(json, "expected balloon, or balloon MIB|auto");
		return;
	}
	if (bytes && balloon_keep(&view->machine->balloon, mib, &error)) {
		control_refuse(json, error.text);
		return;
	}
	json_add(json, "{\"ok\":true");
	balloon_tell(&view->machine->balloon, json);
	json_add(json, "}");
}

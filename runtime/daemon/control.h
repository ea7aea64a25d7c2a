/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control door: colinux-ctl's other end.
 *
 * A request is a line of words, an answer a line of JSON:
 *
 *	status			{"ok":true,"name":"linux","state":"running",...}
 *	stats			{"ok":true,"guest":{...},"devices":[...]}
 *	stop, reboot, kill	{"ok":true}, and when it has come to that, a second line:
 *	wait			{"event":"ended","exit_code":0,"reason":""}, or "restarted"
 *	console NAME ...	{"ok":true}, and then it is a console's: see attachment.h
 *	redirect ...		{"ok":true,"interfaces":[...]}: see control_redirect.c
 *	balloon ...		{"ok":true,"balloon":{...}}: see control_balloon.c
 *	anything else		{"ok":false,"error":"..."}
 *
 * A connection serves one request after the other. What is no line of printable
 * ASCII within CONTROL_REQUEST_MAX bytes ends it. Nobody can hold up the others: a
 * connection that has no request for five seconds, or does not take its answer, is
 * ended as well, unless it waits for an event. All of this is one thread's work; the guest's own
 * never waits for it. It waits itself for a network interface's thread, which has something to do
 * at times, but never waits for anybody when it has.
 */
#ifndef COLINUX_CONTROL_H
#define COLINUX_CONTROL_H

#include "attachment.h"
#include "json_text.h"

#define CONTROL_PROTOCOL	1u
#define CONTROL_REQUEST_MAX	256u
#define CONTROL_REPLY_MAX	(48u << 10)
#define CONTROL_REPLY_MIN	200u		/* what a refusal needs */

struct control;

/*
 * Listens under the guest's name (option_guest_name()). A name that was not given but made
 * of a file's may become another one's: NAME-2. NULL: see error; where no name= was given,
 * the daemon can do without: each of the others takes a NULL, too.
 */
struct control *control_open(const struct options *options, struct error *error);
/* Starts the thread that answers. -1: see error. */
int control_start(struct control *control, struct error *error);
/*
 * The machine that is spoken of from now on; NULL: there is none now. Returns when
 * the one before is not looked at any more; those who are attached to its consoles
 * have a moment to get its last words.
 */
void control_set_machine(struct control *control, struct machine *machine);
/* The guest runs again. */
void control_restarted(struct control *control);
/* Tells those who wait how it ended, gives them a moment to take it, and closes the door. */
void control_close(struct control *control, int exit_code, const char *reason);

/* --- control_requests.c; also for the fuzzer: it needs no connection --- */

/* What an answer is made of. */
struct control_view {
	const char *name;
	struct machine *machine;	/* NULL: it is being set up or taken down */
	u64 now_ms;
	struct attachment attachment;	/* out, with CONTROL_ATTACH */
};

enum control_then {
	CONTROL_GO_ON,
	CONTROL_WAIT,		/* the event is to follow */
	CONTROL_ATTACH,
	CONTROL_HANG_UP,
};

/* Answers one line (without its end); json, of at least CONTROL_REPLY_MIN bytes, is one
 * line afterwards, complete. */
enum control_then control_answer(struct control_view *view, const char *line, size_t bytes,
				 struct json_text *json);

#endif

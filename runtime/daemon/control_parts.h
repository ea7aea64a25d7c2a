/* SPDX-License-Identifier: GPL-2.0-only */
/* What the control door's files share: control.c (thread), control_caller.c (connections), control_requests.c
 * control_redirect.c and control_balloon.c (answers). */
#ifndef COLINUX_CONTROL_PARTS_H
#define COLINUX_CONTROL_PARTS_H

#include "control.h"
#include "os_link.h"

#define CONTROL_CALLERS		16u
#define CONTROL_ATTACHED	8u	/* of them: some have to be left for requests */
#define CONTROL_PATIENCE_MS	5000u
#define CONTROL_NO_DEADLINE	(~0ull)

struct caller {
	struct os_link *link;		/* NULL: nobody */
	u64 deadline;			/* for what is unfinished */
	bool waits;			/* for the event */
	bool ends;			/* when its answer is out */
	bool attached, stuck;		/* stuck: the guest does not read its input */
	struct attachment attachment;
	char request[CONTROL_REQUEST_MAX];
	u32 request_bytes;
	char reply[CONTROL_REPLY_MAX];
	u32 reply_start, reply_bytes;
};

struct control {
	struct os_listener *listener;
	struct os_thread thread;
	bool has_thread;
	struct os_mutex lock;
	/* under the lock: */
	struct machine *machine;
	char event[1024];		/* to be told to those who wait */
	u32 life;			/* of the guest; counts its starts */
	bool leaving, left;		/* its last words are, have been handed out */
	struct os_cond told;
	bool closing;
	u32 attached;			/* atomic: to whom the consoles' news are worth a wake-up */
	/* the thread's own */
	char name[OPTIONS_NAME_SIZE];
	u64 accept_again;
	struct caller callers[CONTROL_CALLERS];
};

/* control_requests.c: the answer is this refusal, whatever it was before. */
void control_refuse(struct json_text *json, const char *why);
/* control_redirect.c: answers "redirect", of which the words are what follows. */
void control_redirect(const struct control_view *view, const char *words, size_t bytes,
		      struct json_text *json);
/* control_balloon.c: answers "balloon", likewise. */
void control_balloon(const struct control_view *view, const char *words, size_t bytes,
		     struct json_text *json);

/* control_caller.c: the thread's. Any of these may end the caller: its link is NULL then. */
void caller_begin(struct caller *caller, struct os_link *link);
void caller_end(struct control *control, struct caller *caller);
/* A line, when the one before is out. */
void caller_say(struct control *control, struct caller *caller, const char *line, size_t bytes);
/* Until when it has to have read or written something. */
u64 caller_deadline(const struct caller *caller);
/* What to wait for: OS_LINK_*. */
u32 caller_wants(const struct caller *caller);
/* Obeys what os_links_wait() said of it. */
void caller_serve(struct control *control, struct caller *caller, u32 ready);
/* Of who is attached, before each wait: the guest may have printed or read something.
 * True: it is not up to date yet. */
bool caller_serve_console(struct control *control, struct caller *caller);

#endif

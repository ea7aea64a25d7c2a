// SPDX-License-Identifier: GPL-2.0-only
/* The control door's connections: bytes in, bytes out, and never a wait for anybody. */
#include "control_parts.h"

#include <string.h>

#include "log.h"

void caller_end(struct control *control, struct caller *caller)
{
	if (caller->attached)
		__atomic_fetch_sub(&control->attached, 1, __ATOMIC_SEQ_CST);
	os_link_close(caller->link);
	memset(caller, 0, offsetof(struct caller, request));
	caller->request_bytes = caller->reply_bytes = 0;
}

void caller_begin(struct caller *caller, struct os_link *link)
{
	memset(caller, 0, sizeof(*caller));
	caller->link = link;
	caller->deadline = os_now_ms() + CONTROL_PATIENCE_MS;
}

/* Writes what goes without waiting; what is left has its deadline. */
static void caller_flush(struct control *control, struct caller *caller)
{
	long done;

	while (caller->link && caller->reply_bytes) {
		done = os_link_write(caller->link, caller->reply + caller->reply_start,
				     caller->reply_bytes);
		if (done < 0) {
			caller_end(control, caller);
			return;
		}
		if (!done)
			return;
		caller->reply_start += done;
		caller->reply_bytes -= done;
	}
	if (caller->link && caller->ends)
		caller_end(control, caller);
}

void caller_say(struct control *control, struct caller *caller, const char *line, size_t bytes)
{
	/* one answer at a time: the next request is not looked at before */
	memcpy(caller->reply, line, bytes);
	caller->reply[bytes] = '\n';
	caller->reply_start = 0;
	caller->reply_bytes = bytes + 1;
	caller->deadline = os_now_ms() + CONTROL_PATIENCE_MS;
	caller_flush(control, caller);
}

/* The lock is held. */
static void caller_attach(struct control *control, struct caller *caller,
			  const struct attachment *attachment)
{
	struct console *console = attachment_console(control->machine, attachment->name);

	caller->attachment = *attachment;
	caller->attachment.life = control->life;
	if (attachment->from_now)
		caller->attachment.position = console_printed(console);
	caller->attached = true;
	__atomic_fetch_add(&control->attached, 1, __ATOMIC_SEQ_CST);
}

static void answer(struct control *control, struct caller *caller, size_t bytes)
{
	static char text[CONTROL_REPLY_MAX - 1];	/* one thread's */
	struct control_view view = { .name = control->name, .now_ms = os_now_ms() };
	enum control_then then;
	struct json_text json;

	json_begin(&json, text, sizeof(text));
	os_lock(&control->lock);
	view.machine = control->machine;
	then = control_answer(&view, caller->request, bytes, &json);
	if (then == CONTROL_ATTACH && control->attached >= CONTROL_ATTACHED) {
		json_begin(&json, text, sizeof(text));
		json_add(&json, "{\"ok\":false,\"error\":\"%u are attached already\"}", CONTROL_ATTACHED);
	} else if (then == CONTROL_ATTACH) {
		caller_attach(control, caller, &view.attachment);
	}
	os_unlock(&control->lock);
	caller->waits = then == CONTROL_WAIT;
	caller->ends = then == CONTROL_HANG_UP;
	caller_say(control, caller, json.text, json.used);
}

/* The console of who is attached, with the lock held; NULL: the guest is between two lives. */
static struct console *console_now(struct control *control, struct caller *caller)
{
	struct attachment *attachment = &caller->attachment;
	struct console *console = attachment_console(control->machine, attachment->name);

	if (console && attachment->life != control->life) {
		attachment->life = control->life;
		attachment->position = 0;
		if (attachment->columns)
			console_sized(console, attachment->columns, attachment->rows);
	}
	return console;
}

/* What was typed goes to the guest. */
static void serve_frames(struct control *control, struct caller *caller)
{
	enum frames frames;

	os_lock(&control->lock);
	frames = attachment_input(&caller->attachment, console_now(control, caller),
				  caller->request, &caller->request_bytes);
	os_unlock(&control->lock);
	caller->stuck = frames == FRAMES_STUCK;
	if (frames == FRAMES_WRONG)
		caller_end(control, caller);
}

/* What was printed goes to the caller, as far as it takes it. True: there may be more. */
static bool serve_output(struct control *control, struct caller *caller)
{
	struct console *console;
	u32 pieces = 4;		/* the others have their turn */

	while (caller->link && !caller->reply_bytes && pieces--) {
		os_lock(&control->lock);
		console = console_now(control, caller);
		caller->reply_start = 0;
		caller->reply_bytes = !console ? 0 :
			attachment_output(&caller->attachment, console, caller->reply,
					  sizeof(caller->reply));
		os_unlock(&control->lock);
		if (!caller->reply_bytes)
			return false;
		caller_flush(control, caller);
	}
	/* nobody will tell us of what is there already */
	if (caller->link && !caller->reply_bytes)
		os_listener_wake(control->listener);
	return caller->link;
}

bool caller_serve_console(struct control *control, struct caller *caller)
{
	if (caller->stuck)
		serve_frames(control, caller);
	return caller->link && serve_output(control, caller);
}

/* As long as there are whole requests and nothing waits to be read. */
static void serve_requests(struct control *control, struct caller *caller)
{
	if (caller->attached)
		serve_frames(control, caller);
	while (caller->link && !caller->attached && !caller->reply_bytes) {
		char *end = memchr(caller->request, '\n', caller->request_bytes);
		size_t bytes = end ? (size_t)(end - caller->request) : caller->request_bytes;

		if (!end && caller->request_bytes < sizeof(caller->request))
			return;
		/* without its end it is too long, and answered as such */
		answer(control, caller, bytes);
		if (!caller->link || !end)
			return;
		caller->request_bytes -= bytes + 1;
		memmove(caller->request, end + 1, caller->request_bytes);
		/* what follows are frames */
		if (caller->attached)
			serve_frames(control, caller);
	}
}

static void caller_read(struct control *control, struct caller *caller)
{
	long done = os_link_read(caller->link, caller->request + caller->request_bytes,
				 sizeof(caller->request) - caller->request_bytes);

	if (done < 0) {
		caller_end(control, caller);
		return;
	}
	/* a byte now and then does not make a request last longer */
	if (!caller->request_bytes && done)
		caller->deadline = os_now_ms() + CONTROL_PATIENCE_MS;
	caller->request_bytes += done;
	serve_requests(control, caller);
}

/* Who waits for the event may wait for ever; who is attached loses output, not the connection. */
u64 caller_deadline(const struct caller *caller)
{
	if (caller->attached)
		return CONTROL_NO_DEADLINE;
	return caller->waits && !caller->reply_bytes && !caller->request_bytes ? CONTROL_NO_DEADLINE :
	       caller->deadline;
}

u32 caller_wants(const struct caller *caller)
{
	u32 wanted = caller->reply_bytes ? OS_LINK_WRITABLE : 0;

	/* one request after the other; what is typed, whenever the guest takes it */
	if (caller->attached ? !caller->stuck : !caller->reply_bytes)
		wanted |= OS_LINK_READABLE;
	return wanted;
}

void caller_serve(struct control *control, struct caller *caller, u32 ready)
{
	if (ready & OS_LINK_WRITABLE) {
		caller_flush(control, caller);
		if (caller->link)
			serve_requests(control, caller);
	}
	if (caller->link && (ready & OS_LINK_READABLE) &&
	    caller->request_bytes < sizeof(caller->request))
		caller_read(control, caller);
	else if (caller->link && (ready & OS_LINK_GONE))
		caller_end(control, caller);
	if (caller->link && os_now_ms() >= caller_deadline(caller)) {
		log_info("control: a caller was too slow");
		caller_end(control, caller);
	}
}

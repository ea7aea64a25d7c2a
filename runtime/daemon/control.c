// SPDX-License-Identifier: GPL-2.0-only
/* The control door's thread, and the main thread's side of it. What is answered: control_requests.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_parts.h"
#include "log.h"
#include "option_keys.h"

#define FAREWELL_MS	1000u
#define ACCEPT_AGAIN_MS	100u
#define NAMES_TRIED	99u

/* --- the thread --- */

static void accept_callers(struct control *control)
{
	struct os_link *link = NULL;
	u32 accepted = 0, i;

	for (i = 0; i < CONTROL_CALLERS; i++) {
		if (control->callers[i].link)
			continue;
		link = os_listener_accept(control->listener);
		if (!link)
			break;
		caller_begin(&control->callers[i], link);
		accepted++;
	}
	/* somebody is there and cannot come in: out of descriptors, perhaps */
	if (!link && !accepted)
		control->accept_again = os_now_ms() + ACCEPT_AGAIN_MS;
}

static void tell_event(struct control *control, const char *event)
{
	u32 i;

	for (i = 0; i < CONTROL_CALLERS; i++) {
		struct caller *caller = &control->callers[i];

		if (!caller->link || !caller->waits)
			continue;
		caller->waits = false;
		/* its first line is still on the way: then it reads nothing, and has to go */
		if (caller->reply_bytes)
			caller_end(control, caller);
		else
			caller_say(control, caller, event, strlen(event));
	}
}

/* What to wait for; returns how many there are. *next: the first deadline. */
static u32 list_waits(struct control *control, struct os_link_wait *waits, u32 *number, u64 *next)
{
	u32 count = 0, i;

	*next = CONTROL_NO_DEADLINE;
	for (i = 0; i < CONTROL_CALLERS; i++) {
		struct caller *caller = &control->callers[i];

		if (!caller->link)
			continue;
		number[count] = i;
		waits[count].link = caller->link;
		waits[count++].wanted = caller_wants(caller);
		if (caller_deadline(caller) < *next)
			*next = caller_deadline(caller);
	}
	return count;
}

/* Before each wait: the guest may have printed something, or read its input. */
static void serve_attached(struct control *control)
{
	bool behind = false;
	u32 i;

	for (i = 0; i < CONTROL_CALLERS; i++) {
		struct caller *caller = &control->callers[i];

		if (caller->link && caller->attached)
			behind |= caller_serve_console(control, caller);
	}
	os_lock(&control->lock);
	if (control->leaving && !behind) {
		control->left = true;
		os_wake_all(&control->told);
	}
	os_unlock(&control->lock);
}

static bool all_told(const struct control *control)
{
	u32 i;

	for (i = 0; i < CONTROL_CALLERS; i++)
		if (control->callers[i].link && control->callers[i].reply_bytes)
			return false;
	return true;
}

static void control_thread(void *arg)
{
	struct control *control = arg;
	struct os_link_wait waits[CONTROL_CALLERS];
	u32 number[CONTROL_CALLERS], count, i;
	char event[sizeof(control->event)];
	u64 now, next, farewell = 0;
	bool closing;

	for (;;) {
		os_lock(&control->lock);
		closing = control->closing;
		memcpy(event, control->event, sizeof(event));
		/* the last one is for those, too, who ask for it in the last moment */
		if (!closing)
			control->event[0] = '\0';
		os_unlock(&control->lock);
		if (event[0])
			tell_event(control, event);
		now = os_now_ms();
		if (closing && !farewell)
			farewell = now + FAREWELL_MS;
		if (closing && (all_told(control) || now >= farewell))
			return;
		serve_attached(control);
		count = list_waits(control, waits, number, &next);
		if (closing && farewell < next)
			next = farewell;
		if (control->accept_again > now && control->accept_again < next)
			next = control->accept_again;
		if (os_links_wait(control->listener, !closing && count < CONTROL_CALLERS &&
				  control->accept_again <= now, waits, count,
				  next == CONTROL_NO_DEADLINE ? ~0u : next > now ? (u32)(next - now) : 0))
			accept_callers(control);
		for (i = 0; i < count; i++)
			caller_serve(control, &control->callers[number[i]], waits[i].ready);
	}
}

/* --- for the main thread --- */

static int take_name(struct control *control, const struct options *options, struct error *error)
{
	char wanted[OPTIONS_NAME_SIZE];
	bool given = option_guest_name(options, wanted), taken = true;
	u32 i;

	snprintf(control->name, sizeof(control->name), "%s", wanted);
	for (i = 2; !control->listener && taken && i < NAMES_TRIED; i++) {
		control->listener = os_listener_open(control->name, &taken, error);
		if (given)
			break;
		if (!control->listener)
			snprintf(control->name, sizeof(control->name), "%.*s-%u",
				 OPTIONS_NAME_SIZE - 5, wanted, i);
	}
	return control->listener ? 0 : -1;
}

struct control *control_open(const struct options *options, struct error *error)
{
	struct control *control = calloc(1, sizeof(*control));

	if (!control) {
		error_set(error, "out of memory");
		return NULL;
	}
	os_mutex_init(&control->lock);
	os_cond_init(&control->told);
	if (!take_name(control, options, error))
		return control;
	free(control);
	return NULL;
}

int control_start(struct control *control, struct error *error)
{
	if (!control)
		return 0;
	if (os_thread_start(&control->thread, "control", control_thread, control, error))
		return -1;
	control->has_thread = true;
	return 0;
}

/* A console's news, from any thread. */
static void console_changed(void *arg)
{
	struct control *control = arg;

	if (__atomic_load_n(&control->attached, __ATOMIC_SEQ_CST))
		os_listener_wake(control->listener);
}

static void watch_consoles(struct machine *machine, void (*changed)(void *), void *arg)
{
	struct console *console;
	u32 i;

	for (i = 0; i < machine->ndevices; i++) {
		console = console_of(machine->device[i]);
		if (console)
			console_watch(console, changed, arg);
	}
}

/* The lock is held: those who are attached take the guest's last words, if they do it soon. */
static void hand_out_last_words(struct control *control)
{
	u64 deadline = os_now_ms() + FAREWELL_MS, now;

	control->leaving = true;
	control->left = false;
	os_listener_wake(control->listener);
	while (!control->left && (now = os_now_ms()) < deadline)
		os_wait_ms(&control->told, &control->lock, deadline - now);
	control->leaving = false;
}

void control_set_machine(struct control *control, struct machine *machine)
{
	if (!control)
		return;
	os_lock(&control->lock);
	if (control->machine && !machine) {
		hand_out_last_words(control);
		watch_consoles(control->machine, NULL, NULL);
	}
	control->machine = machine;
	control->life += machine != NULL;
	os_unlock(&control->lock);
	if (machine) {
		watch_consoles(machine, console_changed, control);
		os_listener_wake(control->listener);	/* it may have said something already */
	}
}

static void post_event(struct control *control, const char *event, int exit_code,
		       const char *reason)
{
	struct json_text json;
	char text[sizeof(control->event)], printable[300];

	json_begin(&json, text, sizeof(text));
	json_add(&json, "{");
	json_member_string(&json, "event", event);
	json_member_number(&json, "exit_code", exit_code);
	json_member_string(&json, "reason",
			   log_printable(printable, sizeof(printable), reason, strlen(reason), 1));
	json_add(&json, "}");
	os_lock(&control->lock);
	memcpy(control->event, text, sizeof(text));
	os_unlock(&control->lock);
}

void control_restarted(struct control *control)
{
	if (!control)
		return;
	post_event(control, "restarted", 0, "");
	os_listener_wake(control->listener);
}

void control_close(struct control *control, int exit_code, const char *reason)
{
	u32 i;

	if (!control)
		return;
	control_set_machine(control, NULL);
	post_event(control, "ended", exit_code, reason);
	os_lock(&control->lock);
	control->closing = true;
	os_unlock(&control->lock);
	os_listener_wake(control->listener);
	if (control->has_thread)
		os_thread_join(&control->thread);
	for (i = 0; i < CONTROL_CALLERS; i++)
		if (control->callers[i].link)
			os_link_close(control->callers[i].link);
	os_listener_close(control->listener);
	free(control);
}

// SPDX-License-Identifier: GPL-2.0-only
/* The control door: its thread and its connections. What is answered: control_requests.c. */
#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "option_keys.h"
#include "os_link.h"

#define CLIENTS_MAX	16u
#define PATIENCE_MS	5000u
#define FAREWELL_MS	1000u
#define ACCEPT_AGAIN_MS	100u
#define NAMES_TRIED	99u
#define NO_DEADLINE	(~0ull)

struct client {
	struct os_link *link;		/* NULL: nobody */
	u64 deadline;			/* for what is unfinished */
	bool waits;			/* for the event */
	bool ends;			/* when its answer is out */
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
	bool closing;
	/* the thread's own */
	char name[OPTIONS_NAME_SIZE];
	u64 accept_again;
	struct client clients[CLIENTS_MAX];
};

/* --- a client --- */

static void client_end(struct client *client)
{
	os_link_close(client->link);
	memset(client, 0, offsetof(struct client, request));
	client->request_bytes = client->reply_bytes = 0;
}

static void client_begin(struct client *client, struct os_link *link)
{
	memset(client, 0, sizeof(*client));
	client->link = link;
	client->deadline = os_now_ms() + PATIENCE_MS;
}

/* Writes what goes without waiting; what is left has its deadline. */
static void client_flush(struct client *client)
{
	long done;

	while (client->link && client->reply_bytes) {
		done = os_link_write(client->link, client->reply + client->reply_start,
				     client->reply_bytes);
		if (done < 0) {
			client_end(client);
			return;
		}
		if (!done)
			return;
		client->reply_start += done;
		client->reply_bytes -= done;
	}
	if (client->link && client->ends)
		client_end(client);
}

static void client_say(struct client *client, const char *line, size_t bytes)
{
	/* one answer at a time: the next request is not looked at before */
	memcpy(client->reply, line, bytes);
	client->reply[bytes] = '\n';
	client->reply_start = 0;
	client->reply_bytes = bytes + 1;
	client->deadline = os_now_ms() + PATIENCE_MS;
	client_flush(client);
}

static void answer(struct control *control, struct client *client, size_t bytes)
{
	static char text[CONTROL_REPLY_MAX - 1];	/* one thread's */
	struct control_view view = { .name = control->name, .now_ms = os_now_ms() };
	enum control_then then;
	struct json_text json;

	json_begin(&json, text, sizeof(text));
	os_lock(&control->lock);
	view.machine = control->machine;
	then = control_answer(&view, client->request, bytes, &json);
	os_unlock(&control->lock);
	client->waits = then == CONTROL_WAIT;
	client->ends = then == CONTROL_HANG_UP;
	client_say(client, json.text, json.used);
}

/* As long as there are whole requests and nothing waits to be read. */
static void serve_requests(struct control *control, struct client *client)
{
	while (client->link && !client->reply_bytes) {
		char *end = memchr(client->request, '\n', client->request_bytes);
		size_t bytes = end ? (size_t)(end - client->request) : client->request_bytes;

		if (!end && client->request_bytes < sizeof(client->request))
			return;
		/* without its end it is too long, and answered as such */
		answer(control, client, bytes);
		if (!client->link || !end)
			return;
		client->request_bytes -= bytes + 1;
		memmove(client->request, end + 1, client->request_bytes);
	}
}

static void client_read(struct control *control, struct client *client)
{
	long done = os_link_read(client->link, client->request + client->request_bytes,
				 sizeof(client->request) - client->request_bytes);

	if (done < 0) {
		client_end(client);
		return;
	}
	/* a byte now and then does not make a request last longer */
	if (!client->request_bytes && done)
		client->deadline = os_now_ms() + PATIENCE_MS;
	client->request_bytes += done;
	serve_requests(control, client);
}

/* Who only waits for the event may wait for ever. */
static u64 deadline_of(const struct client *client)
{
	return client->waits && !client->reply_bytes && !client->request_bytes ? NO_DEADLINE :
	       client->deadline;
}

/* --- the thread --- */

static void accept_clients(struct control *control)
{
	struct os_link *link = NULL;
	u32 accepted = 0, i;

	for (i = 0; i < CLIENTS_MAX; i++) {
		if (control->clients[i].link)
			continue;
		link = os_listener_accept(control->listener);
		if (!link)
			break;
		client_begin(&control->clients[i], link);
		accepted++;
	}
	/* somebody is there and cannot come in: out of descriptors, perhaps */
	if (!link && !accepted)
		control->accept_again = os_now_ms() + ACCEPT_AGAIN_MS;
}

static void tell_event(struct control *control, const char *event)
{
	u32 i;

	for (i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &control->clients[i];

		if (!client->link || !client->waits)
			continue;
		client->waits = false;
		/* its first line is still on the way: then it reads nothing, and has to go */
		if (client->reply_bytes)
			client_end(client);
		else
			client_say(client, event, strlen(event));
	}
}

/* What to wait for; returns how many there are. *next: the first deadline. */
static u32 list_waits(struct control *control, struct os_link_wait *waits, u32 *number, u64 *next)
{
	u32 count = 0, i;

	*next = NO_DEADLINE;
	for (i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &control->clients[i];

		if (!client->link)
			continue;
		number[count] = i;
		waits[count].link = client->link;
		waits[count++].wanted = client->reply_bytes ? OS_LINK_WRITABLE : OS_LINK_READABLE;
		if (deadline_of(client) < *next)
			*next = deadline_of(client);
	}
	return count;
}

static void serve_client(struct control *control, struct client *client, u32 ready)
{
	if (ready & OS_LINK_WRITABLE) {
		client_flush(client);
		serve_requests(control, client);
	} else if (ready & OS_LINK_READABLE) {
		client_read(control, client);
	} else if (ready & OS_LINK_GONE) {
		client_end(client);
	}
	if (client->link && os_now_ms() >= deadline_of(client)) {
		log_info("control: a client was too slow");
		client_end(client);
	}
}

static bool all_told(const struct control *control)
{
	u32 i;

	for (i = 0; i < CLIENTS_MAX; i++)
		if (control->clients[i].link && control->clients[i].reply_bytes)
			return false;
	return true;
}

static void control_thread(void *arg)
{
	struct control *control = arg;
	struct os_link_wait waits[CLIENTS_MAX];
	u32 number[CLIENTS_MAX], count, i;
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
		count = list_waits(control, waits, number, &next);
		if (closing && farewell < next)
			next = farewell;
		if (control->accept_again > now && control->accept_again < next)
			next = control->accept_again;
		if (os_links_wait(control->listener, !closing && count < CLIENTS_MAX &&
				  control->accept_again <= now, waits, count,
				  next == NO_DEADLINE ? ~0u : next > now ? (u32)(next - now) : 0))
			accept_clients(control);
		for (i = 0; i < count; i++)
			serve_client(control, &control->clients[number[i]], waits[i].ready);
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
	if (take_name(control, options, error))
		goto free_control;
	if (os_thread_start(&control->thread, "control", control_thread, control, error))
		goto close_listener;
	return control;
close_listener:
	os_listener_close(control->listener);
free_control:
	free(control);
	return NULL;
}

void control_set_machine(struct control *control, struct machine *machine)
{
	if (!control)
		return;
	os_lock(&control->lock);
	control->machine = machine;
	os_unlock(&control->lock);
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
	os_thread_join(&control->thread);
	for (i = 0; i < CLIENTS_MAX; i++)
		if (control->clients[i].link)
			os_link_close(control->clients[i].link);
	os_listener_close(control->listener);
	free(control);
}

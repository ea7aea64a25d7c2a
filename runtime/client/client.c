// SPDX-License-Identifier: GPL-2.0-only
/* Finding running daemons and asking them. */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_read.h"

/* --- finding --- */

struct list {
	char (*names)[CLIENT_NAME_SIZE];
	int count;
	bool out_of_memory, refused;
	struct error refusal;	/* of one that is there, and does not let us in */
};

/* Of the names those count behind which somebody answers. */
static void add_name(void *arg, const char *name)
{
	struct list *list = arg;
	char (*more)[CLIENT_NAME_SIZE];
	struct client_link *link;
	bool absent;

	if (strlen(name) >= CLIENT_NAME_SIZE)
		return;
	link = client_open(name, &absent, &list->refusal);
	list->refused |= !link && !absent;
	if (!link)
		return;
	client_close(link);
	more = realloc(list->names, (list->count + 1) * sizeof(*more));
	if (!more) {
		list->out_of_memory = true;
		return;
	}
	list->names = more;
	strcpy(list->names[list->count++], name);
}

static int by_name(const void *one, const void *other)
{
	return strcmp(one, other);
}

int client_list(char (**names)[CLIENT_NAME_SIZE], struct error *error)
{
	struct list list = { 0 };
	int result = client_names(add_name, &list, error);

	if (!result && list.out_of_memory)
		result = error_set(error, "out of memory");
	/* to say that there are none would not be true */
	if (!result && !list.count && list.refused)
		result = error_set(error, "%s", list.refusal.text);
	if (result) {
		free(list.names);
		return -1;
	}
	if (list.count)
		qsort(list.names, list.count, sizeof(*list.names), by_name);
	*names = list.names;
	return list.count;
}

/* Which one is meant, or which there are. */
static int choose(const char *name, char chosen[CLIENT_NAME_SIZE], struct error *error)
{
	char (*names)[CLIENT_NAME_SIZE], text[1000] = "";
	int count = client_list(&names, error), i;
	size_t used = 0;

	if (count < 0)
		return -1;
	if (!name && count == 1)
		strcpy(chosen, names[0]);
	for (i = 0; i < count && used < sizeof(text) - CLIENT_NAME_SIZE - 2; i++)
		used += sprintf(text + used, " %s", names[i]);
	free(names);
	if (!count)
		return error_set(error, "no guest is running");
	if (name)
		return error_set(error, "no guest %.40s is running; there are:%s", name, text);
	return count == 1 ? 0 : error_set(error, "which one? There are:%s", text);
}

struct client_link *client_connect(const char *name, char chosen[CLIENT_NAME_SIZE], struct error *error)
{
	struct client_link *link;
	bool absent;

	if (!name) {
		if (choose(NULL, chosen, error))
			return NULL;
		name = chosen;
	} else if (strlen(name) >= CLIENT_NAME_SIZE || strpbrk(name, "/\\")) {
		error_set(error, "%.80s: is no guest's name", name);
		return NULL;
	} else {
		strcpy(chosen, name);
	}
	link = client_open(name, &absent, error);
	if (!link && absent)
		choose(name, chosen, error);
	return link;
}

/* --- asking --- */

/* What is left of the time; -1: for ever. */
static int left_of(int ms, long long until)
{
	long long left = until - client_now_ms();

	return ms < 0 ? -1 : left > 0 ? (int)left : 0;
}

static int complain(long result, struct error *error)
{
	if (result == CLIENT_LATE)
		return error_set(error, "the guest's daemon does not answer");
	if (result == CLIENT_CLOSED)
		return error_set(error, "the guest's daemon has closed the connection");
	return -1;
}

static int send_line(struct client_link *link, const char *request, int ms, long long until,
		     struct error *error)
{
	char line[300];
	size_t bytes = snprintf(line, sizeof(line), "%s\n", request), sent = 0;
	long now;

	while (sent < bytes) {
		now = client_send(link, line + sent, bytes - sent, left_of(ms, until), error);
		if (now <= 0)
			return complain(now, error);
		sent += now;
	}
	return 0;
}

int client_ask(struct client_link *link, const char *request, char reply[CLIENT_REPLY_MAX], int ms,
	       struct error *error)
{
	long long until = client_now_ms() + ms;
	size_t have = 0;
	long now;

	if (request && send_line(link, request, ms, until, error))
		return -1;
	do {
		if (have + 1 >= CLIENT_REPLY_MAX)
			return error_set(error, "the guest's daemon answers too much");
		now = client_receive(link, reply + have, CLIENT_REPLY_MAX - 1 - have, left_of(ms, until),
				     error);
		if (now <= 0)
			return complain(now, error);
		have += now;
	} while (reply[have - 1] != '\n');
	reply[have - 1] = '\0';
	return 0;
}

int client_refused(const char *reply, struct error *error)
{
	char text[300];

	if (json_true(json_find(reply, "ok")))
		return 0;
	json_string(json_find(reply, "error"), text, sizeof(text));
	return error_set(error, "%s", text[0] ? text : "the answer is none of a guest's daemon");
}

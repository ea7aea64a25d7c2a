// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control door's request about ports of the host's that lead into the guest:
 *
 *	redirect				what is open, of each slirp network
 *	redirect add|remove [ethN] TEXT		TEXT as in ethN=slirp,,TEXT; all of it or nothing
 *
 * Each is answered by the interfaces as they are then:
 *
 *	{"ok":true,"interfaces":[{"name":"eth0","redirections":[{"text":"tcp:127.0.0.1:2222:22",
 *	 "protocol":"tcp","address":"127.0.0.1","host":2222,"guest":22,"count":1}]}]}
 *
 * A connection that came in by a port lives on when that is closed.
 */
#include "control_parts.h"

#include <stdio.h>
#include <string.h>

#include "option_values.h"

#define NONE	OPTIONS_NETS

/* The only slirp network; NONE: see error. */
static u32 only_one(const struct machine *machine, struct error *error)
{
	char names[OPTIONS_NETS * 8] = "";
	u32 i, found = NONE, count = 0;
	size_t used = 0;

	for (i = 0; i < OPTIONS_NETS; i++) {
		if (!machine->net[i] || !net_redirects(machine->net[i]))
			continue;
		used += snprintf(names + used, sizeof(names) - used, " eth%u", i);
		found = i;
		count++;
	}
	if (count == 1)
		return found;
	if (count)
		error_set(error, "which network? There are:%s", names);
	else
		error_set(error, "the guest has no slirp network (ethN=slirp)");
	return NONE;
}

static u32 by_name(const struct machine *machine, const char *name, struct error *error)
{
	int number = option_key_index(name, strlen(name), "eth", OPTIONS_NETS);

	if (number >= 0 && machine->net[number])
		return number;
	error_set(error, "the guest has no network %s", name);
	return NONE;
}

static void add_interface(struct json_text *json, u32 number, const struct option_redirects *open)
{
	char text[REDIRECT_TEXT_SIZE], name[8];
	u32 i;

	snprintf(name, sizeof(name), "eth%u", number);
	json_next(json);
	json_add(json, "{");
	json_member_string(json, "name", name);
	json_member_open(json, "redirections", '[');
	for (i = 0; i < open->count; i++) {
		const struct option_redirect *one = &open->entry[i];
		const u8 *at = one->address;

		json_next(json);
		json_add(json, "{");
		json_member_string(json, "text", redirect_text(one, text));
		json_member_string(json, "protocol", one->udp ? "udp" : "tcp");
		snprintf(text, sizeof(text), "%u.%u.%u.%u", at[0], at[1], at[2], at[3]);
		json_member_string(json, "address", text);
		json_member_number(json, "host", one->host);
		json_member_number(json, "guest", one->guest);
		json_member_number(json, "count", one->count);
		json_add(json, "}");
	}
	json_add(json, "]}");
}

static void list(struct machine *machine, struct json_text *json)
{
	static const struct option_redirects none;
	struct option_redirects open;
	struct error error;
	u32 i;

	json_add(json, "{\"ok\":true");
	json_member_open(json, "interfaces", '[');
	for (i = 0; i < OPTIONS_NETS; i++)
		if (machine->net[i] && net_redirects(machine->net[i]) &&
		    !redirect_net(machine, i, REDIRECTS_LIST, &none, &open, &error))
			add_interface(json, i, &open);
	json_add(json, "]}");
}

/* How many words there are: ACTION, perhaps ethN, TEXT. */
static int split(const char *words, size_t bytes, char word[3][CONTROL_REQUEST_MAX])
{
	char text[CONTROL_REQUEST_MAX], end;

	memcpy(text, words, bytes);
	text[bytes] = '\0';
	_Static_assert(CONTROL_REQUEST_MAX == 256, "the widths here");
	return sscanf(text, "%255s %255s %255s %c", word[0], word[1], word[2], &end);
}

void control_redirect(const struct control_view *view, const char *words, size_t bytes,
		      struct json_text *json)
{
	char word[3][CONTROL_REQUEST_MAX];
	struct option_redirects asked = { 0 }, open;
	int count = split(words, bytes, word);
	struct error error = { 0 };
	bool add;
	u32 net;

	if (!view->machine) {
		control_refuse(json, "the guest is just being started or ended");
		return;
	}
	if (count <= 0) {
		list(view->machine, json);
		return;
	}
	add = !strcmp(word[0], "add");
	if ((!add && strcmp(word[0], "remove")) || count < 2 || count > 3) {
		control_refuse(json, "expected redirect, or redirect add|remove [ethN] PROTOCOL:HOST-PORT:GUEST-PORT");
		return;
	}
	net = count == 3 ? by_name(view->machine, word[1], &error) : only_one(view->machine, &error);
	if (net == NONE || redirects_parse(&asked, word[count - 1], &error) ||
	    (!asked.count && error_set(&error, "expected PROTOCOL:HOST-PORT:GUEST-PORT")) ||
	    redirect_net(view->machine, net, add ? REDIRECTS_OPEN : REDIRECTS_CLOSE, &asked, &open, &error)) {
		control_refuse(json, error.text);
		return;
	}
	json_add(json, "{\"ok\":true");
	json_member_open(json, "interfaces", '[');
	add_interface(json, net, &open);
	json_add(json, "]}");
}

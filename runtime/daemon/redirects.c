// SPDX-License-Identifier: GPL-2.0-only
/* Redirections: ports of the host's that lead into the guest. */
#include "redirects.h"

#include <stdio.h>
#include <string.h>

#include "option_values.h"

#define PORTS_MAX 1024u		/* of a redirection's COUNT: each one is an open socket */

/* --- their language --- */

static bool read_address(const char *text, u8 address[4])
{
	unsigned int part[4], i;
	char end;

	if (strspn(text, "0123456789.") != strlen(text) || strlen(text) > 15 ||
	    sscanf(text, "%u.%u.%u.%u%c", &part[0], &part[1], &part[2], &part[3], &end) != 4)
		return false;
	for (i = 0; i < 4; i++) {
		if (part[i] > 255)
			return false;
		address[i] = part[i];
	}
	return true;
}

static int parse_port(const char *text, u16 *port, struct error *error)
{
	u32 number;

	if (option_number(text, "ports", 1, 65535, &number, error))
		return error_set(error, "%.20s is no port, 1 to 65535", text);
	*port = number;
	return 0;
}

/* tcp:2222:22, udp:5353:53:2, tcp:0.0.0.0:80:80 */
static int parse_redirect(struct option_redirects *list, char *text, struct error *error)
{
	struct option_redirect *redirect = &list->entry[list->count];
	char *part[5] = { text }, shown[60], **port = &part[1];
	u32 parts = 1, count = 1;

	snprintf(shown, sizeof(shown), "%s", *text ? text : "\"\"");
	if (list->count == OPTIONS_REDIRECTS)
		return error_set(error, "there is room for %u redirections", OPTIONS_REDIRECTS);
	while ((text = strchr(text, ':')) && parts < 5) {
		*text++ = '\0';
		part[parts++] = text;
	}
	*redirect = (struct option_redirect){ .udp = !strcmp(part[0], "udp"), .address = { 127, 0, 0, 1 } };
	if (!redirect->udp && strcmp(part[0], "tcp"))
		return error_set(error, "%s: expected tcp:HOST-PORT:GUEST-PORT, or udp:", shown);
	if (parts > 1 && strchr(part[1], '.')) {
		if (!read_address(part[1], redirect->address))
			return error_set(error, "%s: %.20s is no address of the host's", shown, part[1]);
		port++;
		parts--;
	}
	if (text || parts < 3 || parts > 4)
		return error_set(error, "%s: expected PROTOCOL:HOST-PORT:GUEST-PORT, and perhaps :COUNT",
				 shown);
	if (parse_port(port[0], &redirect->host, error) || parse_port(port[1], &redirect->guest, error))
		return -1;
	if (parts == 4 && option_number(port[2], "ports", 1, PORTS_MAX, &count, error))
		return -1;
	if (redirect->host + count > 65536 || redirect->guest + count > 65536)
		return error_set(error, "%s: ports end at 65535", shown);
	redirect->count = count;
	list->count++;
	return 0;
}

int redirects_parse(struct option_redirects *list, char *text, struct error *error)
{
	char *next;

	for (; text && *text; text = next) {
		next = strchr(text, '/');
		if (next)
			*next++ = '\0';
		if (parse_redirect(list, text, error))
			return -1;
	}
	return 0;
}

const char *redirect_text(const struct option_redirect *redirect, char out[REDIRECT_TEXT_SIZE])
{
	const u8 *at = redirect->address;
	int used = snprintf(out, REDIRECT_TEXT_SIZE, "%s:%u.%u.%u.%u:%u:%u", redirect->udp ? "udp" : "tcp",
			    at[0], at[1], at[2], at[3], redirect->host, redirect->guest);

	if (redirect->count != 1)
		snprintf(out + used, REDIRECT_TEXT_SIZE - used, ":%u", redirect->count);
	return out;
}

/* --- those of a wire --- */

static bool same(const struct option_redirect *a, const struct option_redirect *b)
{
	return a->udp == b->udp && !memcmp(a->address, b->address, 4) && a->host == b->host &&
	       a->guest == b->guest && a->count == b->count;
}

/* Do both want a port of the host's? 0.0.0.0 is all of its addresses. */
static bool overlap(const struct option_redirect *a, const struct option_redirect *b)
{
	static const u8 every[4];

	return a->udp == b->udp && a->host < b->host + b->count && b->host < a->host + a->count &&
	       (!memcmp(a->address, b->address, 4) || !memcmp(a->address, every, 4) ||
		!memcmp(b->address, every, 4));
}

static int open_one(struct wire *wire, const char *device, const struct option_redirect *redirect,
		    struct error *error)
{
	struct option_redirects *open = &wire->redirects;
	char text[REDIRECT_TEXT_SIZE], other[REDIRECT_TEXT_SIZE];
	u32 i;

	for (i = 0; i < open->count; i++)
		if (overlap(&open->entry[i], redirect))
			return error_set(error, "%s: %s has %s already", redirect_text(redirect, text),
					 device, redirect_text(&open->entry[i], other));
	if (open->count == OPTIONS_REDIRECTS)
		return error_set(error, "%s has room for %u redirections", device, OPTIONS_REDIRECTS);
	if (wire->ops->open_ports(wire, redirect, error))
		return -1;
	open->entry[open->count++] = *redirect;
	return 0;
}

/* Its number among the open ones; -1: it is none of them. */
static int find(const struct wire *wire, const struct option_redirect *redirect)
{
	u32 i;

	for (i = 0; i < wire->redirects.count; i++)
		if (same(&wire->redirects.entry[i], redirect))
			return i;
	return -1;
}

/* It is there; the others keep their order. */
static void close_one(struct wire *wire, const struct option_redirect *redirect)
{
	struct option_redirects *open = &wire->redirects;
	int at = find(wire, redirect);

	wire->ops->close_ports(wire, redirect);
	open->count--;
	memmove(&open->entry[at], &open->entry[at + 1], (open->count - at) * sizeof(*open->entry));
}

static int close_all(struct wire *wire, const char *device, const struct option_redirects *asked,
		     struct error *error)
{
	char text[REDIRECT_TEXT_SIZE];
	u32 i, other;

	for (i = 0; i < asked->count; i++) {
		if (find(wire, &asked->entry[i]) < 0)
			return error_set(error, "%s has no redirection %s", device,
					 redirect_text(&asked->entry[i], text));
		for (other = 0; other < i; other++)
			if (same(&asked->entry[i], &asked->entry[other]))
				return error_set(error, "%s is given twice",
						 redirect_text(&asked->entry[i], text));
	}
	for (i = 0; i < asked->count; i++)
		close_one(wire, &asked->entry[i]);
	return 0;
}

int redirects_change(struct wire *wire, const char *device, enum redirects_change change,
		     const struct option_redirects *asked, struct error *error)
{
	u32 i;

	if (change == REDIRECTS_LIST)
		return 0;
	if (!wire->ops->open_ports)
		return error_set(error, "%s is no slirp network: it has no redirections", device);
	if (change == REDIRECTS_CLOSE)
		return close_all(wire, device, asked, error);
	for (i = 0; i < asked->count; i++)
		if (open_one(wire, device, &asked->entry[i], error))
			break;
	if (i == asked->count)
		return 0;
	while (i--)
		close_one(wire, &asked->entry[i]);
	return -1;
}

// SPDX-License-Identifier: GPL-2.0-only
/* ethN=: network interfaces, and the ports of the host's that lead into the guest. */
#include "option_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "option_values.h"

#define FIELDS	4u
#define PORTS_MAX 1024u		/* of a redirection's COUNT: each one is an open socket */

/* Splits KIND,"a, b",c at its commas; returns how many fields there are, -1: see error. */
static int split(char *text, char *field[FIELDS], struct error *error)
{
	u32 count = 0;
	char *close;

	for (;;) {
		if (count == FIELDS)
			return error_set(error, "there is too much of it: unexpected %.40s", text);
		field[count++] = text;
		if (*text == '"') {
			field[count - 1]++;
			close = strchr(text + 1, '"');
			if (!close)
				return error_set(error, "a quote is opened and not closed");
			*close = '\0';
			text = close + 1;
			if (*text && *text != ',')
				return error_set(error, "unexpected %.40s after the closing quote", text);
		} else {
			text += strcspn(text, ",");
		}
		if (!*text)
			return count;
		*text++ = '\0';
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 00:ff:12:34:56:78, or with dashes; false: it is none. */
static bool read_mac(const char *text, u8 mac[6])
{
	u32 i;

	for (i = 0; i < 6; i++, text += 3) {
		int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || (i < 5 ? text[2] != ':' && text[2] != '-' : text[2] != '\0'))
			return false;
		mac[i] = high << 4 | low;
	}
	return true;
}

static int parse_mac(struct option_net *net, const char *text, struct error *error)
{
	static const u8 zero[6];

	if (!*text)
		return 0;	/* slirp,,tcp:2222:22 */
	if (!read_mac(text, net->mac))
		return error_set(error, "%.40s is no MAC address, like 02:43:4f:00:00:01", text);
	if (net->mac[0] & 1)
		return error_set(error, "%s is a group's MAC address: its first byte is odd", text);
	if (!memcmp(net->mac, zero, 6))
		return error_set(error, "%s is no station's MAC address", text);
	net->has_mac = true;
	return 0;
}

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
static int parse_redirect(struct option_net *net, char *text, struct error *error)
{
	struct option_redirect *redirect = &net->redirect[net->nredirects];
	char *part[5] = { text }, shown[60], **port = &part[1];
	u32 parts = 1, count = 1;

	snprintf(shown, sizeof(shown), "%s", text);
	if (net->nredirects == OPTIONS_REDIRECTS)
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
	net->nredirects++;
	return 0;
}

static int parse_redirects(struct option_net *net, char *text, struct error *error)
{
	char *next;

	for (; text && *text; text = next) {
		next = strchr(text, '/');
		if (next)
			*next++ = '\0';
		if (parse_redirect(net, text, error))
			return -1;
	}
	return 0;
}

static int parse_fields(struct option_net *net, char *text, struct error *error)
{
	char *field[FIELDS] = { NULL };
	int count = split(text, field, error);
	u8 mac[6];

	if (count < 0)
		return -1;
	if (!strcmp(field[0], "slirp")) {
		net->kind = NET_SLIRP;
		if (count > 3)
			return error_set(error, "unexpected %.40s: redirections are divided by slashes", field[3]);
		return (count > 1 && parse_mac(net, field[1], error)) ||
		       parse_redirects(net, field[2], error) ? -1 : 0;
	}
	if (!strcmp(field[0], "tuntap")) {
		net->kind = NET_TUNTAP;
		/* the name may be left out, comma and all */
		if (count == 2 && read_mac(field[1], mac))
			return parse_mac(net, field[1], error);
		if (count > 3)
			return error_set(error, "unexpected %.40s: the interface's address on the host is the host's to set",
					 field[3]);
		if (count > 1 && *field[1]) {
			net->tap = option_copy_text(field[1], strlen(field[1]));
			if (!net->tap)
				return error_set(error, "out of memory");
		}
		return count > 2 ? parse_mac(net, field[2], error) : 0;
	}
	if (!strcmp(field[0], "pcap-bridge") || !strcmp(field[0], "ndis-bridge")) {
		net->kind = NET_BRIDGE;		/* its fields are nothing to us */
		return 0;
	}
	return error_set(error, "expected slirp or tuntap, not %.40s", field[0]);
}

int parse_eth(struct options *options, const struct option_given *given, struct error *error)
{
	struct option_net *net = &options->net[given->index];
	char *text = option_copy_text(given->text, strlen(given->text));
	int result;

	if (!text)
		return error_set(error, "out of memory");
	net->given = given;
	result = parse_fields(net, text, error);
	free(text);
	return result;
}

int option_nets_complete(const struct options *options, struct error *error)
{
	struct error one;
	int result = 0;
	u32 i;

	for (i = 0; i < OPTIONS_NETS; i++) {
		const struct option_net *net = &options->net[i];

		if (!net->given || net->kind != NET_BRIDGE)
			continue;
		error_set(&one, "there is no such bridge any more; use tuntap, and make its interface a part of a bridge on the host");
		option_blame(net->given, &one);
		result = error_add(error, &one);
	}
	return result;
}

bool options_have_net(const struct options *options, enum option_net_kind kind)
{
	u32 i;

	for (i = 0; i < OPTIONS_NETS; i++)
		if (options->net[i].given && options->net[i].kind == kind)
			return true;
	return false;
}

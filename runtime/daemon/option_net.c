// SPDX-License-Identifier: GPL-2.0-only
/* ethN=: network interfaces; their redirections: redirects.c. */
#include "option_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "option_values.h"
#include "redirects.h"

#define FIELDS	4u

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
		       redirects_parse(&net->redirects, field[2], error) ? -1 : 0;
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

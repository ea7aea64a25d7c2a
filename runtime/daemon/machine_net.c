// SPDX-License-Identifier: GPL-2.0-only
/* The network interfaces of a machine: which wire each has, and which address. */
#include "machine.h"

#include <stdio.h>
#include <string.h>

#include "log.h"
#include "net_mac.h"
#include "option_keys.h"

/* They live as long as the program. */
static char names[OPTIONS_NETS][8];
static u8 addresses[OPTIONS_NETS][6];

/* Redirections that somebody has changed while a guest ran; a restart keeps them. */
static struct {
	bool changed;
	struct option_redirects now;
} redirects[OPTIONS_NETS];

static struct wire *open_wire(u32 number, const struct option_net *net, struct error *error)
{
	struct option_net now = *net;

	if (net->kind == NET_TUNTAP)
		return wire_open_tap(names[number], net->tap, error);
	if (redirects[number].changed)
		now.redirects = redirects[number].now;
	return wire_open_slirp(names[number], &now, error);
}

void prepare_nets(const struct options *options)
{
	u32 i;

	for (i = 0; i < OPTIONS_NETS; i++) {
		const struct option_net *net = &options->net[i];

		if (net->given && net->has_mac)
			memcpy(addresses[i], net->mac, sizeof(addresses[i]));
		else if (net->given)
			net_mac(options, i, addresses[i]);
	}
}

int open_nets(struct machine *machine, struct error *error)
{
	const struct options *options = machine->options;
	u32 i;

	for (i = 0; i < OPTIONS_NETS; i++) {
		const struct option_net *net = &options->net[i];
		const u8 *mac = addresses[i];
		struct wire *wire;

		if (!net->given)
			continue;
		snprintf(names[i], sizeof(names[i]), "eth%u", i);
		wire = open_wire(i, net, error);
		if (!wire)
			return option_blame(net->given, error);
		machine->net[i] = net_open(names[i], wire, mac, error);
		if (!machine->net[i])
			return -1;
		log_note("%s: %02x:%02x:%02x:%02x:%02x:%02x", names[i], mac[0], mac[1], mac[2], mac[3],
			 mac[4], mac[5]);
	}
	return 0;
}

int redirect_net(struct machine *machine, u32 number, enum redirects_change change,
		 const struct option_redirects *asked, struct option_redirects *open,
		 struct error *error)
{
	char text[REDIRECT_TEXT_SIZE];
	u32 i;

	if (net_redirect(machine->net[number], change, asked, open, error))
		return -1;
	if (change == REDIRECTS_LIST)
		return 0;
	redirects[number].changed = true;
	redirects[number].now = *open;
	for (i = 0; i < asked->count; i++)
		log_note("%s: %s is %s", names[number], redirect_text(&asked->entry[i], text),
			 change == REDIRECTS_OPEN ? "open" : "closed");
	return 0;
}

void log_net_stats(const struct machine *machine, int level)
{
	u32 i;

	for (i = 0; i < OPTIONS_NETS; i++) {
		const struct net_stats *stats;

		if (!machine->net[i])
			continue;
		stats = net_stats(machine->net[i]);
		log_at(level, "stats: %s: %llu frames sent (%llu KiB), %llu received (%llu KiB), %llu dropped",
		       names[i], (unsigned long long)stats->sent,
		       (unsigned long long)stats->sent_bytes >> 10,
		       (unsigned long long)stats->received,
		       (unsigned long long)stats->received_bytes >> 10,
		       (unsigned long long)stats->dropped);
	}
}

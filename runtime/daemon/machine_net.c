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

static struct wire *open_wire(const char *name, const struct option_net *net, struct error *error)
{
	if (net->kind == NET_TUNTAP)
		return wire_open_tap(name, net->tap, error);
	return wire_open_slirp(name, net, error);
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
		wire = open_wire(names[i], net, error);
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

/* SPDX-License-Identifier: GPL-2.0-only */
/* Virtio network devices: eth0, eth1, ... */
#ifndef COLINUX_NET_H
#define COLINUX_NET_H

#include "device.h"
#include "redirects.h"
#include "wire.h"

struct net;

struct net_stats {
	u64 sent, sent_bytes;		/* by the guest */
	u64 received, received_bytes;	/* by the guest */
	u64 dropped;			/* had no room, or were none */
};

/*
 * Takes the wire over (closed with the device, and on failure). name must outlive
 * the device. NULL: see error.
 */
struct net *net_open(const char *name, struct wire *wire, const u8 mac[VIRTIO_NET_MAC_BYTES],
		     struct error *error);
/* Makes it device `index` of the vm and starts its thread. */
int net_attach(struct net *net, struct vm *vm, u32 index, struct error *error);
void net_close(struct net *net);

struct device *net_device(struct net *net);
const struct net_stats *net_stats(const struct net *net);

/*
 * Any thread, between net_attach() and net_close(): has the device's thread change the wire's
 * redirections, which takes no longer than a moment, and gives those that are open
 * afterwards. -1: nothing has changed, see error.
 */
int net_redirect(struct net *net, enum redirects_change change, const struct option_redirects *asked,
		 struct option_redirects *open, struct error *error);
/* Does it have redirections at all? */
bool net_redirects(const struct net *net);

#endif

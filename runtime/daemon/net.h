/* SPDX-License-Identifier: GPL-2.0-only */
/* Virtio network devices: eth0, eth1, ... */
#ifndef COLINUX_NET_H
#define COLINUX_NET_H

#include "device.h"
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

#endif

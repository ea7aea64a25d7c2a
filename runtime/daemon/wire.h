/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The other end of a guest's network cable: what takes its Ethernet frames and
 * has frames for it. One thread, the network device's, makes all calls but wake().
 */
#ifndef COLINUX_WIRE_H
#define COLINUX_WIRE_H

#include <stdbool.h>

#include "colinux_types.h"
#include "error.h"
#include "options.h"

/* An Ethernet frame without its checksum: header, at most 1500 bytes, a VLAN's tag. */
#define WIRE_FRAME_MIN	14u
#define WIRE_FRAME_MAX	1518u

struct wire;

struct wire_ops {
	/* A frame of the guest's, WIRE_FRAME_MIN to WIRE_FRAME_MAX bytes. It may be lost. */
	void (*send)(struct wire *wire, const void *frame, u32 bytes);
	/*
	 * Sleeps until there is something to do or somebody wakes it, and delivers what
	 * came. With take false the device has no room: what can wait is left where it is.
	 */
	void (*wait)(struct wire *wire, bool take);
	/* Any thread: makes wait() return, the next one if none is under way. */
	void (*wake)(struct wire *wire);
	void (*close)(struct wire *wire);
	/*
	 * Of a kind of wire that has redirections, else NULL; for redirects_change(). All ports
	 * of one are opened, or none: -1, see error. Connections that came through
	 * a port outlive its closing.
	 */
	int (*open_ports)(struct wire *wire, const struct option_redirect *redirect, struct error *error);
	void (*close_ports)(struct wire *wire, const struct option_redirect *redirect);
};

struct wire {
	const struct wire_ops *ops;
	/*
	 * Filled by the device: takes a frame for the guest, or drops it. False: it
	 * would rather have no more until it asks for them with take.
	 */
	bool (*deliver)(void *arg, const void *frame, u32 bytes);
	void *arg;
	struct option_redirects redirects;	/* those that are open */
};

/*
 * A network interface of the host's (tap); name NULL: a new one, named by the
 * host (on Windows, where they are there before, the first that is free). NULL: see error. `device` ("eth0") is for messages and outlives the wire.
 */
struct wire *wire_open_tap(const char *device, const char *name, struct error *error);

/*
 * --check: which one that would be, in words, without opening it; "": nobody can tell.
 * -1: see error.
 */
int tap_look(const char *name, char *text, size_t bytes, struct error *error);

/* Linux: a descriptor of it, by whatever process; -1: see error. */
int tap_make(const char *device, const char *name, struct error *error);

/* User-mode NAT with DHCP and DNS, and ports of the host's that lead into the guest. */
struct wire *wire_open_slirp(const char *device, const struct option_net *net, struct error *error);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* The MAC address of an interface that was given none: the same at every start. */
#ifndef COLINUX_NET_MAC_H
#define COLINUX_NET_MAC_H

#include "options.h"

/*
 * Locally administered, 02:43:4f:..., from what makes this machine the one it is:
 * the host, its first disk's file (or else its configuration file, or kernel), and N.
 */
void net_mac(const struct options *options, u32 number, u8 mac[6]);

/* net_host_*.c: */

/* Some text that this host has and others have not; "" if it has none. */
void net_host_id(char *text, size_t bytes);
/* The path by which a file is known from everywhere; false: it is not there. */
bool net_host_path(const char *path, char *full, size_t bytes);

#endif

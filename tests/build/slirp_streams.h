/* SPDX-License-Identifier: GPL-2.0-only */
/* slirp_guest's TCP: as much of it as a peer that loses nothing needs. */
#ifndef SLIRP_STREAMS_H
#define SLIRP_STREAMS_H

#include "colinux_types.h"

/* A connection of the guest's to a server of the host's: much in both directions, both ends close. */
void stream_to_the_host(void);
/* To a port where nobody listens: it is told so. */
void stream_to_nobody(void);
/* A connection of the host's through its port to the guest's. */
void stream_to_the_guest(u16 host_port, u16 guest_port);
/* The next connection to the guest's port, which it does not want. */
void expect_stream_and_refuse(u16 guest_port);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/* slirp: user-mode NAT. */
#include "wire.h"

struct wire *wire_open_slirp(const char *device, const struct option_net *net, struct error *error)
{
	(void)device;
	(void)net;
	error_set(error, "this daemon was built without libslirp; use tuntap");
	return NULL;
}

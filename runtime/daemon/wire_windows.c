// SPDX-License-Identifier: GPL-2.0-only
/* tuntap on Windows: there is none yet, and the user is told. */
#include "wire.h"

struct wire *wire_open_tap(const char *device, const char *name, struct error *error)
{
	(void)device;
	(void)name;
	error_set(error, "tuntap is not there on Windows yet");
	return NULL;
}

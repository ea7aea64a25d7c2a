/* SPDX-License-Identifier: GPL-2.0-only */
/* A connection on Linux, for attach_linux.c, which waits for it and others at once. */
#ifndef COLINUX_CLIENT_LINUX_H
#define COLINUX_CLIENT_LINUX_H

#include "client.h"

struct client_link {
	int fd;
};

#endif

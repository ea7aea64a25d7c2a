/* SPDX-License-Identifier: GPL-2.0-only */
/* A connection on Windows, for attach_windows.c, which waits for it and others at once. */
#ifndef COLINUX_CLIENT_WINDOWS_H
#define COLINUX_CLIENT_WINDOWS_H

#include "client.h"
#include "os.h"

struct client_link {
	HANDLE pipe;		/* for overlapped requests */
	HANDLE done;		/* manual: the event of those in here */
};

#endif

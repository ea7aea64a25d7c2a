/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where running guests are found, on Linux: for daemon and colinux-ctl alike.
 * Root's are in /run/colinux, a user's in $XDG_RUNTIME_DIR/colinux;
 * $COLINUX_RUN names another folder.
 */
#ifndef COLINUX_RUN_FOLDER_H
#define COLINUX_RUN_FOLDER_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "error.h"

#define RUN_FOLDER_SIZE		96
#define RUN_SOCKET_SUFFIX	".ctl"

/*
 * The folder's path; with make, it is there afterwards. -1: there is no such place,
 * or it is not ours alone, or (without make) not there: errno is ENOENT then.
 */
int run_folder(char folder[RUN_FOLDER_SIZE], bool make, struct error *error);

/* The address of the guest of that name. */
int run_folder_address(const char *folder, const char *name, struct sockaddr_un *address,
		       struct error *error);

#endif

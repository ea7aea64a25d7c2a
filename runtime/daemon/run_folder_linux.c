// SPDX-License-Identifier: GPL-2.0-only
/* Where running guests are found, on Linux. */
#include "run_folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int find(char folder[RUN_FOLDER_SIZE], struct error *error)
{
	const char *chosen = getenv("COLINUX_RUN"), *users = getenv("XDG_RUNTIME_DIR");
	int bytes;

	if (chosen && *chosen)
		bytes = snprintf(folder, RUN_FOLDER_SIZE, "%s", chosen);
	else if (!geteuid())
		bytes = snprintf(folder, RUN_FOLDER_SIZE, "/run/colinux");
	else if (users && *users)
		bytes = snprintf(folder, RUN_FOLDER_SIZE, "%s/colinux", users);
	else
		return error_set(error, "neither XDG_RUNTIME_DIR nor COLINUX_RUN is set: there is no folder for running guests");
	if (bytes >= RUN_FOLDER_SIZE)
		return error_set(error, "the folder of running guests has a path of %d bytes; at most %d are possible",
				 bytes, RUN_FOLDER_SIZE - 1);
	return 0;
}

int run_folder(char folder[RUN_FOLDER_SIZE], bool make, struct error *error)
{
	struct stat status;

	errno = 0;
	if (find(folder, error))
		return -1;
	if (make && mkdir(folder, 0700) && errno != EEXIST)
		return error_set(error, "%s: %s", folder, strerror(errno));
	/* a link would be somebody's choice of the moment */
	if (lstat(folder, &status))
		return error_set(error, "%s: %s", folder, strerror(errno));
	if (!S_ISDIR(status.st_mode))
		return error_set(error, "%s: is not a folder", folder);
	if (status.st_uid != geteuid())
		return error_set(error, "%s: belongs to user %u, not to us", folder,
				 (unsigned int)status.st_uid);
	if (status.st_mode & 077)
		return error_set(error, "%s: others can open it (mode %03o); chmod 700 it", folder,
				 status.st_mode & 0777);
	return 0;
}

int run_folder_address(const char *folder, const char *name, struct sockaddr_un *address,
		       struct error *error)
{
	int bytes;

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	bytes = snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s" RUN_SOCKET_SUFFIX,
			 folder, name);
	if (bytes < 0 || (size_t)bytes >= sizeof(address->sun_path))
		return error_set(error, "%s/%s" RUN_SOCKET_SUFFIX ": is too long for a socket's path",
				 folder, name);
	return 0;
}

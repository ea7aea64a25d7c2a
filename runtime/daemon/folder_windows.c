// SPDX-License-Identifier: GPL-2.0-only
/* Host folders on Windows: there are none yet, and the user is told. */
#include "folder.h"

struct folder *folder_open(const char *path, const struct folder_setting *setting,
			   struct error *error)
{
	(void)setting;
	error_set(error, "%s: host folders are not there on Windows yet", path);
	return NULL;
}

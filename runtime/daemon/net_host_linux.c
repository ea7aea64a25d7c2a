// SPDX-License-Identifier: GPL-2.0-only
/* What net_mac.c asks of Linux. */
#include "net_mac.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void net_host_id(char *text, size_t bytes)
{
	FILE *file = fopen("/etc/machine-id", "re");	/* machine-id(5) */
	bool found = file && fgets(text, bytes, file);

	if (file)
		fclose(file);
	if (!found && gethostname(text, bytes))
		text[0] = '\0';
	text[bytes - 1] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

bool net_host_path(const char *path, char *full, size_t bytes)
{
	char *found = realpath(path, NULL);
	bool fits = found && strlen(found) < bytes;

	if (fits)
		strcpy(full, found);
	free(found);
	return fits;
}

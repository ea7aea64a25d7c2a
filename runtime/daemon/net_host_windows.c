// SPDX-License-Identifier: GPL-2.0-only
/* What net_mac.c asks of Windows. */
#include <stdlib.h>
#include <windows.h>

#include "net_mac.h"

void net_host_id(char *text, size_t bytes)
{
	DWORD room = bytes;

	if (!GetComputerNameA(text, &room))
		text[0] = '\0';
}

bool net_host_path(const char *path, char *full, size_t bytes)
{
	return GetFileAttributesA(path) != INVALID_FILE_ATTRIBUTES && _fullpath(full, path, bytes);
}

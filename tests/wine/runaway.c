/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A program for Windows that starts itself again and waits for that one, which does the same: as often as its
 * argument says. The last one waits for half a minute.
 */
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

int main(int argc, char **argv)
{
	int depth = argc > 1 ? atoi(argv[1]) : 0;
	STARTUPINFOA start = { .cb = sizeof(start) };
	PROCESS_INFORMATION next;
	char command[MAX_PATH + 20];

	if (depth <= 0) {
		Sleep(30000);
		return 0;
	}
	snprintf(command, sizeof(command), "%s %d", argv[0], depth - 1);
	if (!CreateProcessA(NULL, command, NULL, NULL, FALSE, 0, NULL, NULL, &start, &next))
		return 1;
	WaitForSingleObject(next.hProcess, INFINITE);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* A program for Windows that has a file open which nobody else may write to or delete, for some milliseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

int main(int argc, char **argv)
{
	HANDLE file;

	if (argc != 3)
		return 2;
	file = CreateFileA(argv[1], GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
	if (file == INVALID_HANDLE_VALUE)
		return 1;
	puts("held");
	fflush(stdout);
	Sleep(strtoul(argv[2], NULL, 10));
	return CloseHandle(file) ? 0 : 1;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* Text on Windows: the daemon has UTF-8, the system UTF-16, old files neither. */
#ifndef COLINUX_TEXT_WINDOWS_H
#define COLINUX_TEXT_WINDOWS_H

#include <wchar.h>

#include "os.h"

/* The longest path that the system takes, in characters. */
#define WIDE_PATH	32768u

/* UTF-8, or in the system's code page what is no UTF-8; free() it. NULL: no memory. */
wchar_t *wide_of(const char *text);
/* free() it. NULL: no memory. */
char *utf8_of(const wchar_t *text);

/* What a code of GetLastError() means, in words of the C library where it has some. */
const char *windows_error(DWORD code);

/* A function that only newer systems have; NULL: not this one. */
void *windows_newer(const wchar_t *library, const char *name);

/* The folder that this program's file lies in, with its last backslash. False: unknown. */
bool windows_program(wchar_t path[WIDE_PATH], size_t *folder_length);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* What streams ask of the console on Windows. */
#ifndef COLINUX_TERMINAL_WINDOWS_H
#define COLINUX_TERMINAL_WINDOWS_H

#include "os.h"

/* After os_terminal_raw(): does the console obey escape sequences? From Windows 10 on. */
bool windows_terminal_writes_vt(void);

#endif

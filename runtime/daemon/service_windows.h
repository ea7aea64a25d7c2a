/* SPDX-License-Identifier: GPL-2.0-only */
/* What the daemon's other files for Windows ask of the service manager. */
#ifndef COLINUX_SERVICE_WINDOWS_H
#define COLINUX_SERVICE_WINDOWS_H

#include "os.h"

/* Loads the driver that is installed. EXIT_NO_DRIVER: none is. */
int windows_driver_start(struct error *error);

/* terminal_windows.c: the system is going down, or somebody stops the service. */
void windows_stop_requested(void);

/* terminal_windows.c: what hvc0 is for a service, which has no stdin; NULL: not a service. */
extern const char *windows_console_pipe;

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where running guests are found, on Windows: for daemon and colinux-ctl alike. The guest
 * NAME is behind the named pipe \\.\pipe\colinux-ctl-NAME, whose name Windows compares
 * without regard to large and small letters. That it runs, an event called
 * Global\colinux-ctl-NAME tells: of events there is a list, and an event is gone
 * with its process, however that ends.
 */
#ifndef COLINUX_RUN_PIPE_WINDOWS_H
#define COLINUX_RUN_PIPE_WINDOWS_H

#include <wchar.h>

#include "os.h"

#define RUN_PIPE_SIZE	96u

/* The path of a guest's pipe. False: the name is too long to be one. */
bool run_pipe_path(wchar_t path[RUN_PIPE_SIZE], const char *name);

/*
 * Who may open a guest's pipe: administrators of this computer, the system, and whom the
 * system makes the owner of what this process makes. With local, nobody who has come
 * over the network either. LocalFree() it; NULL: see error.
 */
PSECURITY_DESCRIPTOR run_pipe_security(bool local, struct error *error);

/*
 * The event for a guest of the name. NULL: see error, or *taken: there is one already, a
 * daemon's that lives, or somebody's who wants to be in the way.
 */
HANDLE run_pipe_take_name(const char *name, PSECURITY_DESCRIPTOR security, bool *taken,
			  struct error *error);
/* Tells found() every name that is taken so. -1: see error. */
int run_pipe_names(void (*found)(void *arg, const char *name), void *arg, struct error *error);

/*
 * Was this pipe made by one of those, so that what is said there may be believed? A name
 * is anybody's to take before a daemon does.
 */
bool run_pipe_is_trusted(HANDLE pipe);

#endif

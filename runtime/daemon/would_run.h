/* SPDX-License-Identifier: GPL-2.0-only */
/* --check: what would run. */
#ifndef COLINUX_WOULD_RUN_H
#define COLINUX_WOULD_RUN_H

#include "options.h"

/*
 * Opens and locks what a guest would be booted with, and prints a line about each.
 * -1: error has a line for each thing that is wrong.
 */
int would_run(const struct options *options, struct error *error);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* What --help prints. */
#ifndef COLINUX_MANUAL_H
#define COLINUX_MANUAL_H

#include <stdio.h>

/* -1: it could not be written. */
int manual_print(FILE *out);

#endif

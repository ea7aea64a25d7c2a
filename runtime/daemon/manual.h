/* SPDX-License-Identifier: GPL-2.0-only */
/* What --help prints. */
#ifndef COLINUX_MANUAL_H
#define COLINUX_MANUAL_H

extern const char manual_text[];

#endif

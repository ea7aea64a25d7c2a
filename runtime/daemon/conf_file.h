/* SPDX-License-Identifier: GPL-2.0-only */
/* Configuration files: words in lines, with quotes and comments. */
#ifndef COLINUX_CONF_FILE_H
#define COLINUX_CONF_FILE_H

#include "options.h"

/* Takes every word of the file. -1: its faults were added to error. */
int conf_file_parse(struct options *options, const char *path, struct error *error);

#endif

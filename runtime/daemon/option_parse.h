/* SPDX-License-Identifier: GPL-2.0-only */
/* What each row of option_keys.c parses its value with; see option_keys.h. */
#ifndef COLINUX_OPTION_PARSE_H
#define COLINUX_OPTION_PARSE_H

#include "option_keys.h"

typedef int option_parser(struct options *options, const struct option_given *given,
			  struct error *error);

/* option_parse.c */
option_parser parse_kernel, parse_initrd, parse_mem, parse_shutdown_timeout, parse_ttys, parse_exec;
option_parser parse_cocon, parse_name, parse_sandbox, parse_balloon;
/* option_disks.c */
option_parser parse_cobd, parse_alias;
void option_image_free(struct option_image *image);
/* option_cofs.c */
option_parser parse_cofs;
/* option_net.c */
option_parser parse_eth;

/* The disks of aliases, when all of them are known; -1: faults were added to error. */
int option_disks_complete(struct options *options, struct error *error);
/* What cannot be booted, though an old file may ask for it; -1: faults were added to error. */
int option_nets_complete(const struct options *options, struct error *error);

#endif

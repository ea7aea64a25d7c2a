/* SPDX-License-Identifier: GPL-2.0-only */
/* coLinux's configuration language: what the user wants of this daemon. */
#ifndef COLINUX_OPTIONS_H
#define COLINUX_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "colinux_types.h"
#include "error.h"

#define OPTIONS_DISKS		32u	/* cobd0 .. cobd31 */
#define OPTIONS_SERIALS		16u	/* ttys0 .. ttys15 */
#define OPTIONS_CMDLINE_SIZE	2048u	/* Linux's COMMAND_LINE_SIZE on x86, with the NUL */
#define OPTIONS_PLACE_SIZE	96u

/* A value and where it was given ("linux.conf:3", "argument 2"); text NULL: not given. */
struct option_value {
	char *text;
	char place[OPTIONS_PLACE_SIZE];
};

struct options {
	/* switches */
	bool help, version, check, status_driver, stats;
	bool no_console;		/* -d */
	bool no_early_messages;		/* -k */
	int verbosity;			/* -v LEVEL */
	struct option_value pidfile;	/* -p PATH */
	/* key=value */
	struct option_value kernel, initrd, mem, shutdown_timeout;
	u32 mem_mib;
	u32 shutdown_seconds;
	struct option_value disk[OPTIONS_DISKS];
	bool disk_read_only[OPTIONS_DISKS];
	struct option_value serial[OPTIONS_SERIALS];
	/* everything else */
	char cmdline[OPTIONS_CMDLINE_SIZE];
	/* the parser's own */
	bool passing_through;		/* "--" was seen: the rest is the guest's init's */
	u32 nfiles;
};

/*
 * Parses the command line, the files it names, and checks that the result
 * makes sense together. -1: error names the place and the remedy. Release with
 * options_free() in either case.
 */
int options_parse(struct options *options, int argc, char **argv, struct error *error);
void options_free(struct options *options);

/* For the parser's tests and the fuzzer: one configuration file's text. */
int options_parse_text(struct options *options, const char *name, const char *text, size_t bytes,
		       struct error *error);

#endif

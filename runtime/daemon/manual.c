// SPDX-License-Identifier: GPL-2.0-only
/* The daemon's manual page: what --help prints. The keys' part is in their table. */
#include "manual.h"

#include <string.h>

#include "option_keys.h"

static const char before_keys[] =
"usage: colinux-daemon [SWITCH...] [@FILE] kernel=VMLINUX [KEY=VALUE...] [WORD...]\n"
"\n"
"Boots a cooperative Linux guest on this computer's colinux driver and serves its\n"
"disks, folders, networks and consoles until it ends.\n"
"\n"
"Keys:\n";

static const char after_keys[] =
"  anything else          goes to the guest kernel's command line, as it is, but that\n"
"                         root=/dev/cobdN and its other names become the kernel's own;\n"
"                         console=hvc0 is added if no console= is given\n"
"\n"
"A key may be given once. @FILE holds such words, separated by blanks or lines;\n"
"\"double quotes\" keep blanks, # starts a comment. What is spelt nearly as a key is\n"
"refused; in quotes (\"kernal=1\") a word goes to the guest's kernel, whatever it is.\n"
"\n"
"Switches:\n"
"  -d                no console: nothing is read from stdin, the guest's output on\n"
"                    hvc0 is dropped\n"
"  -k                suppress the guest kernel's early messages\n"
"  -p PATH           write the process id to this file, remove it at the end\n"
"  -v LEVEL          messages: 0 warnings (default), 1 notes and statistics, 2 details,\n"
"                    3 every request\n"
"  --no-reboot       a guest that restarts is not started anew; it ends with status 17\n"
"  --stats           print statistics at the end\n"
"  --check           check the configuration and the files it names, print what would\n"
"                    run, boot nothing\n"
"  --print-json      print what was understood, and the place of every key\n"
"  --print-toml      print a machine of that shape for this project's colinux.toml\n"
"  -C DIR            go to this folder before what follows is read\n"
"  --status-driver   tell the driver's version, boot nothing\n"
"  --version, --help\n"
"\n"
"Windows only:\n"
"  --install-driver  make colinux.sys, beside this program, known to Windows; load it\n"
"  --remove-driver   the reverse\n"
"  --install-service [NAME]\n"
"                    boot with these words whenever Windows starts, as a service of that\n"
"                    name (\"Cooperative Linux\"): hvc0 is then the pipe \\\\.\\pipe\\NAME,\n"
"                    messages go to colinux-daemon.log in the folder that is current now\n"
"  --remove-service [NAME]\n"
"\n"
"On a terminal, Ctrl-] three times within two seconds ends the guest. So does Ctrl-C\n"
"without a terminal, SIGTERM and SIGHUP (Windows: the window is closed, the service\n"
"stopped, the system shut down): the guest is asked to shut down; the second time, or\n"
"when shutdown-timeout is over, it is ended at once, as SIGQUIT (Ctrl-Break) does. The\n"
"end of stdin is not the end of the guest. colinux-ctl finds it by its name.\n"
"\n"
"Exit status: 0 the guest powered off or halted; 3 driver and daemon do not fit\n"
"together; 14 the driver is not installed; 16 the guest panicked; 17 the guest restarts,\n"
"and was asked to shut down, or --no-reboot is given; 255 anything else. Messages go to\n"
"stderr.\n";

#define COLUMN	25	/* where the text beside a key begins */

/* One key: its form, its lines beside it. */
static int print_key(FILE *out, const struct option_key *row)
{
	const char *line = row->manual, *end;
	int indent = COLUMN - 2;

	if (fprintf(out, "  %-*s", indent, row->usage) < 0)
		return -1;
	for (;; line = end + 1) {
		end = strchr(line, '\n');
		if (fprintf(out, "%.*s\n", end ? (int)(end - line) : (int)strlen(line), line) < 0)
			return -1;
		if (!end)
			return 0;
		if (fprintf(out, "%*s", COLUMN, "") < 0)
			return -1;
	}
}

int manual_print(FILE *out)
{
	const struct option_key *row;

	if (fputs(before_keys, out) < 0)
		return -1;
	for (row = option_keys; row->name; row++)
		if (row->manual && print_key(out, row))
			return -1;
	return fputs(after_keys, out) < 0 ? -1 : 0;
}

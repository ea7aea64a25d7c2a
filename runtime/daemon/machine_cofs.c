// SPDX-License-Identifier: GPL-2.0-only
/* The host folders of a machine. */
#include "machine.h"

#include <stdio.h>

#include "log.h"
#include "option_keys.h"

static char names[OPTIONS_FOLDERS][8];	/* they live as long as the program */

int open_folders(struct machine *machine, struct error *error)
{
	u32 i;

	for (i = 0; i < OPTIONS_FOLDERS; i++) {
		const struct option_folder *folder = &machine->options->folder[i];

		if (!folder->path)
			continue;
		snprintf(names[i], sizeof(names[i]), "cofs%u", i);
		machine->folder[i] = cofs_open(names[i], folder->path, &folder->setting, error);
		if (!machine->folder[i])
			return option_blame_file(folder->given, folder->path, error);
		log_note("%s: %s%s", names[i], folder->path, folder->setting.read_only ? ", read-only" : "");
	}
	return 0;
}

int attach_folders(struct machine *machine, u32 *ndevices, struct error *error)
{
	u32 i;

	for (i = 0; i < OPTIONS_FOLDERS; i++) {
		if (!machine->folder[i])
			continue;
		machine->device[*ndevices] = cofs_device(machine->folder[i]);
		if (cofs_attach(machine->folder[i], &machine->vm, (*ndevices)++, error))
			return -1;
	}
	return 0;
}

void close_folders(struct machine *machine)
{
	u32 i;

	for (i = 0; i < OPTIONS_FOLDERS; i++)
		cofs_close(machine->folder[i]);
}

void log_folder_stats(const struct machine *machine, int level)
{
	u32 i;

	for (i = 0; i < OPTIONS_FOLDERS; i++) {
		const struct p9_stats *stats;

		if (!machine->folder[i])
			continue;
		stats = cofs_stats(machine->folder[i]);
		log_at(level, "stats: %s: %llu requests, %llu KiB read, %llu KiB written, %llu errors",
		       names[i], (unsigned long long)stats->requests,
		       (unsigned long long)stats->bytes_read >> 10,
		       (unsigned long long)stats->bytes_written >> 10,
		       (unsigned long long)stats->errors);
	}
}

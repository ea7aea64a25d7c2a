/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The keys of the configuration language, a row each. A new device adds its row
 * to the table in option_keys.c and writes the row's parse function.
 */
#ifndef COLINUX_OPTION_KEYS_H
#define COLINUX_OPTION_KEYS_H

#include "options.h"

enum option_form {
	KEY_PLAIN,	/* mem= */
	KEY_NUMBERED,	/* cobd0=, cobd1=, ... */
	KEY_DISK_NAME,	/* hda=, hda1=, hdb=, ... */
};

struct option_key {
	const char *name;		/* without the number */
	enum option_form form;
	u32 limit;			/* KEY_NUMBERED: how many there may be */
	const char *plural;		/* KEY_NUMBERED: what they are, for messages */
	bool is_device;			/* each takes one of the guest's CO_NR_VDEV devices;
					 * disks are counted by themselves */
	/*
	 * Understands given->text and keeps what it means in *options. -1: error says
	 * what is wrong with the value; key, value and place are put before it.
	 * NULL: there is no such device, see `absent`.
	 */
	int (*parse)(struct options *options, const struct option_given *given,
		     struct error *error);
	const char *absent;		/* why not, and what to use instead */
	const char *usage, *manual;	/* for --help: "cobdN=PATH[,ro]" and lines about it */
};

/* In the order of the manual; the last one has no name. */
extern const struct option_key option_keys[];

/*
 * One word that is no switch: a key of ours is kept, anything else goes to the
 * guest kernel's command line. place is where it was given, for messages.
 */
int option_word(struct options *options, const char *word, const char *place,
		struct error *error);

/* What was given for a key ("cobd1"); NULL: nothing. */
const struct option_given *option_find(const struct options *options, const char *key);

/* Puts "linux.conf:3: cobd1=...: " before an error that is about this key. Returns -1. */
int option_blame(const struct option_given *given, struct error *error);

/* The same when the file of that path, which the key names, cannot be used. */
int option_blame_file(const struct option_given *given, const char *path, struct error *error);

#endif

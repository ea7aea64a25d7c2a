/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The names that disks have inside the guest, and the guest kernel's command line
 * with them in it. Virtio disks are /dev/vda, vdb, ... and our Linux 2.4's
 * /dev/cobd0, cobd1, ..., both in the order of their numbers and without gaps. What
 * the user calls them goes to the guest in a word of its own, in their order,
 *
 *	colinux.names=cobd0:hda1:sda1,cobd2
 *
 * for colinux-names, a script in our root filesystems, to make links of; it is
 * left out where /dev/cobdN is the N-th disk and there is no other name.
 */
#ifndef COLINUX_GUEST_NAMES_H
#define COLINUX_GUEST_NAMES_H

#include "kernel_image.h"
#include "options.h"

#define GUEST_NAME_SIZE		16u

/* What a guest kernel calls its disks, and how long a command line it reads. */
enum guest_kind {
	GUEST_VIRTIO,	/* Linux 2.6 and later */
	GUEST_24,
};

enum guest_kind guest_kind(const struct kernel_image *image);
/* GUEST_VIRTIO when there is no such file, or it is no kernel. */
enum guest_kind guest_kind_of_file(const char *path);

/* The device of a disk that exists: "/dev/vda". */
void guest_disk_name(const struct options *options, u32 number, enum guest_kind kind,
		     char name[GUEST_NAME_SIZE]);

/*
 * What the guest kernel is given: a console if none was named, the names, root=
 * by the name that this kernel has for the disk, everything else as it was given.
 */
int guest_cmdline(const struct options *options, enum guest_kind kind,
		  char cmdline[OPTIONS_CMDLINE_SIZE], struct error *error);

/* The user's own words alone; root= names a whole disk, never a partition. */
int guest_words(const struct options *options, enum guest_kind kind,
		char cmdline[OPTIONS_CMDLINE_SIZE], struct error *error);

/* Is one of our disks the guest's root, and which? */
bool guest_root_disk(const struct options *options, u32 *disk);

#endif

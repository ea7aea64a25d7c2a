// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the opener may be asked for: the paths of the configuration, as they are written
 * there, and a few of the system's own. Sizes are those of a configuration: a list that
 * is searched from its start is fast enough.
 */
#include "opener_parts.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "colinux_ioctl.h"

/* The system's, whatever the configuration names. */
static const struct {
	const char *path;
	u32 what;
} always[] = {
	{ CO_DEVICE_PATH, OPENER_READ | OPENER_WRITE },		/* each life of the guest has its own */
	{ "/sys/devices/system/cpu/online", OPENER_READ },	/* the C library, for its allocator */
};

/* And those of a network by slirp. */
static const struct {
	const char *path;
	u32 what;
} network[] = {
	{ "/etc/resolv.conf", OPENER_READ },	/* the host's name servers change while it is up */
	{ "/dev/urandom", OPENER_READ },	/* GLib's random numbers begin with it */
};

int opener_list_add(struct opener_list *list, const char *path, u32 what)
{
	char *copy;

	if (list->sealed || list->count == OPENER_PATHS_MAX)
		return -1;
	copy = strdup(path);
	if (!copy)
		return -1;
	list->entry[list->count++] = (struct opener_path){ copy, what };
	return 0;
}

bool opener_list_allows(const struct opener_list *list, const char *path, u32 what)
{
	u32 i;

	/* a path may be there twice: a disk's that is somebody's overlay, too */
	for (i = 0; i < list->count; i++)
		if (!strcmp(list->entry[i].path, path) && (list->entry[i].what & what) == what)
			return true;
	return false;
}

u32 opener_list_meaning(u32 flags)
{
	const u32 harmless = O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_APPEND | O_DIRECTORY | O_NOFOLLOW |
			     O_LARGEFILE | O_EXCL | O_PATH | O_CREAT | O_ACCMODE;
	u32 what;

	if (flags & ~harmless)
		return ~0u;
	if (flags & O_PATH)
		return flags & (O_CREAT | O_ACCMODE) ? ~0u : OPENER_LOOK;
	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		what = OPENER_READ;
		break;
	case O_WRONLY:
		what = OPENER_WRITE;
		break;
	case O_RDWR:
		what = OPENER_READ | OPENER_WRITE;
		break;
	default:
		return ~0u;
	}
	if (!(flags & O_CREAT))
		return what;
	/* a link that somebody has put there is not followed to another place */
	return flags & O_EXCL ? what | OPENER_CREATE : ~0u;
}

static bool add_disk(struct opener_list *list, const struct option_image *image)
{
	bool written = !image->read_only && !image->overlay;

	return !opener_list_add(list, image->path, OPENER_READ | (written ? OPENER_WRITE : 0)) &&
	       (!image->overlay ||
		!opener_list_add(list, image->overlay,
				 OPENER_READ | OPENER_WRITE | OPENER_CREATE | OPENER_REMOVE));
}

static bool add_serial(struct opener_list *list, const char *path)
{
	const u32 what = OPENER_READ | OPENER_WRITE | OPENER_CONNECT;

	return !opener_list_add(list, strncmp(path, "unix:", 5) ? path : path + 5, what);
}

int opener_list_fill(struct opener_list *list, const struct options *options, struct error *error)
{
	bool good = true;
	size_t i;

	for (i = 0; i < sizeof(always) / sizeof(*always); i++)
		good &= !opener_list_add(list, always[i].path, always[i].what);
	for (i = 0; i < sizeof(network) / sizeof(*network) && options_have_net(options, NET_SLIRP); i++)
		good &= !opener_list_add(list, network[i].path, network[i].what);
	if (options->kernel.text)
		good &= !opener_list_add(list, options->kernel.text, OPENER_READ);
	if (options->initrd.text)
		good &= !opener_list_add(list, options->initrd.text, OPENER_READ);
	for (i = 0; i < OPTIONS_DISKS; i++)
		if (options->disk[i].image.path)
			good &= add_disk(list, &options->disk[i].image);
	/* what is in them the daemon looks for by itself, from there */
	for (i = 0; i < OPTIONS_FOLDERS; i++)
		if (options->folder[i].path)
			good &= !opener_list_add(list, options->folder[i].path, OPENER_LOOK);
	for (i = 0; i < OPTIONS_SERIALS; i++)
		if (options->serial[i].text)
			good &= add_serial(list, options->serial[i].text);
	return good ? 0 : error_set(error, "out of memory");
}

// SPDX-License-Identifier: GPL-2.0-only
/* See net_mac.h. Nothing is kept anywhere: the address is a hash. */
#include "net_mac.h"

#include <stdio.h>
#include <string.h>

/* FNV-1a, 64 bits: it spreads well, and nobody has to be kept from guessing. */
static u64 hash_text(u64 hash, const char *text)
{
	do {
		hash = (hash ^ (u8)*text) * 0x100000001b3ull;
	} while (*text++);	/* with its end: "ab", "c" is not "a", "bc" */
	return hash;
}

static const char *identity(const struct options *options)
{
	u32 i;

	for (i = 0; i < OPTIONS_DISKS; i++) {
		const struct option_image *image = &options->disk[i].image;

		/* what is beneath an overlay may be others' too */
		if (image->path)
			return image->overlay ? image->overlay : image->path;
	}
	if (options->file)
		return options->file;
	return options->kernel.text ? options->kernel.text : "";
}

void net_mac(const struct options *options, u32 number, u8 mac[6])
{
	const char *path = identity(options);
	char text[4096];
	u64 hash = 0xcbf29ce484222325ull;
	u32 i;

	net_host_id(text, sizeof(text));
	hash = hash_text(hash, text);
	hash = hash_text(hash, net_host_path(path, text, sizeof(text)) ? text : path);
	snprintf(text, sizeof(text), "eth%u", number);
	hash = hash_text(hash, text);
	hash ^= hash >> 32;
	mac[0] = 0x02;		/* locally administered, one station's */
	mac[1] = 'C';
	mac[2] = 'O';
	for (i = 3; i < 6; i++, hash >>= 8)
		mac[i] = hash;
}

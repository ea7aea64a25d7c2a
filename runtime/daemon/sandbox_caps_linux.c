// SPDX-License-Identifier: GPL-2.0-only
/*
 * Capabilities that remain, and why: a table. Guests are run by root because opening the
 * driver's device asks for CAP_SYS_RAWIO; once it is open nothing asks for it again.
 * capabilities(7), capget(2).
 */
#include "sandbox_linux.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAP(name)	(1ull << CAP_##name)

/* The first port that needs no right to be opened, as Linux has it from the start. */
#define FREE_PORTS	1024u

static bool has_slirp_port(const struct options *options)
{
	const struct option_redirects *redirects;
	u32 i, port;

	for (i = 0; i < OPTIONS_NETS; i++) {
		redirects = &options->net[i].redirects;
		for (port = 0; port < redirects->count; port++)
			if (redirects->entry[port].host < FREE_PORTS)
				return true;
	}
	return false;
}

/* For folders: only their own threads use them. */
static const struct {
	enum folder_owner owner;
	bool read_only;
	u64 caps;	/* why: */
} of_folder[] = {
	/* files of all users, made and changed as root would: chown, chmod, set-group-id bits kept */
	{ FOLDER_SAME, false, CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(FOWNER) | CAP(FSETID) },
	{ FOLDER_SAME, true, CAP(DAC_READ_SEARCH) },
	/* to become that user, once; the thread has none afterwards */
	{ FOLDER_USER, false, CAP(SETUID) | CAP(SETGID) },
	{ FOLDER_USER, true, CAP(SETUID) | CAP(SETGID) },
	/* files that belonged to others before they came into the folder */
	{ FOLDER_STORED, false, CAP(DAC_OVERRIDE) | CAP(FOWNER) },
	{ FOLDER_STORED, true, CAP(DAC_READ_SEARCH) },
};

static u64 caps_of(const struct folder_setting *setting)
{
	size_t i;

	for (i = 0; i < sizeof(of_folder) / sizeof(*of_folder); i++)
		if (of_folder[i].owner == setting->owner && of_folder[i].read_only == setting->read_only)
			return of_folder[i].caps;
	return 0;
}

/* What the main thread itself uses: it opens networks anew when a guest restarts. */
static u64 caps_of_main(const struct options *options)
{
	return has_slirp_port(options) ? CAP(NET_BIND_SERVICE) : 0;
}

u64 sandbox_caps(const struct options *options)
{
	u64 caps = caps_of_main(options);
	u32 i;

	for (i = 0; i < OPTIONS_FOLDERS; i++)
		if (options->folder[i].path)
			caps |= caps_of(&options->folder[i].setting);
	return caps;
}

/* --- the calling thread's sets --- */

static u64 permitted(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return 0;
	return data[0].permitted | (u64)data[1].permitted << 32;
}

static int set(u64 allowed, u64 used)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .permitted = allowed, .effective = used },
		{ .permitted = allowed >> 32, .effective = used >> 32 },
	};

	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

int sandbox_caps_drop(const struct options *options)
{
	u64 kept = sandbox_caps(options) & permitted(), number;

	/* The bounding set can only be changed by who has CAP_SETPCAP: others have nothing to lose.
	 * The numbers end where the kernel says so. */
	for (number = 0; number < 64; number++)
		if (prctl(PR_CAPBSET_DROP, number, 0, 0, 0) && errno == EINVAL)
			break;
	/* before Linux 4.3 there is no such set */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return set(kept, kept & caps_of_main(options));
}

/* --- folders' threads --- */

static bool dropped(void)
{
	return !strcmp(sandbox_is(), "on");
}

void sandbox_caps_of_folder(const struct folder_setting *setting)
{
	u64 caps = caps_of(setting) & permitted();

	if (dropped())
		set(caps, caps);
}

void sandbox_caps_none(void)
{
	if (dropped())
		set(0, 0);
}

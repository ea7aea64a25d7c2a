// SPDX-License-Identifier: GPL-2.0-only
/*
 * Landlock (Documentation/userspace-api/landlock.rst in Linux): this process and its
 * threads open files below their host folders and no others, by whatever path. What the opener
 * hands out was opened by it, and stays usable.
 */
#include "sandbox_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Version 1 forbids every link and rename from one directory to another, which no
 * compiler and no git can live with. Version 2 came with Linux 5.19.
 */
#define VERSION_NEEDED	2

/* Version 3, of headers later than those of some build machines. */
#define TRUNCATE	(1ull << 14)

#define READS	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITES	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
		 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | \
		 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | \
		 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | \
		 LANDLOCK_ACCESS_FS_REFER)
/* In folders as little as anywhere else: nothing is run, and no device of the host's is made. */
#define NEVER	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK)

static int allow(int rules, const char *path, u64 what)
{
	struct landlock_path_beneath_attr below = {
		.allowed_access = what,
		.parent_fd = open(path, O_PATH | O_CLOEXEC),
	};
	int result;

	/* that it cannot be opened is told where the guest's folders are */
	if (below.parent_fd < 0)
		return 0;
	result = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &below, 0) ? -errno : 0;
	close(below.parent_fd);
	return result;
}

int sandbox_files_confine(const struct options *options)
{
	struct landlock_ruleset_attr handled = { .handled_access_fs = READS | WRITES | NEVER };
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	u64 writes = WRITES;
	int rules, result = 0;
	u32 i;

	if (version < 0)
		return -errno;
	if (version < VERSION_NEEDED)
		return -ENOSYS;
	if (version >= 3) {
		handled.handled_access_fs |= TRUNCATE;
		writes |= TRUNCATE;
	}
	rules = syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);
	if (rules < 0)
		return -errno;
	for (i = 0; i < OPTIONS_FOLDERS && !result; i++) {
		const struct option_folder *folder = &options->folder[i];

		if (folder->path)
			result = allow(rules, folder->path, READS | (folder->setting.read_only ? 0 : writes));
	}
	if (!result && syscall(SYS_landlock_restrict_self, rules, 0))
		result = -errno;
	close(rules);
	return result;
}

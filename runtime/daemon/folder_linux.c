// SPDX-License-Identifier: GPL-2.0-only
/*
 * Host folders on Linux: how a guest gets from the root to a file, and how a file is
 * opened. Everything is done relative to descriptors, by one name at a time and without
 * following links, so there is no moment at which somebody could put a link in the way.
 */
#include "folder_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "p9.h"
#include "sandbox_linux.h"

/* Descriptors of all folders together; the rest of the daemon needs some, too. */
#define DESCRIPTORS_WANTED	65536u
#define DESCRIPTORS_KEPT	256u

static u32 nodes, nodes_max;

static struct linux_folder *of(struct folder *folder)
{
	return (struct linux_folder *)folder;
}

/* --- nodes --- */

static int make_node(int fd, struct folder_node **node)
{
	if (fd < 0)
		return fd;
	*node = calloc(1, sizeof(**node));
	if (!*node || __atomic_add_fetch(&nodes, 1, __ATOMIC_RELAXED) > nodes_max) {
		int result = *node ? -P9_ENFILE : -P9_ENOMEM;

		if (*node)
			__atomic_sub_fetch(&nodes, 1, __ATOMIC_RELAXED);
		free(*node);
		*node = NULL;
		close(fd);
		return result;
	}
	(*node)->fd = fd;
	return 0;
}

static void forget(struct folder *folder, struct folder_node *node)
{
	(void)folder;
	if (!node)
		return;
	close(node->fd);
	free(node);
	__atomic_sub_fetch(&nodes, 1, __ATOMIC_RELAXED);
}

static int duplicate(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return copy < 0 ? -errno : copy;
}

static int root(struct folder *folder, struct folder_node **node)
{
	return make_node(duplicate(of(folder)->root), node);
}

/* /proc/self/fd, from when the first folder is opened; -1: there is none. */
static int proc = -1;

int folder_proc(void)
{
	return proc;
}

void folder_keep_proc(void)
{
	if (proc < 0)
		proc = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

const char *folder_proc_name(int fd, char name[FOLDER_PROC_BYTES])
{
	snprintf(name, FOLDER_PROC_BYTES, "%d", fd);
	return name;
}

const char *folder_proc_path(int fd, char path[FOLDER_PROC_BYTES])
{
	snprintf(path, FOLDER_PROC_BYTES, "/proc/self/fd/%d", fd);
	return path;
}

int folder_open_name(int dir, const char *name)
{
	/* One component cannot lead out of dir; the kernel is asked to see to it all the same. */
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
	};
	int fd;

	if (!folder_name_is_good(name, strlen(name)))
		return -P9_EINVAL;
	fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));
	/* before Linux 5.6, and where a filter of system calls does not know it */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int walk(struct folder *folder, struct folder_node *from, const char *name,
		struct folder_node **node)
{
	(void)folder;
	return make_node(folder_open_name(from->fd, name), node);
}

static int again(struct folder *folder, struct folder_node *node, struct folder_node **copy)
{
	char name[FOLDER_PROC_BYTES];
	int fd;

	(void)folder;
	if (!node->opened)
		return make_node(duplicate(node->fd), copy);
	fd = openat(proc, folder_proc_name(node->fd, name), O_PATH | O_CLOEXEC);
	return make_node(fd < 0 ? -errno : fd, copy);
}

/* --- opening --- */

int folder_reopen(int fd, int flags)
{
	char name[FOLDER_PROC_BYTES];
	struct stat stat;
	int opened;

	/* Opening a device of the host's, or a FIFO, is more than looking into a folder. */
	if (fstat(fd, &stat))
		return -errno;
	if (!S_ISREG(stat.st_mode) && !S_ISDIR(stat.st_mode))
		return -P9_ENXIO;
	/* the descriptor's own file, whatever its name means by now */
	opened = openat(proc, folder_proc_name(fd, name), flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return opened < 0 ? -errno : opened;
}

static int host_flags(u32 how)
{
	static const int access[] = { O_RDONLY, O_WRONLY, O_RDWR };

	return access[how & FOLDER_ACCESS] | (how & FOLDER_TRUNCATE ? O_TRUNC : 0) |
	       (how & FOLDER_APPEND ? O_APPEND : 0) | (how & FOLDER_SYNC ? O_SYNC : 0);
}

static int open_node(struct folder *folder, struct folder_node *node, u32 how)
{
	int fd = folder_reopen(node->fd, host_flags(how));

	(void)folder;
	if (fd < 0)
		return fd;
	close(node->fd);
	node->fd = fd;
	node->opened = true;
	node->writable = (how & FOLDER_ACCESS) != FOLDER_READ;
	return 0;
}

/* The file is there already, and that is no fault. */
static int open_old(struct folder *folder, struct folder_node *dir, const char *name, u32 how,
		    struct folder_node **node)
{
	int result = walk(folder, dir, name, node);

	if (result)
		return result;
	result = open_node(folder, *node, how);
	if (result) {
		forget(folder, *node);
		*node = NULL;
	}
	return result;
}

static int create(struct folder *folder, struct folder_node *dir, const char *name, u32 how,
		  const struct folder_new *new, struct folder_node **node)
{
	int fd = openat(dir->fd, name, host_flags(how) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0600);
	int result;

	if (fd < 0 && errno == EEXIST && !(how & FOLDER_EXCLUSIVE))
		return open_old(folder, dir, name, how, node);
	if (fd < 0)
		return -errno;
	result = folder_settle(folder, fd, new);
	if (result) {
		unlinkat(dir->fd, name, 0);
		close(fd);
		return result;
	}
	result = make_node(fd, node);
	if (result) {
		unlinkat(dir->fd, name, 0);
		return result;
	}
	(*node)->opened = true;
	(*node)->writable = (how & FOLDER_ACCESS) != FOLDER_READ;
	return 0;
}

/* --- the folder itself --- */

static int enter(struct folder *folder)
{
	const struct folder_setting *setting = &folder->setting;

	sandbox_caps_of_folder(setting);
	if (setting->owner != FOLDER_USER)
		return 0;
	/* Of this thread only, which glibc's functions are not; file system ids always are.
	 * root's own groups must not help the user. */
	if (!geteuid() && syscall(SYS_setgroups, 0, NULL))
		return -errno;
	setfsgid(setting->gid);
	setfsuid(setting->uid);
	sandbox_caps_none();
	/* they do not say whether they did it; -1 changes nothing and tells */
	return (u32)setfsuid(-1) == setting->uid && (u32)setfsgid(-1) == setting->gid ? 0 : -P9_EPERM;
}

static void close_folder(struct folder *folder)
{
	close(of(folder)->root);
	free(folder);
}

static const struct folder_ops linux_ops = {
	.close = close_folder,
	.enter = enter,
	.root = root,
	.walk = walk,
	.again = again,
	.forget = forget,
	.attr = folder_attr,
	.change = folder_change,
	.space = folder_space,
	.open = open_node,
	.create = create,
	.read = folder_read,
	.write = folder_write,
	.readlink = folder_readlink,
	.sync = folder_sync,
	.list = folder_list,
	.mkdir = folder_mkdir,
	.mknod = folder_mknod,
	.symlink = folder_symlink,
	.link = folder_link,
	.rename = folder_rename,
	.unlink = folder_unlink,
	.lock = folder_lock,
	.test_lock = folder_test_lock,
};

/* Raises the limit of descriptors as far as is wanted and allowed. */
static void count_descriptors(void)
{
	struct rlimit limit, more;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	if (limit.rlim_cur < DESCRIPTORS_WANTED) {
		more.rlim_cur = DESCRIPTORS_WANTED;
		more.rlim_max = limit.rlim_max > more.rlim_cur ? limit.rlim_max : more.rlim_cur;
		if (setrlimit(RLIMIT_NOFILE, &more)) {	/* only root may raise the maximum */
			more.rlim_cur = more.rlim_max = limit.rlim_max;
			setrlimit(RLIMIT_NOFILE, &more);
		}
		getrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur > DESCRIPTORS_WANTED)
		limit.rlim_cur = DESCRIPTORS_WANTED;
	nodes_max = limit.rlim_cur > 2 * DESCRIPTORS_KEPT ? limit.rlim_cur - DESCRIPTORS_KEPT :
							    limit.rlim_cur / 2;
}

struct folder *folder_open(const char *path, const struct folder_setting *setting,
			   struct error *error)
{
	struct linux_folder *folder = calloc(1, sizeof(*folder));
	char name[FOLDER_PROC_BYTES];
	struct stat stat;
	int result = 0, link;

	if (!folder) {
		error_set(error, "out of memory");
		return NULL;
	}
	folder->folder.ops = &linux_ops;
	folder->folder.setting = *setting;
	count_descriptors();
	folder->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder->root < 0) {
		error_set(error, "%s: %s", path, strerror(errno));
		free(folder);
		return NULL;
	}
	folder_keep_proc();
	link = openat(proc, folder_proc_name(folder->root, name), O_PATH | O_CLOEXEC);
	if (fstat(folder->root, &stat) || link < 0)
		result = error_set(error, "%s: /proc has to be mounted for host folders (/proc/self/fd/%s: %s)",
				   path, name, strerror(errno));
	else if (setting->owner == FOLDER_USER && geteuid() &&
		 (setting->uid != geteuid() || setting->gid != getegid()))
		result = error_set(error, "%s: only root can work as user %u:%u", path, setting->uid,
				   setting->gid);
	else if (setting->owner == FOLDER_STORED && !setting->read_only &&
		 folder_probe_stored(folder->root))
		result = error_set(error, "%s: its file system keeps no extended attributes of users; take another owner=",
				   path);
	if (link >= 0)
		close(link);
	folder->device = stat.st_dev;
	folder->inode = stat.st_ino;
	if (!result)
		return &folder->folder;
	close_folder(&folder->folder);
	return NULL;
}

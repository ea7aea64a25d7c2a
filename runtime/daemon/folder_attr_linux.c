// SPDX-License-Identifier: GPL-2.0-only
/* Host folders on Linux: attributes of files, and whom they belong to. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "folder_linux.h"
#include "p9.h"

/* owner=xattr: what the guest thinks of a file, little-endian like everything here. */
#define STORED_NAME	"user.colinux.owner"
struct stored {
	u32 mode, uid, gid, major, minor;
};

#define PERMISSIONS	07777u
#define SET_IDS		06000u

static bool can_store(u32 mode)
{
	return S_ISREG(mode) || S_ISDIR(mode);
}

/* False: there is nothing, or nothing that fits the file. */
static bool load_stored(int fd, u32 mode, struct stored *stored)
{
	char path[FOLDER_PROC_BYTES];
	u32 kind;

	if (!can_store(mode) ||
	    getxattr(folder_proc_path(fd, path), STORED_NAME, stored, sizeof(*stored)) != sizeof(*stored))
		return false;
	kind = stored->mode & P9_S_IFMT;
	/* special files are regular ones here, and a directory is one everywhere */
	return S_ISDIR(mode) ? kind == P9_S_IFDIR :
	       kind == P9_S_IFREG || kind == P9_S_IFCHR || kind == P9_S_IFBLK || kind == P9_S_IFIFO ||
	       kind == P9_S_IFSOCK;
}

static int save_stored(int fd, const struct stored *stored)
{
	char path[FOLDER_PROC_BYTES];

	return setxattr(folder_proc_path(fd, path), STORED_NAME, stored, sizeof(*stored), 0) ? -errno : 0;
}

int folder_probe_stored(int root)
{
	static const char probe[] = "user.colinux.probe";
	char path[FOLDER_PROC_BYTES];

	folder_proc_path(root, path);
	if (setxattr(path, probe, "", 0, 0))
		return -errno;
	return removexattr(path, probe) ? -errno : 0;
}

/* Inode numbers are unique within a file system; a folder may hold several. */
u64 folder_unique(const struct folder *folder, u64 device, u64 inode)
{
	u64 mixed = device;

	if (device == ((const struct linux_folder *)folder)->device)
		return inode;
	mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ull;
	mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebull;
	return inode + (mixed ^ mixed >> 31);
}

int folder_attr(struct folder *folder, struct folder_node *node, struct folder_attr *attr)
{
	struct stored stored;
	struct stat stat;

	if (fstat(node->fd, &stat))
		return -errno;
	*attr = (struct folder_attr){
		.inode = folder_unique(folder, stat.st_dev, stat.st_ino),
		.mode = stat.st_mode, .uid = stat.st_uid, .gid = stat.st_gid,
		.links = stat.st_nlink, .rdev = stat.st_rdev, .bytes = stat.st_size,
		.block_bytes = stat.st_blksize, .blocks = stat.st_blocks,
		.atime_s = stat.st_atim.tv_sec, .atime_ns = stat.st_atim.tv_nsec,
		.mtime_s = stat.st_mtim.tv_sec, .mtime_ns = stat.st_mtim.tv_nsec,
		.ctime_s = stat.st_ctim.tv_sec, .ctime_ns = stat.st_ctim.tv_nsec,
	};
	if (folder->setting.owner == FOLDER_USER) {
		attr->uid = folder->setting.uid;
		attr->gid = folder->setting.gid;
	} else if (folder->setting.owner == FOLDER_STORED && load_stored(node->fd, stat.st_mode, &stored)) {
		attr->mode = stored.mode;
		attr->uid = stored.uid;
		attr->gid = stored.gid;
		attr->rdev = makedev(stored.major, stored.minor);
	}
	return 0;
}

/* --- new files --- */

int folder_settle(const struct folder *folder, int fd, const struct folder_new *new)
{
	struct stored stored = { new->mode, new->uid, new->gid, new->major, new->minor };
	u32 mode = new->mode & PERMISSIONS;
	char name[FOLDER_PROC_BYTES];
	struct stat stat;

	if (fstat(fd, &stat))
		return -errno;
	if (folder->setting.owner == FOLDER_STORED) {
		if (stored.uid == P9_NONUNAME)
			stored.uid = 0;
		return can_store(stat.st_mode) ? save_stored(fd, &stored) : 0;
	}
	if (folder->setting.owner == FOLDER_USER) {
		/* nobody on the host asked for programs that work as this user */
		if (!S_ISDIR(stat.st_mode))
			mode &= ~SET_IDS;
	} else if ((stat.st_uid != new->uid || stat.st_gid != new->gid) &&
		   fchownat(fd, "", new->uid, new->gid, AT_EMPTY_PATH)) {
		return -errno;
	}
	/* after the owner: a change of it takes set-id bits away */
	if (!S_ISLNK(stat.st_mode) && (stat.st_mode & PERMISSIONS) != mode &&
	    fchmodat(folder_proc(), folder_proc_name(fd, name), mode, 0))
		return -errno;
	return 0;
}

/* --- changes --- */

static int change_bytes(struct folder_node *node, u64 bytes)
{
	int fd, result;

	if (bytes > INT64_MAX)
		return -P9_EINVAL;
	/* a file that was opened for writing may be resized, whatever its mode is by now */
	if (node->writable)
		return ftruncate(node->fd, bytes) ? -errno : 0;
	fd = folder_reopen(node->fd, O_WRONLY);
	if (fd < 0)
		return fd;
	result = ftruncate(fd, bytes) ? -errno : 0;
	close(fd);
	return result;
}

static int change_stored(int fd, const struct stat *stat, const struct folder_change *change)
{
	struct stored stored;

	/* a symbolic link has no place for it, and nobody asks whom it belongs to */
	if (!can_store(stat->st_mode))
		return change->what & FOLDER_SET_MODE ? -P9_EOPNOTSUPP : 0;
	if (!load_stored(fd, stat->st_mode, &stored))
		stored = (struct stored){ stat->st_mode, stat->st_uid, stat->st_gid, 0, 0 };
	if (change->what & FOLDER_SET_UID)
		stored.uid = change->uid;
	if (change->what & FOLDER_SET_GID)
		stored.gid = change->gid;
	if (change->what & FOLDER_SET_MODE)
		stored.mode = (stored.mode & P9_S_IFMT) | (change->mode & PERMISSIONS);
	return save_stored(fd, &stored);
}

static int change_owner_and_mode(struct folder *folder, int fd, const struct folder_change *change)
{
	const struct folder_setting *setting = &folder->setting;
	u32 mode = change->mode & PERMISSIONS;
	char name[FOLDER_PROC_BYTES];
	struct stat stat;

	if (fstat(fd, &stat))
		return -errno;
	if (setting->owner == FOLDER_STORED)
		return change_stored(fd, &stat, change);
	if (setting->owner == FOLDER_USER) {
		if (((change->what & FOLDER_SET_UID) && change->uid != setting->uid) ||
		    ((change->what & FOLDER_SET_GID) && change->gid != setting->gid))
			return -P9_EPERM;
		if (!S_ISDIR(stat.st_mode))
			mode &= ~SET_IDS;
	} else if ((change->what & (FOLDER_SET_UID | FOLDER_SET_GID)) &&
		   fchownat(fd, "", change->what & FOLDER_SET_UID ? change->uid : (u32)-1,
			    change->what & FOLDER_SET_GID ? change->gid : (u32)-1, AT_EMPTY_PATH)) {
		return -errno;
	}
	if (!(change->what & FOLDER_SET_MODE))
		return 0;
	if (S_ISLNK(stat.st_mode))
		return -P9_EOPNOTSUPP;
	return fchmodat(folder_proc(), folder_proc_name(fd, name), mode, 0) ? -errno : 0;
}

static struct timespec time_of(u32 what, u32 set, u32 given, u64 seconds, u64 ns)
{
	struct timespec time = { 0, UTIME_OMIT };

	if (!(what & set))
		return time;
	time.tv_nsec = UTIME_NOW;
	if (what & given) {
		time.tv_sec = seconds;
		time.tv_nsec = ns;
	}
	return time;
}

static int change_times(int fd, const struct folder_change *change)
{
	struct timespec times[2] = {
		time_of(change->what, FOLDER_SET_ATIME, FOLDER_GIVEN_ATIME, change->atime_s, change->atime_ns),
		time_of(change->what, FOLDER_SET_MTIME, FOLDER_GIVEN_MTIME, change->mtime_s, change->mtime_ns),
	};
	char name[FOLDER_PROC_BYTES];

	/* the kernel's own special values must not come from a guest */
	if (((change->what & FOLDER_GIVEN_ATIME) && change->atime_ns >= 1000000000u) ||
	    ((change->what & FOLDER_GIVEN_MTIME) && change->mtime_ns >= 1000000000u))
		return -P9_EINVAL;
	return utimensat(folder_proc(), folder_proc_name(fd, name), times, 0) ? -errno : 0;
}

int folder_change(struct folder *folder, struct folder_node *node, const struct folder_change *change)
{
	int result = 0;

	if (change->what & FOLDER_SET_BYTES)
		result = change_bytes(node, change->bytes);
	if (!result && (change->what & (FOLDER_SET_UID | FOLDER_SET_GID | FOLDER_SET_MODE)))
		result = change_owner_and_mode(folder, node->fd, change);
	if (!result && (change->what & (FOLDER_SET_ATIME | FOLDER_SET_MTIME)))
		result = change_times(node->fd, change);
	return result;
}

int folder_space(struct folder *folder, struct folder_node *node, struct folder_space *space)
{
	struct statvfs stat;

	(void)folder;
	if (fstatvfs(node->fd, &stat))
		return -errno;
	*space = (struct folder_space){
		.block_bytes = stat.f_frsize, .name_bytes = stat.f_namemax,
		.blocks = stat.f_blocks, .free = stat.f_bfree, .available = stat.f_bavail,
		.files = stat.f_files, .files_free = stat.f_ffree,
	};
	return 0;
}

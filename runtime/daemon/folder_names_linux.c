// SPDX-License-Identifier: GPL-2.0-only
/* Host folders on Linux: what directories hold. Each call names one entry of one directory. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "folder_linux.h"
#include "p9.h"

/* A name that came out of what was just made: its owner, or it goes again. */
static int settle_name(struct folder *folder, int dir, const char *name, u32 kind,
		       const struct folder_new *new)
{
	int fd = folder_open_name(dir, name), result;
	struct stat stat;

	if (fd < 0)
		return fd;
	/* somebody on the host may have put another file there meanwhile: leave it alone */
	if (fstat(fd, &stat) || (stat.st_mode & S_IFMT) != kind) {
		close(fd);
		return -P9_EIO;
	}
	result = folder_settle(folder, fd, new);
	close(fd);
	if (result)
		unlinkat(dir, name, kind == S_IFDIR ? AT_REMOVEDIR : 0);
	return result;
}

int folder_mkdir(struct folder *folder, struct folder_node *dir, const char *name,
		 const struct folder_new *new)
{
	if (mkdirat(dir->fd, name, 0700))
		return -errno;
	return settle_name(folder, dir->fd, name, S_IFDIR, new);
}

int folder_mknod(struct folder *folder, struct folder_node *dir, const char *name,
		 const struct folder_new *new)
{
	u32 kind = new->mode & P9_S_IFMT;

	/* kept as a regular file, a device of the guest's is none of the host's */
	if (folder->setting.owner == FOLDER_STORED)
		kind = S_IFREG;
	else if (kind == P9_S_IFCHR || kind == P9_S_IFBLK)
		return -P9_EPERM;
	if (mknodat(dir->fd, name, kind | 0600, 0))
		return -errno;
	return settle_name(folder, dir->fd, name, kind, new);
}

int folder_symlink(struct folder *folder, struct folder_node *dir, const char *name,
		   const char *target, const struct folder_new *new)
{
	if (symlinkat(target, dir->fd, name))
		return -errno;
	return settle_name(folder, dir->fd, name, S_IFLNK, new);
}

int folder_link(struct folder *folder, struct folder_node *dir, const char *name,
		struct folder_node *node)
{
	char name_of_file[FOLDER_PROC_BYTES];

	(void)folder;
	/* the file of the descriptor; a symbolic link gets a second name itself */
	return linkat(folder_proc(), folder_proc_name(node->fd, name_of_file), dir->fd, name,
		      AT_SYMLINK_FOLLOW) ? -errno : 0;
}

int folder_rename(struct folder *folder, struct folder_node *from, const char *old,
		  struct folder_node *to, const char *new)
{
	(void)folder;
	return renameat(from->fd, old, to->fd, new) ? -errno : 0;
}

int folder_unlink(struct folder *folder, struct folder_node *dir, const char *name, bool is_dir)
{
	(void)folder;
	return unlinkat(dir->fd, name, is_dir ? AT_REMOVEDIR : 0) ? -errno : 0;
}

/* --- listing --- */

/* getdents64(2) */
struct entry {
	u64 inode, next;
	u16 bytes;
	u8 type;
	char name[];
};

#define LIST_BYTES_MIN	320u	/* the longest entry fits */
#define NOWHERE		(~0ull)

int folder_list(struct folder *folder, struct folder_node *dir, u64 offset, u32 bytes,
		bool (*each)(void *arg, const struct folder_entry *entry), void *arg)
{
	struct linux_folder *whole = (struct linux_folder *)folder;
	const struct entry *entry;
	struct stat stat;
	long got, at;

	if (fstat(dir->fd, &stat))
		return -errno;
	if (bytes < LIST_BYTES_MIN)
		bytes = LIST_BYTES_MIN;
	else if (bytes > FOLDER_LIST_BYTES)
		bytes = FOLDER_LIST_BYTES;
	/* offset 0 always begins anew, so that new entries are seen */
	if ((!offset || offset != dir->position) && lseek(dir->fd, offset, SEEK_SET) < 0)
		return -errno;
	dir->position = NOWHERE;
	got = syscall(SYS_getdents64, dir->fd, whole->entries, bytes);
	if (got < 0)
		return -errno;
	for (at = 0; at < got; at += entry->bytes) {
		struct folder_entry told;

		entry = (const struct entry *)((const char *)whole->entries + at);
		told = (struct folder_entry){
			.inode = folder_unique(folder, stat.st_dev, entry->inode), .next = entry->next, .type = entry->type,
			.name = entry->name,
		};
		/* what is kept as a regular file may be another kind for the guest */
		if (folder->setting.owner == FOLDER_STORED && entry->type == 8)
			told.type = 0;
		/* which directory the folder lies in is not the guest's business */
		if (!strcmp(entry->name, "..") && stat.st_dev == whole->device &&
		    stat.st_ino == whole->inode)
			told.inode = whole->inode;
		if (!each(arg, &told))
			return 0;
	}
	if (at)
		dir->position = entry->next;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* Host folders on Linux: what is in files, and who has locked it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "folder_linux.h"
#include "p9.h"

#define LAST_OFFSET	((u64)INT64_MAX)

int folder_read(struct folder *folder, struct folder_node *node, void *to, u32 bytes, u64 offset)
{
	u32 done = 0;

	(void)folder;
	while (done < bytes) {
		ssize_t now;

		if (offset + done > LAST_OFFSET)
			return done ? (int)done : -P9_EINVAL;
		now = pread(node->fd, (char *)to + done, bytes - done, offset + done);
		if (now < 0 && errno == EINTR)
			continue;
		if (now < 0 && !done)
			return -errno;
		if (now <= 0)
			break;
		done += now;
	}
	return done;
}

int folder_write(struct folder *folder, struct folder_node *node, const void *from, u32 bytes,
		 u64 offset)
{
	u32 done = 0;

	(void)folder;
	while (done < bytes) {
		ssize_t now;

		if (offset + done > LAST_OFFSET)
			return done ? (int)done : -P9_EINVAL;
		now = pwrite(node->fd, (const char *)from + done, bytes - done, offset + done);
		if (now < 0 && errno == EINTR)
			continue;
		if (now < 0 && !done)
			return -errno;
		if (now <= 0)
			break;
		done += now;
	}
	return done;
}

int folder_readlink(struct folder *folder, struct folder_node *node, char *to, u32 bytes)
{
	ssize_t got = readlinkat(node->fd, "", to, bytes);

	(void)folder;
	/* an empty name that is no link's: ENOENT, which would be a lie about the file */
	return got >= 0 ? (int)got : errno == ENOENT ? -P9_EINVAL : -errno;
}

int folder_sync(struct folder *folder, struct folder_node *node, bool data_only)
{
	(void)folder;
	return (data_only ? fdatasync(node->fd) : fsync(node->fd)) ? -errno : 0;
}

/* --- locks: those of open file descriptions, as POSIX's own end with any close of the file --- */

static int describe(struct flock *lock, enum folder_lock type, u64 first, u64 last)
{
	memset(lock, 0, sizeof(*lock));
	if (first > LAST_OFFSET || first > last)
		return -P9_EINVAL;
	lock->l_type = type == FOLDER_LOCK_READ ? F_RDLCK : type == FOLDER_LOCK_WRITE ? F_WRLCK : F_UNLCK;
	lock->l_whence = SEEK_SET;
	lock->l_start = first;
	lock->l_len = last >= LAST_OFFSET ? 0 : last - first + 1;	/* 0: to the end, wherever it is */
	return 0;
}

int folder_lock(struct folder *folder, struct folder_node *node, enum folder_lock type, u64 first,
		u64 last)
{
	struct flock lock;
	int result = describe(&lock, type, first, last);

	(void)folder;
	if (!result && fcntl(node->fd, F_OFD_SETLK, &lock))
		result = errno == EACCES ? -P9_EAGAIN : -errno;
	return result;
}

int folder_test_lock(struct folder *folder, struct folder_node *node, enum folder_lock *type,
		     u64 *first, u64 *last, u32 *process)
{
	struct flock lock;
	int result = describe(&lock, *type, *first, *last);

	(void)folder;
	if (result)
		return result;
	if (fcntl(node->fd, F_OFD_GETLK, &lock))
		return -errno;
	*type = lock.l_type == F_UNLCK ? FOLDER_LOCK_NONE :
		lock.l_type == F_RDLCK ? FOLDER_LOCK_READ : FOLDER_LOCK_WRITE;
	if (*type == FOLDER_LOCK_NONE)
		return 0;
	*first = lock.l_start;
	*last = lock.l_len ? (u64)lock.l_start + lock.l_len - 1 : ~0ull;
	*process = lock.l_pid > 0 ? lock.l_pid : 0;
	return 0;
}

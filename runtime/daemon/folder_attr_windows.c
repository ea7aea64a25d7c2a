// SPDX-License-Identifier: GPL-2.0-only
/*
 * Host folders on Windows: attributes of files. NT has no owners and modes of Linux's; all
 * files are one user's, as with vfat, and of a mode it keeps whether there is anything that
 * may write (the attribute READONLY).
 */
#include <stdint.h>

#include "folder_windows.h"
#include "p9.h"

/* From 1601 to 1970, and both in a second: 100 ns */
#define EPOCH		116444736000000000ll
#define SECOND		10000000ll
#define ANY_WRITE	0222u

static void to_linux(u64 nt, u64 *seconds, u64 *ns)
{
	int64_t time = (int64_t)nt - EPOCH, rest = time % SECOND;

	if (rest < 0)
		rest += SECOND;
	*seconds = (time - rest) / SECOND;
	*ns = rest * 100;
}

/* 0: the time is none, or not one of NT's. */
static u64 to_nt(u64 seconds, u64 ns)
{
	int64_t time = (int64_t)seconds;

	if (ns >= 1000000000 || time < -EPOCH / SECOND || time > (INT64_MAX - EPOCH) / SECOND - 1)
		return 0;
	return time * SECOND + EPOCH + (int64_t)(ns / 100);
}

int folder_attr(struct folder *folder, struct folder_node *node, struct folder_attr *attr)
{
	const struct folder_setting *setting = &folder->setting;
	struct nt_attr nt;
	HANDLE handle, readable;
	int result = folder_reach(folder_of(folder), node, FILE_READ_ATTRIBUTES, 0, &handle, &nt);

	if (result)
		return result;
	/* what kind of file this is stands in it */
	if (nt.attributes & FILE_ATTRIBUTE_SYSTEM &&
	    !folder_reach(folder_of(folder), node, FILE_READ_ATTRIBUTES | FILE_READ_DATA, 0, &readable, &nt)) {
		NtClose(handle);
		handle = readable;
	}
	*attr = (struct folder_attr){
		.inode = nt.inode, .bytes = nt.bytes, .block_bytes = 4096, .blocks = (nt.allocated + 511) / 512,
		.links = nt.links,
		.uid = setting->owner == FOLDER_USER ? setting->uid : 0,
		.gid = setting->owner == FOLDER_USER ? setting->gid : 0,
	};
	if (node->gone && folder_of(folder)->cannot_delete_now)	/* the name that is hidden counts no more */
		attr->links = attr->links ? attr->links - 1 : 0;
	to_linux(nt.atime, &attr->atime_s, &attr->atime_ns);
	to_linux(nt.mtime, &attr->mtime_s, &attr->mtime_ns);
	to_linux(nt.ctime, &attr->ctime_s, &attr->ctime_ns);
	result = folder_kind(handle, &nt, &attr->mode, &attr->rdev);
	/* a link is as long as its target, for those who read it into so many bytes */
	if (!result && (attr->mode & P9_S_IFMT) == P9_S_IFLNK) {
		char target[4096];
		int bytes = folder_readlink(folder, node, target, sizeof(target));

		attr->bytes = bytes > 0 ? bytes : 0;
	} else if (!result && (attr->mode & P9_S_IFMT) != P9_S_IFREG) {
		attr->bytes = 0;
	}
	NtClose(handle);
	return result;
}

static int change_mode(HANDLE handle, const struct nt_attr *attr, u32 mode)
{
	u32 attributes = attr->attributes & ~(FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_NORMAL);

	/* of a directory it means something else */
	if (attr->attributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT))
		return 0;
	if (!(mode & ANY_WRITE))
		attributes |= FILE_ATTRIBUTE_READONLY;
	return nt_set_basic(handle, 0, 0, attributes ? attributes : FILE_ATTRIBUTE_NORMAL);
}

static int change_times(HANDLE handle, const struct folder_change *change)
{
	u64 atime = 0, mtime = 0, now;
	FILETIME time;

	GetSystemTimeAsFileTime(&time);
	now = (u64)time.dwHighDateTime << 32 | time.dwLowDateTime;
	if (change->what & FOLDER_SET_ATIME)
		atime = change->what & FOLDER_GIVEN_ATIME ? to_nt(change->atime_s, change->atime_ns) : now;
	if (change->what & FOLDER_SET_MTIME)
		mtime = change->what & FOLDER_GIVEN_MTIME ? to_nt(change->mtime_s, change->mtime_ns) : now;
	if ((change->what & FOLDER_SET_ATIME && !atime) || (change->what & FOLDER_SET_MTIME && !mtime))
		return -P9_EINVAL;
	return atime || mtime ? nt_set_basic(handle, atime, mtime, 0) : 0;
}

/* Whoever may write into a file on Windows may not if it is READONLY; the guest's kernel has decided by its mode. */
static int change_bytes(struct windows_folder *folder, struct folder_node *node, u64 bytes)
{
	struct nt_attr attr;
	HANDLE handle;
	int result;

	if (node->handle && node->writable)
		return nt_set_bytes(node->handle, bytes);
	result = folder_reach(folder, node, FILE_WRITE_DATA | FILE_READ_ATTRIBUTES, FILE_NON_DIRECTORY_FILE, &handle, &attr);
	if (result)
		return result;
	result = nt_set_bytes(handle, bytes);
	NtClose(handle);
	return result;
}

int folder_change(struct folder *folder, struct folder_node *node, const struct folder_change *change)
{
	const struct folder_setting *setting = &folder->setting;
	u32 uid = setting->owner == FOLDER_USER ? setting->uid : 0, gid = setting->owner == FOLDER_USER ? setting->gid : 0;
	struct nt_attr attr;
	HANDLE handle;
	int result;

	/* nobody else's can they be */
	if ((change->what & FOLDER_SET_UID && change->uid != uid) || (change->what & FOLDER_SET_GID && change->gid != gid))
		return -P9_EPERM;
	if (change->what & FOLDER_SET_BYTES) {
		result = change_bytes(folder_of(folder), node, change->bytes);
		if (result)
			return result;
	}
	if (!(change->what & (FOLDER_SET_MODE | FOLDER_SET_ATIME | FOLDER_SET_MTIME)))
		return 0;
	result = folder_reach(folder_of(folder), node, FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES, 0, &handle, &attr);
	if (result)
		return result;
	result = change_times(handle, change);
	if (!result && change->what & FOLDER_SET_MODE)
		result = change_mode(handle, &attr, change->mode);
	NtClose(handle);
	return result;
}

int folder_space(struct folder *folder, struct folder_node *node, struct folder_space *space)
{
	FILE_FS_FULL_SIZE_INFORMATION nt;
	int result = nt_space(folder_of(folder)->root, &nt);

	(void)node;	/* there is one volume: mount points are links here */
	if (result)
		return result;
	*space = (struct folder_space){
		.block_bytes = nt.SectorsPerAllocationUnit * nt.BytesPerSector, .name_bytes = 255,
		.blocks = nt.TotalAllocationUnits.QuadPart, .free = nt.ActualAvailableAllocationUnits.QuadPart,
		.available = nt.CallerAvailableAllocationUnits.QuadPart,
	};
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* Host folders on Windows: what files and directories hold. */
#include "folder_windows.h"

#include <stdlib.h>
#include <string.h>

#include "p9.h"

int folder_read(struct folder *folder, struct folder_node *node, void *to, u32 bytes, u64 offset)
{
	(void)folder;
	/* larger offsets mean something else to NT */
	return offset > INT64_MAX ? -P9_EINVAL : nt_read(node->handle, to, bytes, offset);
}

int folder_write(struct folder *folder, struct folder_node *node, const void *from, u32 bytes, u64 offset)
{
	(void)folder;
	if (!node->writable)
		return -P9_EBADF;
	if (offset > (u64)INT64_MAX - bytes)
		return -P9_EINVAL;
	return nt_write(node->handle, from, bytes, node->append ? ~0ull : offset);
}

int folder_sync(struct folder *folder, struct folder_node *node, bool data_only)
{
	(void)folder;
	(void)data_only;
	/* NT flushes only what could be written by that handle; what cannot has nothing to flush */
	return node->writable ? nt_flush(node->handle) : 0;
}

/* --- directories: all of one is read when its reading begins, so that every name comes once whatever comes and goes --- */

#define PIECE_BYTES	(64u << 10)
enum { DT_ANY = 0, DT_DIR = 4, DT_REG = 8 };

void folder_drop_list(struct windows_folder *folder, struct folder_node *node)
{
	u32 i;

	for (i = 0; i < node->nlist; i++)
		free(node->list[i]);
	free(node->list);
	folder->held -= node->list_bytes;
	node->list = NULL;
	node->nlist = 0;
	node->list_bytes = 0;
}

static int add(struct windows_folder *folder, struct folder_node *dir, const char *name, u32 bytes, u64 inode, u8 type)
{
	struct listed *one, **list;
	size_t more = sizeof(*one) + bytes + 1 + sizeof(*list);

	if (!folder_hold(folder, more))
		return -P9_ENOMEM;
	dir->list_bytes += more;
	if (!(dir->nlist & (dir->nlist - 1))) {		/* at each power of two there is room for twice as many */
		list = realloc(dir->list, sizeof(*list) * (dir->nlist ? 2 * dir->nlist : 1));
		if (!list)
			return -P9_ENOMEM;
		dir->list = list;
	}
	one = malloc(sizeof(*one) + bytes + 1);
	if (!one)
		return -P9_ENOMEM;
	one->inode = inode;
	one->type = type;
	memcpy(one->name, name, bytes);
	one->name[bytes] = '\0';
	dir->list[dir->nlist++] = one;
	return 0;
}

/* On Windows 2000, and of FAT, a directory does not tell its files' numbers. */
static u64 ask_inode(HANDLE dir, const WCHAR *name, u32 chars)
{
	static const struct nt_open how = { .access = FILE_READ_ATTRIBUTES, .disposition = FILE_OPEN };
	struct nt_attr attr = { 0 };
	HANDLE handle;

	if (nt_open(dir, name, chars, &how, &handle))
		return 0;
	if (nt_attr(handle, &attr))
		attr.inode = 0;
	NtClose(handle);
	return attr.inode;
}

static int add_piece(struct windows_folder *folder, struct folder_node *dir, const u8 *piece, bool ids)
{
	for (;;) {
		const FILE_ID_BOTH_DIR_INFORMATION *entry = (const void *)piece;
		const WCHAR *wide = ids ? entry->FileName : ((const FILE_BOTH_DIR_INFORMATION *)entry)->FileName;
		u32 chars = entry->FileNameLength / sizeof(*wide), bytes;
		u32 attributes = entry->FileAttributes;
		char name[256];
		int result;

		/* what a guest cannot name it does not see; "." and ".." are told by us */
		bytes = guest_name_of(wide, chars, name);
		if (bytes) {
			u8 type = attributes & (FILE_ATTRIBUTE_SYSTEM | FILE_ATTRIBUTE_REPARSE_POINT) ? DT_ANY :
				  attributes & FILE_ATTRIBUTE_DIRECTORY ? DT_DIR : DT_REG;
			u64 inode = ids ? (u64)entry->FileId.QuadPart : 0;

			result = add(folder, dir, name, bytes, inode ? inode : ask_inode(dir->handle, wide, chars), type);
			if (result)
				return result;
		}
		if (!entry->NextEntryOffset)
			return 0;
		piece += entry->NextEntryOffset;
	}
}

static int read_all(struct windows_folder *folder, struct folder_node *dir)
{
	u64 *piece = malloc(PIECE_BYTES);
	bool ids, restart = true;
	int result;

	if (!piece)
		return -P9_ENOMEM;
	folder_drop_list(folder, dir);
	/* which directory the folder lies in is not the guest's business, and Linux knows parents itself */
	result = add(folder, dir, ".", 1, dir->inode, DT_DIR);
	if (!result)
		result = add(folder, dir, "..", 2, dir->inode, DT_DIR);
	while (!result) {
		result = nt_list(dir->handle, piece, PIECE_BYTES, restart, &ids);
		restart = false;
		if (!result)
			result = add_piece(folder, dir, (const u8 *)piece, ids);
	}
	free(piece);
	if (result == -P9_ENOENT)
		return 0;
	folder_drop_list(folder, dir);
	return result;
}

int folder_list(struct folder *folder, struct folder_node *dir, u64 offset, u32 bytes,
		bool (*each)(void *arg, const struct folder_entry *entry), void *arg)
{
	u32 told = 0;
	u64 at;
	int result = !offset || !dir->list ? read_all(folder_of(folder), dir) : 0;

	for (at = offset; !result && at < dir->nlist && told < bytes; at++) {
		const struct listed *one = dir->list[at];
		const struct folder_entry entry = { one->inode, at + 1, one->type, one->name };

		if (!each(arg, &entry))
			break;
		told += sizeof(entry) + strlen(one->name);
	}
	return result;
}

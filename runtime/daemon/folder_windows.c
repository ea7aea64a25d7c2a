// SPDX-License-Identifier: GPL-2.0-only
/* Host folders on Windows: nodes, opened files, and the folder itself. */
#include "folder_windows.h"

#include <stdlib.h>
#include <string.h>

#include "p9.h"
#include "text_windows.h"

/* --- nodes --- */

bool folder_hold(struct windows_folder *folder, size_t bytes)
{
	if (bytes > HELD_BYTES - folder->held)
		return false;
	folder->held += bytes;
	return true;
}

WCHAR *folder_way(const struct folder_node *dir, const struct nt_name *name, u32 *chars)
{
	u32 before = dir->chars ? dir->chars + 1 : 0;
	WCHAR *way = before + name->chars > WAY_CHARS ? NULL : malloc((before + name->chars) * sizeof(*way));

	if (!way)
		return NULL;
	if (before) {
		memcpy(way, dir->way, dir->chars * sizeof(*way));
		way[before - 1] = '\\';
	}
	memcpy(way + before, name->text, name->chars * sizeof(*way));
	*chars = before + name->chars;
	return way;
}

/* Takes the way over, also when it fails. */
static int make_node(struct windows_folder *folder, WCHAR *way, u32 chars, u64 inode, struct folder_node **node)
{
	bool held = folder_hold(folder, sizeof(**node) + chars * sizeof(*way));

	*node = way && held ? calloc(1, sizeof(**node)) : NULL;
	if (!*node) {
		if (held)
			folder->held -= sizeof(**node) + chars * sizeof(*way);
		free(way);
		return held ? -P9_ENOMEM : -P9_ENFILE;
	}
	**node = (struct folder_node){
		.way = way, .chars = chars, .inode = inode, .next = folder->nodes, .at = &folder->nodes,
	};
	if (folder->nodes)
		folder->nodes->at = &(*node)->next;
	folder->nodes = *node;
	return 0;
}

static void forget(struct folder *folder, struct folder_node *node)
{
	if (!node)
		return;
	*node->at = node->next;
	if (node->next)
		node->next->at = node->at;
	if (node->handle)
		NtClose(node->handle);
	folder_drop_list(folder_of(folder), node);
	folder_of(folder)->held -= sizeof(*node) + node->chars * sizeof(*node->way);
	free(node->way);
	free(node);
}

static int root(struct folder *folder, struct folder_node **node)
{
	return make_node(folder_of(folder), malloc(sizeof(WCHAR)), 0, folder_of(folder)->root_inode, node);
}

static int walk(struct folder *folder, struct folder_node *from, const char *name, struct folder_node **node)
{
	struct nt_name wide;
	struct nt_attr attr;
	HANDLE dir, handle;
	WCHAR *way;
	u32 chars;
	int result = nt_name_of(name, &wide);

	/* no file can have such a name */
	if (result)
		return result == -P9_ENAMETOOLONG ? result : -P9_ENOENT;
	result = folder_dir(folder_of(folder), from, &dir);
	if (result)
		return result;
	result = folder_open_name(dir, &wide, FILE_READ_ATTRIBUTES, 0, &handle, &attr);
	folder_leave(folder_of(folder), dir);
	if (result)
		return result;
	NtClose(handle);
	way = folder_way(from, &wide, &chars);
	return way ? make_node(folder_of(folder), way, chars, attr.inode, node) : -P9_ENAMETOOLONG;
}

static int again(struct folder *folder, struct folder_node *node, struct folder_node **copy)
{
	WCHAR *way = malloc((node->chars + 1) * sizeof(*way));
	struct nt_attr attr;
	int result;

	if (way)
		memcpy(way, node->way, node->chars * sizeof(*way));
	result = make_node(folder_of(folder), way, node->chars, node->inode, copy);
	if (result || !node->gone)
		return result;
	(*copy)->gone = true;
	(*copy)->writable = node->writable;
	result = folder_copy_handle(node->handle, &(*copy)->handle, &attr);
	if (result)
		forget(folder, *copy);
	return result;
}

/* --- opening --- */

static bool for_writing(u32 how)
{
	return (how & FOLDER_ACCESS) != FOLDER_READ || how & FOLDER_TRUNCATE;
}

/* Reading is always asked for: what kind of file this is may have to be read. */
static ACCESS_MASK access_for(u32 how)
{
	return FILE_READ_DATA | FILE_READ_ATTRIBUTES |
	       (for_writing(how) ? FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_WRITE_ATTRIBUTES : 0);
}

static u32 options_for(u32 how)
{
	return how & FOLDER_SYNC ? FILE_WRITE_THROUGH : 0;
}

static void set_opened(struct folder_node *node, HANDLE handle, u32 how)
{
	node->handle = handle;
	node->opened = true;
	node->writable = for_writing(how);
	node->append = how & FOLDER_APPEND;
}

static int open_node(struct folder *folder, struct folder_node *node, u32 how)
{
	struct nt_attr attr;
	HANDLE handle;
	u64 rdev;
	u32 mode;
	int result;

	if (node->gone && for_writing(how) && !node->writable)
		return -P9_EACCES;	/* the handle is all there is, and it is for reading */
	result = folder_reach(folder_of(folder), node, access_for(how), options_for(how), &handle, &attr);
	if (result == -P9_EACCES && for_writing(how))
		result = folder_reach(folder_of(folder), node, access_for(how) & ~FILE_WRITE_ATTRIBUTES, options_for(how),
				      &handle, &attr);
	if (result)
		return result;
	result = folder_kind(handle, &attr, &mode, &rdev);
	if (!result && (mode & P9_S_IFMT) == P9_S_IFDIR && for_writing(how))
		result = -P9_EISDIR;
	else if (!result && (mode & P9_S_IFMT) != P9_S_IFREG && (mode & P9_S_IFMT) != P9_S_IFDIR)
		result = -P9_ENXIO;
	/* kept elsewhere (by a cloud's program, say): the file behind it would have to be followed */
	else if (!result && attr.attributes & FILE_ATTRIBUTE_REPARSE_POINT)
		result = -P9_EOPNOTSUPP;
	if (!result && how & FOLDER_TRUNCATE)
		result = nt_set_bytes(handle, 0);
	if (result) {
		NtClose(handle);
		return result;
	}
	if (node->handle)
		NtClose(node->handle);
	set_opened(node, handle, how);
	return 0;
}

/* The file is there already, and that is no fault. */
static int open_old(struct folder *folder, struct folder_node *dir, const char *name, u32 how, struct folder_node **node)
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

static int create(struct folder *folder, struct folder_node *dir, const char *name, u32 how, const struct folder_new *new,
		  struct folder_node **node)
{
	const struct nt_open make = {
		.access = access_for(how), .disposition = FILE_CREATE, .options = FILE_NON_DIRECTORY_FILE | options_for(how),
		.attributes = new->mode & 0222 ? FILE_ATTRIBUTE_NORMAL : FILE_ATTRIBUTE_READONLY,
	};
	struct nt_name wide;
	struct nt_attr attr;
	HANDLE at, handle;
	WCHAR *way;
	u32 chars;
	int result = nt_name_of(name, &wide);

	if (!result)
		result = folder_dir(folder_of(folder), dir, &at);
	if (result)
		return result;
	result = nt_open(at, wide.text, wide.chars, &make, &handle);
	folder_leave(folder_of(folder), at);
	if ((result == -P9_EEXIST || result == -P9_EISDIR) && !(how & FOLDER_EXCLUSIVE))
		return open_old(folder, dir, name, how, node);
	if (result)
		return result == -P9_EISDIR ? -P9_EEXIST : result;
	result = nt_attr(handle, &attr);
	way = result ? NULL : folder_way(dir, &wide, &chars);
	if (!result)
		result = way ? make_node(folder_of(folder), way, chars, attr.inode, node) : -P9_ENAMETOOLONG;
	if (result) {
		NtClose(handle);
		folder_unlink(folder, dir, name, false);
		return result;
	}
	set_opened(*node, handle, how);
	return 0;
}

/* --- locks: NT's keep everybody else from reading and writing, this guest too by its other handles, which POSIX's do not --- */

static int lock(struct folder *folder, struct folder_node *node, enum folder_lock type, u64 first, u64 last)
{
	(void)folder, (void)node, (void)type, (void)first, (void)last;
	return 0;
}

static int test_lock(struct folder *folder, struct folder_node *node, enum folder_lock *type, u64 *first, u64 *last,
		     u32 *process)
{
	(void)folder, (void)node, (void)first, (void)last, (void)process;
	*type = FOLDER_LOCK_NONE;
	return 0;
}

/* --- the folder itself --- */

static int enter(struct folder *folder)
{
	(void)folder;
	return 0;
}

static void close_folder(struct folder *folder)
{
	NtClose(folder_of(folder)->root);
	free(folder);
}

static const struct folder_ops windows_ops = {
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
	.lock = lock,
	.test_lock = test_lock,
};

static HANDLE open_root(const WCHAR *path)
{
	const DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
	const DWORD access = FILE_LIST_DIRECTORY | FILE_TRAVERSE | FILE_READ_ATTRIBUTES | SYNCHRONIZE;
	HANDLE handle = CreateFileW(path, access | FILE_WRITE_ATTRIBUTES, share, NULL, OPEN_EXISTING,
				    FILE_FLAG_BACKUP_SEMANTICS, NULL);

	if (handle == INVALID_HANDLE_VALUE && GetLastError() == ERROR_ACCESS_DENIED)
		handle = CreateFileW(path, access, share, NULL, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
	return handle;
}

struct folder *folder_open(const char *path, const struct folder_setting *setting, struct error *error)
{
	struct windows_folder *folder = calloc(1, sizeof(*folder));
	WCHAR *wide = wide_of(path);
	struct nt_attr attr;

	if (!folder || !wide) {
		error_set(error, "out of memory");
		goto fault;
	}
	if (setting->owner == FOLDER_STORED) {
		error_set(error, "%s: owners are not stored on Windows; take another owner=", path);
		goto fault;
	}
	folder->folder = (struct folder){ &windows_ops, *setting };
	folder->root = open_root(wide);
	if (folder->root == INVALID_HANDLE_VALUE) {
		error_set(error, "%s: %s", path, windows_error(GetLastError()));
		goto fault;
	}
	if (nt_attr(folder->root, &attr) || !(attr.attributes & FILE_ATTRIBUTE_DIRECTORY)) {
		error_set(error, "%s: Not a directory", path);
		NtClose(folder->root);
		goto fault;
	}
	folder->root_inode = attr.inode;
	free(wide);
	return &folder->folder;
fault:
	free(wide);
	free(folder);
	return NULL;
}

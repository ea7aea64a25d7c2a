// SPDX-License-Identifier: GPL-2.0-only
/*
 * Host folders on Windows: what directories hold. Where NT is less than POSIX something is
 * done beforehand: a file that is to go while it is open goes to the root first, under a
 * name that no guest sees, so that its own name is free at once; an empty directory that is
 * to be replaced is removed.
 */
#include "folder_windows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p9.h"

/* A name in a directory that a request is about. */
struct place {
	HANDLE dir;
	struct nt_name name;
};

static int find(struct windows_folder *folder, const struct folder_node *dir, const char *name, struct place *place)
{
	int result = nt_name_of(name, &place->name);

	return result ? result : folder_dir(folder, dir, &place->dir);
}

static int make(HANDLE dir, const struct nt_name *name, u32 options, u32 attributes)
{
	const struct nt_open how = {
		.access = FILE_READ_ATTRIBUTES, .disposition = FILE_CREATE, .options = options, .attributes = attributes,
	};
	HANDLE handle;
	int result = nt_open(dir, name->text, name->chars, &how, &handle);

	if (!result)
		NtClose(handle);
	return result == -P9_EISDIR || result == -P9_ENOTDIR ? -P9_EEXIST : result;
}

int folder_mkdir(struct folder *folder, struct folder_node *dir, const char *name, const struct folder_new *new)
{
	struct place place;
	int result = find(folder_of(folder), dir, name, &place);

	(void)new;
	if (result)
		return result;
	result = make(place.dir, &place.name, FILE_DIRECTORY_FILE, 0);
	folder_leave(folder_of(folder), place.dir);
	return result;
}

int folder_mknod(struct folder *folder, struct folder_node *dir, const char *name, const struct folder_new *new)
{
	struct place place;
	int result = find(folder_of(folder), dir, name, &place);

	if (result)
		return result;
	if ((new->mode & P9_S_IFMT) == P9_S_IFREG)
		result = make(place.dir, &place.name, FILE_NON_DIRECTORY_FILE,
			      new->mode & 0222 ? 0 : FILE_ATTRIBUTE_READONLY);
	else
		result = folder_make_kind(place.dir, &place.name, new, NULL);
	folder_leave(folder_of(folder), place.dir);
	return result == -P9_EISDIR ? -P9_EEXIST : result;
}

int folder_symlink(struct folder *folder, struct folder_node *dir, const char *name, const char *target,
		   const struct folder_new *new)
{
	struct place place;
	int result = find(folder_of(folder), dir, name, &place);

	if (result)
		return result;
	result = folder_make_kind(place.dir, &place.name, new, target);
	folder_leave(folder_of(folder), place.dir);
	return result == -P9_EISDIR ? -P9_EEXIST : result;
}

int folder_link(struct folder *folder, struct folder_node *dir, const char *name, struct folder_node *node)
{
	struct nt_attr attr;
	struct place place;
	HANDLE handle;
	int result = find(folder_of(folder), dir, name, &place);

	if (result)
		return result;
	result = node->gone ? -P9_ENOENT :
		 folder_reach(folder_of(folder), node, FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES, 0, &handle, &attr);
	if (!result) {
		result = attr.attributes & FILE_ATTRIBUTE_DIRECTORY ? -P9_EPERM :
			 nt_link(handle, place.dir, place.name.text, place.name.chars);
		NtClose(handle);
	}
	folder_leave(folder_of(folder), place.dir);
	return result;
}

/* --- names that go, and what holds on to them --- */

/* Is this node's file reached by that way, or by one that begins with it? */
static bool is_beneath(const struct folder_node *node, const WCHAR *way, u32 chars, bool itself_only)
{
	return !node->gone && node->chars >= chars && !memcmp(node->way, way, chars * sizeof(*way)) &&
	       (node->chars == chars || (!itself_only && node->way[chars] == '\\'));
}

static bool is_open(const struct windows_folder *folder, const WCHAR *way, u32 chars)
{
	const struct folder_node *node;

	for (node = folder->nodes; node; node = node->next)
		if (node->handle && is_beneath(node, way, chars, true))
			return true;
	return false;
}

/* The name has gone: who has the file open keeps it, the others will not find it. */
static void has_gone(struct windows_folder *folder, const WCHAR *way, u32 chars)
{
	struct folder_node *node;

	for (node = folder->nodes; node; node = node->next)
		if (is_beneath(node, way, chars, true)) {
			node->inode = node->handle ? node->inode : ~0ull;
			node->gone = node->handle != NULL;
		}
}

/* What lay there and beneath it lies elsewhere now. `inode`: FAT's numbers are those of places. */
static void has_moved(struct windows_folder *folder, const WCHAR *from, u32 from_chars, const WCHAR *to, u32 to_chars,
		      u64 inode)
{
	struct folder_node *node;

	for (node = folder->nodes; node; node = node->next) {
		u32 rest = node->chars - from_chars, chars = to_chars + rest;
		WCHAR *way;

		if (!is_beneath(node, from, from_chars, false))
			continue;
		/* one that cannot be held on to is not found any more: nothing worse */
		way = chars > WAY_CHARS ? NULL : malloc((chars + 1) * sizeof(*way));
		if (!way || (rest + to_chars > node->chars && !folder_hold(folder, (chars - node->chars) * sizeof(*way)))) {
			free(way);
			node->inode = ~0ull;
			continue;
		}
		if (chars < node->chars)
			folder->held -= (node->chars - chars) * sizeof(*way);
		memcpy(way, to, to_chars * sizeof(*way));
		memcpy(way + to_chars, node->way + from_chars, rest * sizeof(*way));
		free(node->way);
		node->way = way;
		node->chars = chars;
		if (!rest)
			node->inode = inode;
	}
}

/* Out of the way, to the root. `handle`: for DELETE. */
static int hide(struct windows_folder *folder, HANDLE handle, u64 inode)
{
	WCHAR name[80];
	u32 chars;

	chars = _snwprintf(name, sizeof(name) / sizeof(*name), GONE_NAME L"%08lx%08lx-%lx-%lu", (unsigned long)(inode >> 32),
			   (unsigned long)inode, (unsigned long)GetCurrentProcessId(), (unsigned long)++folder->gone);
	return nt_rename(handle, folder->root, name, chars, false);
}

/* A file that is opened for DELETE; its name goes, at once. `open`: by this guest. */
static int take_away(struct windows_folder *folder, HANDLE handle, const struct nt_attr *attr, bool open)
{
	u32 without = attr->attributes & ~FILE_ATTRIBUTE_READONLY;
	int result = folder->cannot_delete_now ? -P9_EOPNOTSUPP : nt_delete_now(handle);

	if (result != -P9_EOPNOTSUPP)
		return result;
	folder->cannot_delete_now = true;
	if (attr->attributes & FILE_ATTRIBUTE_READONLY) {
		result = nt_set_basic(handle, 0, 0, without ? without : FILE_ATTRIBUTE_NORMAL);
		if (result)
			return result;
	}
	result = open && !(attr->attributes & FILE_ATTRIBUTE_DIRECTORY) ? hide(folder, handle, attr->inode) : 0;
	if (!result || result == -P9_EOPNOTSUPP)
		result = nt_delete(handle);
	if (result && attr->attributes & FILE_ATTRIBUTE_READONLY)
		nt_set_basic(handle, 0, 0, attr->attributes);
	return result;
}

static int open_to_go(const struct place *place, HANDLE *handle, struct nt_attr *attr)
{
	return folder_open_name(place->dir, &place->name, DELETE | FILE_WRITE_ATTRIBUTES, 0, handle, attr);
}

/* A place whose way is known. */
static int remove_at(struct windows_folder *folder, const struct place *place, const WCHAR *way, u32 chars, bool is_dir)
{
	struct nt_attr attr;
	HANDLE handle;
	int result = open_to_go(place, &handle, &attr);

	if (result)
		return result;
	/* a junction is a directory to NT, and a link to the guest */
	if (attr.attributes & FILE_ATTRIBUTE_REPARSE_POINT)
		result = is_dir ? -P9_ENOTDIR : 0;
	else if (is_dir != !!(attr.attributes & FILE_ATTRIBUTE_DIRECTORY))
		result = is_dir ? -P9_ENOTDIR : -P9_EISDIR;
	if (!result)
		result = take_away(folder, handle, &attr, is_open(folder, way, chars));
	NtClose(handle);
	if (!result)
		has_gone(folder, way, chars);
	return result;
}

int folder_unlink(struct folder *folder, struct folder_node *dir, const char *name, bool is_dir)
{
	struct place place;
	WCHAR *way;
	u32 chars;
	int result = find(folder_of(folder), dir, name, &place);

	if (result)
		return result;
	way = folder_way(dir, &place.name, &chars);
	result = way ? remove_at(folder_of(folder), &place, way, chars, is_dir) : -P9_ENAMETOOLONG;
	free(way);
	folder_leave(folder_of(folder), place.dir);
	return result;
}

/* --- rename --- */

/* What has the new name goes, if POSIX would let it. 1: it is the file itself, all is done. */
static int make_room(struct windows_folder *folder, const struct place *to, const WCHAR *way, u32 chars,
		     const struct nt_attr *moved)
{
	bool is_dir = moved->attributes & FILE_ATTRIBUTE_DIRECTORY;
	struct nt_attr attr;
	HANDLE handle;
	int result = folder_open_name(to->dir, &to->name, FILE_READ_ATTRIBUTES, 0, &handle, &attr);

	if (result)
		return result == -P9_ENOENT ? 0 : result;
	NtClose(handle);
	if (attr.inode == moved->inode)
		return attr.links > 1;	/* else by another spelling of the same name */
	if (is_dir != !!(attr.attributes & FILE_ATTRIBUTE_DIRECTORY))
		return is_dir ? -P9_ENOTDIR : -P9_EISDIR;
	/* NT puts a file in another's place in one step, but not a directory, nor where it is open or READONLY */
	if (!is_dir && !(attr.attributes & FILE_ATTRIBUTE_READONLY) && !is_open(folder, way, chars))
		return 0;
	return remove_at(folder, to, way, chars, is_dir);
}

static int rename_places(struct windows_folder *folder, const struct place *from, const WCHAR *old, u32 old_chars,
			 const struct place *to, const WCHAR *new, u32 new_chars)
{
	struct nt_attr attr;
	HANDLE handle;
	int result;

	if (new_chars > old_chars && new[old_chars] == '\\' && !memcmp(old, new, old_chars * sizeof(*old)))
		return -P9_EINVAL;	/* into itself */
	if (new_chars == old_chars && !memcmp(old, new, old_chars * sizeof(*old)))
		return 0;
	result = open_to_go(from, &handle, &attr);
	if (result)
		return result;
	result = make_room(folder, to, new, new_chars, &attr);
	if (!result) {
		result = nt_rename(handle, to->dir, to->name.text, to->name.chars, true);
		/* NT's word for a directory beneath which a file is open */
		if (result == -P9_EACCES && attr.attributes & FILE_ATTRIBUTE_DIRECTORY)
			result = -P9_EBUSY;
		if (!result) {
			u64 inode = nt_attr(handle, &attr) ? ~0ull : attr.inode;

			has_moved(folder, old, old_chars, new, new_chars, inode);
		}
	}
	NtClose(handle);
	return result < 0 ? result : 0;
}

int folder_rename(struct folder *folder, struct folder_node *from, const char *old, struct folder_node *to,
		  const char *new)
{
	struct windows_folder *whole = folder_of(folder);
	WCHAR *old_way, *new_way;
	u32 old_chars, new_chars;
	struct place source, target;
	int result = find(whole, from, old, &source);

	if (result)
		return result;
	result = find(whole, to, new, &target);
	if (!result) {
		old_way = folder_way(from, &source.name, &old_chars);
		new_way = folder_way(to, &target.name, &new_chars);
		result = old_way && new_way ? rename_places(whole, &source, old_way, old_chars, &target, new_way, new_chars) :
					      -P9_ENAMETOOLONG;
		free(old_way);
		free(new_way);
		folder_leave(whole, target.dir);
	}
	folder_leave(whole, source.dir);
	return result;
}

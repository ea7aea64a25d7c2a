// SPDX-License-Identifier: GPL-2.0-only
/* Host folders on Windows: from names to handles. There is always one name and the handle of its directory. */
#include "folder_windows.h"

#include <string.h>

#include "p9.h"

void folder_leave(struct windows_folder *folder, HANDLE dir)
{
	if (dir != folder->root)
		NtClose(dir);
}

static int step(HANDLE from, const WCHAR *name, u32 chars, HANDLE *dir)
{
	static const struct nt_open how = {
		.access = FILE_TRAVERSE | FILE_READ_ATTRIBUTES, .disposition = FILE_OPEN, .options = FILE_DIRECTORY_FILE,
	};
	int result = nt_open(from, name, chars, &how, dir);

	if (!result && nt_is_reparse_point(*dir)) {
		NtClose(*dir);
		result = -P9_ENOTDIR;
	}
	return result;
}

/* So many characters of a way. */
static int go(struct windows_folder *folder, const WCHAR *way, u32 chars, HANDLE *handle)
{
	HANDLE at = folder->root, next;
	u32 done = 0;
	int result;

	while (done < chars) {
		u32 end = done;

		while (end < chars && way[end] != '\\')
			end++;
		result = step(at, way + done, end - done, &next);
		folder_leave(folder, at);
		if (result)
			return result;
		at = next;
		done = end + 1;
	}
	*handle = at;
	return 0;
}

int folder_dir(struct windows_folder *folder, const struct folder_node *dir, HANDLE *handle)
{
	struct nt_attr attr;
	int result = dir->gone ? -P9_ENOENT : go(folder, dir->way, dir->chars, handle);

	if (result)
		return result;
	result = nt_attr(*handle, &attr);
	if (!result && attr.inode != dir->inode)
		result = -P9_ENOENT;	/* another one has its name by now */
	if (result)
		folder_leave(folder, *handle);
	return result;
}

/* A READONLY file for writing: the guest's kernel lets those write who may, and Linux's root always may. */
static int open_read_only(HANDLE dir, const struct nt_name *name, const struct nt_open *wanted, HANDLE *handle)
{
	static const struct nt_open look = {
		.access = FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES, .disposition = FILE_OPEN,
	};
	struct nt_attr attr;
	HANDLE attributes;
	u32 without;
	int result;

	if (nt_open(dir, name->text, name->chars, &look, &attributes))
		return -P9_EACCES;
	result = nt_attr(attributes, &attr);
	if (!result && !(attr.attributes & FILE_ATTRIBUTE_READONLY))
		result = -P9_EACCES;
	without = attr.attributes & ~FILE_ATTRIBUTE_READONLY;
	if (!result)
		result = nt_set_basic(attributes, 0, 0, without ? without : FILE_ATTRIBUTE_NORMAL);
	if (!result) {
		result = nt_open(dir, name->text, name->chars, wanted, handle);
		nt_set_basic(attributes, 0, 0, attr.attributes);
	}
	NtClose(attributes);
	return result;
}

int folder_open_name(HANDLE dir, const struct nt_name *name, ACCESS_MASK access, u32 options, HANDLE *handle,
		     struct nt_attr *attr)
{
	const struct nt_open how = { .access = access | FILE_READ_ATTRIBUTES, .disposition = FILE_OPEN, .options = options };
	int result = nt_open(dir, name->text, name->chars, &how, handle);

	if (result == -P9_EACCES && access & FILE_WRITE_DATA)
		result = open_read_only(dir, name, &how, handle);
	if (result)
		return result;
	result = nt_attr(*handle, attr);
	if (result)
		NtClose(*handle);
	return result;
}

int folder_copy_handle(HANDLE of, HANDLE *copy, struct nt_attr *attr)
{
	int result;

	if (!DuplicateHandle(GetCurrentProcess(), of, GetCurrentProcess(), copy, 0, FALSE, DUPLICATE_SAME_ACCESS))
		return -P9_ENFILE;
	result = nt_attr(*copy, attr);
	if (result)
		NtClose(*copy);
	return result;
}

int folder_reach(struct windows_folder *folder, const struct folder_node *node, ACCESS_MASK access, u32 options,
		 HANDLE *handle, struct nt_attr *attr)
{
	u32 before = node->chars;
	struct nt_name name;
	HANDLE dir;
	int result;

	if (node->gone || !node->chars)
		return folder_copy_handle(node->gone ? node->handle : folder->root, handle, attr);
	while (before && node->way[before - 1] != '\\')
		before--;
	name.chars = node->chars - before;
	memcpy(name.text, node->way + before, name.chars * sizeof(*name.text));
	result = go(folder, node->way, before ? before - 1 : 0, &dir);
	if (result)
		return result;
	result = folder_open_name(dir, &name, access, options, handle, attr);
	folder_leave(folder, dir);
	if (!result && attr->inode != node->inode) {
		NtClose(*handle);
		result = -P9_ENOENT;
	}
	return result;
}

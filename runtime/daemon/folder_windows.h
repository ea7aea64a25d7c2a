/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What folder_*_windows.c share. NT renames no directory beneath which a file is open, and
 * removes no file that is; guests hold on to files all the time. So a node is not a handle
 * but the names that lead to its file, from the folder's own handle, and the file's number:
 * each request goes there anew, one name at a time, and looks whether it is still that file.
 * A handle is kept for what a guest's program has opened.
 *
 * What NT has no kind of file for is kept as Services for Unix do: a file with the attribute
 * SYSTEM that begins with "IntxLNK\\1", "IntxCHR", "IntxBLK", or, as Linux's cifs has it,
 * "LnxFIFO", "LnxSOCK". Cygwin and Linux see the same in it.
 */
#ifndef COLINUX_FOLDER_WINDOWS_H
#define COLINUX_FOLDER_WINDOWS_H

#include "folder.h"
#include "nt_files_windows.h"

/* The longest way from the root, in characters; what all nodes and lists of a folder may take. */
#define WAY_CHARS	8192u
#define HELD_BYTES	(256u << 20)

/* Files that were removed while they were open, until they are closed: in the root, and seen by nobody. */
#define GONE_NAME	L".colinux-gone-"

struct nt_name {
	WCHAR text[256];
	u32 chars;
};

struct listed {
	u64 inode;
	u8 type;
	char name[];
};

struct folder_node {
	struct folder_node *next, **at;	/* among all of the folder's */
	WCHAR *way;		/* "a\\b": names from the root; "" for the root */
	u32 chars;
	u64 inode;
	HANDLE handle;		/* NULL: not opened */
	bool opened, writable, append;
	bool gone;		/* removed; the handle is all there is of it */
	struct listed **list;	/* what a directory held when its reading began */
	u32 nlist;
	size_t list_bytes;
};

struct windows_folder {
	struct folder folder;
	HANDLE root;
	u64 root_inode;
	struct folder_node *nodes;
	size_t held;
	u32 gone;		/* so many were given a GONE_NAME */
	bool cannot_delete_now;
};

static inline struct windows_folder *folder_of(struct folder *folder)
{
	return (struct windows_folder *)folder;
}

/* folder_text_windows.c: a guest's name as NT's, and back. -EINVAL, -ENAMETOOLONG */
int nt_name_of(const char *name, struct nt_name *wide);
/* Bytes without the NUL; 0: a guest could not name it. */
u32 guest_name_of(const WCHAR *wide, u32 chars, char name[256]);
/* The same for a text of any characters, a link's target; -EINVAL. `to`: NUL at its end. */
int nt_text_of(const char *text, WCHAR *to, u32 max);
int guest_text_of(const WCHAR *wide, u32 chars, char *to, u32 max);

/* folder_reach_windows.c */
/* The directory of a node, opened for going on in it; close it with folder_leave(). */
int folder_dir(struct windows_folder *folder, const struct folder_node *dir, HANDLE *handle);
void folder_leave(struct windows_folder *folder, HANDLE dir);
/* A node's file, opened anew with this access; or a copy of the handle of one that is gone. */
int folder_reach(struct windows_folder *folder, const struct folder_node *node, ACCESS_MASK access, u32 options,
		 HANDLE *handle, struct nt_attr *attr);
/* The same for a name in an opened directory. */
int folder_open_name(HANDLE dir, const struct nt_name *name, ACCESS_MASK access, u32 options, HANDLE *handle,
		     struct nt_attr *attr);
int folder_copy_handle(HANDLE of, HANDLE *copy, struct nt_attr *attr);

/* folder_windows.c */
/* May so many more bytes be held? If so, they are. */
bool folder_hold(struct windows_folder *folder, size_t bytes);
/* The way of a name in a directory; free() it. NULL: too long, or no memory. */
WCHAR *folder_way(const struct folder_node *dir, const struct nt_name *name, u32 *chars);

/* folder_kinds_windows.c */
/* Linux's mode of a file: kind and permissions; `rdev` of a device. `handle`: to read attributes at least. */
int folder_kind(HANDLE handle, const struct nt_attr *attr, u32 *mode, u64 *rdev);
/* A file of another kind than regular, by its name in a directory. `target`: of a link. */
int folder_make_kind(HANDLE dir, const struct nt_name *name, const struct folder_new *new, const char *target);
int folder_readlink(struct folder *folder, struct folder_node *node, char *to, u32 bytes);

/* folder_attr_windows.c */
int folder_attr(struct folder *folder, struct folder_node *node, struct folder_attr *attr);
int folder_change(struct folder *folder, struct folder_node *node, const struct folder_change *change);
int folder_space(struct folder *folder, struct folder_node *node, struct folder_space *space);

/* folder_io_windows.c */
int folder_read(struct folder *folder, struct folder_node *node, void *to, u32 bytes, u64 offset);
int folder_write(struct folder *folder, struct folder_node *node, const void *from, u32 bytes, u64 offset);
int folder_sync(struct folder *folder, struct folder_node *node, bool data_only);
int folder_list(struct folder *folder, struct folder_node *dir, u64 offset, u32 bytes,
		bool (*each)(void *arg, const struct folder_entry *entry), void *arg);
void folder_drop_list(struct windows_folder *folder, struct folder_node *node);

/* folder_names_windows.c */
int folder_mkdir(struct folder *folder, struct folder_node *dir, const char *name, const struct folder_new *new);
int folder_mknod(struct folder *folder, struct folder_node *dir, const char *name, const struct folder_new *new);
int folder_symlink(struct folder *folder, struct folder_node *dir, const char *name, const char *target,
		   const struct folder_new *new);
int folder_link(struct folder *folder, struct folder_node *dir, const char *name, struct folder_node *node);
int folder_rename(struct folder *folder, struct folder_node *from, const char *old, struct folder_node *to,
		  const char *new);
int folder_unlink(struct folder *folder, struct folder_node *dir, const char *name, bool is_dir);

#endif

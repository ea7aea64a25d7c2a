/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * NT's own calls for files, by handles: a name is looked for in an opened directory, one at
 * a time, which no call of Win32 does. All of them are in Windows 2000 already (ntdll.dll;
 * documented with the drivers' Zw* of the same names).
 *
 * Calls return 0 or a negated P9_E*.
 */
#ifndef COLINUX_NT_FILES_WINDOWS_H
#define COLINUX_NT_FILES_WINDOWS_H

#include <stdbool.h>
#include <windows.h>
#include <winternl.h>

#include "colinux_types.h"

/* What a handle's file is, as NT tells it. Times: 100 ns since 1601. */
struct nt_attr {
	u64 inode, bytes, allocated;
	u64 atime, mtime, ctime;
	u32 attributes, links;	/* FILE_ATTRIBUTE_* */
};

struct nt_open {
	ACCESS_MASK access;	/* SYNCHRONIZE is always there */
	u32 disposition;	/* FILE_OPEN, FILE_CREATE */
	u32 options;		/* FILE_DIRECTORY_FILE, FILE_NON_DIRECTORY_FILE, FILE_WRITE_THROUGH */
	u32 attributes;		/* of a new file */
};

/* What a status means to a guest. */
int nt_error(NTSTATUS status);

/*
 * A name of `chars` characters in a directory. A link (reparse point) is opened itself, not
 * what it leads to, and everybody else may read, write, rename and remove the file meanwhile.
 */
int nt_open(HANDLE dir, const WCHAR *name, u32 chars, const struct nt_open *how, HANDLE *handle);
int nt_attr(HANDLE handle, struct nt_attr *attr);
/* Does it stand for another file, or is it kept in a way of its own? Such a directory is none to go on in. */
bool nt_is_reparse_point(HANDLE handle);
/* 0: none of these changes. */
int nt_set_basic(HANDLE handle, u64 atime, u64 mtime, u32 attributes);
int nt_set_bytes(HANDLE handle, u64 bytes);
/* The file gets another name, which may be in another directory; `replace`: what has it now goes. */
int nt_rename(HANDLE handle, HANDLE dir, const WCHAR *name, u32 chars, bool replace);
/* One more name. */
int nt_link(HANDLE handle, HANDLE dir, const WCHAR *name, u32 chars);
/* The file goes when its last handle is closed; needs DELETE. */
int nt_delete(HANDLE handle);
/* Its name goes at once, whoever has it open (Windows 10 1709). -EOPNOTSUPP: this system cannot. */
int nt_delete_now(HANDLE handle);
/* Count of bytes, or an error; offset ~0: at the end. */
int nt_read(HANDLE handle, void *to, u32 bytes, u64 offset);
int nt_write(HANDLE handle, const void *from, u32 bytes, u64 offset);
int nt_flush(HANDLE handle);
/*
 * The next entries of a directory, as FILE_ID_BOTH_DIR_INFORMATION; without *ids, on
 * Windows 2000, as FILE_BOTH_DIR_INFORMATION. -ENOENT: no more.
 */
int nt_list(HANDLE handle, void *to, u32 bytes, bool restart, bool *ids);
/* Of the volume that the file is on. */
int nt_space(HANDLE handle, FILE_FS_FULL_SIZE_INFORMATION *space);

#endif

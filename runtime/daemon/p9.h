/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 9P2000.L: the messages of Linux's file system 9p. Numbers as in the Plan 9 manual
 * (section 5) and in the protocol description that diod, a server of it, comes with.
 * 9P2000.u, which Linux before 2.6.34 speaks, is Plan 9's own 9P2000 with what Unix needs
 * (as net/9p/protocol.c and fs/9p of Linux 2.6.33 read and write it).
 *
 * A message is size[4] type[1] tag[2] and what belongs to its type; numbers are
 * little-endian, a string is bytes[2] and so many bytes without a NUL.
 */
#ifndef COLINUX_P9_H
#define COLINUX_P9_H

#include <stdbool.h>
#include <stddef.h>

#include "colinux_types.h"

enum {	/* what is asked; the answer's number is one higher */
	P9_RLERROR = 7,
	P9_STATFS = 8,
	P9_LOPEN = 12,
	P9_LCREATE = 14,
	P9_SYMLINK = 16,
	P9_MKNOD = 18,
	P9_RENAME = 20,
	P9_READLINK = 22,
	P9_GETATTR = 24,
	P9_SETATTR = 26,
	P9_XATTRWALK = 30,
	P9_XATTRCREATE = 32,
	P9_READDIR = 40,
	P9_FSYNC = 50,
	P9_LOCK = 52,
	P9_GETLOCK = 54,
	P9_LINK = 70,
	P9_MKDIR = 72,
	P9_RENAMEAT = 74,
	P9_UNLINKAT = 76,
	P9_VERSION = 100,
	P9_AUTH = 102,
	P9_ATTACH = 104,
	P9_RERROR = 107,	/* 9P2000.u */
	P9_FLUSH = 108,
	P9_WALK = 110,
	P9_OPEN = 112,		/* 9P2000.u */
	P9_CREATE = 114,	/* 9P2000.u */
	P9_READ = 116,
	P9_WRITE = 118,
	P9_CLUNK = 120,
	P9_REMOVE = 122,
	P9_STAT = 124,		/* 9P2000.u */
	P9_WSTAT = 126,		/* 9P2000.u */
};

#define P9_HEADER_BYTES		7u
#define P9_ERROR_BYTES		11u
#define P9_U_ERROR_BYTES	13u	/* with a text of no length */
#define P9_QID_BYTES		13u
#define P9_WALK_MAX		16u
#define P9_NOFID		0xffffffffu
#define P9_NONUNAME		0xffffffffu
#define P9_MSIZE_MIN		4096u
#define P9_MSIZE_MAX		(512u << 10)

/* Error numbers of Linux on x86, which a guest expects of any host. */
enum {
	P9_EPERM = 1, P9_ENOENT = 2, P9_EIO = 5, P9_ENXIO = 6, P9_EBADF = 9, P9_EAGAIN = 11,
	P9_ENOMEM = 12, P9_EACCES = 13, P9_EBUSY = 16, P9_EEXIST = 17, P9_EXDEV = 18, P9_ENOTDIR = 20,
	P9_EISDIR = 21, P9_EINVAL = 22, P9_ENFILE = 23, P9_ENOSPC = 28, P9_EROFS = 30, P9_EMLINK = 31,
	P9_ENAMETOOLONG = 36, P9_ENOLCK = 37, P9_ENOTEMPTY = 39, P9_EPROTO = 71, P9_EMSGSIZE = 90, P9_EOPNOTSUPP = 95,
};

/* qid.type */
#define P9_QID_DIR		0x80u
#define P9_QID_SYMLINK		0x02u
#define P9_QID_FILE		0x00u

/* File modes of Linux. */
#define P9_S_IFMT		0170000u
#define P9_S_IFIFO		0010000u
#define P9_S_IFCHR		0020000u
#define P9_S_IFDIR		0040000u
#define P9_S_IFBLK		0060000u
#define P9_S_IFREG		0100000u
#define P9_S_IFLNK		0120000u
#define P9_S_IFSOCK		0140000u

/* Tlopen, Tlcreate: open flags */
#define P9_O_ACCESS		03u
#define P9_O_EXCL		0200u
#define P9_O_TRUNC		01000u
#define P9_O_APPEND		02000u
#define P9_O_DSYNC		010000u
#define P9_O_SYNC		04000000u

/* Rgetattr: valid, all that Linux 6.1 knows but birth time, generation, data version */
#define P9_GETATTR_BASIC	0x7ffull
/* Tunlinkat: flags */
#define P9_AT_REMOVEDIR		0x200u
/* Tlock: status in the answer */
#define P9_LOCK_SUCCESS		0u
#define P9_LOCK_BLOCKED		1u

/* 9P2000.u: Topen and Tcreate, mode */
#define P9_U_ACCESS		03u	/* as FOLDER_ACCESS, but for: */
#define P9_U_EXEC		03u
#define P9_U_TRUNC		0x10u
#define P9_U_REMOVE_ON_CLOSE	0x40u
#define P9_U_APPEND		0x80u
/* and what a file is, above its permissions */
#define P9_DMDIR		0x80000000u
#define P9_DMSYMLINK		0x02000000u
#define P9_DMLINK		0x01000000u
#define P9_DMDEVICE		0x00800000u
#define P9_DMNAMEDPIPE		0x00200000u
#define P9_DMSOCKET		0x00100000u
#define P9_DMSETUID		0x00080000u
#define P9_DMSETGID		0x00040000u
#define P9_DMSETVTX		0x00010000u

#define P9_STATFS_TYPE		0x01021997u

/* --- reading a message: once something is missing, everything is 0 and bad is set --- */

struct p9_in {
	const u8 *at, *end;
	bool bad;
};

struct p9_text {
	const char *at;
	u16 bytes;
};

u8 p9_get8(struct p9_in *in);
u16 p9_get16(struct p9_in *in);
u32 p9_get32(struct p9_in *in);
u64 p9_get64(struct p9_in *in);
struct p9_text p9_get_text(struct p9_in *in);
/* The rest of the message has to be so long; where it begins. */
const u8 *p9_get_rest(struct p9_in *in, u32 bytes);
/* Copies a text that is one good name; false: it is none. name: 256 bytes. */
bool p9_name(const struct p9_text *text, char *name);

/* --- writing one: what does not fit sets full --- */

struct p9_out {
	u8 *start, *at, *end;
	bool full;
};

void p9_put8(struct p9_out *out, u8 value);
void p9_put16(struct p9_out *out, u16 value);
void p9_put32(struct p9_out *out, u32 value);
void p9_put64(struct p9_out *out, u64 value);
void p9_put_text(struct p9_out *out, const char *text, size_t bytes);
void p9_put_qid(struct p9_out *out, u32 mode, u32 version, u64 path);
/* How much more fits. */
u32 p9_left(const struct p9_out *out);

#endif

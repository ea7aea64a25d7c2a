/* SPDX-License-Identifier: GPL-2.0-only */
/* What a client of 9P2000.u asks for, over p9_client.h. Requests return the error number, or 0. */
#ifndef P9_CLIENT_U_H
#define P9_CLIENT_U_H

#include "p9_client.h"
#include "p9_parts.h"	/* P9_U_BLANK* */

/* What a stat says, as it came. */
struct stat_u {
	u32 bytes;		/* how long it was */
	u8 qid_type;
	u64 inode, length;
	u32 mode, atime, mtime, uid, gid;
	char name[256], text[4096];
};

int open_u(u32 fid, u8 mode);
/* perm: P9_DM* and permissions. The fid is the new file's afterwards. */
int create_u(u32 fid, const char *name, u32 perm, u8 mode, const char *text);
int stat_u(u32 fid, struct stat_u *stat);
int remove_u(u32 fid);
/* A change of nothing, to be filled; and the request for it. */
struct stat_u blank_u(void);
int wstat_u(u32 fid, const struct stat_u *stat);
/* The next stat of what was read from a directory; false: there is none. */
bool next_u(struct p9_in *in, struct stat_u *stat);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* What the p9_*.c files share: a server's state, and the requests it knows. */
#ifndef COLINUX_P9_PARTS_H
#define COLINUX_P9_PARTS_H

#include "folder.h"
#include "p9.h"
#include "p9_server.h"

/* More files than a guest has in use; the host's descriptors end sooner or later, too. */
#define P9_FIDS_MAX	32768u
#define P9_FID_BUCKETS	4096u

/* A file that the guest holds on to, by a number of its choice. */
struct p9_fid {
	struct p9_fid *next;	/* in its bucket */
	u32 number;
	u32 uid;		/* who attached */
	struct folder_node *node;
	bool opened;
	bool locked;		/* there may be locks of this fid's */
};

struct p9_server {
	struct folder *folder;
	struct p9_stats stats;
	u32 msize;		/* 0: no version was agreed on yet */
	u32 nfids;
	struct p9_fid *bucket[P9_FID_BUCKETS];
	struct p9_file_locks *locks;
};

/* Requests: 0, or a negated P9_E*; `out` already holds the header. */
typedef int p9_request(struct p9_server *server, struct p9_in *in, struct p9_out *out);

/* Was the message as long as what was read from it, and no longer? */
static inline bool p9_ended(const struct p9_in *in)
{
	return !in->bad && in->at == in->end;
}

static inline bool p9_read_only(const struct p9_server *server)
{
	return server->folder->setting.read_only;
}

/* p9_fids.c */
struct p9_fid *p9_fid_find(const struct p9_server *server, u32 number);
/* Takes the node over, also when it fails: -EBADF for a number in use, -ENFILE. */
int p9_fid_add(struct p9_server *server, u32 number, u32 uid, struct folder_node *node);
/* Another file for a fid that is there. */
void p9_fid_replace(struct p9_server *server, struct p9_fid *fid, struct folder_node *node);
void p9_fid_drop(struct p9_server *server, struct p9_fid *fid);
void p9_fid_drop_all(struct p9_server *server);

/* p9_server.c */
int p9_put_node_qid(struct p9_server *server, struct p9_out *out, struct folder_node *node);

/* p9_walk.c */
p9_request p9_attach, p9_walk, p9_clunk, p9_remove, p9_statfs, p9_getattr, p9_setattr;
/* p9_files.c */
p9_request p9_lopen, p9_lcreate, p9_read, p9_write, p9_readdir, p9_fsync;
/* p9_names.c */
p9_request p9_mkdir, p9_mknod, p9_symlink, p9_readlink, p9_link, p9_renameat, p9_unlinkat;
/* p9_locks.c */
p9_request p9_lock, p9_getlock;
void p9_locks_drop_fid(struct p9_server *server, u32 number);
void p9_locks_drop_all(struct p9_server *server);

#endif

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

/*
 * The directory and the name by which a fid came to its file: 9P2000.u removes and renames
 * files by their fids alone. Somebody may have put another file there since.
 */
struct p9_origin {
	struct folder_node *dir;
	char name[256];
};

/* A file that the guest holds on to, by a number of its choice. */
struct p9_fid {
	struct p9_fid *next;	/* in its bucket */
	u32 number;
	u32 uid;		/* who attached */
	struct folder_node *node;
	bool opened;
	bool locked;		/* there may be locks of this fid's */
	/* 9P2000.u: */
	struct p9_origin *origin;	/* NULL: the root */
	bool listed;		/* an opened directory */
	u64 list_at;		/* how far its entries were read, in bytes of them, */
	u64 list_next;		/* and as the folder counts */
};

enum p9_dialect { P9_NO_DIALECT, P9_DIALECT_L, P9_DIALECT_U };

struct p9_server {
	struct folder *folder;
	struct p9_stats stats;
	enum p9_dialect dialect;
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
void p9_origin_free(struct p9_server *server, struct p9_origin *origin);
void p9_fid_drop_all(struct p9_server *server);

/* p9_server.c */
int p9_put_node_qid(struct p9_server *server, struct p9_out *out, struct folder_node *node);

/* p9_walk.c */
p9_request p9_attach, p9_walk, p9_clunk, p9_remove, p9_statfs, p9_getattr, p9_setattr;
/* p9_files.c */
p9_request p9_lopen, p9_lcreate, p9_read, p9_write, p9_readdir, p9_fsync;
/* How many bytes of data fit behind a count of 4 bytes. */
u32 p9_data_room(const struct p9_out *out, u32 wanted);
/* p9_names.c */
p9_request p9_mkdir, p9_mknod, p9_symlink, p9_readlink, p9_link, p9_renameat, p9_unlinkat;
/* p9_locks.c */
p9_request p9_lock, p9_getlock;
/* p9_u_files.c, p9_u_names.c: 9P2000.u's own */
p9_request p9_u_open, p9_u_read, p9_u_stat, p9_u_create, p9_u_wstat, p9_u_remove;
/* What Tcreate asks for. */
struct p9_u_new {
	struct p9_fid *dir;
	char name[256];
	u32 mode, how;		/* P9_DM* and permissions; FOLDER_* of what is opened */
	struct p9_text text;	/* where a link leads, which device, which fid */
};
/* Makes it; the file, and whether it is open. */
int p9_u_make(struct p9_server *server, const struct p9_u_new *what, struct folder_node **node, bool *opened);
int p9_u_origin(struct p9_server *server, struct folder_node *dir, const char *name,
		struct p9_origin **origin);
/* p9_u_stat.c */
#define P9_U_BLANK8	0xffffffffffffffffull	/* wstat(5): "don't touch" */
#define P9_U_BLANK4	0xffffffffu
struct p9_u_wstat {
	u32 mode, atime, mtime, uid, gid;
	u64 bytes;
	struct p9_text name;
	bool fixed;		/* asks for what cannot be changed */
};
/* What a stat takes without a name and a text behind it. */
#define P9_U_STAT_BYTES	63u
/* stat(5), `text` in place of what is in the extension. */
void p9_u_put_stat(struct p9_out *out, const struct folder_attr *attr, const char *name, const char *text);
void p9_u_get_wstat(struct p9_in *in, struct p9_u_wstat *wstat);
u32 p9_u_mode(u32 mode);	/* of a file's bits that are no kind, what 9P2000.u makes of them, and back: */
u32 p9_u_permissions(u32 mode);
const char *p9_u_error(int number);

void p9_locks_drop_fid(struct p9_server *server, u32 number);
void p9_locks_drop_all(struct p9_server *server);

#endif

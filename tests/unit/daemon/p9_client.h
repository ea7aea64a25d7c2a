/* SPDX-License-Identifier: GPL-2.0-only */
/* A client of 9P2000.L for tests (p9_client_u.h: of 9P2000.u): it can ask as Linux does, and as nobody should. */
#ifndef P9_CLIENT_H
#define P9_CLIENT_H

#include "folder.h"
#include "p9.h"
#include "p9_server.h"

#define CLIENT_BYTES (128u << 10)

struct p9_client {
	struct folder *folder;
	struct p9_server *server;
	u8 request[CLIENT_BYTES], answer[CLIENT_BYTES];
	struct p9_out out;	/* the message that is being written */
	struct p9_in in;	/* the last answer, behind its header */
	u8 type;		/* its type, and the tag */
	u16 tag;
	int error;		/* 0, or the number of an Rlerror or Rerror */
	u32 room;		/* for answers */
};

extern struct p9_client client;

/* A folder "shared" with a server, and beside it a file "secret" with SECRET in it. */
#define SECRET "outside-the-folder"
void client_begin(const struct folder_setting *setting);
void client_end(void);
/* What client_begin() does wherever it runs: the folder that is there, and a server for it. */
void client_open(const struct folder_setting *setting);
/* Who this is, for the host. */
u32 client_user(void), client_group(void);
/* The folder as new: a directory "dir", and links of the host's that lead out of it. */
void client_sweep(void);
/* The file "secret" is what it was when the folder was opened, in everything. */
void client_secret_is_kept(void);
/* Agrees on a version and attaches fid 0 as this user. */
void client_attach(u32 msize, u32 uid);
void client_attach_as(const char *version, u32 msize, u32 uid);

void message(u8 type);		/* begins one */
/* Sends it; returns the error, 0 for an answer of the right type and tag. */
int ask(void);
/* Sends so many bytes as they are; false: the server takes it for no message. */
bool ask_bytes(u32 bytes);

/* Requests; each returns the error number, or 0. Names are strings. */
int walk(u32 fid, u32 new, const char *path);	/* "a/b/c"; "" for a copy */
int walk_name(u32 fid, u32 new, const char *name, u16 bytes);
int clunk(u32 fid);
int lopen(u32 fid, u32 flags);
int lcreate(u32 fid, const char *name, u32 flags, u32 mode, u32 gid);
/* How many bytes; -error. The data is at client.in.at. */
int read_fid(u32 fid, u64 offset, u32 bytes);
int write_fid(u32 fid, u64 offset, const void *data, u32 bytes);
int mkdir_in(u32 dir, const char *name, u32 mode, u32 gid);
int symlink_in(u32 dir, const char *name, const char *target);
int mknod_in(u32 dir, const char *name, u32 mode, u32 major, u32 minor);
int link_in(u32 dir, u32 fid, const char *name);
int rename_in(u32 dir, const char *old, u32 to, const char *new);
int unlink_in(u32 dir, const char *name, u32 flags);
int getattr(u32 fid, struct folder_attr *attr);
int setattr(u32 fid, const struct folder_change *change);
/* FOLDER_LOCK_*; the status of the answer, or -error. */
int lock_fid(u32 fid, u8 type, u64 start, u64 bytes, u32 process);

/* For hostile ones of either dialect: every request, complete, is cut after each of its bytes and lengthened by one. */
void cut_and_stretch(void);
/* "swapped", in the folder, is a directory at one moment, at the next a link to one beside the folder, which stays as it is. */
void swap_begin(void);
void swap_end(void);

#endif

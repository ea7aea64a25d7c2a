/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A folder of the host's that a guest works in. What lies outside of it cannot be
 * named: there is its root, every other file is reached from a directory by one name
 * that is no path, symbolic links are never followed, and what is opened is the very
 * file that was walked to. folder_linux.c does it with descriptors; nothing here
 * keeps a path, so files may be renamed and removed under it by anybody.
 *
 * Calls return 0 (or a count) or a negated error number of Linux's, P9_E* in p9.h,
 * whatever system the host runs. One thread uses a folder.
 */
#ifndef COLINUX_FOLDER_H
#define COLINUX_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "colinux_types.h"
#include "error.h"

/* Whom files belong to. */
enum folder_owner {
	FOLDER_SAME,	/* numbers of users and groups are the same in guest and host */
	FOLDER_USER,	/* everything is one user's, with whose rights the daemon works */
	FOLDER_STORED,	/* owner, mode and device numbers of the guest's are kept in an
			 * extended attribute; for the host all is the daemon's */
};

struct folder_setting {
	bool read_only;
	enum folder_owner owner;
	u32 uid, gid;		/* FOLDER_USER */
};

/* A file, directory, ...: of Linux's kinds, with Linux's mode bits. */
struct folder_attr {
	u64 inode;		/* unique within the folder */
	u32 mode, uid, gid;
	u64 links, rdev, bytes, block_bytes, blocks;
	u64 atime_s, atime_ns, mtime_s, mtime_ns, ctime_s, ctime_ns;
};

enum {
	FOLDER_SET_MODE = 1, FOLDER_SET_UID = 2, FOLDER_SET_GID = 4, FOLDER_SET_BYTES = 8,
	FOLDER_SET_ATIME = 0x10, FOLDER_SET_MTIME = 0x20,	/* to now, or with: */
	FOLDER_GIVEN_ATIME = 0x80, FOLDER_GIVEN_MTIME = 0x100,
};

struct folder_change {
	u32 what;		/* FOLDER_SET_* */
	u32 mode, uid, gid;
	u64 bytes, atime_s, atime_ns, mtime_s, mtime_ns;
};

/* What a new file gets. */
struct folder_new {
	u32 mode, uid, gid;
	u32 major, minor;	/* of a device */
};

enum {
	FOLDER_READ = 0, FOLDER_WRITE = 1, FOLDER_READ_WRITE = 2, FOLDER_ACCESS = 3,
	FOLDER_EXCLUSIVE = 4, FOLDER_TRUNCATE = 8, FOLDER_APPEND = 16, FOLDER_SYNC = 32,
};

struct folder_entry {
	u64 inode, next;	/* next: where reading goes on behind it */
	u8 type;		/* DT_* of Linux; 0: look at it to know */
	const char *name;
};

struct folder_space {
	u32 block_bytes, name_bytes;
	u64 blocks, free, available, files, files_free;
};

enum folder_lock { FOLDER_LOCK_READ = 0, FOLDER_LOCK_WRITE = 1, FOLDER_LOCK_NONE = 2 };

struct folder_node;	/* a handle on a file, which lives as long as the handle at least */

struct folder {
	const struct folder_ops *ops;
	struct folder_setting setting;
};

struct folder_ops {
	void (*close)(struct folder *folder);
	/* The calling thread works in the folder from now on, with the rights for it. */
	int (*enter)(struct folder *folder);

	int (*root)(struct folder *folder, struct folder_node **node);
	/* name: one that folder_name_is_good() */
	int (*walk)(struct folder *folder, struct folder_node *from, const char *name,
		    struct folder_node **node);
	int (*again)(struct folder *folder, struct folder_node *node, struct folder_node **copy);
	void (*forget)(struct folder *folder, struct folder_node *node);

	int (*attr)(struct folder *folder, struct folder_node *node, struct folder_attr *attr);
	int (*change)(struct folder *folder, struct folder_node *node,
		      const struct folder_change *change);
	int (*space)(struct folder *folder, struct folder_node *node, struct folder_space *space);

	/* A regular file or a directory, nothing else; a node is opened once. */
	int (*open)(struct folder *folder, struct folder_node *node, u32 how);
	/* A new regular file, opened; without FOLDER_EXCLUSIVE also one that is there. */
	int (*create)(struct folder *folder, struct folder_node *dir, const char *name, u32 how,
		      const struct folder_new *new, struct folder_node **node);
	/* These three return how many bytes, or what the name of the function says. */
	int (*read)(struct folder *folder, struct folder_node *node, void *to, u32 bytes, u64 offset);
	int (*write)(struct folder *folder, struct folder_node *node, const void *from, u32 bytes,
		     u64 offset);
	int (*readlink)(struct folder *folder, struct folder_node *node, char *to, u32 bytes);
	int (*sync)(struct folder *folder, struct folder_node *node, bool data_only);
	/*
	 * Calls each() for entries from `offset` on (0, or an entry's `next`) until it
	 * returns false or about `bytes` of them were read. Returns 0 at the end as well.
	 */
	int (*list)(struct folder *folder, struct folder_node *dir, u64 offset, u32 bytes,
		    bool (*each)(void *arg, const struct folder_entry *entry), void *arg);

	int (*mkdir)(struct folder *folder, struct folder_node *dir, const char *name,
		     const struct folder_new *new);
	int (*mknod)(struct folder *folder, struct folder_node *dir, const char *name,
		     const struct folder_new *new);
	int (*symlink)(struct folder *folder, struct folder_node *dir, const char *name,
		       const char *target, const struct folder_new *new);
	int (*link)(struct folder *folder, struct folder_node *dir, const char *name,
		    struct folder_node *node);
	int (*rename)(struct folder *folder, struct folder_node *from, const char *old,
		      struct folder_node *to, const char *new);
	int (*unlink)(struct folder *folder, struct folder_node *dir, const char *name, bool is_dir);

	/*
	 * Locks of a file's ranges, against other programs of the host; last is inclusive.
	 * They belong to the node, which was opened for it, and end with it.
	 */
	int (*lock)(struct folder *folder, struct folder_node *node, enum folder_lock type,
		    u64 first, u64 last);
	/* A lock of somebody else's that this one would have to wait for, or FOLDER_LOCK_NONE. */
	int (*test_lock)(struct folder *folder, struct folder_node *node, enum folder_lock *type,
			 u64 *first, u64 *last, u32 *process);
};

/* The folder of that path, which must be a directory. NULL: see error, which names the path. */
struct folder *folder_open(const char *path, const struct folder_setting *setting,
			   struct error *error);

/* One name, no path: not empty, not "." or "..", no slash, not longer than names are. */
bool folder_name_is_good(const char *name, size_t bytes);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* What folder_*_linux.c share: a node is a descriptor, mostly one of O_PATH. */
#ifndef COLINUX_FOLDER_LINUX_H
#define COLINUX_FOLDER_LINUX_H

#include <sys/stat.h>

#include "folder.h"

#define FOLDER_LIST_BYTES	(64u << 10)

struct linux_folder {
	struct folder folder;
	int root;
	u64 device, inode;	/* of the root */
	u64 entries[FOLDER_LIST_BYTES / 8];	/* a piece of a directory */
};

struct folder_node {
	int fd;
	bool opened;		/* not O_PATH any more */
	bool writable;
	u64 position;		/* of a directory that is being listed */
};

/*
 * What means the very file of a descriptor, also for calls that take no descriptor: the
 * name folder_proc_name() in the directory folder_proc(), or for those that take no directory
 * either folder_proc_path().
 */
#define FOLDER_PROC_BYTES	32u
int folder_proc(void);
const char *folder_proc_name(int fd, char name[FOLDER_PROC_BYTES]);
const char *folder_proc_path(int fd, char path[FOLDER_PROC_BYTES]);

/* The file of that name itself, never what a symbolic link points to: O_PATH, or -errno. */
int folder_open_name(int dir, const char *name);
/* The file of a descriptor once more, with other flags; not for devices or FIFOs. */
int folder_reopen(int fd, int flags);

/* Gives a file that was just made its owner and mode, which the umask had no part in. */
int folder_settle(const struct folder *folder, int fd, const struct folder_new *new);

/* folder_attr_linux.c */
int folder_attr(struct folder *folder, struct folder_node *node, struct folder_attr *attr);
int folder_change(struct folder *folder, struct folder_node *node,
		  const struct folder_change *change);
int folder_space(struct folder *folder, struct folder_node *node, struct folder_space *space);
/* An inode's number, in a folder that may hold several file systems. */
u64 folder_unique(const struct folder *folder, u64 device, u64 inode);
/* Can owners be stored in the files of this folder? 0, or -errno. */
int folder_probe_stored(int root);

/* folder_names_linux.c */
int folder_mkdir(struct folder *folder, struct folder_node *dir, const char *name,
		 const struct folder_new *new);
int folder_mknod(struct folder *folder, struct folder_node *dir, const char *name,
		 const struct folder_new *new);
int folder_symlink(struct folder *folder, struct folder_node *dir, const char *name,
		   const char *target, const struct folder_new *new);
int folder_link(struct folder *folder, struct folder_node *dir, const char *name,
		struct folder_node *node);
int folder_rename(struct folder *folder, struct folder_node *from, const char *old,
		  struct folder_node *to, const char *new);
int folder_unlink(struct folder *folder, struct folder_node *dir, const char *name, bool is_dir);
int folder_list(struct folder *folder, struct folder_node *dir, u64 offset, u32 bytes,
		bool (*each)(void *arg, const struct folder_entry *entry), void *arg);

/* folder_io_linux.c */
int folder_read(struct folder *folder, struct folder_node *node, void *to, u32 bytes, u64 offset);
int folder_write(struct folder *folder, struct folder_node *node, const void *from, u32 bytes,
		 u64 offset);
int folder_readlink(struct folder *folder, struct folder_node *node, char *to, u32 bytes);
int folder_sync(struct folder *folder, struct folder_node *node, bool data_only);
int folder_lock(struct folder *folder, struct folder_node *node, enum folder_lock type, u64 first,
		u64 last);
int folder_test_lock(struct folder *folder, struct folder_node *node, enum folder_lock *type,
		     u64 *first, u64 *last, u32 *process);

#endif

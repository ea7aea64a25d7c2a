// SPDX-License-Identifier: GPL-2.0-only
/*
 * 9P: locks. Among its own processes a guest's kernel arbitrates itself; what it asks
 * for here is to hold other programs of the host off, and other guests. So all locks of
 * a guest on one file are held by one open file of ours, and each byte is locked as
 * strongly as any of the guest's processes wants it.
 */
#include "p9_parts.h"

#include <stdlib.h>
#include <string.h>

#define LOCKS_MAX	1024u		/* of one file */
#define FILES_MAX	4096u

struct lock {
	u64 first, last;	/* inclusive */
	u32 process, fid;	/* whose */
	bool write;
};

struct p9_file_locks {
	struct p9_file_locks *next;
	u64 inode;
	struct folder_node *node;
	u32 count;
	struct lock *lock;
};

/* The host's lock of each part of [first, last], as these locks want it. */
static int apply(struct p9_server *server, const struct p9_file_locks *file, const struct lock *lock,
		 u32 count, u64 first, u64 last)
{
	for (;;) {
		enum folder_lock type = FOLDER_LOCK_NONE;
		u64 end = last;
		int result;
		u32 i;

		for (i = 0; i < count; i++) {
			if (lock[i].first > first) {
				if (lock[i].first <= end)
					end = lock[i].first - 1;
			} else if (lock[i].last >= first) {
				if (lock[i].last < end)
					end = lock[i].last;
				if (type != FOLDER_LOCK_WRITE)
					type = lock[i].write ? FOLDER_LOCK_WRITE : FOLDER_LOCK_READ;
			}
		}
		result = server->folder->ops->lock(server->folder, file->node, type, first, end);
		if (result || end >= last)
			return result;
		first = end + 1;
	}
}

/* What stays of a process's locks without [first, last]; `to` has room for count + 1. */
static u32 cut(const struct lock *from, u32 count, struct lock *to, u32 process, u64 first, u64 last)
{
	u32 kept = 0, i;

	for (i = 0; i < count; i++) {
		if (from[i].process != process || from[i].last < first || from[i].first > last) {
			to[kept++] = from[i];
			continue;
		}
		if (from[i].first < first) {
			to[kept] = from[i];
			to[kept++].last = first - 1;
		}
		if (from[i].last > last) {
			to[kept] = from[i];
			to[kept++].first = last + 1;
		}
	}
	return kept;
}

/* --- files with locks --- */

/* An open file for nothing but locks, with all the rights that can be had. */
static int open_for_locks(struct p9_server *server, struct folder_node *node,
			  struct folder_node **opened)
{
	static const u32 ways[] = { FOLDER_READ_WRITE, FOLDER_READ, FOLDER_WRITE };
	u32 way = p9_read_only(server) ? 1 : 0, ends = p9_read_only(server) ? 2 : 3;
	int result = server->folder->ops->again(server->folder, node, opened);

	if (result)
		return result;
	do {
		result = server->folder->ops->open(server->folder, *opened, ways[way]);
	} while (result && ++way < ends);
	if (result)
		server->folder->ops->forget(server->folder, *opened);
	return result;
}

static struct p9_file_locks *find(const struct p9_server *server, u64 inode)
{
	struct p9_file_locks *file = server->locks;

	while (file && file->inode != inode)
		file = file->next;
	return file;
}

static int add_file(struct p9_server *server, u64 inode, struct folder_node *node,
		    struct p9_file_locks **added)
{
	struct p9_file_locks *file = server->locks;
	u32 files = 0;
	int result;

	for (; file; file = file->next)
		files++;
	if (files >= FILES_MAX)
		return -P9_ENOLCK;
	file = calloc(1, sizeof(*file));
	if (!file)
		return -P9_ENOMEM;
	result = open_for_locks(server, node, &file->node);
	if (result) {
		free(file);
		return result;
	}
	file->inode = inode;
	file->next = server->locks;
	server->locks = *added = file;
	return 0;
}

static void drop_file(struct p9_server *server, struct p9_file_locks *file)
{
	struct p9_file_locks **at = &server->locks;

	while (*at != file)
		at = &(*at)->next;
	*at = file->next;
	server->folder->ops->forget(server->folder, file->node);
	free(file->lock);
	free(file);
}

/* --- requests --- */

static int set(struct p9_server *server, struct p9_file_locks *file, const struct lock *wanted,
	       u32 type)
{
	/* cutting one lock in two makes one more, and there is the new one */
	struct lock *locks = calloc(file->count + 2, sizeof(*locks));
	u32 count;
	int result;

	if (!locks)
		return -P9_ENOMEM;
	count = cut(file->lock, file->count, locks, wanted->process, wanted->first, wanted->last);
	if (type != FOLDER_LOCK_NONE)
		locks[count++] = *wanted;
	result = count > LOCKS_MAX ? -P9_ENOLCK :
		 apply(server, file, locks, count, wanted->first, wanted->last);
	if (result) {
		/* as it was; nothing of that can be refused */
		apply(server, file, file->lock, file->count, wanted->first, wanted->last);
		free(locks);
		return result;
	}
	free(file->lock);
	file->lock = locks;
	file->count = count;
	return 0;
}

/* fid[4] type[1] ... start[8] length[8] process[4]: what both requests begin with. */
struct asked {
	struct p9_fid *fid;
	u64 inode;
	u8 type;
	struct lock lock;
	struct p9_text client;	/* the guest's name: there is one kernel at the other end */
};

static int take_range(struct p9_in *in, struct asked *asked)
{
	u64 first = p9_get64(in), bytes = p9_get64(in);

	asked->lock = (struct lock){ .first = first, .last = bytes ? first + bytes - 1 : ~0ull,
				     .process = p9_get32(in), .write = asked->type == FOLDER_LOCK_WRITE };
	asked->client = p9_get_text(in);
	if (!p9_ended(in))
		return -P9_EPROTO;
	if (!asked->fid || !asked->fid->opened)
		return -P9_EBADF;
	asked->lock.fid = asked->fid->number;
	if (asked->type > FOLDER_LOCK_NONE || asked->lock.last < first || first > INT64_MAX)
		return -P9_EINVAL;
	return 0;
}

static int find_inode(struct p9_server *server, struct asked *asked)
{
	struct folder_attr attr;
	int result = server->folder->ops->attr(server->folder, asked->fid->node, &attr);

	if (!result)
		asked->inode = attr.inode;
	return result;
}

int p9_lock(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct asked asked = { .fid = p9_fid_find(server, p9_get32(in)) };
	struct p9_file_locks *file;
	int result;

	asked.type = p9_get8(in);
	p9_get32(in);		/* flags: a guest that wants to wait asks again after a while */
	result = take_range(in, &asked);
	if (!result)
		result = find_inode(server, &asked);
	if (result)
		return result;
	file = find(server, asked.inode);
	if (!file && asked.type != FOLDER_LOCK_NONE)
		result = add_file(server, asked.inode, asked.fid->node, &file);
	if (!result && file)
		result = set(server, file, &asked.lock, asked.type);
	if (!result && asked.type != FOLDER_LOCK_NONE)
		asked.fid->locked = true;
	if (file && !file->count)
		drop_file(server, file);
	if (result && result != -P9_EAGAIN)
		return result;
	p9_put8(out, result ? P9_LOCK_BLOCKED : P9_LOCK_SUCCESS);
	return 0;
}

int p9_getlock(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct asked asked = { .fid = p9_fid_find(server, p9_get32(in)) };
	struct p9_file_locks *file;
	struct folder_node *node;
	enum folder_lock type;
	int result;

	asked.type = p9_get8(in);
	result = take_range(in, &asked);
	if (!result && asked.type == FOLDER_LOCK_NONE)
		result = -P9_EINVAL;
	if (!result)
		result = find_inode(server, &asked);
	if (result)
		return result;
	file = find(server, asked.inode);
	if (file)
		node = file->node;
	else
		result = open_for_locks(server, asked.fid->node, &node);
	if (result)
		return result;
	type = asked.type;
	result = server->folder->ops->test_lock(server->folder, node, &type, &asked.lock.first,
						&asked.lock.last, &asked.lock.process);
	if (!file)
		server->folder->ops->forget(server->folder, node);
	if (result)
		return result;
	p9_put8(out, type);
	p9_put64(out, asked.lock.first);
	p9_put64(out, asked.lock.last == ~0ull ? 0 : asked.lock.last - asked.lock.first + 1);
	p9_put32(out, asked.lock.process);
	p9_put_text(out, asked.client.at, asked.client.bytes);
	return 0;
}

void p9_locks_drop_fid(struct p9_server *server, u32 number)
{
	struct p9_file_locks *file, *next;

	for (file = server->locks; file; file = next) {
		u32 kept = 0, i;

		next = file->next;
		for (i = 0; i < file->count; i++)
			if (file->lock[i].fid != number)
				file->lock[kept++] = file->lock[i];
		if (kept == file->count)
			continue;
		file->count = kept;
		if (kept)
			apply(server, file, file->lock, kept, 0, ~0ull);
		else
			drop_file(server, file);
	}
}

void p9_locks_drop_all(struct p9_server *server)
{
	while (server->locks)
		drop_file(server, server->locks);
}

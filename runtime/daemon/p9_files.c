// SPDX-License-Identifier: GPL-2.0-only
/* 9P: open files and directories. */
#include "p9_parts.h"

#include <string.h>

#define ENTRY_BYTES	(P9_QID_BYTES + 8 + 1 + 2)	/* of a directory, without the name */

/* False: these flags make no sense, or are not for this folder. */
static int take_flags(const struct p9_server *server, u32 flags, u32 *how)
{
	u32 access = flags & P9_O_ACCESS;

	if (access == P9_O_ACCESS)
		return -P9_EINVAL;
	if (p9_read_only(server) && (access != FOLDER_READ || (flags & P9_O_TRUNC)))
		return -P9_EROFS;
	*how = access;
	if (flags & P9_O_EXCL)
		*how |= FOLDER_EXCLUSIVE;
	if (flags & P9_O_TRUNC)
		*how |= FOLDER_TRUNCATE;
	if (flags & P9_O_APPEND)
		*how |= FOLDER_APPEND;
	if (flags & (P9_O_SYNC | P9_O_DSYNC))
		*how |= FOLDER_SYNC;
	return 0;
}

/* Rlopen and Rlcreate: qid[13] iounit[4]; 0: as much as fits in a message */
static int put_opened(struct p9_server *server, struct p9_out *out, struct folder_node *node)
{
	int result = p9_put_node_qid(server, out, node);

	p9_put32(out, 0);
	return result;
}

int p9_lopen(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct p9_fid *fid = p9_fid_find(server, p9_get32(in));
	u32 flags = p9_get32(in), how;
	int result;

	if (!p9_ended(in))
		return -P9_EPROTO;
	if (!fid || fid->opened)
		return -P9_EBADF;
	result = take_flags(server, flags, &how);
	if (!result)
		result = server->folder->ops->open(server->folder, fid->node, how);
	if (result)
		return result;
	fid->opened = true;
	return put_opened(server, out, fid->node);
}

int p9_lcreate(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct p9_fid *fid = p9_fid_find(server, p9_get32(in));
	struct p9_text text = p9_get_text(in);
	u32 flags = p9_get32(in), how;
	struct folder_new new = { .mode = p9_get32(in) };
	struct folder_node *node;
	char name[256];
	int result;

	new.gid = p9_get32(in);
	if (!p9_ended(in))
		return -P9_EPROTO;
	if (!fid || fid->opened)
		return -P9_EBADF;
	if (!p9_name(&text, name))
		return -P9_EINVAL;
	if (p9_read_only(server))
		return -P9_EROFS;
	result = take_flags(server, flags, &how);
	if (result)
		return result;
	new.mode = (new.mode & ~P9_S_IFMT) | P9_S_IFREG;
	new.uid = fid->uid;
	result = server->folder->ops->create(server->folder, fid->node, name, how, &new, &node);
	if (result)
		return result;
	/* the fid is the new file's from now on */
	p9_fid_replace(server, fid, node);
	fid->opened = true;
	return put_opened(server, out, node);
}

u32 p9_data_room(const struct p9_out *out, u32 wanted)
{
	u32 left = p9_left(out);

	left = left > 4 ? left - 4 : 0;
	return wanted < left ? wanted : left;
}

int p9_read(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct p9_fid *fid = p9_fid_find(server, p9_get32(in));
	u64 offset = p9_get64(in);
	u32 bytes = p9_data_room(out, p9_get32(in));
	int got;

	if (!p9_ended(in))
		return -P9_EPROTO;
	if (!fid || !fid->opened)
		return -P9_EBADF;
	got = server->folder->ops->read(server->folder, fid->node, out->at + 4, bytes, offset);
	if (got < 0)
		return got;
	p9_put32(out, got);
	out->at += got;
	server->stats.bytes_read += got;
	return 0;
}

int p9_write(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct p9_fid *fid = p9_fid_find(server, p9_get32(in));
	u64 offset = p9_get64(in);
	u32 bytes = p9_get32(in);
	const u8 *data = p9_get_rest(in, bytes);
	int written;

	if (!data)
		return -P9_EPROTO;
	if (!fid || !fid->opened)
		return -P9_EBADF;
	if (p9_read_only(server))
		return -P9_EROFS;
	written = server->folder->ops->write(server->folder, fid->node, data, bytes, offset);
	if (written < 0)
		return written;
	server->stats.bytes_written += written;
	p9_put32(out, written);
	return 0;
}

static bool put_entry(void *arg, const struct folder_entry *entry)
{
	struct p9_out *out = arg;
	size_t bytes = strlen(entry->name);

	if (p9_left(out) < ENTRY_BYTES + bytes)
		return false;
	/* DT_* are the upper bits of a mode */
	p9_put_qid(out, (u32)entry->type << 12, 0, entry->inode);
	p9_put64(out, entry->next);
	p9_put8(out, entry->type);
	p9_put_text(out, entry->name, bytes);
	return true;
}

int p9_readdir(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct p9_fid *fid = p9_fid_find(server, p9_get32(in));
	u64 offset = p9_get64(in);
	u32 bytes = p9_data_room(out, p9_get32(in));
	struct p9_out entries = { out->at + 4, out->at + 4, out->at + 4 + bytes, false };
	int result;

	if (!p9_ended(in))
		return -P9_EPROTO;
	if (!fid || !fid->opened)
		return -P9_EBADF;
	/* less than one entry would look like the directory's end */
	if (bytes < ENTRY_BYTES + 255)
		return -P9_EINVAL;
	/* the host's entries are up to a sixth shorter than 9P's */
	result = server->folder->ops->list(server->folder, fid->node, offset, bytes / 7 * 6, put_entry,
					   &entries);
	if (result)
		return result;
	p9_put32(out, entries.at - entries.start);
	out->at = entries.at;
	return 0;
}

int p9_fsync(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct p9_fid *fid = p9_fid_find(server, p9_get32(in));
	u32 data_only = p9_get32(in);

	(void)out;
	if (!p9_ended(in))
		return -P9_EPROTO;
	if (!fid || !fid->opened)
		return -P9_EBADF;
	return server->folder->ops->sync(server->folder, fid->node, data_only);
}

// SPDX-License-Identifier: GPL-2.0-only
/* 9P2000.u: files that are opened, read and looked at. */
#include <string.h>

#include "p9_parts.h"

#define LINK_BYTES	4096u	/* PATH_MAX: no link of Linux is longer */
#define ENTRY_BYTES	(P9_U_STAT_BYTES + 255u + 32u)	/* with a name, and a device's numbers */

/* open(5)'s mode as a folder has it. */
static int take_mode(const struct p9_server *server, u8 mode, u32 *how)
{
	u32 access = mode & P9_U_ACCESS;

	if (access == P9_U_EXEC)
		access = FOLDER_READ;	/* whether a file may be run, Linux knows by its mode */
	if (mode & P9_U_REMOVE_ON_CLOSE)
		return -P9_EOPNOTSUPP;
	if (p9_read_only(server) && (access != FOLDER_READ || (mode & P9_U_TRUNC)))
		return -P9_EROFS;
	*how = access;
	if (mode & P9_U_TRUNC)
		*how |= FOLDER_TRUNCATE;
	if (mode & P9_U_APPEND)
		*how |= FOLDER_APPEND;
	return 0;
}

/* Ropen and Rcreate: qid[13] iounit[4]; 0: as much as fits in a message */
static int put_opened(struct p9_server *server, struct p9_out *out, struct p9_fid *fid)
{
	struct folder_attr attr;
	int result = server->folder->ops->attr(server->folder, fid->node, &attr);

	if (result)
		return result;
	fid->listed = fid->opened && (attr.mode & P9_S_IFMT) == P9_S_IFDIR;
	fid->list_at = fid->list_next = 0;
	p9_put_qid(out, attr.mode, attr.mtime_s * 1000000000u + attr.mtime_ns, attr.inode);
	p9_put32(out, 0);
	return 0;
}

int p9_u_open(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct p9_fid *fid = p9_fid_find(server, p9_get32(in));
	u8 mode = p9_get8(in);
	u32 how;
	int result;

	if (!p9_ended(in))
		return -P9_EPROTO;
	if (!fid || fid->opened)
		return -P9_EBADF;
	result = take_mode(server, mode, &how);
	if (!result)
		result = server->folder->ops->open(server->folder, fid->node, how);
	if (result)
		return result;
	fid->opened = true;
	return put_opened(server, out, fid);
}

int p9_u_create(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct p9_u_new new = { .dir = p9_fid_find(server, p9_get32(in)) };
	struct p9_text name = p9_get_text(in);
	struct p9_origin *origin;
	struct folder_node *node;
	bool opened = false;
	int result;

	new.mode = p9_get32(in);
	result = take_mode(server, p9_get8(in), &new.how);
	new.text = p9_get_text(in);
	if (!p9_ended(in))
		return -P9_EPROTO;
	if (!new.dir || new.dir->opened)
		return -P9_EBADF;
	if (!p9_name(&name, new.name))
		return name.bytes > 255 ? -P9_ENAMETOOLONG : -P9_EINVAL;
	if (p9_read_only(server))
		return -P9_EROFS;
	if (!result)
		result = p9_u_origin(server, new.dir->node, new.name, &origin);
	if (result)
		return result;
	result = p9_u_make(server, &new, &node, &opened);
	if (result) {
		p9_origin_free(server, origin);
		return result;
	}
	/* the fid is the new file's from now on */
	p9_fid_replace(server, new.dir, node);
	new.dir->origin = origin;
	new.dir->opened = opened;
	return put_opened(server, out, new.dir);
}

/* --- looking --- */

int p9_u_stat(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct p9_fid *fid = p9_fid_find(server, p9_get32(in));
	struct p9_out size = *out;
	char target[LINK_BYTES] = "";
	struct folder_attr attr;
	int result;

	if (!p9_ended(in))
		return -P9_EPROTO;
	if (!fid)
		return -P9_EBADF;
	result = server->folder->ops->attr(server->folder, fid->node, &attr);
	if (!result && (attr.mode & P9_S_IFMT) == P9_S_IFLNK) {
		result = server->folder->ops->readlink(server->folder, fid->node, target,
						       sizeof(target) - 1);
		if (result >= 0) {
			target[result] = '\0';
			result = 0;
		}
	}
	if (result)
		return result;
	p9_put16(out, 0);
	p9_u_put_stat(out, &attr, fid->origin ? fid->origin->name : "/", target);
	p9_put16(&size, out->at - size.at - 2);
	return 0;
}

/* --- directories --- */

struct listing {
	struct p9_server *server;
	struct p9_fid *fid;
	struct p9_out out;
	bool any;	/* the folder had an entry, */
	bool stopped;	/* which did not fit, or: */
	int result;
};

static bool put_entry(void *arg, const struct folder_entry *entry)
{
	struct listing *listing = arg;
	struct p9_server *server = listing->server;
	const struct folder_ops *ops = server->folder->ops;
	struct folder_node *node;
	struct folder_attr attr;
	int result = -P9_ENOENT;

	listing->any = true;
	/* a directory of 9P's has no names for itself and what is above */
	if (folder_name_is_good(entry->name, strlen(entry->name)))
		result = ops->walk(server->folder, listing->fid->node, entry->name, &node);
	if (!result) {
		result = ops->attr(server->folder, node, &attr);
		ops->forget(server->folder, node);
	}
	/* where a link leads is told to who asks for it: what is there might fit nowhere */
	if (!result)
		p9_u_put_stat(&listing->out, &attr, entry->name, "");
	listing->stopped = listing->out.full;
	/* what is gone meanwhile is left out */
	if (result && result != -P9_ENOENT)
		listing->result = result;
	if (listing->stopped || listing->result)
		return false;
	listing->fid->list_next = entry->next;
	return true;
}

/*
 * read(5): whole entries, from where the last reading has come to, or from the
 * beginning. Nothing at all means the end, so at least one is told if there is one.
 */
static int read_directory(struct p9_server *server, struct p9_fid *fid, u64 offset, u32 bytes,
			  struct p9_out *out)
{
	struct listing listing = {
		.server = server, .fid = fid, .out = { out->at + 4, out->at + 4, out->at + 4 + bytes, false },
	};
	u32 got;

	if (!offset)
		fid->list_at = fid->list_next = 0;
	if (offset != fid->list_at || bytes < ENTRY_BYTES)
		return -P9_EINVAL;
	do {
		int result;

		listing.any = false;
		/* an entry of the host's is much shorter than what becomes of it */
		result = server->folder->ops->list(server->folder, fid->node, fid->list_next, bytes / 3,
						   put_entry, &listing);
		if (result)
			return result;
		got = listing.out.at - listing.out.start;
	} while (listing.any && !got && !listing.stopped && !listing.result);
	if (!got && (listing.stopped || listing.result))
		return listing.result ? listing.result : -P9_EIO;
	fid->list_at += got;
	p9_put32(out, got);
	out->at += got;
	return 0;
}

int p9_u_read(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct p9_in again = *in;
	struct p9_fid *fid = p9_fid_find(server, p9_get32(in));
	u64 offset = p9_get64(in);
	u32 bytes = p9_data_room(out, p9_get32(in));

	if (p9_ended(in) && fid && fid->listed)
		return read_directory(server, fid, offset, bytes, out);
	return p9_read(server, &again, out);
}

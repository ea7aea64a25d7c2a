// SPDX-License-Identifier: GPL-2.0-only
/* 9P: what directories hold, and changes to it. */
#include "p9_parts.h"

#include <stdlib.h>
#include <string.h>

#define LINK_BYTES	4096u	/* PATH_MAX: no link of Linux is longer */

/* The directory and the name in it of a request that makes something. */
struct place {
	struct p9_fid *dir;
	char name[256];
};

/* The whole request was read: can it be done there? */
static int check(const struct p9_server *server, const struct p9_in *in, struct place *place,
		 const struct p9_text *name)
{
	if (!p9_ended(in))
		return -P9_EPROTO;
	if (!place->dir)
		return -P9_EBADF;
	if (!p9_name(name, place->name))
		return name->bytes > 255 ? -P9_ENAMETOOLONG : -P9_EINVAL;
	return p9_read_only(server) ? -P9_EROFS : 0;
}

/* The qid of what was just made. */
static int put_made(struct p9_server *server, struct p9_out *out, const struct place *place)
{
	const struct folder_ops *ops = server->folder->ops;
	struct folder_node *node;
	int result = ops->walk(server->folder, place->dir->node, place->name, &node);

	if (result)
		return result;
	result = p9_put_node_qid(server, out, node);
	ops->forget(server->folder, node);
	return result;
}

int p9_mkdir(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct place place = { .dir = p9_fid_find(server, p9_get32(in)) };
	struct p9_text name = p9_get_text(in);
	struct folder_new new = { .mode = p9_get32(in) };
	int result;

	new.gid = p9_get32(in);
	result = check(server, in, &place, &name);
	if (result)
		return result;
	new.uid = place.dir->uid;
	new.mode = (new.mode & ~P9_S_IFMT) | P9_S_IFDIR;
	result = server->folder->ops->mkdir(server->folder, place.dir->node, place.name, &new);
	return result ? result : put_made(server, out, &place);
}

int p9_mknod(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct place place = { .dir = p9_fid_find(server, p9_get32(in)) };
	struct p9_text name = p9_get_text(in);
	struct folder_new new = { .mode = p9_get32(in) };
	u32 kind = new.mode & P9_S_IFMT;
	int result;

	new.major = p9_get32(in);
	new.minor = p9_get32(in);
	new.gid = p9_get32(in);
	result = check(server, in, &place, &name);
	if (result)
		return result;
	if (kind != P9_S_IFREG && kind != P9_S_IFIFO && kind != P9_S_IFSOCK && kind != P9_S_IFCHR &&
	    kind != P9_S_IFBLK)
		return -P9_EINVAL;
	new.uid = place.dir->uid;
	result = server->folder->ops->mknod(server->folder, place.dir->node, place.name, &new);
	return result ? result : put_made(server, out, &place);
}

int p9_symlink(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct place place = { .dir = p9_fid_find(server, p9_get32(in)) };
	struct p9_text name = p9_get_text(in), text = p9_get_text(in);
	struct folder_new new = { .mode = P9_S_IFLNK | 0777, .gid = p9_get32(in) };
	char target[LINK_BYTES];
	int result = check(server, in, &place, &name);

	if (result)
		return result;
	/* it may point anywhere: the guest follows it, in its own tree */
	if (!text.bytes || text.bytes >= sizeof(target) || memchr(text.at, '\0', text.bytes))
		return -P9_EINVAL;
	memcpy(target, text.at, text.bytes);
	target[text.bytes] = '\0';
	new.uid = place.dir->uid;
	result = server->folder->ops->symlink(server->folder, place.dir->node, place.name, target, &new);
	return result ? result : put_made(server, out, &place);
}

int p9_readlink(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct p9_fid *fid = p9_fid_find(server, p9_get32(in));
	char target[LINK_BYTES];
	int bytes;

	if (!p9_ended(in))
		return -P9_EPROTO;
	if (!fid)
		return -P9_EBADF;
	bytes = server->folder->ops->readlink(server->folder, fid->node, target, sizeof(target));
	if (bytes < 0)
		return bytes;
	p9_put_text(out, target, bytes);
	return 0;
}

int p9_link(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct place place = { .dir = p9_fid_find(server, p9_get32(in)) };
	struct p9_fid *fid = p9_fid_find(server, p9_get32(in));
	struct p9_text name = p9_get_text(in);
	int result = check(server, in, &place, &name);

	(void)out;
	if (result)
		return result;
	if (!fid)
		return -P9_EBADF;
	return server->folder->ops->link(server->folder, place.dir->node, place.name, fid->node);
}

int p9_renameat(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct place from = { .dir = p9_fid_find(server, p9_get32(in)) }, to;
	struct p9_text old = p9_get_text(in), new;
	int result;

	(void)out;
	to.dir = p9_fid_find(server, p9_get32(in));
	new = p9_get_text(in);
	result = check(server, in, &from, &old);
	if (!result)
		result = check(server, in, &to, &new);
	if (result)
		return result;
	return server->folder->ops->rename(server->folder, from.dir->node, from.name, to.dir->node,
					   to.name);
}

int p9_unlinkat(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct place place = { .dir = p9_fid_find(server, p9_get32(in)) };
	struct p9_text name = p9_get_text(in);
	u32 flags = p9_get32(in);
	int result = check(server, in, &place, &name);

	(void)out;
	if (result)
		return result;
	if (flags & ~P9_AT_REMOVEDIR)
		return -P9_EINVAL;
	return server->folder->ops->unlink(server->folder, place.dir->node, place.name, flags);
}

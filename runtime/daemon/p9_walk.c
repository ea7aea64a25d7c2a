// SPDX-License-Identifier: GPL-2.0-only
/* 9P: from the root to files, and what they are. */
#include "p9_parts.h"

#include <stdlib.h>
#include <string.h>

int p9_attach(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	u32 number = p9_get32(in), uid;
	struct folder_node *node;
	int result;

	p9_get32(in);		/* afid */
	p9_get_text(in);	/* user and tree: there is one tree, and users have numbers */
	p9_get_text(in);
	uid = p9_get32(in);
	if (!p9_ended(in))
		return -P9_EPROTO;
	result = server->folder->ops->root(server->folder, &node);
	if (result)
		return result;
	result = p9_fid_add(server, number, uid, node);
	return result ? result : p9_put_node_qid(server, out, node);
}

/* Where a walk has come to, and by which name of which directory (for 9P2000.u; else not kept). */
struct reached {
	struct folder_node *node;
	struct p9_origin *origin;
};

static void let_go(struct p9_server *server, struct reached *reached)
{
	if (reached->node)
		server->folder->ops->forget(server->folder, reached->node);
	p9_origin_free(server, reached->origin);
	*reached = (struct reached){ NULL, NULL };
}

/* The same file once more, by the same name. */
static int begin(struct p9_server *server, const struct p9_fid *from, struct reached *reached)
{
	const struct folder_ops *ops = server->folder->ops;
	struct p9_origin *origin;
	int result = ops->again(server->folder, from->node, &reached->node);

	if (result) {
		reached->node = NULL;
		return result;
	}
	if (!from->origin)
		return 0;
	origin = calloc(1, sizeof(*origin));
	result = origin ? ops->again(server->folder, from->origin->dir, &origin->dir) : -P9_ENOMEM;
	if (result) {
		free(origin);
		return result;
	}
	memcpy(origin->name, from->origin->name, sizeof(origin->name));
	reached->origin = origin;
	return 0;
}

/* From there to a name of it; where that cannot be, all stays. */
static int step(struct p9_server *server, struct reached *reached, const char *name)
{
	const struct folder_ops *ops = server->folder->ops;
	struct p9_origin *origin = NULL;
	struct folder_node *next;
	int result;

	if (server->dialect == P9_DIALECT_U) {
		origin = calloc(1, sizeof(*origin));
		if (!origin)
			return -P9_ENOMEM;
		memcpy(origin->name, name, strlen(name));
	}
	result = ops->walk(server->folder, reached->node, name, &next);
	if (result) {
		free(origin);
		return result;
	}
	p9_origin_free(server, reached->origin);
	if (origin)
		origin->dir = reached->node;
	else
		ops->forget(server->folder, reached->node);
	*reached = (struct reached){ next, origin };
	return 0;
}

/*
 * Goes as many of the names as there are; what was reached, and how many. The
 * names were checked. ".." is not served: Linux never asks, and knows parents itself.
 */
static int go(struct p9_server *server, const struct p9_fid *from, struct p9_in *in, u16 count,
	      struct p9_out *out, struct reached *reached, u16 *steps)
{
	char name[256];
	int result;

	*reached = (struct reached){ NULL, NULL };
	*steps = 0;
	result = begin(server, from, reached);
	while (!result && *steps < count) {
		struct p9_text text = p9_get_text(in);

		result = p9_name(&text, name) ? step(server, reached, name) : -P9_ENOENT;
		if (!result)
			result = p9_put_node_qid(server, out, reached->node);
		if (!result)
			++*steps;
	}
	if (*steps < count || result)
		let_go(server, reached);
	return result;
}

int p9_walk(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	u32 number = p9_get32(in), new = p9_get32(in);
	u16 count = p9_get16(in), steps, i;
	struct p9_in names = *in;
	struct p9_fid *fid = p9_fid_find(server, number);
	struct reached reached;
	u8 *counter = out->at;
	int result;

	for (i = 0; i < count && !in->bad; i++)
		p9_get_text(in);
	if (!p9_ended(in) || count > P9_WALK_MAX)
		return -P9_EPROTO;
	if (!fid || new == P9_NOFID || (new != number && p9_fid_find(server, new)))
		return -P9_EBADF;
	p9_put16(out, 0);
	result = go(server, fid, &names, count, out, &reached, &steps);
	/* walk(5): an error is told if the first name has one; else how far it went */
	if (result && !steps)
		return result;
	if (out->full) {
		let_go(server, &reached);
		return -P9_EMSGSIZE;
	}
	counter[0] = steps;
	if (!reached.node)
		return 0;
	if (new == number) {
		p9_fid_replace(server, fid, reached.node);
	} else {
		result = p9_fid_add(server, new, fid->uid, reached.node);
		if (result) {
			p9_origin_free(server, reached.origin);
			return result;
		}
		fid = p9_fid_find(server, new);
	}
	fid->origin = reached.origin;
	return 0;
}

int p9_clunk(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct p9_fid *fid = p9_fid_find(server, p9_get32(in));

	(void)out;
	if (!p9_ended(in))
		return -P9_EPROTO;
	if (!fid)
		return -P9_EBADF;
	p9_fid_drop(server, fid);
	return 0;
}

/* remove(5): "a clunk with the side effect of removing": the clunk happens in any case. */
int p9_remove(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	int result = p9_clunk(server, in, out);

	return result ? result : -P9_EOPNOTSUPP;
}

int p9_statfs(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct p9_fid *fid = p9_fid_find(server, p9_get32(in));
	struct folder_space space;
	int result;

	if (!p9_ended(in))
		return -P9_EPROTO;
	if (!fid)
		return -P9_EBADF;
	result = server->folder->ops->space(server->folder, fid->node, &space);
	if (result)
		return result;
	p9_put32(out, P9_STATFS_TYPE);
	p9_put32(out, space.block_bytes);
	p9_put64(out, space.blocks);
	p9_put64(out, space.free);
	p9_put64(out, space.available);
	p9_put64(out, space.files);
	p9_put64(out, space.files_free);
	p9_put64(out, 0);	/* no id that would tell one host's disk from another */
	p9_put32(out, space.name_bytes);
	return 0;
}

int p9_getattr(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct p9_fid *fid = p9_fid_find(server, p9_get32(in));
	struct folder_attr attr;
	int result;

	p9_get64(in);		/* what is wanted: everything costs the same */
	if (!p9_ended(in))
		return -P9_EPROTO;
	if (!fid)
		return -P9_EBADF;
	result = server->folder->ops->attr(server->folder, fid->node, &attr);
	if (result)
		return result;
	p9_put64(out, P9_GETATTR_BASIC);
	p9_put_qid(out, attr.mode, attr.mtime_s * 1000000000u + attr.mtime_ns, attr.inode);
	p9_put32(out, attr.mode);
	p9_put32(out, attr.uid);
	p9_put32(out, attr.gid);
	p9_put64(out, attr.links);
	p9_put64(out, attr.rdev);
	p9_put64(out, attr.bytes);
	p9_put64(out, attr.block_bytes);
	p9_put64(out, attr.blocks);
	p9_put64(out, attr.atime_s);
	p9_put64(out, attr.atime_ns);
	p9_put64(out, attr.mtime_s);
	p9_put64(out, attr.mtime_ns);
	p9_put64(out, attr.ctime_s);
	p9_put64(out, attr.ctime_ns);
	p9_put64(out, 0);	/* birth time, generation, data version: not valid */
	p9_put64(out, 0);
	p9_put64(out, 0);
	p9_put64(out, 0);
	return 0;
}

int p9_setattr(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct p9_fid *fid = p9_fid_find(server, p9_get32(in));
	struct folder_change change = { .what = p9_get32(in) };

	(void)out;
	change.mode = p9_get32(in);
	change.uid = p9_get32(in);
	change.gid = p9_get32(in);
	change.bytes = p9_get64(in);
	change.atime_s = p9_get64(in);
	change.atime_ns = p9_get64(in);
	change.mtime_s = p9_get64(in);
	change.mtime_ns = p9_get64(in);
	if (!p9_ended(in))
		return -P9_EPROTO;
	if (!fid)
		return -P9_EBADF;
	if (p9_read_only(server))
		return -P9_EROFS;
	return server->folder->ops->change(server->folder, fid->node, &change);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages in, answers out. Whatever the guest sends gets an answer, an error where it
 * makes no sense; only what is no message at all does not.
 */
#include "p9_server.h"

#include <stdlib.h>
#include <string.h>

#include "p9_parts.h"

static const char *const dialects[] = {
	[P9_NO_DIALECT] = "unknown",
	[P9_DIALECT_L] = "9P2000.L",
	[P9_DIALECT_U] = "9P2000.u",
};

/* version(5): the guest begins anew. */
static int version(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	u32 msize = p9_get32(in);
	struct p9_text text = p9_get_text(in);
	enum p9_dialect dialect;

	if (!p9_ended(in))
		return -P9_EPROTO;
	if (msize < P9_MSIZE_MIN)
		return -P9_EMSGSIZE;
	if (msize > P9_MSIZE_MAX)
		msize = P9_MSIZE_MAX;
	p9_server_reset(server);
	/* Plan 9's own 9P2000 has no numbers of users, and no links: nobody here speaks that */
	for (dialect = P9_DIALECT_U; dialect; dialect--)
		if (text.bytes == strlen(dialects[dialect]) &&
		    !memcmp(text.at, dialects[dialect], text.bytes))
			break;
	server->dialect = dialect;
	if (dialect)
		server->msize = msize;
	p9_put32(out, msize);
	p9_put_text(out, dialects[dialect], strlen(dialects[dialect]));
	return 0;
}

/* attach(5): there is nothing to log in to. Linux asks for no authentication either. */
static int auth(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	(void)server;
	(void)in;
	(void)out;
	return -P9_ENOENT;
}

/* flush(5): whatever it names was answered before this was read. */
static int flush(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	(void)server;
	(void)out;
	p9_get16(in);
	return p9_ended(in) ? 0 : -P9_EPROTO;
}

/*
 * Rename and Remove name a file without its directory; Linux uses the two with ...at
 * and falls back to these. Extended attributes are not passed on: with this answer
 * Linux asks no more.
 */
static int unsupported(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	(void)server;
	(void)in;
	(void)out;
	return -P9_EOPNOTSUPP;
}

/* Before there is a version, and with 9P2000.L. */
static p9_request *const requests[256] = {
	[P9_VERSION] = version,
	[P9_AUTH] = auth,
	[P9_FLUSH] = flush,
	[P9_ATTACH] = p9_attach,
	[P9_WALK] = p9_walk,
	[P9_CLUNK] = p9_clunk,
	[P9_REMOVE] = p9_remove,
	[P9_RENAME] = unsupported,
	[P9_XATTRWALK] = unsupported,
	[P9_XATTRCREATE] = unsupported,
	[P9_STATFS] = p9_statfs,
	[P9_GETATTR] = p9_getattr,
	[P9_SETATTR] = p9_setattr,
	[P9_LOPEN] = p9_lopen,
	[P9_LCREATE] = p9_lcreate,
	[P9_READ] = p9_read,
	[P9_WRITE] = p9_write,
	[P9_READDIR] = p9_readdir,
	[P9_FSYNC] = p9_fsync,
	[P9_MKDIR] = p9_mkdir,
	[P9_MKNOD] = p9_mknod,
	[P9_SYMLINK] = p9_symlink,
	[P9_READLINK] = p9_readlink,
	[P9_LINK] = p9_link,
	[P9_RENAMEAT] = p9_renameat,
	[P9_UNLINKAT] = p9_unlinkat,
	[P9_LOCK] = p9_lock,
	[P9_GETLOCK] = p9_getlock,
};

static p9_request *const requests_u[256] = {
	[P9_VERSION] = version,
	[P9_AUTH] = auth,
	[P9_FLUSH] = flush,
	[P9_ATTACH] = p9_attach,
	[P9_WALK] = p9_walk,
	[P9_CLUNK] = p9_clunk,
	[P9_REMOVE] = p9_u_remove,
	[P9_STAT] = p9_u_stat,
	[P9_WSTAT] = p9_u_wstat,
	[P9_OPEN] = p9_u_open,
	[P9_CREATE] = p9_u_create,
	[P9_READ] = p9_u_read,
	[P9_WRITE] = p9_write,
};

int p9_put_node_qid(struct p9_server *server, struct p9_out *out, struct folder_node *node)
{
	struct folder_attr attr;
	int result = server->folder->ops->attr(server->folder, node, &attr);

	if (!result)
		p9_put_qid(out, attr.mode, attr.mtime_s * 1000000000u + attr.mtime_ns, attr.inode);
	return result;
}

static u32 finish(struct p9_out *out, u8 type, u16 tag)
{
	u32 bytes = out->at - out->start;

	out->at = out->start;
	p9_put32(out, bytes);
	p9_put8(out, type);
	p9_put16(out, tag);
	return bytes;
}

/* An answer of nothing but an error; there is room for it without a text. */
static u32 finish_error(struct p9_out *out, bool is_u, int error, u16 tag)
{
	const char *text = p9_u_error(error);

	out->at = out->start + P9_HEADER_BYTES;
	out->full = false;
	if (!is_u) {
		p9_put32(out, error);
		return finish(out, P9_RLERROR, tag);
	}
	p9_put_text(out, text, p9_left(out) < 2 + strlen(text) + 4 ? 0 : strlen(text));
	p9_put32(out, error);
	return finish(out, P9_RERROR, tag);
}

u32 p9_server_answer(struct p9_server *server, const u8 *request, u32 bytes, u8 *answer, u32 room)
{
	struct p9_in in = { request, request + bytes, false };
	u32 size = p9_get32(&in), limit = server->msize ? server->msize : P9_MSIZE_MIN;
	u8 type = p9_get8(&in);
	u16 tag = p9_get16(&in);
	/* the answer's, also where it is to a version, which may change it */
	bool is_u = server->dialect == P9_DIALECT_U;
	p9_request *handle = is_u ? requests_u[type] : requests[type];
	struct p9_out out = { answer, answer + P9_HEADER_BYTES, answer, false };
	int result;

	if (in.bad || size != bytes || room < (is_u ? P9_U_ERROR_BYTES : P9_ERROR_BYTES))
		return 0;
	out.end = answer + (room < limit ? room : limit);
	server->stats.requests++;
	if (bytes > limit)
		result = -P9_EMSGSIZE;
	else if (!handle)
		result = -P9_EOPNOTSUPP;
	else if (!server->msize && handle != version)
		result = -P9_EPROTO;
	else
		result = handle(server, &in, &out);
	if (!result && out.full) {
		result = -P9_EMSGSIZE;
		/* what was not answered was not agreed on */
		if (handle == version)
			p9_server_reset(server);
	}
	if (!result)
		return finish(&out, type + 1, tag);
	server->stats.errors++;
	return finish_error(&out, is_u, -result, tag);
}

/* --- a server's life --- */

struct p9_server *p9_server_new(struct folder *folder)
{
	struct p9_server *server = calloc(1, sizeof(*server));

	if (server)
		server->folder = folder;
	return server;
}

void p9_server_reset(struct p9_server *server)
{
	p9_fid_drop_all(server);
	p9_locks_drop_all(server);
	server->dialect = P9_NO_DIALECT;
	server->msize = 0;
}

void p9_server_free(struct p9_server *server)
{
	if (!server)
		return;
	p9_server_reset(server);
	free(server);
}

const struct p9_stats *p9_server_stats(const struct p9_server *server)
{
	return &server->stats;
}

u32 p9_server_fids(const struct p9_server *server)
{
	return server->nfids;
}

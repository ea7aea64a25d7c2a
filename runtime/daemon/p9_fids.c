// SPDX-License-Identifier: GPL-2.0-only
/* Fids: the guest's numbers for files it holds on to. */
#include <stdlib.h>

#include "p9_parts.h"

static struct p9_fid **bucket_of(const struct p9_server *server, u32 number)
{
	/* guests count up, so neighbours must not share a bucket; nor need they be clever */
	return (struct p9_fid **)&server->bucket[(number * 2654435761u >> 16) % P9_FID_BUCKETS];
}

struct p9_fid *p9_fid_find(const struct p9_server *server, u32 number)
{
	struct p9_fid *fid = *bucket_of(server, number);

	while (fid && fid->number != number)
		fid = fid->next;
	return fid;
}

int p9_fid_add(struct p9_server *server, u32 number, u32 uid, struct folder_node *node)
{
	struct p9_fid **bucket = bucket_of(server, number), *fid = NULL;
	int result = -P9_ENOMEM;

	if (number == P9_NOFID || p9_fid_find(server, number))
		result = -P9_EBADF;
	else if (server->nfids >= P9_FIDS_MAX)
		result = -P9_ENFILE;
	else
		fid = calloc(1, sizeof(*fid));
	if (!fid) {
		server->folder->ops->forget(server->folder, node);
		return result;
	}
	fid->number = number;
	fid->uid = uid;
	fid->node = node;
	fid->next = *bucket;
	*bucket = fid;
	server->nfids++;
	return 0;
}

void p9_origin_free(struct p9_server *server, struct p9_origin *origin)
{
	if (!origin)
		return;
	server->folder->ops->forget(server->folder, origin->dir);
	free(origin);
}

static void let_go(struct p9_server *server, struct p9_fid *fid)
{
	if (fid->locked)
		p9_locks_drop_fid(server, fid->number);
	server->folder->ops->forget(server->folder, fid->node);
	p9_origin_free(server, fid->origin);
}

void p9_fid_replace(struct p9_server *server, struct p9_fid *fid, struct folder_node *node)
{
	let_go(server, fid);
	fid->node = node;
	fid->opened = fid->locked = fid->listed = false;
	fid->origin = NULL;
}

void p9_fid_drop(struct p9_server *server, struct p9_fid *fid)
{
	struct p9_fid **at = bucket_of(server, fid->number);

	while (*at != fid)
		at = &(*at)->next;
	*at = fid->next;
	server->nfids--;
	let_go(server, fid);
	free(fid);
}

void p9_fid_drop_all(struct p9_server *server)
{
	u32 i;

	for (i = 0; i < P9_FID_BUCKETS && server->nfids; i++)
		while (server->bucket[i])
			p9_fid_drop(server, server->bucket[i]);
}

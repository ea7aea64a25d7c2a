// SPDX-License-Identifier: GPL-2.0-only
/* 9P2000.u: names that are made, changed and removed; a file's attributes. */
#include <stdlib.h>
#include <string.h>

#include "p9_parts.h"

#define LINK_BYTES	4096u	/* PATH_MAX: no link of Linux is longer */
#define NUMBER_BYTES	32u

int p9_u_origin(struct p9_server *server, struct folder_node *dir, const char *name,
		struct p9_origin **origin)
{
	int result = -P9_ENOMEM;

	*origin = calloc(1, sizeof(**origin));
	if (*origin)
		result = server->folder->ops->again(server->folder, dir, &(*origin)->dir);
	if (result) {
		free(*origin);
		*origin = NULL;
		return result;
	}
	memcpy((*origin)->name, name, strlen(name));
	return 0;
}

/* --- create(5) --- */

/* An unsigned number; where it ends. NULL: there is none, or it has more than 32 bits. */
static const char *number(const char *at, u32 *value)
{
	u64 sum = 0;

	if (*at < '0' || *at > '9')
		return NULL;
	for (; *at >= '0' && *at <= '9' && sum <= 0xffffffff; at++)
		sum = sum * 10 + (*at - '0');
	*value = sum;
	return sum <= 0xffffffff ? at : NULL;
}

/* The extension of a device, "b 8 1" or "c 1 3". */
static int device(const char *text, struct folder_new *new)
{
	const char *at = text[0] == 'b' || text[0] == 'c' ? text + 1 : "";

	new->mode |= text[0] == 'b' ? P9_S_IFBLK : P9_S_IFCHR;
	at = *at == ' ' ? number(at + 1, &new->major) : NULL;
	at = at && *at == ' ' ? number(at + 1, &new->minor) : NULL;
	return at && !*at ? 0 : -P9_EINVAL;
}

/* That of a further name: the fid of the file, and a line feed as Linux writes it. */
static int link_to(struct p9_server *server, const struct p9_u_new *what, const char *text)
{
	struct p9_fid *fid;
	u32 value;

	text = number(text, &value);
	if (!text || (strcmp(text, "\n") && *text))
		return -P9_EINVAL;
	fid = p9_fid_find(server, value);
	if (!fid)
		return -P9_EBADF;
	return server->folder->ops->link(server->folder, what->dir->node, what->name, fid->node);
}

/*
 * The new file's owner is who attached, its group the directory's: 9P2000.u has no
 * other. A program that works as that group is only root's to make.
 */
static int owner(struct p9_server *server, const struct p9_u_new *what, struct folder_new *new)
{
	struct folder_attr attr;
	int result = server->folder->ops->attr(server->folder, what->dir->node, &attr);

	if (result)
		return result;
	new->uid = what->dir->uid;
	new->gid = attr.gid;
	new->mode = p9_u_permissions(what->mode);
	if (new->uid && !(what->mode & P9_DMDIR))
		new->mode &= ~02000u;
	return 0;
}

int p9_u_make(struct p9_server *server, const struct p9_u_new *what, struct folder_node **node, bool *opened)
{
	u32 kind = what->mode & (P9_DMDIR | P9_DMSYMLINK | P9_DMLINK | P9_DMDEVICE | P9_DMNAMEDPIPE | P9_DMSOCKET);
	const struct folder_ops *ops = server->folder->ops;
	struct folder *folder = server->folder;
	struct folder_node *dir = what->dir->node;
	struct folder_new new = { 0 };
	char text[LINK_BYTES];
	int result;

	if (what->text.bytes >= sizeof(text) || memchr(what->text.at, '\0', what->text.bytes))
		return -P9_EINVAL;
	memcpy(text, what->text.at, what->text.bytes);
	text[what->text.bytes] = '\0';
	result = owner(server, what, &new);
	if (result)
		return result;
	*opened = false;
	switch (kind) {
	case 0:
		/* a file that is there already is not taken: create(5) */
		new.mode |= P9_S_IFREG;
		result = ops->create(folder, dir, what->name, what->how | FOLDER_EXCLUSIVE, &new, node);
		*opened = !result;
		return result;
	case P9_DMDIR:
		new.mode |= P9_S_IFDIR;
		result = ops->mkdir(folder, dir, what->name, &new);
		break;
	case P9_DMSYMLINK:
		/* it may point anywhere: the guest follows it, in its own tree */
		new.mode = P9_S_IFLNK | 0777;
		result = *text ? ops->symlink(folder, dir, what->name, text, &new) : -P9_EINVAL;
		break;
	case P9_DMLINK:
		result = link_to(server, what, text);
		break;
	case P9_DMDEVICE:
		result = device(text, &new);
		if (!result)
			result = ops->mknod(folder, dir, what->name, &new);
		break;
	case P9_DMNAMEDPIPE:
	case P9_DMSOCKET:
		new.mode |= kind == P9_DMNAMEDPIPE ? P9_S_IFIFO : P9_S_IFSOCK;
		result = ops->mknod(folder, dir, what->name, &new);
		break;
	default:
		return -P9_EINVAL;
	}
	if (!result)
		result = ops->walk(folder, dir, what->name, node);
	if (result || kind != P9_DMDIR || what->how != FOLDER_READ)
		return result;
	/* Linux wants none of it, but a new directory is an open one */
	result = ops->open(folder, *node, FOLDER_READ);
	*opened = !result;
	if (result)
		ops->forget(folder, *node);
	return result;
}

/* --- by its fid to a file's name --- */

/* Is the fid's file still what its name means? Whether it is a directory. */
static int still_there(struct p9_server *server, const struct p9_fid *fid, bool *is_dir)
{
	const struct folder_ops *ops = server->folder->ops;
	struct folder_attr attr, now;
	struct folder_node *node;
	int result;

	if (!fid->origin)
		return -P9_EBUSY;	/* the root */
	result = ops->attr(server->folder, fid->node, &attr);
	if (!result)
		result = ops->walk(server->folder, fid->origin->dir, fid->origin->name, &node);
	if (result)
		return result;
	result = ops->attr(server->folder, node, &now);
	ops->forget(server->folder, node);
	if (!result && now.inode != attr.inode)
		result = -P9_ENOENT;
	*is_dir = (attr.mode & P9_S_IFMT) == P9_S_IFDIR;
	return result;
}

/* remove(5): "a clunk with the side effect of removing": the clunk happens in any case. */
int p9_u_remove(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct p9_fid *fid = p9_fid_find(server, p9_get32(in));
	bool is_dir;
	int result;

	(void)out;
	if (!p9_ended(in))
		return -P9_EPROTO;
	if (!fid)
		return -P9_EBADF;
	result = p9_read_only(server) ? -P9_EROFS : still_there(server, fid, &is_dir);
	if (!result)
		result = server->folder->ops->unlink(server->folder, fid->origin->dir, fid->origin->name,
						     is_dir);
	p9_fid_drop(server, fid);
	return result;
}

static u64 inode_of(struct p9_server *server, struct folder_node *node)
{
	struct folder_attr attr;

	return server->folder->ops->attr(server->folder, node, &attr) ? 0 : attr.inode;
}

/* All who came to the file by its old name come by the new one from now on. */
static void renamed(struct p9_server *server, const struct p9_origin *was, const char *new)
{
	u64 dir = inode_of(server, was->dir);
	char old[256];
	struct p9_fid *fid;
	u32 i;

	memcpy(old, was->name, sizeof(old));
	for (i = 0; i < P9_FID_BUCKETS; i++)
		for (fid = server->bucket[i]; fid; fid = fid->next)
			if (fid->origin && !strcmp(fid->origin->name, old) &&
			    inode_of(server, fid->origin->dir) == dir)
				strcpy(fid->origin->name, new);
}

static int rename_to(struct p9_server *server, struct p9_fid *fid, const char *name)
{
	struct p9_origin *origin = fid->origin;
	bool is_dir;
	int result = still_there(server, fid, &is_dir);

	if (!result)
		result = server->folder->ops->rename(server->folder, origin->dir, origin->name, origin->dir,
						     name);
	if (!result)
		renamed(server, origin, name);
	return result;
}

/* --- wstat(5) --- */

static u32 wanted(const struct p9_u_wstat *wstat, struct folder_change *change)
{
	if (wstat->mode != P9_U_BLANK4)
		change->what |= FOLDER_SET_MODE;
	if (wstat->uid != P9_U_BLANK4)
		change->what |= FOLDER_SET_UID;
	if (wstat->gid != P9_U_BLANK4)
		change->what |= FOLDER_SET_GID;
	if (wstat->bytes != P9_U_BLANK8)
		change->what |= FOLDER_SET_BYTES;
	if (wstat->atime != P9_U_BLANK4)
		change->what |= FOLDER_SET_ATIME | FOLDER_GIVEN_ATIME;
	if (wstat->mtime != P9_U_BLANK4)
		change->what |= FOLDER_SET_MTIME | FOLDER_GIVEN_MTIME;
	change->mode = p9_u_permissions(wstat->mode);
	change->uid = wstat->uid;
	change->gid = wstat->gid;
	change->bytes = wstat->bytes;
	change->atime_s = wstat->atime;
	change->mtime_s = wstat->mtime;
	return change->what;
}

int p9_u_wstat(struct p9_server *server, struct p9_in *in, struct p9_out *out)
{
	struct p9_fid *fid = p9_fid_find(server, p9_get32(in));
	const struct folder_ops *ops = server->folder->ops;
	struct folder_change change = { 0 };
	struct p9_u_wstat wstat;
	char name[256];
	int result = 0;

	(void)out;
	p9_u_get_wstat(in, &wstat);
	if (!p9_ended(in))
		return -P9_EPROTO;
	if (!fid)
		return -P9_EBADF;
	if (wstat.fixed)
		return -P9_EPERM;
	/* nothing at all is how a file is flushed */
	if (!wanted(&wstat, &change) && !wstat.name.bytes)
		return fid->opened ? ops->sync(server->folder, fid->node, false) : 0;
	if (wstat.name.bytes && !p9_name(&wstat.name, name))
		return wstat.name.bytes > 255 ? -P9_ENAMETOOLONG : -P9_EINVAL;
	if (p9_read_only(server))
		return -P9_EROFS;
	/* Linux never wants both; the name is what is last, as it cannot be undone */
	if (change.what)
		result = ops->change(server->folder, fid->node, &change);
	if (!result && wstat.name.bytes)
		result = rename_to(server, fid, name);
	return result;
}

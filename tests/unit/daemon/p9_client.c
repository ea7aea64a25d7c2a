// SPDX-License-Identifier: GPL-2.0-only
/* A client of 9P2000.L and of what 9P2000.u shares with it; see p9_client.h. */
#include "p9_client.h"

#include "check.h"

struct p9_client client;

void client_open(const struct folder_setting *setting)
{
	static const struct folder_setting same;
	struct error error = { 0 };

	client.folder = folder_open("shared", setting ? setting : &same, &error);
	if (!client.folder)
		fprintf(stderr, "%s\n", error.text);
	CHECK(client.folder);
	CHECK_EQUAL(client.folder->ops->enter(client.folder), 0);
	client.server = p9_server_new(client.folder);
	CHECK(client.server);
	client.room = 64 << 10;
}

static void put_name(const char *name)
{
	p9_put_text(&client.out, name, strlen(name));
}

void client_attach(u32 msize, u32 uid)
{
	client_attach_as("9P2000.L", msize, uid);
}

void client_attach_as(const char *version, u32 msize, u32 uid)
{
	message(P9_VERSION);
	p9_put32(&client.out, msize);
	put_name(version);
	CHECK_EQUAL(ask(), 0);
	message(P9_ATTACH);
	p9_put32(&client.out, 0);
	p9_put32(&client.out, P9_NOFID);
	p9_put_text(&client.out, "", 0);
	p9_put_text(&client.out, "", 0);
	p9_put32(&client.out, uid);
	CHECK_EQUAL(ask(), 0);
	CHECK_EQUAL(p9_get8(&client.in), P9_QID_DIR);
}

void message(u8 type)
{
	client.out = (struct p9_out){ client.request, client.request,
				      client.request + sizeof(client.request), false };
	p9_put32(&client.out, 0);
	p9_put8(&client.out, type);
	p9_put16(&client.out, 0x1234);
}

bool ask_bytes(u32 bytes)
{
	u32 size;

	/* the answer's buffer is as long as is said, for the sanitizer's eyes */
	u8 *copy = malloc(bytes ? bytes : 1), *answer = malloc(client.room ? client.room : 1);

	memcpy(copy, client.request, bytes);
	size = p9_server_answer(client.server, copy, bytes, answer, client.room);
	CHECK(size <= client.room);
	memcpy(client.answer, answer, size);
	free(copy);
	free(answer);
	if (!size)
		return false;
	client.in = (struct p9_in){ client.answer, client.answer + size, false };
	CHECK_EQUAL(p9_get32(&client.in), size);
	client.type = p9_get8(&client.in);
	client.tag = p9_get16(&client.in);
	client.error = 0;
	if (client.type == P9_RERROR)
		p9_get_text(&client.in);
	if (client.type == P9_RLERROR || client.type == P9_RERROR) {
		client.error = (int)p9_get32(&client.in);
		CHECK(client.error && client.in.at == client.in.end);
	}
	CHECK(!client.in.bad);
	return true;
}

int ask(void)
{
	u32 bytes = client.out.at - client.out.start;
	u8 type = client.request[4];
	struct p9_out size = client.out;

	CHECK(!client.out.full);
	size.at = size.start;
	p9_put32(&size, bytes);
	CHECK(ask_bytes(bytes));
	CHECK_EQUAL(client.tag, 0x1234);
	if (!client.error)
		CHECK_EQUAL(client.type, type + 1);
	return client.error;
}

int walk(u32 fid, u32 new, const char *path)
{
	const char *at = path;
	u16 count = 0, got;
	size_t bytes;

	for (; *at; at += bytes + !!at[bytes], count++)
		bytes = strcspn(at, "/");
	message(P9_WALK);
	p9_put32(&client.out, fid);
	p9_put32(&client.out, new);
	p9_put16(&client.out, count);
	for (at = path; *at; at += bytes + !!at[bytes]) {
		bytes = strcspn(at, "/");
		p9_put_text(&client.out, at, bytes);
	}
	if (ask())
		return client.error;
	got = p9_get16(&client.in);
	/* a walk that stops on its way has no error, and makes no fid */
	return got == count ? 0 : P9_ENOENT;
}

int walk_name(u32 fid, u32 new, const char *name, u16 bytes)
{
	message(P9_WALK);
	p9_put32(&client.out, fid);
	p9_put32(&client.out, new);
	p9_put16(&client.out, 1);
	p9_put_text(&client.out, name, bytes);
	return ask();
}

int clunk(u32 fid)
{
	message(P9_CLUNK);
	p9_put32(&client.out, fid);
	return ask();
}

int lopen(u32 fid, u32 flags)
{
	message(P9_LOPEN);
	p9_put32(&client.out, fid);
	p9_put32(&client.out, flags);
	return ask();
}

int lcreate(u32 fid, const char *name, u32 flags, u32 mode, u32 gid)
{
	message(P9_LCREATE);
	p9_put32(&client.out, fid);
	put_name(name);
	p9_put32(&client.out, flags);
	p9_put32(&client.out, mode);
	p9_put32(&client.out, gid);
	return ask();
}

int read_fid(u32 fid, u64 offset, u32 bytes)
{
	u32 got;

	message(P9_READ);
	p9_put32(&client.out, fid);
	p9_put64(&client.out, offset);
	p9_put32(&client.out, bytes);
	if (ask())
		return -client.error;
	got = p9_get32(&client.in);
	CHECK_EQUAL(client.in.end - client.in.at, got);
	CHECK(got <= bytes);
	return got;
}

int write_fid(u32 fid, u64 offset, const void *data, u32 bytes)
{
	message(P9_WRITE);
	p9_put32(&client.out, fid);
	p9_put64(&client.out, offset);
	p9_put32(&client.out, bytes);
	memcpy(client.out.at, data, bytes);
	client.out.at += bytes;
	return ask() ? -client.error : (int)p9_get32(&client.in);
}

int mkdir_in(u32 dir, const char *name, u32 mode, u32 gid)
{
	message(P9_MKDIR);
	p9_put32(&client.out, dir);
	put_name(name);
	p9_put32(&client.out, mode);
	p9_put32(&client.out, gid);
	return ask();
}

int symlink_in(u32 dir, const char *name, const char *target)
{
	message(P9_SYMLINK);
	p9_put32(&client.out, dir);
	put_name(name);
	put_name(target);
	p9_put32(&client.out, 0);
	return ask();
}

int mknod_in(u32 dir, const char *name, u32 mode, u32 major, u32 minor)
{
	message(P9_MKNOD);
	p9_put32(&client.out, dir);
	put_name(name);
	p9_put32(&client.out, mode);
	p9_put32(&client.out, major);
	p9_put32(&client.out, minor);
	p9_put32(&client.out, 0);
	return ask();
}

int link_in(u32 dir, u32 fid, const char *name)
{
	message(P9_LINK);
	p9_put32(&client.out, dir);
	p9_put32(&client.out, fid);
	put_name(name);
	return ask();
}

int rename_in(u32 dir, const char *old, u32 to, const char *new)
{
	message(P9_RENAMEAT);
	p9_put32(&client.out, dir);
	put_name(old);
	p9_put32(&client.out, to);
	put_name(new);
	return ask();
}

int unlink_in(u32 dir, const char *name, u32 flags)
{
	message(P9_UNLINKAT);
	p9_put32(&client.out, dir);
	put_name(name);
	p9_put32(&client.out, flags);
	return ask();
}

int getattr(u32 fid, struct folder_attr *attr)
{
	struct p9_in *in = &client.in;

	message(P9_GETATTR);
	p9_put32(&client.out, fid);
	p9_put64(&client.out, P9_GETATTR_BASIC);
	if (ask())
		return client.error;
	CHECK_EQUAL(p9_get64(in), P9_GETATTR_BASIC);
	p9_get8(in);
	p9_get32(in);
	attr->inode = p9_get64(in);
	attr->mode = p9_get32(in);
	attr->uid = p9_get32(in);
	attr->gid = p9_get32(in);
	attr->links = p9_get64(in);
	attr->rdev = p9_get64(in);
	attr->bytes = p9_get64(in);
	attr->block_bytes = p9_get64(in);
	attr->blocks = p9_get64(in);
	attr->atime_s = p9_get64(in);
	attr->atime_ns = p9_get64(in);
	attr->mtime_s = p9_get64(in);
	attr->mtime_ns = p9_get64(in);
	attr->ctime_s = p9_get64(in);
	attr->ctime_ns = p9_get64(in);
	CHECK_EQUAL(in->end - in->at, 32);
	return 0;
}

int setattr(u32 fid, const struct folder_change *change)
{
	message(P9_SETATTR);
	p9_put32(&client.out, fid);
	p9_put32(&client.out, change->what);
	p9_put32(&client.out, change->mode);
	p9_put32(&client.out, change->uid);
	p9_put32(&client.out, change->gid);
	p9_put64(&client.out, change->bytes);
	p9_put64(&client.out, change->atime_s);
	p9_put64(&client.out, change->atime_ns);
	p9_put64(&client.out, change->mtime_s);
	p9_put64(&client.out, change->mtime_ns);
	return ask();
}

int lock_fid(u32 fid, u8 type, u64 start, u64 bytes, u32 process)
{
	message(P9_LOCK);
	p9_put32(&client.out, fid);
	p9_put8(&client.out, type);
	p9_put32(&client.out, 0);
	p9_put64(&client.out, start);
	p9_put64(&client.out, bytes);
	p9_put32(&client.out, process);
	put_name("guest");
	return ask() ? -client.error : p9_get8(&client.in);
}

/* --- for hostile ones of either dialect --- */

void cut_and_stretch(void)
{
	static u8 whole[200];
	u32 type, bytes, cut, size;

	for (type = 0; type < 256; type++) {
		if (type == P9_VERSION)
			continue;
		message(type);
		memset(client.out.at, 0, 150);
		bytes = client.out.at - client.out.start + 150;
		memcpy(whole, client.request, bytes);
		for (cut = 0; cut <= bytes; cut++) {
			memcpy(client.request, whole, cut);
			size = cut;
			memcpy(client.request, &size, sizeof(size));
			if (!ask_bytes(cut))
				CHECK(cut < P9_HEADER_BYTES);
		}
	}
}

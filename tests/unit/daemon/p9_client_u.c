// SPDX-License-Identifier: GPL-2.0-only
/* A client of 9P2000.u; see p9_client_u.h. */
#include "p9_client_u.h"

#include "check.h"

static void put_name(const char *name)
{
	p9_put_text(&client.out, name, strlen(name));
}

int open_u(u32 fid, u8 mode)
{
	message(P9_OPEN);
	p9_put32(&client.out, fid);
	p9_put8(&client.out, mode);
	return ask();
}

int create_u(u32 fid, const char *name, u32 perm, u8 mode, const char *text)
{
	message(P9_CREATE);
	p9_put32(&client.out, fid);
	put_name(name);
	p9_put32(&client.out, perm);
	p9_put8(&client.out, mode);
	put_name(text);
	return ask();
}

static void take_text(struct p9_in *in, char *to, size_t room)
{
	struct p9_text text = p9_get_text(in);

	CHECK(text.bytes < room);
	memcpy(to, text.at, text.bytes);
	to[text.bytes] = '\0';
}

bool next_u(struct p9_in *in, struct stat_u *stat)
{
	const u8 *start = in->at;
	char nobody[256];
	u16 bytes;

	if (in->at == in->end)
		return false;
	bytes = p9_get16(in);
	CHECK_EQUAL(p9_get16(in), 0);
	CHECK_EQUAL(p9_get32(in), 0);
	stat->qid_type = p9_get8(in);
	p9_get32(in);
	stat->inode = p9_get64(in);
	stat->mode = p9_get32(in);
	stat->atime = p9_get32(in);
	stat->mtime = p9_get32(in);
	stat->length = p9_get64(in);
	take_text(in, stat->name, sizeof(stat->name));
	take_text(in, nobody, sizeof(nobody));
	take_text(in, nobody, sizeof(nobody));
	take_text(in, nobody, sizeof(nobody));
	take_text(in, stat->text, sizeof(stat->text));
	stat->uid = p9_get32(in);
	stat->gid = p9_get32(in);
	CHECK_EQUAL(p9_get32(in), P9_NONUNAME);
	CHECK(!in->bad);
	stat->bytes = in->at - start;
	CHECK_EQUAL(stat->bytes, bytes + 2u);
	return true;
}

int stat_u(u32 fid, struct stat_u *stat)
{
	message(P9_STAT);
	p9_put32(&client.out, fid);
	if (ask())
		return client.error;
	CHECK_EQUAL(p9_get16(&client.in), client.in.end - client.in.at);
	CHECK(next_u(&client.in, stat) && client.in.at == client.in.end);
	return 0;
}

int remove_u(u32 fid)
{
	message(P9_REMOVE);
	p9_put32(&client.out, fid);
	return ask();
}

struct stat_u blank_u(void)
{
	return (struct stat_u){
		.qid_type = 0xff, .inode = P9_U_BLANK8, .length = P9_U_BLANK8, .mode = P9_U_BLANK4,
		.atime = P9_U_BLANK4, .mtime = P9_U_BLANK4, .uid = P9_U_BLANK4, .gid = P9_U_BLANK4,
	};
}

int wstat_u(u32 fid, const struct stat_u *stat)
{
	/* as Linux writes it, with somebody who is said to have changed it */
	u16 bytes = P9_U_STAT_BYTES - 2 + strlen(stat->name) + strlen("nobody") + strlen(stat->text);

	message(P9_WSTAT);
	p9_put32(&client.out, fid);
	p9_put16(&client.out, bytes + 2);
	p9_put16(&client.out, bytes);
	p9_put16(&client.out, 0xffff);
	p9_put32(&client.out, P9_U_BLANK4);
	p9_put8(&client.out, stat->qid_type);
	p9_put32(&client.out, P9_U_BLANK4);
	p9_put64(&client.out, stat->inode);
	p9_put32(&client.out, stat->mode);
	p9_put32(&client.out, stat->atime);
	p9_put32(&client.out, stat->mtime);
	p9_put64(&client.out, stat->length);
	put_name(stat->name);
	put_name("");
	put_name("");
	put_name("nobody");
	put_name(stat->text);
	p9_put32(&client.out, stat->uid);
	p9_put32(&client.out, stat->gid);
	p9_put32(&client.out, P9_NONUNAME);
	return ask();
}

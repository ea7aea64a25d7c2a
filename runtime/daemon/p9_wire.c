// SPDX-License-Identifier: GPL-2.0-only
/* 9P messages as bytes. Whoever reads here reads what a guest wrote: anything. */
#include "p9.h"

#include <string.h>

#include "folder.h"

#define NAME_BYTES	255u

static const u8 *take(struct p9_in *in, size_t bytes)
{
	const u8 *at = in->at;

	if (in->bad || (size_t)(in->end - at) < bytes) {
		in->bad = true;
		return NULL;
	}
	in->at += bytes;
	return at;
}

static u64 get(struct p9_in *in, unsigned int bytes)
{
	const u8 *at = take(in, bytes);
	u64 value = 0;

	while (at && bytes--)
		value = value << 8 | at[bytes];
	return value;
}

u8 p9_get8(struct p9_in *in)
{
	return get(in, 1);
}

u16 p9_get16(struct p9_in *in)
{
	return get(in, 2);
}

u32 p9_get32(struct p9_in *in)
{
	return get(in, 4);
}

u64 p9_get64(struct p9_in *in)
{
	return get(in, 8);
}

struct p9_text p9_get_text(struct p9_in *in)
{
	struct p9_text text = { "", p9_get16(in) };
	const u8 *at = take(in, text.bytes);

	if (at)
		text.at = (const char *)at;
	else
		text.bytes = 0;
	return text;
}

const u8 *p9_get_rest(struct p9_in *in, u32 bytes)
{
	if (!in->bad && (size_t)(in->end - in->at) != bytes)
		in->bad = true;
	return take(in, bytes);
}

bool folder_name_is_good(const char *name, size_t bytes)
{
	if (!bytes || bytes > NAME_BYTES || memchr(name, '/', bytes) || memchr(name, '\0', bytes))
		return false;
	return !(name[0] == '.' && (bytes == 1 || (bytes == 2 && name[1] == '.')));
}

bool p9_name(const struct p9_text *text, char *name)
{
	if (!folder_name_is_good(text->at, text->bytes))
		return false;
	memcpy(name, text->at, text->bytes);
	name[text->bytes] = '\0';
	return true;
}

static void put(struct p9_out *out, u64 value, unsigned int bytes)
{
	if (p9_left(out) < bytes) {
		out->full = true;
		return;
	}
	for (; bytes; bytes--, value >>= 8)
		*out->at++ = value;
}

void p9_put8(struct p9_out *out, u8 value)
{
	put(out, value, 1);
}

void p9_put16(struct p9_out *out, u16 value)
{
	put(out, value, 2);
}

void p9_put32(struct p9_out *out, u32 value)
{
	put(out, value, 4);
}

void p9_put64(struct p9_out *out, u64 value)
{
	put(out, value, 8);
}

void p9_put_text(struct p9_out *out, const char *text, size_t bytes)
{
	if (bytes > 0xffff || p9_left(out) < 2 + bytes) {
		out->full = true;
		return;
	}
	p9_put16(out, bytes);
	memcpy(out->at, text, bytes);
	out->at += bytes;
}

void p9_put_qid(struct p9_out *out, u32 mode, u32 version, u64 path)
{
	u32 kind = mode & P9_S_IFMT;

	p9_put8(out, kind == P9_S_IFDIR ? P9_QID_DIR : kind == P9_S_IFLNK ? P9_QID_SYMLINK :
						       P9_QID_FILE);
	p9_put32(out, version);
	p9_put64(out, path);
}

u32 p9_left(const struct p9_out *out)
{
	return out->full ? 0 : out->end - out->at;
}

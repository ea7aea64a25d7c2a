// SPDX-License-Identifier: GPL-2.0-only
/* 9P2000.u: what a file is, as stat(5) has it, and errors in words. */
#include <stdio.h>
#include <string.h>

#include "p9_parts.h"

/* --- modes --- */

static const struct {
	u32 file, u;
} kinds[] = {
	{ P9_S_IFDIR, P9_DMDIR }, { P9_S_IFLNK, P9_DMSYMLINK }, { P9_S_IFSOCK, P9_DMSOCKET },
	{ P9_S_IFIFO, P9_DMNAMEDPIPE }, { P9_S_IFCHR, P9_DMDEVICE }, { P9_S_IFBLK, P9_DMDEVICE },
}, bits[] = {
	{ 04000, P9_DMSETUID }, { 02000, P9_DMSETGID }, { 01000, P9_DMSETVTX },
};

u32 p9_u_mode(u32 mode)
{
	u32 result = mode & 0777;
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if ((mode & P9_S_IFMT) == kinds[i].file)
			result |= kinds[i].u;
	for (i = 0; i < sizeof(bits) / sizeof(*bits); i++)
		if (mode & bits[i].file)
			result |= bits[i].u;
	return result;
}

u32 p9_u_permissions(u32 mode)
{
	u32 result = mode & 0777;
	size_t i;

	for (i = 0; i < sizeof(bits) / sizeof(*bits); i++)
		if (mode & bits[i].u)
			result |= bits[i].file;
	return result;
}

/* --- stat --- */

/* Seconds in 32 bits, of which the last says "don't touch". */
static u32 seconds(u64 time)
{
	return time < P9_U_BLANK4 ? time : P9_U_BLANK4 - 1;
}

/* Linux's numbers of devices, as the host's C library puts them into 64 bits */
static u32 major_of(u64 device)
{
	return (device >> 8 & 0xfff) | (device >> 32 & 0xfffff000);
}

static u32 minor_of(u64 device)
{
	return (device & 0xff) | (device >> 12 & 0xffffff00);
}

void p9_u_put_stat(struct p9_out *out, const struct folder_attr *attr, const char *name, const char *text)
{
	u32 kind = attr->mode & P9_S_IFMT;
	size_t bytes;
	char device[32];

	if (kind == P9_S_IFCHR || kind == P9_S_IFBLK) {
		snprintf(device, sizeof(device), "%c %u %u", kind == P9_S_IFCHR ? 'c' : 'b',
			 major_of(attr->rdev), minor_of(attr->rdev));
		text = device;
	}
	bytes = P9_U_STAT_BYTES + strlen(name) + strlen(text);
	/* all or nothing: of a piece nobody would see that it is one */
	if (bytes - 2 > 0xffff || p9_left(out) < bytes) {
		out->full = true;
		return;
	}
	p9_put16(out, bytes - 2);
	p9_put16(out, 0);	/* type and device: the server's affair */
	p9_put32(out, 0);
	p9_put_qid(out, attr->mode, attr->mtime_s * 1000000000u + attr->mtime_ns, attr->inode);
	p9_put32(out, p9_u_mode(attr->mode));
	p9_put32(out, seconds(attr->atime_s));
	p9_put32(out, seconds(attr->mtime_s));
	p9_put64(out, kind == P9_S_IFDIR ? 0 : attr->bytes);
	p9_put_text(out, name, strlen(name));
	p9_put_text(out, "", 0);	/* users have numbers */
	p9_put_text(out, "", 0);
	p9_put_text(out, "", 0);
	p9_put_text(out, text, strlen(text));
	p9_put32(out, attr->uid);
	p9_put32(out, attr->gid);
	p9_put32(out, P9_NONUNAME);
}

void p9_u_get_wstat(struct p9_in *in, struct p9_u_wstat *wstat)
{
	u16 outer = p9_get16(in);
	size_t left = in->end - in->at;
	u16 inner = p9_get16(in);
	struct p9_text user, group;

	*wstat = (struct p9_u_wstat){ 0 };
	if (outer != left || inner != left - 2)
		in->bad = true;
	wstat->fixed = p9_get16(in) != 0xffff;
	wstat->fixed |= p9_get32(in) != P9_U_BLANK4;
	wstat->fixed |= p9_get8(in) != 0xff;
	wstat->fixed |= p9_get32(in) != P9_U_BLANK4;
	wstat->fixed |= p9_get64(in) != P9_U_BLANK8;
	wstat->mode = p9_get32(in);
	wstat->atime = p9_get32(in);
	wstat->mtime = p9_get32(in);
	wstat->bytes = p9_get64(in);
	wstat->name = p9_get_text(in);
	user = p9_get_text(in);
	group = p9_get_text(in);
	wstat->fixed |= user.bytes || group.bytes;
	/* who changed it last Linux tells with every rename, and nobody keeps it */
	p9_get_text(in);
	/* where a link leads, and which device it is, is for ever */
	wstat->fixed |= p9_get_text(in).bytes != 0;
	wstat->uid = p9_get32(in);
	wstat->gid = p9_get32(in);
	p9_get32(in);
}

/* --- errors --- */

/* Linux looks at the number; these are for people who look at messages. */
const char *p9_u_error(int number)
{
	static const struct {
		int number;
		const char *text;
	} errors[] = {
		{ P9_EPERM, "Operation not permitted" }, { P9_ENOENT, "No such file or directory" },
		{ P9_ENXIO, "No such device or address" }, { P9_EBADF, "Bad file descriptor" },
		{ P9_ENOMEM, "Cannot allocate memory" }, { P9_EACCES, "Permission denied" },
		{ P9_EBUSY, "Device or resource busy" }, { P9_EEXIST, "File exists" },
		{ P9_EXDEV, "Invalid cross-device link" }, { P9_ENOSPC, "No space left on device" },
		{ P9_EMLINK, "Too many links" },
		{ P9_ENOTDIR, "Not a directory" }, { P9_EISDIR, "Is a directory" },
		{ P9_EINVAL, "Invalid argument" }, { P9_ENFILE, "Too many open files in system" },
		{ P9_EROFS, "Read-only file system" }, { P9_ENAMETOOLONG, "File name too long" },
		{ P9_ENOTEMPTY, "Directory not empty" }, { P9_EPROTO, "Protocol error" },
		{ P9_EMSGSIZE, "Message too long" }, { P9_EOPNOTSUPP, "Operation not supported" },
	};
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].number == number)
			return errors[i].text;
	return "Input/output error";
}

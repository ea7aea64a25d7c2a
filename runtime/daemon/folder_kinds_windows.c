// SPDX-License-Identifier: GPL-2.0-only
/* Host folders on Windows: links, devices and pipes, as Services for Unix keep them (folder_windows.h). */
#include <string.h>

#include "folder_windows.h"
#include "p9.h"

#define MAGIC_BYTES	8u
#define TARGET_CHARS	4096u
#define ALL_CHARS	(MAGIC_BYTES / 2 + TARGET_CHARS)

/* MS-FSCC 2.1.2.1: this bit of a reparse point's tag says that it stands for another file. */
#define FSCTL_GET	0x900a8u	/* FSCTL_GET_REPARSE_POINT */
#define STANDS_FOR	0x20000000u

struct device {
	char magic[MAGIC_BYTES];
	u64 major, minor;
};

static const struct {
	char magic[MAGIC_BYTES + 1];
	u32 kind, bytes;	/* of the whole file; 0: any */
} kinds[] = {
	{ "IntxLNK\1", P9_S_IFLNK, 0 },
	{ "IntxCHR", P9_S_IFCHR, sizeof(struct device) },
	{ "IntxBLK", P9_S_IFBLK, sizeof(struct device) },
	{ "LnxFIFO", P9_S_IFIFO, MAGIC_BYTES },
	{ "LnxSOCK", P9_S_IFSOCK, MAGIC_BYTES },
};

/* makedev(3) */
static u64 number_of(u64 major, u64 minor)
{
	return (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xffull) << 12 | (major & ~0xfffull) << 32;
}

static u32 permissions(const struct nt_attr *attr)
{
	return attr->attributes & FILE_ATTRIBUTE_DIRECTORY ? 0755 :
	       attr->attributes & FILE_ATTRIBUTE_READONLY ? 0555 : 0755;
}

/* The tag of a reparse point; 0: none, or one that is not to be had. */
static u32 tag_of(HANDLE handle)
{
	FILE_ATTRIBUTE_TAG_INFORMATION tag = { 0 };
	IO_STATUS_BLOCK io;

	return NtQueryInformationFile(handle, &io, &tag, sizeof(tag), FileAttributeTagInformation) < 0 ? 0 : tag.ReparseTag;
}

int folder_kind(HANDLE handle, const struct nt_attr *attr, u32 *mode, u64 *rdev)
{
	struct device begin = { .major = 0 };
	u32 i;
	int got;

	*rdev = 0;
	*mode = (attr->attributes & FILE_ATTRIBUTE_DIRECTORY ? P9_S_IFDIR : P9_S_IFREG) | permissions(attr);
	if (attr->attributes & FILE_ATTRIBUTE_REPARSE_POINT) {
		if (tag_of(handle) & STANDS_FOR)
			*mode = P9_S_IFLNK | 0777;
		return 0;
	}
	if ((attr->attributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_SYSTEM)) != FILE_ATTRIBUTE_SYSTEM)
		return 0;
	/* what may not be read is a file */
	got = nt_read(handle, &begin, sizeof(begin), 0);
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds) && got >= (int)MAGIC_BYTES; i++) {
		if (memcmp(begin.magic, kinds[i].magic, MAGIC_BYTES) || (kinds[i].bytes && kinds[i].bytes != attr->bytes))
			continue;
		*mode = kinds[i].kind | (kinds[i].kind == P9_S_IFLNK ? 0777 : permissions(attr));
		if (kinds[i].bytes == sizeof(begin))
			*rdev = number_of(begin.major, begin.minor);
		break;
	}
	return 0;
}

int folder_make_kind(HANDLE dir, const struct nt_name *name, const struct folder_new *new, const char *target)
{
	struct { char magic[MAGIC_BYTES]; union { WCHAR target[TARGET_CHARS]; u64 number[2]; }; } content;
	const struct nt_open how = {
		.access = FILE_WRITE_DATA | DELETE, .disposition = FILE_CREATE, .options = FILE_NON_DIRECTORY_FILE,
		.attributes = FILE_ATTRIBUTE_SYSTEM,
	};
	u32 bytes = 0, i;
	HANDLE handle;
	int result;

	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (kinds[i].kind == (new->mode & P9_S_IFMT)) {
			memcpy(content.magic, kinds[i].magic, MAGIC_BYTES);
			bytes = kinds[i].bytes;
			break;
		}
	if (target) {
		result = nt_text_of(target, content.target, TARGET_CHARS);
		if (result < 0)
			return result;
		bytes = MAGIC_BYTES + result * sizeof(WCHAR);
	} else if (bytes > MAGIC_BYTES) {
		content.number[0] = new->major;
		content.number[1] = new->minor;
	}
	if (!bytes)
		return -P9_EINVAL;
	result = nt_open(dir, name->text, name->chars, &how, &handle);
	if (result)
		return result;
	result = nt_write(handle, &content, bytes, 0);
	if (result != (int)bytes)
		nt_delete(handle);
	NtClose(handle);
	return result == (int)bytes ? 0 : result < 0 ? result : -P9_EIO;
}

/* MS-FSCC 2.1.2.4, 2.1.2.5: of a symbolic link and of a junction, what people are shown. */
static int shown_target(HANDLE handle, char *to, u32 bytes)
{
	union {
		u8 bytes[16 << 10];
		struct {
			ULONG tag;
			USHORT length, reserved, name_at, name_bytes, shown_at, shown_bytes;
			u8 rest[];
		};
	} point;
	IO_STATUS_BLOCK io = { 0 };
	NTSTATUS status = NtFsControlFile(handle, NULL, NULL, NULL, &io, FSCTL_GET, NULL, 0, &point, sizeof(point));
	u32 skip, end;

	if (status < 0)
		return nt_error(status);
	if (point.tag != IO_REPARSE_TAG_SYMLINK && point.tag != IO_REPARSE_TAG_MOUNT_POINT)
		return -P9_EINVAL;
	skip = (u32)(point.rest - point.bytes) + (point.tag == IO_REPARSE_TAG_SYMLINK ? sizeof(ULONG) : 0);
	end = skip + point.shown_at + point.shown_bytes;
	if (io.Information > sizeof(point) || end > io.Information || point.shown_bytes / 2 > bytes)
		return -P9_EIO;
	return guest_text_of((const WCHAR *)(point.bytes + skip + point.shown_at), point.shown_bytes / sizeof(WCHAR), to,
			     bytes);
}

int folder_readlink(struct folder *folder, struct folder_node *node, char *to, u32 bytes)
{
	WCHAR content[ALL_CHARS];
	struct nt_attr attr;
	HANDLE handle;
	u64 rdev;
	u32 mode;
	int result = folder_reach(folder_of(folder), node, FILE_READ_DATA | FILE_READ_ATTRIBUTES, 0, &handle, &attr);

	if (result)
		return result;
	folder_kind(handle, &attr, &mode, &rdev);
	if ((mode & P9_S_IFMT) != P9_S_IFLNK) {
		result = -P9_EINVAL;
	} else if (attr.attributes & FILE_ATTRIBUTE_REPARSE_POINT) {
		result = shown_target(handle, to, bytes);
	} else {
		result = nt_read(handle, content, sizeof(content), 0);
		if (result >= (int)MAGIC_BYTES)
			result = guest_text_of(content + MAGIC_BYTES / sizeof(WCHAR), (result - MAGIC_BYTES) / sizeof(WCHAR), to, bytes);
		else if (result >= 0)
			result = -P9_EIO;	/* somebody has cut it meanwhile */
	}
	NtClose(handle);
	return result;
}

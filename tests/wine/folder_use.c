// SPDX-License-Identifier: GPL-2.0-only
/*
 * Host folders on Windows as a guest sees them, through the 9P server: folder_use NAME is a test, in
 * an empty folder. Windows' side of it is looked at with Win32's own functions. The checks that
 * Linux' folders have as well are those of tests/unit/daemon/test_p9.c.
 */
#include "folder_use.h"

struct folder_attr attr;

void begin(void)
{
	client_begin(NULL);
	client_attach(65536, 0);
}

void make(u32 fid, const char *name)
{
	CHECK_EQUAL(walk(ROOT, fid, ""), 0);
	CHECK_EQUAL(lcreate(fid, name, RDWR | P9_O_EXCL, 0644, 0), 0);
}

void text_is(const char *path, const char *text)
{
	char found[100] = "";
	FILE *file = fopen(path, "rb");

	CHECK(file && fread(found, 1, sizeof(found) - 1, file) == strlen(text));
	fclose(file);
	CHECK(!strcmp(found, text));
}

bool is_there(const char *path)
{
	return GetFileAttributesA(path) != INVALID_FILE_ATTRIBUTES;
}

u32 entries_of(const char *pattern)
{
	WIN32_FIND_DATAA data;
	HANDLE find = FindFirstFileA(pattern, &data);
	u32 count = 0;

	if (find == INVALID_HANDLE_VALUE)
		return 0;
	do
		count += strcmp(data.cFileName, ".") && strcmp(data.cFileName, "..");
	while (FindNextFileA(find, &data));
	FindClose(find);
	return count;
}

/* --- files --- */

static void written_is_read(void)
{
	begin();
	make(1, "a file");
	CHECK_EQUAL(write_fid(1, 0, "hello", 5), 5);
	CHECK_EQUAL(write_fid(1, 10, "there", 5), 5);
	CHECK_EQUAL(read_fid(1, 0, 100), 15);
	CHECK(!memcmp(client.in.at, "hello\0\0\0\0\0there", 15));
	CHECK_EQUAL(read_fid(1, 15, 100), 0);
	CHECK_EQUAL(read_fid(1, 1ull << 40, 100), 0);
	CHECK_EQUAL(-read_fid(1, ~0ull, 100), P9_EINVAL);
	CHECK_EQUAL(-write_fid(1, ~0ull, "x", 1), P9_EINVAL);
	message(P9_FSYNC);
	p9_put32(&client.out, 1);
	p9_put32(&client.out, 0);
	CHECK_EQUAL(ask(), 0);
	CHECK_EQUAL(clunk(1), 0);
	/* an append goes to where the end is now, not where the guest thinks it is */
	CHECK_EQUAL(walk(ROOT, 1, "a file"), 0);
	CHECK_EQUAL(lopen(1, WRONLY | P9_O_APPEND), 0);
	CHECK_EQUAL(write_fid(1, 0, "!", 1), 1);
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK_EQUAL(attr.bytes, 16);
	CHECK_EQUAL(clunk(1), 0);
	CHECK_EQUAL(walk(ROOT, 1, "a file"), 0);
	CHECK_EQUAL(lopen(1, RDWR | P9_O_TRUNC), 0);
	CHECK_EQUAL(write_fid(1, 0, "new", 3), 3);
	CHECK_EQUAL(clunk(1), 0);
	text_is("shared\\a file", "new");
	/* one that is there is opened, unless it must be new */
	CHECK_EQUAL(walk(ROOT, 1, ""), 0);
	CHECK_EQUAL(lcreate(1, "a file", RDWR | P9_O_EXCL, 0644, 0), P9_EEXIST);
	CHECK_EQUAL(lcreate(1, "a file", RDONLY, 0644, 0), 0);
	CHECK_EQUAL(read_fid(1, 0, 100), 3);
	CHECK_EQUAL(-write_fid(1, 0, "x", 1), P9_EBADF);
	client_end();
}

static void beyond_four_gib(void)
{
	begin();
	make(1, "long");
	CHECK_EQUAL(write_fid(1, 5ull << 30, "end", 3), 3);
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK_EQUAL(attr.bytes, (5ull << 30) + 3);
	CHECK_EQUAL(read_fid(1, (5ull << 30) - 1, 10), 4);
	CHECK(!memcmp(client.in.at, "\0end", 4));
	CHECK_EQUAL(setattr(1, &(struct folder_change){ .what = FOLDER_SET_BYTES, .bytes = 6ull << 30 }), 0);
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK_EQUAL(attr.bytes, 6ull << 30);
	CHECK_EQUAL(setattr(1, &(struct folder_change){ .what = FOLDER_SET_BYTES, .bytes = 1 }), 0);
	client_end();
}

static void space(void)
{
	struct p9_in *in = &client.in;

	begin();
	message(P9_STATFS);
	p9_put32(&client.out, ROOT);
	CHECK_EQUAL(ask(), 0);
	CHECK_EQUAL(p9_get32(in), P9_STATFS_TYPE);
	CHECK(p9_get32(in) >= 512);
	CHECK(p9_get64(in) > 1000);
	client_end();
}

/* --- kinds, modes, times --- */

static u32 target_of(u32 fid, char *target)
{
	u16 bytes;

	message(P9_READLINK);
	p9_put32(&client.out, fid);
	if (ask())
		return client.error;
	bytes = p9_get16(&client.in);
	memcpy(target, client.in.at, bytes);
	target[bytes] = '\0';
	return 0;
}

static void links_and_devices(void)
{
	static const struct { const char *name; u32 mode; } kinds[] = {
		{ "fifo", P9_S_IFIFO }, { "socket", P9_S_IFSOCK }, { "char", P9_S_IFCHR }, { "block", P9_S_IFBLK },
	};
	char target[4096];
	u32 i;

	begin();
	CHECK_EQUAL(symlink_in(ROOT, "link", "../secret \xe2\x82\xac: x"), 0);
	CHECK_EQUAL(walk(ROOT, 1, "link"), 0);
	CHECK_EQUAL(target_of(1, target), 0);
	CHECK(!strcmp(target, "../secret \xe2\x82\xac: x"));
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK_EQUAL(attr.mode, P9_S_IFLNK | 0777);
	CHECK_EQUAL(attr.bytes, strlen(target));
	/* nobody goes through it here: the guest does, in its own tree */
	CHECK_EQUAL(lopen(1, RDONLY), P9_ENXIO);
	CHECK_EQUAL(walk(ROOT, 2, "link/x"), P9_ENOENT);
	CHECK_EQUAL(link_in(ROOT, 1, "link2"), 0);
	CHECK_EQUAL(walk(ROOT, 2, "link2"), 0);
	CHECK_EQUAL(target_of(2, target), 0);
	CHECK_EQUAL(target_of(ROOT, target), P9_EINVAL);
	CHECK_EQUAL(symlink_in(ROOT, "bad", "\xff"), P9_EINVAL);
	CHECK_EQUAL(symlink_in(ROOT, "link", "x"), P9_EEXIST);
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		bool device = kinds[i].mode == P9_S_IFCHR || kinds[i].mode == P9_S_IFBLK;

		CHECK_EQUAL(mknod_in(ROOT, kinds[i].name, kinds[i].mode | 0644, 0x123, 0x45678), 0);
		CHECK_EQUAL(walk(ROOT, 10 + i, kinds[i].name), 0);
		CHECK_EQUAL(getattr(10 + i, &attr), 0);
		CHECK_EQUAL(attr.mode & P9_S_IFMT, kinds[i].mode);
		CHECK_EQUAL(attr.rdev, device ? 0x45612378 : 0);
		CHECK_EQUAL(attr.bytes, 0);
		CHECK_EQUAL(lopen(10 + i, RDWR), P9_ENXIO);
	}
	CHECK_EQUAL(mknod_in(ROOT, "file", P9_S_IFREG | 0644, 0, 0), 0);
	CHECK_EQUAL(mknod_in(ROOT, "file", P9_S_IFREG | 0644, 0, 0), P9_EEXIST);
	/* a file that begins so is one all the same */
	make(3, "text");
	CHECK_EQUAL(write_fid(3, 0, "IntxLNK\1x\0", 10), 10);
	CHECK_EQUAL(getattr(3, &attr), 0);
	CHECK_EQUAL(attr.mode & P9_S_IFMT, P9_S_IFREG);
	CHECK_EQUAL(clunk(3), 0);
	CHECK_EQUAL(walk(ROOT, 3, "text"), 0);
	CHECK_EQUAL(lopen(3, RDWR), 0);
	client_end();
}

static void modes_and_times(void)
{
	struct folder_change change = {
		.what = FOLDER_SET_ATIME | FOLDER_GIVEN_ATIME | FOLDER_SET_MTIME | FOLDER_GIVEN_MTIME,
		.atime_s = 123456789, .atime_ns = 987654300, .mtime_s = 4000000000ull, .mtime_ns = 500,
	};

	begin();
	make(1, "file");
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK_EQUAL(attr.mode, P9_S_IFREG | 0755);
	CHECK(attr.mtime_s > 1700000000);
	CHECK_EQUAL(setattr(1, &change), 0);
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK_EQUAL(attr.atime_s, 123456789);
	CHECK_EQUAL(attr.atime_ns, 987654300);
	CHECK_EQUAL(attr.mtime_s, 4000000000ull);
	CHECK_EQUAL(attr.mtime_ns, 500);
	/* to now, and only one of them; before 1970 */
	CHECK_EQUAL(setattr(1, &(struct folder_change){ .what = FOLDER_SET_ATIME }), 0);
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK(attr.atime_s > 123456789);
	CHECK_EQUAL(attr.mtime_s, 4000000000ull);
	change.mtime_s = -1ull;
	CHECK_EQUAL(setattr(1, &change), 0);
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK_EQUAL(attr.mtime_s, -1ull);
	CHECK_EQUAL(attr.mtime_ns, 500);
	change.mtime_ns = 0x3ffffffe;	/* UTIME_OMIT */
	CHECK_EQUAL(setattr(1, &change), P9_EINVAL);
	change = (struct folder_change){ .what = FOLDER_SET_MTIME | FOLDER_GIVEN_MTIME, .mtime_s = 1ull << 62 };
	CHECK_EQUAL(setattr(1, &change), P9_EINVAL);
	CHECK_EQUAL(clunk(1), 0);
	/* who may write, is what is kept of a mode; the guest's root writes all the same, and removes */
	CHECK_EQUAL(walk(ROOT, 1, "file"), 0);
	CHECK_EQUAL(setattr(1, &(struct folder_change){ .what = FOLDER_SET_MODE, .mode = 0444 }), 0);
	CHECK(GetFileAttributesA("shared\\file") & FILE_ATTRIBUTE_READONLY);
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK_EQUAL(attr.mode, P9_S_IFREG | 0555);
	CHECK_EQUAL(setattr(1, &(struct folder_change){ .what = FOLDER_SET_BYTES, .bytes = 7 }), 0);
	CHECK_EQUAL(lopen(1, RDWR), 0);
	CHECK(GetFileAttributesA("shared\\file") & FILE_ATTRIBUTE_READONLY);
	CHECK_EQUAL(write_fid(1, 0, "text", 4), 4);
	CHECK_EQUAL(walk(ROOT, 2, "file"), 0);
	CHECK_EQUAL(setattr(2, &(struct folder_change){ .what = FOLDER_SET_MODE, .mode = 0600 }), 0);
	CHECK(!(GetFileAttributesA("shared\\file") & FILE_ATTRIBUTE_READONLY));
	CHECK_EQUAL(walk(ROOT, 3, ""), 0);
	CHECK_EQUAL(lcreate(3, "born so", RDWR, 0400, 0), 0);
	CHECK_EQUAL(write_fid(3, 0, "text", 4), 4);
	CHECK_EQUAL(clunk(3), 0);
	CHECK_EQUAL(unlink_in(ROOT, "born so", 0), 0);
	CHECK(!is_there("shared\\born so"));
	/* of a directory the attribute means something else */
	CHECK_EQUAL(setattr(ROOT, &(struct folder_change){ .what = FOLDER_SET_MODE, .mode = 0500 }), 0);
	CHECK_EQUAL(getattr(ROOT, &attr), 0);
	CHECK_EQUAL(attr.mode, P9_S_IFDIR | 0755);
	client_end();
}

static void owner_is_one_user(void)
{
	struct folder_setting setting = { .owner = FOLDER_USER, .uid = 1000, .gid = 100 };

	client_begin(&setting);
	client_attach(8192, 0);
	make(1, "file");
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK_EQUAL(attr.uid, 1000);
	CHECK_EQUAL(attr.gid, 100);
	CHECK_EQUAL(setattr(1, &(struct folder_change){ .what = FOLDER_SET_UID | FOLDER_SET_GID, .uid = 1000, .gid = 100 }), 0);
	CHECK_EQUAL(setattr(1, &(struct folder_change){ .what = FOLDER_SET_UID, .uid = 0 }), P9_EPERM);
	CHECK_EQUAL(setattr(1, &(struct folder_change){ .what = FOLDER_SET_GID, .gid = 0 }), P9_EPERM);
	client_end();
}

static void no_owners_are_stored(void)
{
	struct folder_setting setting = { .owner = FOLDER_STORED };
	struct error error = { 0 };

	CHECK(CreateDirectoryA("shared", NULL));
	CHECK(!folder_open("shared", &setting, &error));
	CHECK_TEXT(error.text, "take another owner=");
}

static void read_only(void)
{
	struct folder_setting setting = { .read_only = true };

	client_begin(&setting);
	check_file("shared\\file", 4);
	client_attach(8192, 0);
	CHECK_EQUAL(walk(ROOT, 1, "file"), 0);
	CHECK_EQUAL(lopen(1, WRONLY), P9_EROFS);
	CHECK_EQUAL(lopen(1, RDONLY), 0);
	CHECK_EQUAL(read_fid(1, 0, 10), 4);
	CHECK_EQUAL(-write_fid(1, 0, "lost", 4), P9_EROFS);
	CHECK_EQUAL(mkdir_in(ROOT, "dir", 0755, 0), P9_EROFS);
	CHECK_EQUAL(unlink_in(ROOT, "file", 0), P9_EROFS);
	client_end();
}

/* What one process of the guest's has locked, it and others of them read and write by other fids. */
static void locks(void)
{
	begin();
	make(1, "file");
	CHECK_EQUAL(write_fid(1, 0, "0123456789", 10), 10);
	CHECK_EQUAL(lock_fid(1, FOLDER_LOCK_WRITE, 0, 10, 7), P9_LOCK_SUCCESS);
	CHECK_EQUAL(walk(ROOT, 2, "file"), 0);
	CHECK_EQUAL(lopen(2, RDWR), 0);
	CHECK_EQUAL(read_fid(2, 0, 10), 10);
	CHECK_EQUAL(write_fid(2, 0, "x", 1), 1);
	CHECK_EQUAL(lock_fid(1, FOLDER_LOCK_NONE, 0, 0, 7), P9_LOCK_SUCCESS);
	client_end();
}

static void hostile(void)
{
	begin();
	make(1, "file");
	cut_and_stretch();
	client_attach(65536, 0);
	CHECK_EQUAL(walk(ROOT, 1, "file"), 0);
	client_end();
	CHECK_EQUAL(entries_of("*"), 2);
}

const struct test tests[] = {
	{ "written_is_read", written_is_read },
	{ "beyond_four_gib", beyond_four_gib },
	{ "space", space },
	{ "links_and_devices", links_and_devices },
	{ "modes_and_times", modes_and_times },
	{ "owner_is_one_user", owner_is_one_user },
	{ "no_owners_are_stored", no_owners_are_stored },
	{ "read_only", read_only },
	{ "locks", locks },
	{ "hostile", hostile },
	{ NULL, NULL }
};

static bool run(const struct test *test, const char *name)
{
	while (test->name && strcmp(name, test->name))
		test++;
	if (test->name)
		test->run();
	return test->name;
}

int main(int argc, char **argv)
{
	if (argc == 2 && (run(tests, argv[1]) || run(name_tests, argv[1])))
		return 0;
	fprintf(stderr, "no such test\n");
	return 1;
}

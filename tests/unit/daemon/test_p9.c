// SPDX-License-Identifier: GPL-2.0-only
/* Host folders as a well-behaved guest sees them: files do what a compiler and git need. */
#include <errno.h>
#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "check.h"
#include "p9_client.h"

#define ROOT 0
#define RDONLY 0
#define WRONLY 1
#define RDWR 2

static struct folder_attr attr;
static struct stat host;

static void begin(void)
{
	client_begin(NULL);
	client_attach(65536, geteuid());
}

/* A new file of that name, opened for both, as this fid. */
static void make(u32 fid, const char *name)
{
	CHECK_EQUAL(walk(ROOT, fid, ""), 0);
	CHECK_EQUAL(lcreate(fid, name, RDWR | P9_O_EXCL, 0644, getegid()), 0);
}

static void text_is(const char *path, const char *text)
{
	char found[100] = "";
	int fd = open(path, O_RDONLY);

	CHECK(fd >= 0 && read(fd, found, sizeof(found) - 1) >= 0);
	close(fd);
	CHECK(!strcmp(found, text));
}

static void written_is_read(void)
{
	begin();
	make(1, "a file");
	CHECK_EQUAL(write_fid(1, 0, "hello", 5), 5);
	CHECK_EQUAL(write_fid(1, 10, "there", 5), 5);
	CHECK_EQUAL(read_fid(1, 0, 100), 15);
	CHECK(!memcmp(client.in.at, "hello\0\0\0\0\0there", 15));
	CHECK_EQUAL(read_fid(1, 15, 100), 0);
	CHECK_EQUAL(clunk(1), 0);
	CHECK_EQUAL(-read_fid(1, 0, 1), P9_EBADF);
	CHECK(!stat("shared/a file", &host));
	CHECK_EQUAL(host.st_size, 15);
	CHECK_EQUAL(host.st_mode, S_IFREG | 0644);
	/* an append goes to where the end is now, not where the guest thinks it is */
	CHECK_EQUAL(walk(ROOT, 1, "a file"), 0);
	CHECK_EQUAL(lopen(1, WRONLY | P9_O_APPEND), 0);
	CHECK_EQUAL(write_fid(1, 0, "!", 1), 1);
	CHECK(!stat("shared/a file", &host));
	CHECK_EQUAL(host.st_size, 16);
	client_end();
}

static void beyond_four_gib(void)
{
	begin();
	make(1, "sparse");
	CHECK_EQUAL(write_fid(1, 5ull << 30, "end", 3), 3);
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK_EQUAL(attr.bytes, (5ull << 30) + 3);
	CHECK(attr.blocks < 2048);
	CHECK_EQUAL(read_fid(1, (5ull << 30) - 1, 10), 4);
	CHECK(!memcmp(client.in.at, "\0end", 4));
	CHECK_EQUAL(setattr(1, &(struct folder_change){ .what = FOLDER_SET_BYTES, .bytes = 6ull << 30 }), 0);
	CHECK(!stat("shared/sparse", &host));
	CHECK_EQUAL(host.st_size, 6ull << 30);
	client_end();
}

static void names_come_and_go(void)
{
	begin();
	CHECK_EQUAL(mkdir_in(ROOT, "dir", 0751, getegid()), 0);
	CHECK(!stat("shared/dir", &host));
	CHECK_EQUAL(host.st_mode, S_IFDIR | 0751);
	CHECK_EQUAL(mkdir_in(ROOT, "dir", 0755, getegid()), P9_EEXIST);
	make(1, "one");
	CHECK_EQUAL(write_fid(1, 0, "1", 1), 1);
	CHECK_EQUAL(walk(ROOT, 2, "dir"), 0);
	CHECK_EQUAL(rename_in(ROOT, "one", 2, "two"), 0);
	CHECK_EQUAL(walk(ROOT, 3, "one"), P9_ENOENT);
	CHECK_EQUAL(walk(ROOT, 3, "dir/two"), 0);
	/* the file that was renamed is still the same one, and open */
	CHECK_EQUAL(write_fid(1, 1, "2", 1), 1);
	text_is("shared/dir/two", "12");
	CHECK_EQUAL(link_in(ROOT, 3, "three"), 0);
	CHECK_EQUAL(getattr(3, &attr), 0);
	CHECK_EQUAL(attr.links, 2);
	CHECK_EQUAL(unlink_in(ROOT, "dir", P9_AT_REMOVEDIR), P9_ENOTEMPTY);
	CHECK_EQUAL(unlink_in(ROOT, "dir", 0), P9_EISDIR);
	CHECK_EQUAL(unlink_in(2, "two", 0), 0);
	CHECK_EQUAL(unlink_in(ROOT, "dir", P9_AT_REMOVEDIR), 0);
	text_is("shared/three", "12");
	/* a rename puts one file in another's place */
	make(4, "four");
	CHECK_EQUAL(rename_in(ROOT, "four", ROOT, "three"), 0);
	text_is("shared/three", "");
	client_end();
}

static void unlinked_and_open(void)
{
	begin();
	make(1, "gone");
	CHECK_EQUAL(write_fid(1, 0, "still here", 10), 10);
	CHECK_EQUAL(unlink_in(ROOT, "gone", 0), 0);
	CHECK(access("shared/gone", F_OK));
	CHECK_EQUAL(read_fid(1, 6, 10), 4);
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK_EQUAL(attr.links, 0);
	CHECK_EQUAL(attr.bytes, 10);
	CHECK_EQUAL(setattr(1, &(struct folder_change){ .what = FOLDER_SET_BYTES, .bytes = 3 }), 0);
	CHECK_EQUAL(setattr(1, &(struct folder_change){ .what = FOLDER_SET_MODE, .mode = 0600 }), 0);
	CHECK_EQUAL(walk(1, 2, ""), 0);
	CHECK_EQUAL(lopen(2, RDONLY), 0);
	CHECK_EQUAL(read_fid(2, 0, 10), 3);
	client_end();
}

static void symbolic_links(void)
{
	char target[200];

	begin();
	CHECK_EQUAL(symlink_in(ROOT, "link", "../secret"), 0);
	CHECK_EQUAL(readlink("shared/link", target, sizeof(target)), 9);
	CHECK_EQUAL(walk(ROOT, 1, "link"), 0);
	message(P9_READLINK);
	p9_put32(&client.out, 1);
	CHECK_EQUAL(ask(), 0);
	CHECK_EQUAL(p9_get16(&client.in), 9);
	CHECK(!memcmp(client.in.at, "../secret", 9));
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK_EQUAL(attr.mode & P9_S_IFMT, P9_S_IFLNK);
	/* a second name of the link itself; its times are its own */
	CHECK_EQUAL(link_in(ROOT, 1, "link2"), 0);
	CHECK_EQUAL(setattr(1, &(struct folder_change){
		.what = FOLDER_SET_MTIME | FOLDER_GIVEN_MTIME, .mtime_s = 1000 }), 0);
	CHECK(!lstat("shared/link2", &host));
	CHECK(S_ISLNK(host.st_mode));
	CHECK_EQUAL(host.st_mtim.tv_sec, 1000);
	CHECK(!stat("secret", &host));
	CHECK(host.st_mtim.tv_sec != 1000);
	/* what is no link has no target */
	message(P9_READLINK);
	p9_put32(&client.out, ROOT);
	CHECK_EQUAL(ask(), P9_EINVAL);
	client_end();
}

static void modes_and_times(void)
{
	struct folder_change change = {
		.what = FOLDER_SET_ATIME | FOLDER_GIVEN_ATIME | FOLDER_SET_MTIME | FOLDER_GIVEN_MTIME,
		.atime_s = 123456789, .atime_ns = 987654321, .mtime_s = 4000000000ull, .mtime_ns = 5,
	};

	begin();
	make(1, "file");
	CHECK_EQUAL(setattr(1, &change), 0);
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK_EQUAL(attr.atime_s, 123456789);
	CHECK_EQUAL(attr.atime_ns, 987654321);
	CHECK_EQUAL(attr.mtime_s, 4000000000ull);
	CHECK_EQUAL(attr.mtime_ns, 5);
	/* to now, and only one of them */
	CHECK_EQUAL(setattr(1, &(struct folder_change){ .what = FOLDER_SET_ATIME }), 0);
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK(attr.atime_s > 123456789);
	CHECK_EQUAL(attr.mtime_s, 4000000000ull);
	CHECK_EQUAL(setattr(1, &(struct folder_change){ .what = FOLDER_SET_MODE, .mode = 0100705 }), 0);
	CHECK(!stat("shared/file", &host));
	CHECK_EQUAL(host.st_mode, S_IFREG | 0705);
	change.mtime_ns = 0x3ffffffe;	/* UTIME_OMIT */
	CHECK_EQUAL(setattr(1, &change), P9_EINVAL);
	client_end();
}

#define LETTERS "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct seen {
	u32 count, dots;
	u8 names[3000];
};

/* Reads the whole directory in pieces of so many bytes. */
static void list(u32 fid, u32 bytes, struct seen *seen)
{
	u64 offset = 0;

	memset(seen, 0, sizeof(*seen));
	for (;;) {
		message(P9_READDIR);
		p9_put32(&client.out, fid);
		p9_put64(&client.out, offset);
		p9_put32(&client.out, bytes);
		CHECK_EQUAL(ask(), 0);
		CHECK(p9_get32(&client.in) <= bytes);
		if (client.in.at == client.in.end)
			return;
		while (client.in.at < client.in.end) {
			char name[256] = "";
			u16 length;

			p9_get8(&client.in);
			p9_get32(&client.in);
			p9_get64(&client.in);
			offset = p9_get64(&client.in);
			p9_get8(&client.in);
			length = p9_get16(&client.in);
			CHECK(length < sizeof(name) && client.in.end - client.in.at >= length);
			memcpy(name, client.in.at, length);
			client.in.at += length;
			if (name[0] == '.') {
				seen->dots++;
				continue;
			}
			seen->count++;
			CHECK(!seen->names[atoi(name + strcspn(name, "0123456789"))]++);
		}
	}
}

/* Each is seen once, also those that neither come nor go while others do. */
static void thousands_of_files(void)
{
	struct seen seen;
	u32 i;

	begin();
	CHECK_EQUAL(mkdir_in(ROOT, "many", 0755, getegid()), 0);
	for (i = 0; i < 3000; i++) {
		char name[300];

		snprintf(name, sizeof(name), "shared/many/%.*s%u", i % 80, LETTERS, i);
		CHECK(!mknod(name, S_IFREG | 0600, 0));
	}
	CHECK_EQUAL(walk(ROOT, 1, "many"), 0);
	CHECK_EQUAL(lopen(1, RDONLY), 0);
	list(1, 300, &seen);
	CHECK_EQUAL(seen.count, 3000);
	CHECK_EQUAL(seen.dots, 2);
	list(1, 60000, &seen);
	CHECK_EQUAL(seen.count, 3000);
	/* and rm -r of it */
	CHECK_EQUAL(walk(ROOT, 2, "many"), 0);
	for (i = 0; i < 3000; i++) {
		char name[300];

		snprintf(name, sizeof(name), "%.*s%u", i % 80, LETTERS, i);
		CHECK_EQUAL(unlink_in(2, name, 0), 0);
	}
	list(1, 1000, &seen);
	CHECK_EQUAL(seen.count, 0);
	client_end();
}

/* Would another program of the host get this lock? */
static bool host_may_lock(const char *path, int type, u64 start, u64 bytes)
{
	struct flock lock = { .l_type = type, .l_start = start, .l_len = bytes };
	int fd = open(path, O_RDWR), result;

	CHECK(fd >= 0);
	result = fcntl(fd, F_OFD_SETLK, &lock);
	CHECK(!result || errno == EAGAIN);
	close(fd);
	return !result;
}

static void locks(void)
{
	const char *path = "shared/file";
	int fd;
	struct flock lock = { .l_type = F_WRLCK, .l_start = 50, .l_len = 10 };

	begin();
	make(1, "file");
	CHECK_EQUAL(lock_fid(1, FOLDER_LOCK_WRITE, 0, 10, 7), P9_LOCK_SUCCESS);
	CHECK(!host_may_lock(path, F_RDLCK, 9, 1));
	CHECK(host_may_lock(path, F_WRLCK, 10, 0));
	/* the same process by another fid, and closing that one: POSIX leaves it to the guest's
	 * kernel to say that a close ends all; here only what a fid locked ends with it */
	CHECK_EQUAL(walk(ROOT, 2, "file"), 0);
	CHECK_EQUAL(lopen(2, RDWR), 0);
	CHECK_EQUAL(lock_fid(2, FOLDER_LOCK_READ, 5, 10, 7), P9_LOCK_SUCCESS);
	CHECK(host_may_lock(path, F_RDLCK, 5, 5) && !host_may_lock(path, F_WRLCK, 14, 1));
	CHECK(!host_may_lock(path, F_RDLCK, 4, 1));
	/* two processes read, one goes: the other's lock stays */
	CHECK_EQUAL(lock_fid(1, FOLDER_LOCK_READ, 5, 10, 8), P9_LOCK_SUCCESS);
	CHECK_EQUAL(lock_fid(1, FOLDER_LOCK_NONE, 0, 0, 8), P9_LOCK_SUCCESS);
	CHECK(!host_may_lock(path, F_WRLCK, 5, 10));
	CHECK_EQUAL(clunk(2), 0);
	CHECK(host_may_lock(path, F_WRLCK, 5, 10) && !host_may_lock(path, F_RDLCK, 0, 5));
	/* the host's own lock is told, and nothing is lost by the attempt */
	fd = open(path, O_RDWR);
	CHECK(!fcntl(fd, F_OFD_SETLK, &lock));
	CHECK_EQUAL(lock_fid(1, FOLDER_LOCK_WRITE, 40, 30, 7), P9_LOCK_BLOCKED);
	CHECK(host_may_lock(path, F_WRLCK, 40, 10) && host_may_lock(path, F_WRLCK, 60, 10));
	message(P9_GETLOCK);
	p9_put32(&client.out, 1);
	p9_put8(&client.out, FOLDER_LOCK_READ);
	p9_put64(&client.out, 0);
	p9_put64(&client.out, 0);
	p9_put32(&client.out, 7);
	p9_put_text(&client.out, "guest", 5);
	CHECK_EQUAL(ask(), 0);
	CHECK_EQUAL(p9_get8(&client.in), FOLDER_LOCK_WRITE);
	CHECK_EQUAL(p9_get64(&client.in), 50);
	CHECK_EQUAL(p9_get64(&client.in), 10);
	close(fd);
	CHECK_EQUAL(lock_fid(1, FOLDER_LOCK_WRITE, 40, 30, 7), P9_LOCK_SUCCESS);
	CHECK_EQUAL(clunk(1), 0);
	CHECK(host_may_lock(path, F_WRLCK, 0, 0));
	client_end();
}

static void read_only(void)
{
	struct folder_setting setting = { .read_only = true };
	int fd;

	client_begin(&setting);
	fd = open("shared/file", O_WRONLY | O_CREAT, 0600);
	CHECK(write(fd, "kept", 4) == 4);
	client_attach(8192, geteuid());
	CHECK_EQUAL(walk(ROOT, 1, "file"), 0);
	CHECK_EQUAL(lopen(1, WRONLY), P9_EROFS);
	CHECK_EQUAL(lopen(1, RDONLY | P9_O_TRUNC), P9_EROFS);
	CHECK_EQUAL(lopen(1, RDONLY), 0);
	CHECK_EQUAL(read_fid(1, 0, 10), 4);
	CHECK_EQUAL(-write_fid(1, 0, "lost", 4), P9_EROFS);
	CHECK_EQUAL(setattr(1, &(struct folder_change){ .what = FOLDER_SET_BYTES }), P9_EROFS);
	CHECK_EQUAL(mkdir_in(ROOT, "dir", 0755, 0), P9_EROFS);
	CHECK_EQUAL(symlink_in(ROOT, "link", "x"), P9_EROFS);
	CHECK_EQUAL(mknod_in(ROOT, "fifo", P9_S_IFIFO | 0600, 0, 0), P9_EROFS);
	CHECK_EQUAL(link_in(ROOT, 1, "name"), P9_EROFS);
	CHECK_EQUAL(rename_in(ROOT, "file", ROOT, "name"), P9_EROFS);
	CHECK_EQUAL(unlink_in(ROOT, "file", 0), P9_EROFS);
	CHECK_EQUAL(walk(ROOT, 2, ""), 0);
	CHECK_EQUAL(lcreate(2, "new", RDWR, 0644, 0), P9_EROFS);
	CHECK_EQUAL(lock_fid(1, FOLDER_LOCK_READ, 0, 1, 1), P9_LOCK_SUCCESS);
	text_is("shared/file", "kept");
	client_end();
}

static void needs_root(void)
{
	if (geteuid()) {
		fprintf(stderr, "only root can give files away\n");
		exit(0);
	}
}

static void owners_are_the_same(void)
{
	needs_root();
	client_begin(NULL);
	client_attach(8192, 1234);
	CHECK_EQUAL(walk(ROOT, 1, ""), 0);
	CHECK_EQUAL(lcreate(1, "file", RDWR, 04755, 55), 0);
	CHECK(!stat("shared/file", &host));
	CHECK_EQUAL(host.st_uid, 1234);
	CHECK_EQUAL(host.st_gid, 55);
	CHECK_EQUAL(host.st_mode, S_IFREG | 04755);
	CHECK_EQUAL(mkdir_in(ROOT, "dir", 0750, 56), 0);
	CHECK(!stat("shared/dir", &host));
	CHECK_EQUAL(host.st_uid, 1234);
	CHECK_EQUAL(host.st_gid, 56);
	CHECK_EQUAL(symlink_in(ROOT, "link", "file"), 0);
	CHECK(!lstat("shared/link", &host));
	CHECK_EQUAL(host.st_uid, 1234);
	CHECK_EQUAL(setattr(1, &(struct folder_change){ .what = FOLDER_SET_UID, .uid = 99 }), 0);
	CHECK(!stat("shared/file", &host));
	CHECK_EQUAL(host.st_uid, 99);
	CHECK_EQUAL(host.st_gid, 55);
	client_end();
}

/* One user of the host: all is his, and what he may not, the guest may not. */
static void owner_is_one_user(void)
{
	struct folder_setting setting = { .owner = FOLDER_USER, .uid = 1234, .gid = 1235 };
	int fd;

	needs_root();
	CHECK(!mkdir("shared", 0755) && !chmod("shared", 0755) && !chown("shared", 1234, 1235));
	CHECK(!chmod(".", 0711));
	client_begin(&setting);
	client_attach(8192, 0);
	CHECK_EQUAL(walk(ROOT, 1, ""), 0);
	CHECK_EQUAL(lcreate(1, "file", RDWR, 06755, 0), 0);
	CHECK(!stat("shared/file", &host));
	CHECK_EQUAL(host.st_uid, 1234);
	CHECK_EQUAL(host.st_gid, 1235);
	CHECK_EQUAL(host.st_mode, S_IFREG | 0755);	/* nothing that works as him */
	CHECK_EQUAL(setattr(1, &(struct folder_change){ .what = FOLDER_SET_UID, .uid = 0 }), P9_EPERM);
	CHECK_EQUAL(mkdir_in(ROOT, "dir", 0750, 0), 0);
	/* another user's file on the host: seen as his, but not readable */
	setfsuid(0);
	setfsgid(0);
	fd = open("shared/root's", O_WRONLY | O_CREAT, 0600);
	CHECK(fd >= 0 && write(fd, "no", 2) == 2);
	CHECK_EQUAL(client.folder->ops->enter(client.folder), 0);
	CHECK_EQUAL(walk(ROOT, 2, "root's"), 0);
	CHECK_EQUAL(getattr(2, &attr), 0);
	CHECK_EQUAL(attr.uid, 1234);
	CHECK_EQUAL(lopen(2, RDONLY), P9_EACCES);
	client_end();
}

/* Kept in attributes: for the host all is the daemon's, for the guest as it made it. */
static void owners_are_stored(void)
{
	struct folder_setting setting = { .owner = FOLDER_STORED };
	u32 fifo = P9_S_IFIFO | 0640, device = P9_S_IFCHR | 0600;

	CHECK(!mkdir("shared", 0755));
	if (setxattr("shared", "user.test", "", 0, 0)) {
		fprintf(stderr, "this file system keeps no attributes of users\n");
		exit(0);
	}
	client_begin(&setting);
	client_attach(8192, 1000);
	CHECK_EQUAL(walk(ROOT, 1, ""), 0);
	CHECK_EQUAL(lcreate(1, "file", RDWR, 04755, 100), 0);
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK_EQUAL(attr.uid, 1000);
	CHECK_EQUAL(attr.gid, 100);
	CHECK_EQUAL(attr.mode, P9_S_IFREG | 04755);
	CHECK(!stat("shared/file", &host));
	CHECK_EQUAL(host.st_uid, geteuid());
	CHECK_EQUAL(host.st_mode, S_IFREG | 0600);
	CHECK_EQUAL(setattr(1, &(struct folder_change){
		.what = FOLDER_SET_UID | FOLDER_SET_MODE, .uid = 5, .mode = 0444 }), 0);
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK_EQUAL(attr.uid, 5);
	CHECK_EQUAL(attr.gid, 100);
	CHECK_EQUAL(attr.mode, P9_S_IFREG | 0444);
	/* devices of the guest's are none of the host's */
	CHECK_EQUAL(mknod_in(ROOT, "null", device, 1, 3), 0);
	CHECK_EQUAL(walk(ROOT, 2, "null"), 0);
	CHECK_EQUAL(getattr(2, &attr), 0);
	CHECK_EQUAL(attr.mode, device);
	CHECK_EQUAL(attr.rdev, makedev(1, 3));
	CHECK(!stat("shared/null", &host));
	CHECK(S_ISREG(host.st_mode));
	CHECK_EQUAL(mknod_in(ROOT, "fifo", fifo, 0, 0), 0);
	CHECK_EQUAL(mkdir_in(ROOT, "dir", 02770, 3), 0);
	CHECK_EQUAL(walk(ROOT, 3, "dir"), 0);
	CHECK_EQUAL(getattr(3, &attr), 0);
	CHECK_EQUAL(attr.mode, P9_S_IFDIR | 02770);
	CHECK_EQUAL(attr.gid, 3);
	CHECK_EQUAL(symlink_in(ROOT, "link", "file"), 0);
	client_end();
}

static void space(void)
{
	begin();
	message(P9_STATFS);
	p9_put32(&client.out, ROOT);
	CHECK_EQUAL(ask(), 0);
	CHECK_EQUAL(p9_get32(&client.in), P9_STATFS_TYPE);
	CHECK(p9_get32(&client.in) >= 512);
	CHECK(p9_get64(&client.in) > 0);
	client_end();
}

const struct test tests[] = {
	{ "written_is_read", written_is_read },
	{ "beyond_four_gib", beyond_four_gib },
	{ "names_come_and_go", names_come_and_go },
	{ "unlinked_and_open", unlinked_and_open },
	{ "symbolic_links", symbolic_links },
	{ "modes_and_times", modes_and_times },
	{ "thousands_of_files", thousands_of_files },
	{ "locks", locks },
	{ "read_only", read_only },
	{ "owners_are_the_same", owners_are_the_same },
	{ "owner_is_one_user", owner_is_one_user },
	{ "owners_are_stored", owners_are_stored },
	{ "space", space },
	{ NULL, NULL },
};

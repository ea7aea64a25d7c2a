// SPDX-License-Identifier: GPL-2.0-only
/* Host folders by 9P2000.u, as Linux 2.6.33 uses them. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "check.h"
#include "p9_client_u.h"

#define ROOT 0
#define OREAD 0
#define OWRITE 1
#define ORDWR 2

static struct stat_u seen;
static struct stat host;

static void begin(void)
{
	client_begin(NULL);
	client_attach_as("9P2000.u", 65536, geteuid());
}

/* As Linux does it: a copy of the directory's fid becomes the file's, and a walk from there another one. */
static void make(u32 fid, const char *name)
{
	CHECK_EQUAL(walk(ROOT, fid, ""), 0);
	CHECK_EQUAL(create_u(fid, name, 0644, ORDWR, ""), 0);
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
	CHECK_EQUAL(write_fid(1, 5ull << 30, "there", 5), 5);
	CHECK_EQUAL(read_fid(1, (5ull << 30) - 2, 100), 7);
	CHECK(!memcmp(client.in.at, "\0\0there", 7));
	CHECK_EQUAL(stat_u(1, &seen), 0);
	CHECK_EQUAL(seen.length, (5ull << 30) + 5);
	CHECK(!stat("shared/a file", &host));
	CHECK_EQUAL(host.st_mode, S_IFREG | 0644);
	CHECK_EQUAL(seen.inode, host.st_ino);
	/* what is there is not taken for new */
	CHECK_EQUAL(walk(ROOT, 2, ""), 0);
	CHECK_EQUAL(create_u(2, "a file", 0644, OWRITE, ""), P9_EEXIST);
	CHECK_EQUAL(walk(ROOT, 3, "a file"), 0);
	CHECK_EQUAL(open_u(3, OWRITE | P9_U_TRUNC | P9_U_APPEND), 0);
	CHECK_EQUAL(write_fid(3, 0, "one", 3), 3);
	CHECK_EQUAL(write_fid(3, 0, "two", 3), 3);
	text_is("shared/a file", "onetwo");
	CHECK_EQUAL(-read_fid(3, 0, 1), P9_EBADF);
	/* a program is run from what can be read */
	CHECK_EQUAL(walk(ROOT, 4, "a file"), 0);
	CHECK_EQUAL(open_u(4, P9_U_EXEC), 0);
	CHECK_EQUAL(read_fid(4, 3, 10), 3);
	client_end();
}

static void stats_say_what_files_are(void)
{
	begin();
	CHECK_EQUAL(stat_u(ROOT, &seen), 0);
	CHECK(!strcmp(seen.name, "/"));
	CHECK_EQUAL(seen.qid_type, P9_QID_DIR);
	CHECK_EQUAL(seen.mode, P9_DMDIR | 0755);
	CHECK_EQUAL(seen.length, 0);
	CHECK_EQUAL(seen.uid, geteuid());
	CHECK_EQUAL(walk(ROOT, 1, ""), 0);
	CHECK_EQUAL(create_u(1, "link", P9_DMSYMLINK | 0777, OREAD, "../secret"), 0);
	CHECK_EQUAL(stat_u(1, &seen), 0);
	CHECK_EQUAL(seen.mode, P9_DMSYMLINK | 0777);
	CHECK_EQUAL(seen.qid_type, P9_QID_SYMLINK);
	CHECK(!strcmp(seen.name, "link") && !strcmp(seen.text, "../secret"));
	CHECK(!lstat("shared/link", &host) && S_ISLNK(host.st_mode));
	CHECK_EQUAL(walk(ROOT, 2, ""), 0);
	CHECK_EQUAL(create_u(2, "pipe", P9_DMNAMEDPIPE | 0640, OREAD, ""), 0);
	CHECK(!lstat("shared/pipe", &host));
	CHECK_EQUAL(host.st_mode, S_IFIFO | 0640);
	CHECK_EQUAL(stat_u(2, &seen), 0);
	CHECK_EQUAL(seen.mode, P9_DMNAMEDPIPE | 0640);
	CHECK_EQUAL(walk(ROOT, 3, ""), 0);
	CHECK_EQUAL(create_u(3, "socket", P9_DMSOCKET | 0600, OREAD, ""), 0);
	CHECK(!lstat("shared/socket", &host) && S_ISSOCK(host.st_mode));
	CHECK_EQUAL(walk(ROOT, 4, ""), 0);
	CHECK_EQUAL(create_u(4, "dir", P9_DMDIR | P9_DMSETVTX | 0750, OREAD, ""), 0);
	CHECK(!stat("shared/dir", &host));
	CHECK_EQUAL(host.st_mode, S_IFDIR | 01750);
	/* it is open, as create(5) says */
	CHECK_EQUAL(read_fid(4, 0, 4096), 0);
	client_end();
}

static void names_come_and_go(void)
{
	struct stat_u change = blank_u();

	begin();
	CHECK_EQUAL(walk(ROOT, 1, ""), 0);
	CHECK_EQUAL(create_u(1, "dir", P9_DMDIR | 0755, OREAD, ""), 0);
	CHECK_EQUAL(walk(ROOT, 2, "dir"), 0);
	CHECK_EQUAL(create_u(2, "one", 0644, ORDWR, ""), 0);
	CHECK_EQUAL(write_fid(2, 0, "1", 1), 1);
	CHECK_EQUAL(walk(ROOT, 3, "dir/one"), 0);
	CHECK_EQUAL(walk(3, 4, ""), 0);
	strcpy(change.name, "two");
	CHECK_EQUAL(wstat_u(3, &change), 0);
	text_is("shared/dir/two", "1");
	CHECK(access("shared/dir/one", F_OK));
	/* who has come by the old name knows the new one */
	CHECK_EQUAL(stat_u(2, &seen), 0);
	CHECK(!strcmp(seen.name, "two"));
	/* a further name: Linux writes the other fid's number, and a line feed */
	CHECK_EQUAL(walk(ROOT, 5, ""), 0);
	CHECK_EQUAL(create_u(5, "three", P9_DMLINK, OREAD, "4\n"), 0);
	CHECK(!stat("shared/three", &host));
	CHECK_EQUAL(host.st_nlink, 2);
	/* by each fid the name by which it came, no other */
	CHECK_EQUAL(remove_u(2), 0);
	CHECK(access("shared/dir/two", F_OK) && !access("shared/three", F_OK));
	CHECK_EQUAL(remove_u(3), P9_ENOENT);
	CHECK_EQUAL(-read_fid(2, 0, 1), P9_EBADF);	/* removed or not, the fid is gone */
	CHECK_EQUAL(stat_u(3, &seen), P9_EBADF);
	/* a rename puts one file in another's place */
	make(6, "four");
	strcpy(change.name, "three");
	CHECK_EQUAL(wstat_u(6, &change), 0);
	text_is("shared/three", "");
	CHECK_EQUAL(remove_u(5), P9_ENOENT);		/* there is another file by now */
	CHECK(!access("shared/three", F_OK));
	CHECK_EQUAL(remove_u(6), 0);
	CHECK(access("shared/three", F_OK));
	/* directories */
	CHECK_EQUAL(walk(ROOT, 7, "dir"), 0);
	CHECK_EQUAL(walk(7, 8, ""), 0);
	CHECK_EQUAL(create_u(8, "inner", 0644, OWRITE, ""), 0);
	CHECK_EQUAL(walk(7, 9, ""), 0);
	CHECK_EQUAL(remove_u(9), P9_ENOTEMPTY);
	strcpy(change.name, "moved");
	CHECK_EQUAL(wstat_u(7, &change), 0);
	/* what was reached through it is still where it was, whatever that is called */
	CHECK_EQUAL(remove_u(8), 0);
	CHECK_EQUAL(remove_u(7), 0);
	CHECK(access("shared/moved", F_OK));
	CHECK_EQUAL(walk(ROOT, 9, ""), 0);
	CHECK_EQUAL(wstat_u(9, &change), P9_EBUSY);
	CHECK_EQUAL(remove_u(9), P9_EBUSY);
	client_end();
}

static void unlinked_and_open(void)
{
	begin();
	make(1, "gone");
	CHECK_EQUAL(write_fid(1, 0, "still here", 10), 10);
	CHECK_EQUAL(walk(ROOT, 2, "gone"), 0);
	CHECK_EQUAL(walk(2, 3, ""), 0);
	CHECK_EQUAL(remove_u(3), 0);
	CHECK(access("shared/gone", F_OK));
	CHECK_EQUAL(read_fid(1, 6, 10), 4);
	CHECK_EQUAL(stat_u(2, &seen), 0);
	CHECK_EQUAL(seen.length, 10);
	/* another one of that name is another one */
	make(4, "gone");
	CHECK_EQUAL(walk(2, 5, ""), 0);
	CHECK_EQUAL(remove_u(5), P9_ENOENT);
	CHECK(!access("shared/gone", F_OK));
	client_end();
}

static void modes_times_and_lengths(void)
{
	struct stat_u change = blank_u();
	static const u32 mode = P9_DMSETUID | P9_DMSETGID | 0751;

	begin();
	make(1, "file");
	CHECK_EQUAL(write_fid(1, 0, "0123456789", 10), 10);
	CHECK_EQUAL(walk(ROOT, 2, "file"), 0);
	change.mode = mode;
	change.length = 4;
	change.atime = 1000000000;
	change.mtime = 0x9fffffff;	/* behind 2038 */
	CHECK_EQUAL(wstat_u(2, &change), 0);
	CHECK(!stat("shared/file", &host));
	CHECK_EQUAL(host.st_mode, S_IFREG | 06751);
	CHECK_EQUAL(host.st_size, 4);
	CHECK_EQUAL(host.st_atim.tv_sec, 1000000000);
	CHECK_EQUAL(host.st_mtim.tv_sec, 0x9fffffff);
	CHECK_EQUAL(stat_u(2, &seen), 0);
	CHECK_EQUAL(seen.mode, mode);
	CHECK_EQUAL(seen.mtime, 0x9fffffff);
	/* nothing is what Linux sends for fsync(), and it changes nothing */
	change = blank_u();
	CHECK_EQUAL(wstat_u(1, &change), 0);
	CHECK_EQUAL(wstat_u(2, &change), 0);
	CHECK(!stat("shared/file", &host));
	CHECK_EQUAL(host.st_mtim.tv_sec, 0x9fffffff);
	/* behind what 32 bits can say */
	CHECK(!utimensat(AT_FDCWD, "shared/file", (struct timespec[2]){ { 1ll << 33, 0 }, { 1ll << 33, 0 } }, 0));
	CHECK_EQUAL(stat_u(2, &seen), 0);
	CHECK_EQUAL(seen.mtime, P9_U_BLANK4 - 1);
	if (!geteuid()) {
		change.uid = 12;
		CHECK_EQUAL(wstat_u(2, &change), 0);
		change = blank_u();
		change.gid = 34;
		CHECK_EQUAL(wstat_u(2, &change), 0);
		CHECK_EQUAL(stat_u(2, &seen), 0);
		CHECK_EQUAL(seen.uid, 12);
		CHECK_EQUAL(seen.gid, 34);
	}
	client_end();
}

/* All entries, by pieces of so many bytes; each by its name. */
static u32 list(u32 fid, u32 piece, char found[], u32 many)
{
	u64 offset = 0;
	u32 count = 0, number;
	int got;

	while ((got = read_fid(fid, offset, piece)) > 0) {
		struct p9_in in = client.in;

		CHECK((u32)got <= piece);
		while (next_u(&in, &seen)) {
			CHECK(seen.name[0] != '.');
			if (sscanf(seen.name, "file-%u", &number) == 1 && number < many) {
				CHECK_EQUAL(seen.length, number % 3);
				CHECK(!found[number]++);
			}
			count++;
		}
		offset += got;
	}
	CHECK_EQUAL(got, 0);
	return count;
}

static void directories_are_listed(void)
{
	enum { MANY = 1000 };
	static char found[MANY], name[300], again[MANY];
	u32 i;

	begin();
	CHECK(!mkdir("shared/dir", 0755) && !symlink("/", "shared/dir/link"));
	memset(name, 'n', 255);
	memcpy(name, "shared/dir/", 11);
	name[11 + 255] = '\0';
	memset(name + 11, 'n', 255);
	check_file(name, 0);
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "shared/dir/file-%u", i);
		check_file(name, i % 3);
	}
	CHECK_EQUAL(walk(ROOT, 1, "dir"), 0);
	CHECK_EQUAL(open_u(1, OREAD), 0);
	CHECK_EQUAL(list(1, 1000, found, MANY), MANY + 2);
	for (i = 0; i < MANY; i++)
		CHECK_EQUAL(found[i], 1);
	/* from the beginning again, in one piece or as much as fits; from anywhere else it cannot be read */
	CHECK_EQUAL(list(1, 65536, again, MANY), MANY + 2);
	CHECK(read_fid(1, 0, 1000) > 0);
	CHECK_EQUAL(-read_fid(1, 1, 1000), P9_EINVAL);
	CHECK_EQUAL(-read_fid(1, 1ull << 40, 1000), P9_EINVAL);
	/* less than the longest entry would look like the end */
	CHECK_EQUAL(-read_fid(1, 0, 200), P9_EINVAL);
	/* what the guest removes meanwhile does not stop it */
	CHECK(read_fid(1, 0, 1000) > 0);
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "dir/file-%u", i);
		CHECK_EQUAL(walk(ROOT, 2, name), 0);
		CHECK_EQUAL(remove_u(2), 0);
	}
	CHECK_EQUAL(list(1, 4096, again, 0), 2);
	client_end();
}

static void read_only(void)
{
	struct folder_setting setting = { .read_only = true };
	struct stat_u change = blank_u();

	client_begin(&setting);
	check_file("shared/file", 4);
	client_attach_as("9P2000.u", 8192, geteuid());
	CHECK_EQUAL(walk(ROOT, 1, "file"), 0);
	CHECK_EQUAL(open_u(1, OWRITE), P9_EROFS);
	CHECK_EQUAL(open_u(1, OREAD | P9_U_TRUNC), P9_EROFS);
	CHECK_EQUAL(open_u(1, OREAD), 0);
	CHECK_EQUAL(-write_fid(1, 0, "lost", 4), P9_EROFS);
	change.length = 0;
	CHECK_EQUAL(wstat_u(1, &change), P9_EROFS);
	change = blank_u();
	strcpy(change.name, "other");
	CHECK_EQUAL(wstat_u(1, &change), P9_EROFS);
	CHECK_EQUAL(walk(ROOT, 2, ""), 0);
	CHECK_EQUAL(create_u(2, "new", 0644, OREAD, ""), P9_EROFS);
	CHECK_EQUAL(create_u(2, "new", P9_DMDIR | 0755, OREAD, ""), P9_EROFS);
	CHECK_EQUAL(create_u(2, "new", P9_DMSYMLINK | 0777, OREAD, "x"), P9_EROFS);
	CHECK_EQUAL(create_u(2, "new", P9_DMLINK, OREAD, "1\n"), P9_EROFS);
	CHECK_EQUAL(remove_u(1), P9_EROFS);
	CHECK(!stat("shared/file", &host));
	CHECK_EQUAL(host.st_size, 4);
	client_end();
}

/* A new file is who attached's, and its group the directory's. */
static void owners(void)
{
	if (geteuid()) {
		fprintf(stderr, "only root can give files away\n");
		exit(0);
	}
	client_begin(NULL);
	client_attach_as("9P2000.u", 8192, 1234);
	CHECK(!chown("shared", 0, 55));
	CHECK_EQUAL(walk(ROOT, 1, ""), 0);
	CHECK_EQUAL(create_u(1, "file", P9_DMSETUID | P9_DMSETGID | 0755, ORDWR, ""), 0);
	CHECK(!stat("shared/file", &host));
	CHECK_EQUAL(host.st_uid, 1234);
	CHECK_EQUAL(host.st_gid, 55);
	/* nobody but root makes programs that work as a directory's group */
	CHECK_EQUAL(host.st_mode, S_IFREG | 04755);
	CHECK_EQUAL(walk(ROOT, 2, ""), 0);
	CHECK_EQUAL(create_u(2, "dir", P9_DMDIR | P9_DMSETGID | 0755, OREAD, ""), 0);
	CHECK(!stat("shared/dir", &host));
	CHECK_EQUAL(host.st_mode, S_IFDIR | 02755);
	client_end();
}

/* Devices are the guest's own where owners are stored, and not the host's. */
static void devices_are_stored(void)
{
	struct folder_setting setting = { .owner = FOLDER_STORED };

	CHECK(!mkdir("shared", 0755));
	if (setxattr("shared", "user.test", "", 0, 0)) {
		fprintf(stderr, "this file system keeps no attributes of users\n");
		exit(0);
	}
	client_begin(&setting);
	client_attach_as("9P2000.u", 8192, 1000);
	CHECK_EQUAL(walk(ROOT, 1, ""), 0);
	CHECK_EQUAL(create_u(1, "null", P9_DMDEVICE | 0666, OREAD, "c 1 3"), 0);
	CHECK_EQUAL(stat_u(1, &seen), 0);
	CHECK_EQUAL(seen.mode, P9_DMDEVICE | 0666);
	CHECK(!strcmp(seen.text, "c 1 3"));
	CHECK_EQUAL(seen.uid, 1000);
	CHECK_EQUAL(walk(ROOT, 2, ""), 0);
	CHECK_EQUAL(create_u(2, "disk", P9_DMDEVICE | 0600, OREAD, "b 4095 1048575"), 0);
	CHECK_EQUAL(stat_u(2, &seen), 0);
	CHECK(!strcmp(seen.text, "b 4095 1048575"));
	CHECK(!stat("shared/null", &host) && S_ISREG(host.st_mode));
	client_end();
}

const struct test tests[] = {
	{ "written_is_read", written_is_read },
	{ "stats_say_what_files_are", stats_say_what_files_are },
	{ "names_come_and_go", names_come_and_go },
	{ "unlinked_and_open", unlinked_and_open },
	{ "modes_times_and_lengths", modes_times_and_lengths },
	{ "directories_are_listed", directories_are_listed },
	{ "read_only", read_only },
	{ "owners", owners },
	{ "devices_are_stored", devices_are_stored },
	{ NULL, NULL },
};

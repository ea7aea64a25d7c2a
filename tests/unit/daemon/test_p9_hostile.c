// SPDX-License-Identifier: GPL-2.0-only
/* Host folders and a guest that wants out of them, or wants the daemon to fall. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "p9_client.h"

#define ROOT 0
#define RDONLY 0
#define RDWR 2

static struct folder_attr attr;

static void begin(void)
{
	client_begin(NULL);
	client_attach(65536, geteuid());
}

/* --- names that are none --- */

static const struct bad_name {
	const char *name;
	u16 bytes;
} bad_names[] = {
	{ "", 0 }, { ".", 1 }, { "..", 2 }, { "/", 1 }, { "../secret", 9 }, { "dir/../../secret", 16 },
	{ "/etc/passwd", 11 }, { "dir/file", 8 }, { "a\0b", 3 }, { "..\0", 3 }, { "file\0", 5 }, { "dir/", 4 },
};
#define BAD_NAMES (sizeof(bad_names) / sizeof(*bad_names))

static int with_name(u8 type, u32 dir, const struct bad_name *bad)
{
	message(type);
	p9_put32(&client.out, dir);
	if (type == P9_LINK)
		p9_put32(&client.out, 3);
	if (type == P9_RENAMEAT) {
		p9_put_text(&client.out, "file", 4);
		p9_put32(&client.out, dir);
	}
	p9_put_text(&client.out, bad->name, bad->bytes);
	switch (type) {
	case P9_SYMLINK:
		p9_put_text(&client.out, "target", 6);
		break;
	case P9_LCREATE:
		p9_put32(&client.out, RDWR);
		__attribute__((fallthrough));
	case P9_MKDIR:
		p9_put32(&client.out, 0777);
		break;
	case P9_MKNOD:
		p9_put32(&client.out, P9_S_IFREG | 0777);
		p9_put64(&client.out, 0);
		break;
	}
	if (type != P9_LINK && type != P9_RENAMEAT)
		p9_put32(&client.out, 0);	/* a group, or no flags */
	return ask();
}

static void no_name_is_a_path(void)
{
	static const u8 types[] = { P9_LCREATE, P9_SYMLINK, P9_MKNOD, P9_LINK, P9_MKDIR, P9_RENAMEAT, P9_UNLINKAT };
	char longer[256];
	size_t i, j;

	begin();
	CHECK_EQUAL(mkdir_in(ROOT, "dir", 0755, getegid()), 0);
	CHECK_EQUAL(walk(ROOT, 1, "dir"), 0);
	CHECK_EQUAL(walk(ROOT, 2, ""), 0);
	CHECK_EQUAL(lcreate(2, "file", RDWR, 0644, getegid()), 0);
	CHECK_EQUAL(walk(ROOT, 3, "file"), 0);
	for (i = 0; i < BAD_NAMES; i++) {
		CHECK_EQUAL(walk_name(ROOT, 9, bad_names[i].name, bad_names[i].bytes), P9_ENOENT);
		CHECK_EQUAL(walk_name(1, 9, bad_names[i].name, bad_names[i].bytes), P9_ENOENT);
		for (j = 0; j < sizeof(types); j++) {
			CHECK_EQUAL(with_name(types[j], ROOT, &bad_names[i]), P9_EINVAL);
			CHECK_EQUAL(with_name(types[j], 1, &bad_names[i]), P9_EINVAL);
		}
	}
	memset(longer, 'a', sizeof(longer));
	CHECK_EQUAL(walk_name(ROOT, 9, longer, 256), P9_ENOENT);
	CHECK_EQUAL(with_name(P9_MKDIR, ROOT, &(struct bad_name){ longer, 256 }), P9_ENAMETOOLONG);
	CHECK_EQUAL(with_name(P9_MKDIR, ROOT, &(struct bad_name){ longer, 255 }), 0);
	/* nothing happened to what is there; the old name of a rename is checked like the new one */
	CHECK_EQUAL(rename_in(ROOT, "..", ROOT, "mine"), P9_EINVAL);
	CHECK(!access("shared/file", F_OK) && !access("secret", F_OK));
	client_end();
}

/* --- symbolic links and other files that lead elsewhere --- */

static void links_are_not_followed(void)
{
	char target[100];

	begin();
	CHECK(!symlink("../secret", "shared/file") && !symlink("..", "shared/up") && !symlink("/", "shared/root"));
	CHECK(!mkdir("elsewhere", 0700) && !symlink("../elsewhere", "shared/dir"));
	CHECK_EQUAL(walk(ROOT, 1, "up/secret"), P9_ENOENT);
	CHECK_EQUAL(walk(ROOT, 1, "root/etc"), P9_ENOENT);
	CHECK_EQUAL(walk(ROOT, 1, "dir"), 0);
	CHECK_EQUAL(lopen(1, RDONLY), P9_ENXIO);
	CHECK_EQUAL(mkdir_in(1, "made", 0755, 0), P9_ENOTDIR);
	CHECK_EQUAL(lcreate(1, "made", RDWR, 0755, 0), P9_ENOTDIR);
	CHECK_EQUAL(rename_in(ROOT, "file", 1, "moved"), P9_ENOTDIR);
	CHECK_EQUAL(unlink_in(1, "x", 0), P9_ENOTDIR);
	CHECK_EQUAL(walk(ROOT, 2, "file"), 0);
	CHECK_EQUAL(lopen(2, RDONLY), P9_ENXIO);
	CHECK_EQUAL(setattr(2, &(struct folder_change){ .what = FOLDER_SET_BYTES }), P9_ENXIO);
	CHECK_EQUAL(setattr(2, &(struct folder_change){ .what = FOLDER_SET_MODE, .mode = 0777 }), P9_EOPNOTSUPP);
	/* create through a link that is there: without O_EXCL it would be followed by open(2) */
	CHECK_EQUAL(walk(ROOT, 3, ""), 0);
	CHECK_EQUAL(lcreate(3, "file", RDWR | P9_O_TRUNC, 0644, getegid()), P9_ENXIO);
	CHECK(readlink("shared/file", target, sizeof(target)) == 9);
	CHECK(rmdir("elsewhere") == 0);	/* it is empty */
	client_end();
}

/* Devices and FIFOs that the host keeps in the folder: looked at, never opened, never made. */
static void special_files(void)
{
	begin();
	CHECK(!mkfifo("shared/fifo", 0600));
	CHECK_EQUAL(walk(ROOT, 1, "fifo"), 0);
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK_EQUAL(attr.mode & P9_S_IFMT, P9_S_IFIFO);
	CHECK_EQUAL(lopen(1, RDWR), P9_ENXIO);
	CHECK_EQUAL(walk(ROOT, 2, ""), 0);
	CHECK_EQUAL(lcreate(2, "fifo", RDWR, 0600, getegid()), P9_ENXIO);
	CHECK_EQUAL(mknod_in(ROOT, "mem", P9_S_IFCHR | 0666, 1, 1), P9_EPERM);
	CHECK_EQUAL(mknod_in(ROOT, "disk", P9_S_IFBLK | 0666, 8, 0), P9_EPERM);
	CHECK_EQUAL(mknod_in(ROOT, "dir", P9_S_IFDIR | 0777, 0, 0), P9_EINVAL);
	CHECK_EQUAL(mknod_in(ROOT, "none", 0777, 0, 0), P9_EINVAL);
	CHECK_EQUAL(mknod_in(ROOT, "pipe", P9_S_IFIFO | 0640, 0, 0), 0);
	client_end();
}

/* A directory of the guest's that is a link at the next moment, and so on, as fast as can be. */
static void races_with_links(void)
{
	u32 links = 0, dirs = 0, rounds;

	begin();
	swap_begin();
	/* the race is on when the guest has met both often */
	for (rounds = 0; rounds < 2000 || links < 100 || dirs < 100; rounds++) {
		CHECK(walk(ROOT, 1, "swapped/file"));
		CHECK_EQUAL(walk(ROOT, 1, "swapped"), 0);
		CHECK(walk(1, 2, "file"));
		mkdir_in(1, "made", 0755, getegid());
		unlink_in(1, "file", 0);
		unlink_in(1, "made", P9_AT_REMOVEDIR);
		CHECK_EQUAL(getattr(1, &attr), 0);
		if ((attr.mode & P9_S_IFMT) == P9_S_IFDIR) {
			CHECK_EQUAL(lopen(1, RDONLY), 0);
			dirs++;
		} else {
			CHECK_EQUAL(lopen(1, RDONLY), P9_ENXIO);
			links++;
		}
		CHECK_EQUAL(clunk(1), 0);
		CHECK_EQUAL(walk(ROOT, 1, ""), 0);
		CHECK(lcreate(1, "swapped", RDWR, 0666, getegid()));
		CHECK_EQUAL(clunk(1), 0);
	}
	swap_end();
	client_end();
}

/* A directory that the host moves out while the guest stands in it: no way up from there. */
static void moved_out(void)
{
	begin();
	CHECK_EQUAL(mkdir_in(ROOT, "dir", 0755, getegid()), 0);
	CHECK_EQUAL(walk(ROOT, 1, "dir"), 0);
	CHECK(!rename("shared/dir", "dir"));
	CHECK_EQUAL(walk_name(1, 2, "..", 2), P9_ENOENT);
	CHECK_EQUAL(walk(1, 2, "secret"), P9_ENOENT);
	client_end();
}

/* --- fids --- */

static void fids_of_nobody(void)
{
	u32 type;

	begin();
	for (type = 0; type < 256; type++) {
		if (type == P9_VERSION || type == P9_FLUSH)
			continue;
		/* whatever the request is, fid 77 does not exist, and the message is too short or long */
		message(type);
		p9_put32(&client.out, 77);
		CHECK(ask() != 0);
	}
	CHECK_EQUAL(lopen(77, 0), P9_EBADF);
	CHECK_EQUAL(clunk(77), P9_EBADF);
	CHECK_EQUAL(walk(77, 1, ""), P9_EBADF);
	CHECK_EQUAL(walk(ROOT, P9_NOFID, ""), P9_EBADF);
	CHECK_EQUAL(walk(ROOT, 1, ""), 0);
	CHECK_EQUAL(walk(ROOT, 1, ""), P9_EBADF);	/* in use */
	CHECK_EQUAL(walk(1, 1, ""), 0);			/* its own is allowed */
	CHECK_EQUAL(-read_fid(1, 0, 10), P9_EBADF);	/* not open */
	CHECK_EQUAL(-write_fid(1, 0, "x", 1), P9_EBADF);
	CHECK_EQUAL(-lock_fid(1, 0, 0, 1, 1), P9_EBADF);
	CHECK_EQUAL(lopen(1, RDONLY), 0);
	CHECK_EQUAL(lopen(1, RDONLY), P9_EBADF);	/* twice */
	CHECK_EQUAL(lcreate(1, "x", RDWR, 0644, 0), P9_EBADF);
	CHECK_EQUAL(-read_fid(1, 0, 10), P9_EISDIR);
	CHECK_EQUAL(-write_fid(1, 0, "x", 1), P9_EBADF);
	client_end();
}

static void too_many_fids(void)
{
	u32 i = 1, made, open = 0, fd;

	begin();
	while (!walk(ROOT, i, "") && i < 100000)
		i++;
	made = i - 1;
	CHECK(client.error == P9_ENFILE);
	CHECK(made >= 100 && made <= 40000);
	CHECK_EQUAL(p9_server_fids(client.server), made + 1);
	/* the daemon can still open files of its own */
	for (fd = 0; fd < 50; fd++)
		open += dup(1) >= 0;
	CHECK_EQUAL(open, 50);
	/* and what is given back can be used again */
	CHECK_EQUAL(clunk(1), 0);
	CHECK_EQUAL(walk(ROOT, 1, ""), 0);
	CHECK_EQUAL(walk(ROOT, i, ""), P9_ENFILE);
	client_attach(8192, 0);
	CHECK_EQUAL(p9_server_fids(client.server), 1);
	client_end();
}

/* --- messages --- */

static void cut_and_stretched(void)
{
	begin();
	cut_and_stretch();
	client_end();
}

static void sizes_that_lie(void)
{
	static const u32 sizes[] = { 0, 1, 6, 7, 10, 12, 4096, 0x7fffffff, 0xffffffff };
	size_t i;

	begin();
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		message(P9_CLUNK);
		p9_put32(&client.out, 5);
		memcpy(client.request, &sizes[i], 4);
		CHECK(!ask_bytes(11));
	}
	/* a string that is longer than its message, a count of names that is */
	message(P9_MKDIR);
	p9_put32(&client.out, ROOT);
	p9_put16(&client.out, 0xffff);
	p9_put64(&client.out, 0);
	CHECK_EQUAL(ask(), P9_EPROTO);
	message(P9_WALK);
	p9_put32(&client.out, ROOT);
	p9_put32(&client.out, 9);
	p9_put16(&client.out, 0xffff);
	CHECK_EQUAL(ask(), P9_EPROTO);
	/* more names than 16, which is all that walk(5) allows */
	CHECK_EQUAL(walk(ROOT, 9, "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a"), P9_EPROTO);
	/* a write that has less data than it says, or more */
	message(P9_WRITE);
	p9_put32(&client.out, ROOT);
	p9_put64(&client.out, 0);
	p9_put32(&client.out, 0xffffffff);
	p9_put32(&client.out, 0);
	CHECK_EQUAL(ask(), P9_EPROTO);
	client_end();
}

static int version(u32 msize, const char *text)
{
	message(P9_VERSION);
	p9_put32(&client.out, msize);
	p9_put_text(&client.out, text, strlen(text));
	return ask();
}

static void versions(void)
{
	static u8 data[4096];

	client_begin(NULL);
	/* nothing before there is a version, nor with one that is not ours */
	message(P9_ATTACH);
	CHECK_EQUAL(ask(), P9_EPROTO);
	CHECK_EQUAL(version(4095, "9P2000.L"), P9_EMSGSIZE);
	/* Plan 9's own, which has no numbers of users: whoever has no other hears that it is not known */
	CHECK_EQUAL(version(8192, "9P2000"), 0);
	CHECK_EQUAL(p9_get32(&client.in), 8192);
	CHECK_EQUAL(p9_get16(&client.in), 7);
	CHECK(!memcmp(client.in.at, "unknown", 7));
	CHECK_EQUAL(walk(ROOT, 1, ""), P9_EPROTO);
	CHECK_EQUAL(version(0xffffffff, "9P2000.L"), 0);
	CHECK_EQUAL(p9_get32(&client.in), P9_MSIZE_MAX);
	client_attach(P9_MSIZE_MIN, geteuid());
	/* messages and answers are no longer than was agreed */
	CHECK_EQUAL(walk(ROOT, 1, ""), 0);
	CHECK_EQUAL(lcreate(1, "file", RDWR, 0644, getegid()), 0);
	CHECK_EQUAL(-write_fid(1, 0, data, 4096), P9_EMSGSIZE);
	CHECK_EQUAL(write_fid(1, 0, data, 4000), 4000);
	CHECK_EQUAL(read_fid(1, 0, 0xffffffff), 4000);
	CHECK_EQUAL(write_fid(1, 4000, data, 4000), 4000);
	CHECK_EQUAL(read_fid(1, 0, 0xffffffff), 4096 - 11);
	/* a second version takes all fids away */
	client_attach(8192, geteuid());
	CHECK_EQUAL(-read_fid(1, 0, 1), P9_EBADF);
	client_end();
}

/* Answers go where the guest has put its buffers; there may be hardly room for an error. */
static void no_room_for_answers(void)
{
	begin();
	CHECK_EQUAL(walk(ROOT, 1, ""), 0);
	CHECK_EQUAL(lopen(1, RDONLY), 0);
	client.room = 0;
	message(P9_CLUNK);
	CHECK(!ask_bytes(7));
	client.room = 10;
	CHECK(!ask_bytes(7));
	client.room = 11;
	CHECK_EQUAL(getattr(1, &attr), P9_EMSGSIZE);
	CHECK_EQUAL(walk(ROOT, 2, "x"), P9_ENOENT);
	CHECK_EQUAL(lopen(ROOT, RDONLY), P9_EMSGSIZE);
	client.room = 100;
	message(P9_READDIR);
	p9_put32(&client.out, 1);
	p9_put64(&client.out, 0);
	p9_put32(&client.out, 65536);
	CHECK_EQUAL(ask(), P9_EINVAL);
	client_end();
}

static void numbers_at_their_ends(void)
{
	static const u64 ends[] = { 1ull << 63, ~0ull, ~0ull - 5, (1ull << 63) - 2 };
	size_t i;

	begin();
	CHECK_EQUAL(walk(ROOT, 1, ""), 0);
	CHECK_EQUAL(lcreate(1, "file", RDWR, 0644, getegid()), 0);
	CHECK_EQUAL(walk(ROOT, 2, ""), 0);
	CHECK_EQUAL(lopen(2, RDONLY), 0);
	for (i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		CHECK(read_fid(1, ends[i], 10) <= 0);
		CHECK(write_fid(1, ends[i], "0123456789", 10) <= 0);
		if (ends[i] >> 63)
			CHECK_EQUAL(setattr(1, &(struct folder_change){ .what = FOLDER_SET_BYTES, .bytes = ends[i] }),
				    P9_EINVAL);
		message(P9_READDIR);
		p9_put32(&client.out, 2);
		p9_put64(&client.out, ends[i]);
		p9_put32(&client.out, 4096);
		ask();
		CHECK(lock_fid(1, FOLDER_LOCK_WRITE, ends[i], 100, 1) <= (int)P9_LOCK_SUCCESS);
	}
	CHECK_EQUAL(-lock_fid(1, 3, 0, 1, 1), P9_EINVAL);
	CHECK_EQUAL(lopen(1, 3), P9_EBADF);
	CHECK_EQUAL(walk(ROOT, 4, "file"), 0);
	CHECK_EQUAL(lopen(4, 3), P9_EINVAL);
	client_end();
}

static void too_many_locks(void)
{
	u32 i;
	int last = 0;

	begin();
	CHECK_EQUAL(walk(ROOT, 1, ""), 0);
	CHECK_EQUAL(lcreate(1, "file", RDWR, 0644, getegid()), 0);
	for (i = 0; i < 5000 && last == P9_LOCK_SUCCESS; i++)
		last = lock_fid(1, FOLDER_LOCK_WRITE, 2 * i, 1, 1);
	CHECK_EQUAL(-last, P9_ENOLCK);
	CHECK(i > 500 && i < 2000);
	/* what was there stays, and can be given back */
	CHECK_EQUAL(lock_fid(1, FOLDER_LOCK_NONE, 0, 0, 1), P9_LOCK_SUCCESS);
	CHECK_EQUAL(lock_fid(1, FOLDER_LOCK_WRITE, 0, 0, 1), P9_LOCK_SUCCESS);
	client_end();
}

const struct test tests[] = {
	{ "no_name_is_a_path", no_name_is_a_path },
	{ "links_are_not_followed", links_are_not_followed },
	{ "special_files", special_files },
	{ "races_with_links", races_with_links },
	{ "moved_out", moved_out },
	{ "fids_of_nobody", fids_of_nobody },
	{ "too_many_fids", too_many_fids },
	{ "cut_and_stretched", cut_and_stretched },
	{ "sizes_that_lie", sizes_that_lie },
	{ "versions", versions },
	{ "no_room_for_answers", no_room_for_answers },
	{ "numbers_at_their_ends", numbers_at_their_ends },
	{ "too_many_locks", too_many_locks },
	{ NULL, NULL },
};

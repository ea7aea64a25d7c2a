// SPDX-License-Identifier: GPL-2.0-only
/* Host folders and a guest of 9P2000.u that wants out of them, or wants the daemon to fall. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "p9_client_u.h"

#define ROOT 0
#define OREAD 0
#define OWRITE 1
#define ORDWR 2

static struct stat_u seen;

static void begin(void)
{
	client_begin(NULL);
	client_attach_as("9P2000.u", 65536, geteuid());
}

static int create_bytes(u32 fid, const char *name, u16 bytes, u32 perm, const char *text, u16 text_bytes)
{
	message(P9_CREATE);
	p9_put32(&client.out, fid);
	p9_put_text(&client.out, name, bytes);
	p9_put32(&client.out, perm);
	p9_put8(&client.out, OREAD);
	p9_put_text(&client.out, text, text_bytes);
	return ask();
}

/* --- names that are none --- */

static void no_name_is_a_path(void)
{
	static const struct {
		const char *name;
		u16 bytes;
	} bad[] = {
		{ "", 0 }, { ".", 1 }, { "..", 2 }, { "/", 1 }, { "../secret", 9 }, { "dir/../../secret", 16 },
		{ "/etc/passwd", 11 }, { "dir/file", 8 }, { "a\0b", 3 }, { "..\0", 3 }, { "file\0", 5 }, { "dir/", 4 },
	};
	static const u32 kinds[] = { 0, P9_DMDIR, P9_DMSYMLINK, P9_DMLINK, P9_DMNAMEDPIPE, P9_DMSOCKET };
	struct stat_u change = blank_u();
	size_t i, j;

	begin();
	CHECK_EQUAL(walk(ROOT, 1, ""), 0);
	CHECK_EQUAL(create_u(1, "file", 0644, OREAD, ""), 0);
	CHECK_EQUAL(walk(ROOT, 2, ""), 0);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		CHECK_EQUAL(walk_name(ROOT, 9, bad[i].name, bad[i].bytes), P9_ENOENT);
		for (j = 0; j < sizeof(kinds) / sizeof(*kinds); j++)
			CHECK_EQUAL(create_bytes(2, bad[i].name, bad[i].bytes, kinds[j] | 0644, "1\n", 2), P9_EINVAL);
		/* a name without a text is no wish, and the others have to be names */
		strcpy(change.name, bad[i].name);
		if (change.name[0] && strlen(change.name) == bad[i].bytes)
			CHECK_EQUAL(wstat_u(1, &change), P9_EINVAL);
	}
	memset(change.name, 'a', 255);
	CHECK_EQUAL(wstat_u(1, &change), 0);
	CHECK(access("shared/file", F_OK) && !access("secret", F_OK));
	client_end();
}

/* --- files that lead elsewhere --- */

static void links_are_not_followed(void)
{
	char target[100];
	struct stat_u change = blank_u();

	begin();
	CHECK(!symlink("../secret", "shared/file") && !symlink("..", "shared/up"));
	CHECK_EQUAL(walk(ROOT, 1, "up/secret"), P9_ENOENT);
	CHECK_EQUAL(walk(ROOT, 1, "up"), 0);
	CHECK_EQUAL(create_u(1, "made", 0644, OREAD, ""), P9_ENOTDIR);
	CHECK_EQUAL(create_u(1, "made", P9_DMDIR | 0755, OREAD, ""), P9_ENOTDIR);
	CHECK_EQUAL(open_u(1, OREAD), P9_ENXIO);
	CHECK_EQUAL(walk(ROOT, 2, "file"), 0);
	CHECK_EQUAL(open_u(2, OREAD), P9_ENXIO);
	change.length = 0;
	CHECK_EQUAL(wstat_u(2, &change), P9_ENXIO);
	CHECK_EQUAL(walk(ROOT, 3, ""), 0);
	CHECK_EQUAL(create_u(3, "file", 0644, OWRITE | P9_U_TRUNC, ""), P9_EEXIST);
	/* the link itself is what is removed, and what gets a second name */
	CHECK_EQUAL(create_u(3, "again", P9_DMLINK, OREAD, "2\n"), 0);
	CHECK_EQUAL(readlink("shared/again", target, sizeof(target)), 9);
	CHECK_EQUAL(remove_u(2), 0);
	CHECK_EQUAL(remove_u(1), 0);
	CHECK(!access("secret", F_OK) && access("shared/up", F_OK));
	client_end();
}

static void special_files(void)
{
	static const char *const bad[] = { "", "b", "c 1", "c 1 ", "c  1 3", "d 1 3", "c 1 3 ", "c -1 3", "c 1 4294967296",
					   "c 99999999999999999999 1", "b 1 3\n" };
	static const char *const no_fids[] = { "", "\n", "x", "1x", "1\nx", " 1", "-1", "4294967296\n",
					       "18446744073709551617\n" };
	size_t i;

	begin();
	CHECK_EQUAL(walk(ROOT, 1, ""), 0);
	/* the host's devices are not the guest's to make */
	CHECK_EQUAL(create_u(1, "mem", P9_DMDEVICE | 0666, OREAD, "c 1 1"), P9_EPERM);
	CHECK_EQUAL(create_u(1, "disk", P9_DMDEVICE | 0666, OREAD, "b 8 0"), P9_EPERM);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		CHECK_EQUAL(create_u(1, "mem", P9_DMDEVICE | 0666, OREAD, bad[i]), P9_EINVAL);
	for (i = 0; i < sizeof(no_fids) / sizeof(*no_fids); i++)
		CHECK_EQUAL(create_u(1, "name", P9_DMLINK, OREAD, no_fids[i]), P9_EINVAL);
	CHECK_EQUAL(create_u(1, "name", P9_DMLINK, OREAD, "77\n"), P9_EBADF);
	CHECK_EQUAL(create_u(1, "name", P9_DMLINK, OREAD, "0\n"), P9_EPERM);	/* a directory */
	CHECK_EQUAL(create_u(1, "link", P9_DMSYMLINK | 0777, OREAD, ""), P9_EINVAL);
	CHECK_EQUAL(create_bytes(1, "link", 4, P9_DMSYMLINK | 0777, "a\0b", 3), P9_EINVAL);
	/* more than one kind at once is none */
	CHECK_EQUAL(create_u(1, "both", P9_DMDIR | P9_DMSYMLINK | 0777, OREAD, "x"), P9_EINVAL);
	CHECK_EQUAL(create_u(1, "both", P9_DMDEVICE | P9_DMNAMEDPIPE | 0666, OREAD, "c 1 3"), P9_EINVAL);
	CHECK_EQUAL(create_u(1, "pipe", P9_DMNAMEDPIPE | 0666, ORDWR, ""), 0);
	CHECK_EQUAL(open_u(1, ORDWR), P9_ENXIO);
	client_end();
}

/* The guest's file is another one at the next moment, and so on: a remove hits one of the two, nothing else. */
static void races_with_links(void)
{
	struct stat_u change = blank_u();
	u32 rounds, gone = 0;

	begin();
	strcpy(change.name, "new");
	swap_begin();
	for (rounds = 0; rounds < 2000; rounds++) {
		CHECK(walk(ROOT, 1, "swapped/file"));
		CHECK_EQUAL(walk(ROOT, 1, "swapped"), 0);
		CHECK_EQUAL(stat_u(1, &seen), 0);
		CHECK_EQUAL(walk(1, 2, ""), 0);
		if (!create_u(2, "made", 0644, OREAD, "")) {
			CHECK_EQUAL(wstat_u(2, &change), 0);
			CHECK_EQUAL(remove_u(2), 0);
			gone++;
		} else {
			CHECK_EQUAL(clunk(2), 0);
		}
		CHECK_EQUAL(clunk(1), 0);
	}
	swap_end();
	CHECK(gone > 0);
	client_end();
}

/* --- fids --- */

static void fids_of_nobody(void)
{
	struct stat_u change = blank_u();
	u32 type;

	begin();
	for (type = 0; type < 256; type++) {
		if (type == P9_VERSION || type == P9_FLUSH)
			continue;
		message(type);
		p9_put32(&client.out, 77);
		CHECK(ask() != 0);
		CHECK_EQUAL(client.type, P9_RERROR);
	}
	CHECK_EQUAL(open_u(77, OREAD), P9_EBADF);
	CHECK_EQUAL(create_u(77, "x", 0644, OREAD, ""), P9_EBADF);
	CHECK_EQUAL(stat_u(77, &seen), P9_EBADF);
	CHECK_EQUAL(wstat_u(77, &change), P9_EBADF);
	CHECK_EQUAL(remove_u(77), P9_EBADF);
	CHECK_EQUAL(walk(ROOT, 1, ""), 0);
	CHECK_EQUAL(-read_fid(1, 0, 4096), P9_EBADF);		/* not open */
	CHECK_EQUAL(open_u(1, OWRITE), P9_EISDIR);
	CHECK_EQUAL(open_u(1, OREAD | P9_U_REMOVE_ON_CLOSE), P9_EOPNOTSUPP);
	CHECK_EQUAL(open_u(1, OREAD), 0);
	CHECK_EQUAL(open_u(1, OREAD), P9_EBADF);
	CHECK_EQUAL(create_u(1, "x", 0644, OREAD, ""), P9_EBADF);
	CHECK_EQUAL(-write_fid(1, 0, "x", 1), P9_EBADF);
	/* what another dialect asks for is not known here */
	CHECK_EQUAL(lopen(ROOT, 0), P9_EOPNOTSUPP);
	CHECK_EQUAL(unlink_in(ROOT, "x", 0), P9_EOPNOTSUPP);
	client_attach(65536, geteuid());
	CHECK_EQUAL(open_u(ROOT, OREAD), P9_EOPNOTSUPP);
	CHECK_EQUAL(client.type, P9_RLERROR);
	client_end();
}

/* Each holds on to two files of the host's. */
static void too_many_fids(void)
{
	u32 i = 2, fd, open = 0;

	begin();
	CHECK(!mkdir("shared/dir", 0755));
	CHECK_EQUAL(walk(ROOT, 1, "dir"), 0);
	while (!walk(1, i, "") && i < 100000)
		i++;
	CHECK_EQUAL(client.error, P9_ENFILE);
	CHECK(i > 100 && i < 40000);
	CHECK_EQUAL(p9_server_fids(client.server), i);
	for (fd = 0; fd < 50; fd++)
		open += dup(1) >= 0;
	CHECK_EQUAL(open, 50);
	CHECK_EQUAL(clunk(2), 0);
	CHECK_EQUAL(walk(1, 2, ""), 0);
	CHECK_EQUAL(walk(1, i, ""), P9_ENFILE);
	client_attach_as("9P2000.u", 8192, 0);
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

static void wstats_that_lie(void)
{
	static const struct {
		u16 outer, inner;
	} sizes[] = { { 0, 0 }, { 2, 0 }, { 63, 63 }, { 62, 61 }, { 63, 60 }, { 64, 62 }, { 0xffff, 0xfffd }, { 1, 0xffff } };
	struct stat_u change = blank_u();
	u32 bytes;
	size_t i;

	begin();
	check_file("shared/file", 3);
	CHECK_EQUAL(walk(ROOT, 1, "file"), 0);
	change.length = 1;
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		CHECK_EQUAL(wstat_u(1, &change), 0);
		bytes = client.out.at - client.out.start;
		change.length = 2;
		CHECK_EQUAL(wstat_u(1, &change), 0);
		memcpy(client.request + P9_HEADER_BYTES + 4, &sizes[i].outer, 2);
		memcpy(client.request + P9_HEADER_BYTES + 6, &sizes[i].inner, 2);
		client.request[P9_HEADER_BYTES + 4 + 2 + 2 + 2 + 4 + 13 + 12] = 3;	/* the length */
		CHECK(ask_bytes(bytes));
		CHECK_EQUAL(client.error, P9_EPROTO);
		CHECK_EQUAL(stat_u(1, &seen), 0);
		CHECK_EQUAL(seen.length, 2);
	}
	/* what cannot be changed */
	change = blank_u();
	change.inode = 1;
	CHECK_EQUAL(wstat_u(1, &change), P9_EPERM);
	change = blank_u();
	change.qid_type = 0;
	CHECK_EQUAL(wstat_u(1, &change), P9_EPERM);
	change = blank_u();
	strcpy(change.text, "elsewhere");
	CHECK_EQUAL(wstat_u(1, &change), P9_EPERM);
	change = blank_u();
	change.length = 1ull << 63;
	CHECK_EQUAL(wstat_u(1, &change), P9_EINVAL);
	client_end();
}

static void no_room_for_answers(void)
{
	begin();
	CHECK_EQUAL(walk(ROOT, 1, ""), 0);
	CHECK_EQUAL(open_u(1, OREAD), 0);
	check_file("shared/file", 3);
	client.room = 12;
	message(P9_CLUNK);
	CHECK(!ask_bytes(7));
	client.room = 13;
	CHECK_EQUAL(stat_u(ROOT, &seen), P9_EMSGSIZE);
	CHECK_EQUAL(walk(ROOT, 2, "x"), P9_ENOENT);
	CHECK_EQUAL(open_u(ROOT, OREAD), P9_EMSGSIZE);
	client.room = 100;
	CHECK_EQUAL(-read_fid(1, 0, 65536), P9_EINVAL);
	/* a version that finds no room is told so in the words of the one before, and is none */
	client.room = 13;
	message(P9_VERSION);
	p9_put32(&client.out, 8192);
	p9_put_text(&client.out, "9P2000.L", 8);
	CHECK_EQUAL(ask(), P9_EMSGSIZE);
	CHECK_EQUAL(client.type, P9_RERROR);
	client.room = 11;
	message(P9_VERSION);
	p9_put32(&client.out, 8192);
	p9_put_text(&client.out, "9P2000.u", 8);
	CHECK_EQUAL(ask(), P9_EMSGSIZE);
	CHECK_EQUAL(client.type, P9_RLERROR);
	client.room = 100;
	CHECK_EQUAL(walk(ROOT, 2, ""), P9_EPROTO);
	client_end();
}

const struct test tests[] = {
	{ "no_name_is_a_path", no_name_is_a_path },
	{ "links_are_not_followed", links_are_not_followed },
	{ "special_files", special_files },
	{ "races_with_links", races_with_links },
	{ "fids_of_nobody", fids_of_nobody },
	{ "too_many_fids", too_many_fids },
	{ "cut_and_stretched", cut_and_stretched },
	{ "wstats_that_lie", wstats_that_lie },
	{ "no_room_for_answers", no_room_for_answers },
	{ NULL, NULL },
};

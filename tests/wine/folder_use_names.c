// SPDX-License-Identifier: GPL-2.0-only
/* Host folders on Windows, what directories hold: see folder_use.c. */
#include "folder_use.h"

struct seen {
	u32 count, dots;
	u8 names[2000];
};

static void list(u32 fid, u32 bytes, struct seen *seen, u32 remove)
{
	u64 offset = 0;
	u32 i;

	memset(seen, 0, sizeof(*seen));
	for (;;) {
		char names[100][32];
		u32 count = 0;

		message(P9_READDIR);
		p9_put32(&client.out, fid);
		p9_put64(&client.out, offset);
		p9_put32(&client.out, bytes);
		CHECK_EQUAL(ask(), 0);
		CHECK(p9_get32(&client.in) <= bytes);
		if (client.in.at == client.in.end)
			return;
		while (client.in.at < client.in.end && count < 100) {
			struct p9_text name;

			for (i = 0; i < P9_QID_BYTES; i++)
				p9_get8(&client.in);
			offset = p9_get64(&client.in);
			p9_get8(&client.in);
			name = p9_get_text(&client.in);
			CHECK(name.bytes < 32);
			memcpy(names[count], name.at, name.bytes);
			names[count][name.bytes] = '\0';
			if (names[count][0] == '.') {
				seen->dots++;
				continue;
			}
			seen->count++;
			CHECK(!seen->names[atoi(names[count++] + 5)]++);
		}
		for (i = 0; remove && i < count; i++)
			CHECK_EQUAL(unlink_in(remove, names[i], 0), 0);
	}
}

static void names_come_and_go(void)
{
	begin();
	CHECK_EQUAL(mkdir_in(ROOT, "dir", 0751, 0), 0);
	CHECK_EQUAL(mkdir_in(ROOT, "dir", 0755, 0), P9_EEXIST);
	CHECK(GetFileAttributesA("shared\\dir") & FILE_ATTRIBUTE_DIRECTORY);
	make(1, "one");
	CHECK_EQUAL(mkdir_in(ROOT, "one", 0755, 0), P9_EEXIST);
	CHECK_EQUAL(write_fid(1, 0, "1", 1), 1);
	CHECK_EQUAL(walk(ROOT, 2, "dir"), 0);
	CHECK_EQUAL(rename_in(ROOT, "one", 2, "two"), 0);
	CHECK_EQUAL(walk(ROOT, 3, "one"), P9_ENOENT);
	CHECK_EQUAL(walk(ROOT, 3, "dir/two"), 0);
	/* the file that was renamed is still the same one, and open */
	CHECK_EQUAL(write_fid(1, 1, "2", 1), 1);
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK_EQUAL(attr.bytes, 2);
	CHECK_EQUAL(link_in(ROOT, 3, "three"), 0);
	CHECK_EQUAL(link_in(ROOT, 3, "three"), P9_EEXIST);
	CHECK_EQUAL(link_in(ROOT, 2, "four"), P9_EPERM);
	CHECK_EQUAL(getattr(3, &attr), 0);
	CHECK_EQUAL(attr.links, 2);
	CHECK_EQUAL(unlink_in(ROOT, "dir", P9_AT_REMOVEDIR), P9_ENOTEMPTY);
	CHECK_EQUAL(unlink_in(ROOT, "dir", 0), P9_EISDIR);
	CHECK_EQUAL(unlink_in(ROOT, "three", P9_AT_REMOVEDIR), P9_ENOTDIR);
	CHECK_EQUAL(unlink_in(2, "two", 0), 0);
	CHECK_EQUAL(getattr(3, &attr), P9_ENOENT);
	CHECK_EQUAL(unlink_in(ROOT, "dir", P9_AT_REMOVEDIR), 0);
	CHECK_EQUAL(unlink_in(ROOT, "dir", P9_AT_REMOVEDIR), P9_ENOENT);
	CHECK_EQUAL(clunk(1), 0);
	text_is("shared\\three", "12");
	CHECK_EQUAL(entries_of("shared\\*"), 1);
	client_end();
}

static void renames(void)
{
	make(1, "old");
	CHECK_EQUAL(write_fid(1, 0, "old", 3), 3);
	make(2, "new");
	CHECK_EQUAL(write_fid(2, 0, "new", 3), 3);
	CHECK_EQUAL(walk(ROOT, 3, "old"), 0);
	/* over one that is open, and stays what it was for who has it */
	CHECK_EQUAL(rename_in(ROOT, "new", ROOT, "old"), 0);
	CHECK_EQUAL(read_fid(1, 0, 10), 3);
	CHECK(!memcmp(client.in.at, "old", 3));
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK_EQUAL(attr.links, 0);
	CHECK_EQUAL(getattr(3, &attr), P9_ENOENT);
	CHECK_EQUAL(clunk(1), 0);
	CHECK_EQUAL(clunk(2), 0);
	text_is("shared\\old", "new");
	CHECK_EQUAL(entries_of("shared\\*"), 1);
	/* over one that nobody has, and one that is READONLY */
	make(1, "third");
	CHECK_EQUAL(clunk(1), 0);
	CHECK(SetFileAttributesA("shared\\old", FILE_ATTRIBUTE_READONLY));
	CHECK_EQUAL(rename_in(ROOT, "third", ROOT, "old"), 0);
	text_is("shared\\old", "");
	/* directories: over an empty one only, and not into itself */
	CHECK_EQUAL(mkdir_in(ROOT, "a", 0755, 0), 0);
	CHECK_EQUAL(mkdir_in(ROOT, "b", 0755, 0), 0);
	CHECK_EQUAL(walk(ROOT, 4, "b"), 0);
	CHECK_EQUAL(mkdir_in(4, "c", 0755, 0), 0);
	CHECK_EQUAL(rename_in(ROOT, "a", ROOT, "b"), P9_ENOTEMPTY);
	CHECK_EQUAL(rename_in(ROOT, "old", ROOT, "a"), P9_EISDIR);
	CHECK_EQUAL(rename_in(ROOT, "a", ROOT, "old"), P9_ENOTDIR);
	CHECK_EQUAL(rename_in(ROOT, "b", 4, "c"), P9_EINVAL);
	CHECK_EQUAL(rename_in(ROOT, "b", ROOT, "a"), 0);
	CHECK_EQUAL(walk(ROOT, 5, "a/c"), 0);
	/* what was walked to is found where it lies now, and beneath it */
	CHECK_EQUAL(walk(4, 6, "c"), 0);
	CHECK_EQUAL(rename_in(ROOT, "a", ROOT, "a longer name"), 0);
	CHECK_EQUAL(getattr(6, &attr), 0);
	CHECK_EQUAL(mkdir_in(6, "d", 0755, 0), 0);
	CHECK(is_there("shared\\a longer name\\c\\d"));
	/* to itself, and to another name of the same file: nothing */
	CHECK_EQUAL(rename_in(ROOT, "old", ROOT, "old"), 0);
	CHECK_EQUAL(walk(ROOT, 7, "old"), 0);
	CHECK_EQUAL(link_in(ROOT, 7, "older"), 0);
	CHECK_EQUAL(rename_in(ROOT, "old", ROOT, "older"), 0);
	CHECK(is_there("shared\\old") && is_there("shared\\older"));
	client_end();
}

static void unlinks(void)
{
	CHECK_EQUAL(mkdir_in(ROOT, "dir", 0755, 0), 0);
	CHECK_EQUAL(walk(ROOT, 1, "dir"), 0);
	CHECK_EQUAL(walk(1, 9, ""), 0);
	CHECK_EQUAL(lcreate(1, "gone", RDWR, 0644, 0), 0);
	CHECK_EQUAL(write_fid(1, 0, "still here", 10), 10);
	CHECK_EQUAL(unlink_in(9, "gone", 0), 0);
	CHECK(!is_there("shared\\dir\\gone"));
	/* its name can be had again, and its directory can go */
	CHECK_EQUAL(walk(9, 2, ""), 0);
	CHECK_EQUAL(lcreate(2, "gone", RDWR | P9_O_EXCL, 0644, 0), 0);
	CHECK_EQUAL(write_fid(2, 0, "other", 5), 5);
	CHECK_EQUAL(clunk(2), 0);
	CHECK_EQUAL(unlink_in(9, "gone", 0), 0);
	CHECK_EQUAL(unlink_in(ROOT, "dir", P9_AT_REMOVEDIR), 0);
	CHECK_EQUAL(read_fid(1, 6, 10), 4);
	CHECK_EQUAL(write_fid(1, 0, "S", 1), 1);
	CHECK_EQUAL(getattr(1, &attr), 0);
	CHECK_EQUAL(attr.links, 0);
	CHECK_EQUAL(attr.bytes, 10);
	CHECK_EQUAL(setattr(1, &(struct folder_change){ .what = FOLDER_SET_BYTES, .bytes = 3 }), 0);
	CHECK_EQUAL(setattr(1, &(struct folder_change){ .what = FOLDER_SET_MODE, .mode = 0600 }), 0);
	CHECK_EQUAL(link_in(ROOT, 1, "again"), P9_ENOENT);
	CHECK_EQUAL(walk(1, 2, ""), 0);
	CHECK_EQUAL(lopen(2, RDONLY), 0);
	CHECK_EQUAL(read_fid(2, 0, 10), 3);
	CHECK_EQUAL(clunk(1), 0);
	CHECK_EQUAL(read_fid(2, 0, 10), 3);
	CHECK_EQUAL(clunk(2), 0);
	CHECK_EQUAL(entries_of("shared\\*"), 0);
	client_end();
}

/* Before Windows 10 1709 a name goes with the last handle only. */
static void older(void)
{
	folder_of(client.folder)->cannot_delete_now = true;
}

static void a_rename_makes_room(void)
{
	begin();
	renames();
}

static void a_rename_makes_room_on_older_windows(void)
{
	begin();
	older();
	renames();
}

static void unlinked_and_open(void)
{
	begin();
	unlinks();
}

static void unlinked_and_open_on_older_windows(void)
{
	struct seen *seen = malloc(sizeof(*seen));

	begin();
	older();
	/* what waits for its end is in the root, and no guest sees it */
	make(1, "gone");
	CHECK_EQUAL(unlink_in(ROOT, "gone", 0), 0);
	CHECK_EQUAL(entries_of("shared\\.colinux-gone-*"), 1);
	CHECK_EQUAL(walk(ROOT, 2, ""), 0);
	CHECK_EQUAL(lopen(2, RDONLY), 0);
	list(2, 2000, seen, 0);
	CHECK_EQUAL(seen->count, 0);
	CHECK_EQUAL(seen->dots, 2);
	CHECK_EQUAL(clunk(1), 0);
	CHECK_EQUAL(clunk(2), 0);
	CHECK_EQUAL(entries_of("shared\\*"), 0);
	free(seen);
	unlinks();
}

/* The guest holds on to files by fids; the host's programs do with them what they want. */
static void another_file_in_its_place(void)
{
	begin();
	make(1, "one");
	CHECK_EQUAL(clunk(1), 0);
	make(1, "two");
	CHECK_EQUAL(clunk(1), 0);
	CHECK_EQUAL(walk(ROOT, 1, "one"), 0);
	CHECK(MoveFileExA("shared\\two", "shared\\one", MOVEFILE_REPLACE_EXISTING));
	CHECK_EQUAL(getattr(1, &attr), P9_ENOENT);
	CHECK_EQUAL(lopen(1, RDWR), P9_ENOENT);
	CHECK_EQUAL(setattr(1, &(struct folder_change){ .what = FOLDER_SET_BYTES }), P9_ENOENT);
	CHECK_EQUAL(mkdir_in(ROOT, "dir", 0755, 0), 0);
	CHECK_EQUAL(mkdir_in(ROOT, "other", 0755, 0), 0);
	CHECK_EQUAL(walk(ROOT, 2, "dir"), 0);
	CHECK(MoveFileA("shared\\dir", "shared\\away") && MoveFileA("shared\\other", "shared\\dir"));
	CHECK_EQUAL(mkdir_in(2, "new", 0755, 0), P9_ENOENT);
	CHECK_EQUAL(unlink_in(2, "new", 0), P9_ENOENT);
	CHECK_EQUAL(rename_in(ROOT, "one", 2, "new"), P9_ENOENT);
	CHECK_EQUAL(entries_of("shared\\dir\\*"), 0);
	client_end();
}

/* What NT has other ideas of, is one name of one file here, comes back as it was, and leads nowhere. */
static void names_of_all_kinds(void)
{
	static const char *const names[] = {
		"..\\secret", "\\", "C:", "C:\\secret", "file:stream", "file::$DATA", "a*?<>|\"b", "dot.", "dots...", "space ", " ",
		"\x01\x1f", "con", "nul.txt", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7", "\\\\?\\C:\\secret", ".hidden", "...",
	};
	static const char *const none[] = { "\xff", "\xc0\x80", "\xe2\x82", "\xf4\x90\x80\x80", "\xf0\x80\x80\x80" };
	u32 i, seen = 0;

	begin();
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		CHECK_EQUAL(walk_name(ROOT, 1, names[i], strlen(names[i])), P9_ENOENT);
		make(1, names[i]);
		CHECK_EQUAL(write_fid(1, 0, names[i], strlen(names[i])), (int)strlen(names[i]));
		CHECK_EQUAL(clunk(1), 0);
		CHECK_EQUAL(entries_of("shared\\*"), i + 1);
		CHECK_EQUAL(walk_name(ROOT, 1, names[i], strlen(names[i])), 0);
		CHECK_EQUAL(clunk(1), 0);
	}
	CHECK(GetFileAttributesW(L"shared\\file\xf03astream") != INVALID_FILE_ATTRIBUTES);
	CHECK(GetFileAttributesW(L"shared\\dots..\xf02e") != INVALID_FILE_ATTRIBUTES);
	CHECK(GetFileAttributesW(L"shared\\\xf020") != INVALID_FILE_ATTRIBUTES);
	CHECK_EQUAL(walk(ROOT, 2, ""), 0);
	CHECK_EQUAL(lopen(2, RDONLY), 0);
	message(P9_READDIR);
	p9_put32(&client.out, 2);
	p9_put64(&client.out, 0);
	p9_put32(&client.out, 60000);
	CHECK_EQUAL(ask(), 0);
	p9_get32(&client.in);
	while (client.in.at < client.in.end) {
		struct p9_text name;

		for (i = 0; i < P9_QID_BYTES + 8 + 1; i++)
			p9_get8(&client.in);
		name = p9_get_text(&client.in);
		for (i = 0; i < sizeof(names) / sizeof(*names); i++)
			seen += name.bytes == strlen(names[i]) && !memcmp(name.at, names[i], name.bytes);
	}
	CHECK_EQUAL(seen, sizeof(names) / sizeof(*names));
	for (i = 0; i < sizeof(none) / sizeof(*none); i++) {
		CHECK_EQUAL(walk_name(ROOT, 1, none[i], strlen(none[i])), P9_ENOENT);
		CHECK_EQUAL(mkdir_in(ROOT, none[i], 0755, 0), P9_EINVAL);
	}
	CHECK_EQUAL(mkdir_in(ROOT, "..", 0755, 0), P9_EINVAL);
	CHECK_EQUAL(mkdir_in(ROOT, "a/b", 0755, 0), P9_EINVAL);
	CHECK_EQUAL(walk_name(ROOT, 1, "..", 2), P9_ENOENT);
	/* where removed files wait is nobody's business */
	CHECK_EQUAL(mkdir_in(ROOT, ".colinux-gone-1", 0755, 0), P9_EPERM);
	check_file("shared\\.colinux-gone-1", 1);
	CHECK_EQUAL(walk(ROOT, 1, ".colinux-gone-1"), P9_ENOENT);
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		CHECK_EQUAL(unlink_in(ROOT, names[i], 0), 0);
	CHECK_EQUAL(entries_of("shared\\*"), 1);
	CHECK_EQUAL(entries_of("*"), 2);
	client_end();
}

/* --- many --- */

static void thousands_of_files(void)
{
	struct seen seen;
	char name[64];
	u32 i;

	begin();
	CHECK_EQUAL(mkdir_in(ROOT, "many", 0755, 0), 0);
	for (i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "shared\\many\\file-%u", i);
		check_file(name, 0);
	}
	CHECK_EQUAL(walk(ROOT, 1, "many"), 0);
	CHECK_EQUAL(walk(ROOT, 2, "many"), 0);
	CHECK_EQUAL(lopen(1, RDONLY), 0);
	list(1, 300, &seen, 0);
	CHECK_EQUAL(seen.count, 2000);
	CHECK_EQUAL(seen.dots, 2);
	/* removed while they are read, as rm -r does; and what has come since is seen from the beginning */
	check_file("shared\\many\\file-1", 1);
	list(1, 2000, &seen, 2);
	CHECK_EQUAL(seen.count, 2000);
	list(1, 2000, &seen, 0);
	CHECK_EQUAL(seen.count, 0);
	CHECK_EQUAL(clunk(1), 0);
	CHECK_EQUAL(unlink_in(ROOT, "many", P9_AT_REMOVEDIR), 0);
	client_end();
}

/* A guest may have very many files and very long ways, until it has all that one may have. */
static void no_end(void)
{
	static char name[201];
	u32 depth = 0, fid;

	begin();
	memset(name, 'x', 200);
	CHECK_EQUAL(walk(ROOT, 1, ""), 0);
	while (!mkdir_in(1, name, 0755, 0)) {
		CHECK(++depth < 100);
		CHECK_EQUAL(walk(1, 1, name), 0);
	}
	CHECK(depth >= 38);
	CHECK_EQUAL(client.error, P9_ENAMETOOLONG);
	for (fid = 2; !walk(1, fid, ""); fid++)
		;
	CHECK_EQUAL(client.error, P9_ENFILE);
	CHECK(fid > 10000 && fid < 30000);	/* by their bytes, not by P9_FIDS_MAX */
	CHECK_EQUAL(clunk(2), 0);
	CHECK_EQUAL(walk(ROOT, 2, ""), 0);
	/* all is given back */
	while (--fid >= 1)
		CHECK_EQUAL(clunk(fid), 0);
	CHECK_EQUAL(walk(ROOT, 2, ""), 0);
	client_end();
}

const struct test name_tests[] = {
	{ "names_come_and_go", names_come_and_go },
	{ "a_rename_makes_room", a_rename_makes_room },
	{ "a_rename_makes_room_on_older_windows", a_rename_makes_room_on_older_windows },
	{ "unlinked_and_open", unlinked_and_open },
	{ "unlinked_and_open_on_older_windows", unlinked_and_open_on_older_windows },
	{ "another_file_in_its_place", another_file_in_its_place },
	{ "names_of_all_kinds", names_of_all_kinds },
	{ "thousands_of_files", thousands_of_files },
	{ "no_end", no_end },
	{ NULL, NULL }
};

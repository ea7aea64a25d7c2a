// SPDX-License-Identifier: GPL-2.0-only
/* An overlay against a model of what its disk should be; and what it refuses, and survives. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "disk.h"
#include "overlay.h"

#define SECTOR		512u
/* not a whole number of blocks, and more blocks than one block of the map has bits */
#define SECTORS		(33000u * 8 + 3)
#define BYTES		((u64)SECTORS * SECTOR)
#define MOST		(64u * SECTOR)

static struct error error;
static u8 *model;
static u32 seed = 1;

static u32 chance(u32 below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* The disk beneath: its first and last blocks have contents, the rest are holes. */
static void make_base(void)
{
	u64 at;
	int fd;

	check_file("base", BYTES);
	model = calloc(1, BYTES);
	for (at = 0; at < BYTES; at++)
		if (at < (1 << 20) || at > BYTES - (1 << 20))
			model[at] = at / SECTOR + at % 251;
	fd = open("base", O_WRONLY);
	CHECK_EQUAL(pwrite(fd, model, BYTES, 0), BYTES);
	close(fd);
}

static struct disk *open_it(void)
{
	struct disk *disk = disk_open("base", "overlay", false, &error);

	if (!disk)
		fprintf(stderr, "%s\n", error.text);
	CHECK(disk);
	CHECK_EQUAL(disk_bytes(disk), BYTES);
	return disk;
}

/* A place near the start, near the end, where the map's first block ends, or anywhere. */
static u64 some_sector(u32 count)
{
	u32 last = SECTORS - count, near = chance(300);

	switch (chance(4)) {
	case 0:
		return near;
	case 1:
		return last - near;
	case 2:
		return 32768u * 8 - 150 + near < last ? 32768u * 8 - 150 + near : last;
	}
	return chance(last + 1);
}

/* Memory in pieces of odd sizes. */
static u32 in_pieces(struct os_iov *iov, u8 *bytes, u32 nbytes)
{
	u32 n = 0;

	while (nbytes) {
		u32 now = n == 15 ? nbytes : chance(nbytes + 1);

		iov[n++] = (struct os_iov){ bytes, now };
		bytes += now;
		nbytes -= now;
	}
	return n;
}

static void write_some(struct disk *disk, u64 sector, u32 count)
{
	struct os_iov iov[16];
	u32 i, bytes = count * SECTOR;
	u8 *at = model + sector * SECTOR;

	for (i = 0; i < bytes; i++)
		at[i] = chance(256);
	CHECK_EQUAL(disk_write(disk, iov, in_pieces(iov, at, bytes), sector * SECTOR), OS_OK);
}

static void read_some(struct disk *disk, u64 sector, u32 count)
{
	static u8 bytes[MOST];
	struct os_iov iov[16];

	memset(bytes, 0xee, sizeof(bytes));
	CHECK_EQUAL(disk_read(disk, iov, in_pieces(iov, bytes, count * SECTOR), sector * SECTOR), OS_OK);
	CHECK(!memcmp(bytes, model + sector * SECTOR, count * SECTOR));
}

static void read_all(struct disk *disk)
{
	u64 sector;

	for (sector = 0; sector < SECTORS; sector += 64)
		read_some(disk, sector, SECTORS - sector < 64 ? SECTORS - sector : 64);
}

/* The model holds after each of many requests, and after the file is opened anew. */
static void like_a_disk(void)
{
	struct disk *disk;
	u32 round, turn;
	struct stat status;
	static u8 before[1 << 20], after[1 << 20];
	int fd;

	make_base();
	memcpy(before, model, sizeof(before));
	disk = open_it();
	for (round = 0; round < 3; round++) {
		for (turn = 0; turn < 600; turn++) {
			u32 count = 1 + chance(64), what = chance(8);
			u64 sector = some_sector(count);

			if (what < 3) {
				write_some(disk, sector, count);
			} else if (what < 5) {
				enum os_result (*clear)(struct disk *, u64, u64) =
					what == 3 ? disk_zero : disk_discard;

				if (what == 4 && !disk_discards(disk))
					continue;
				memset(model + sector * SECTOR, 0, count * SECTOR);
				CHECK_EQUAL(clear(disk, sector * SECTOR, count * SECTOR), OS_OK);
			}
			read_some(disk, sector, count);
		}
		CHECK_EQUAL(disk_sync(disk), OS_OK);
		read_all(disk);
		disk_close(disk);
		disk = open_it();
		read_all(disk);
	}
	disk_close(disk);
	fd = open("base", O_RDONLY);
	CHECK_EQUAL(read(fd, after, sizeof(after)), sizeof(after));
	CHECK(!memcmp(before, after, sizeof(after)));
	close(fd);
	CHECK(!stat("overlay", &status));
	CHECK((u64)status.st_blocks * 512 < BYTES / 2);	/* sparse */
}

/* A process that ends without a word: what it flushed is there, the rest old or new. */
static void killed_in_the_middle(void)
{
	static u8 sector[SECTOR], flushed[SECTOR];
	struct disk *disk;
	u32 round;
	int status;

	make_base();
	memset(flushed, 0x55, sizeof(flushed));
	for (round = 1; round <= 8; round++) {
		struct os_iov iov = { sector, SECTOR };

		if (!fork()) {
			disk = open_it();
			memset(sector, round, SECTOR);
			CHECK_EQUAL(disk_write(disk, &(struct os_iov){ sector, SECTOR }, 1,
					       round * 9 * SECTOR), OS_OK);
			CHECK_EQUAL(disk_sync(disk), OS_OK);
			CHECK_EQUAL(disk_write(disk, &(struct os_iov){ flushed, SECTOR }, 1,
					       (round * 9 + 4000) * SECTOR), OS_OK);
			_exit(0);
		}
		CHECK(wait(&status) > 0 && !status);
		memset(model + round * 9 * SECTOR, round, SECTOR);
		disk = open_it();
		read_some(disk, round * 9, 1);
		iov = (struct os_iov){ sector, SECTOR };
		CHECK_EQUAL(disk_read(disk, &iov, 1, (round * 9 + 4000) * SECTOR), OS_OK);
		CHECK(!memcmp(sector, flushed, SECTOR) ||
		      !memcmp(sector, model + (round * 9 + 4000) * SECTOR, SECTOR));
		memcpy(model + (round * 9 + 4000) * SECTOR, sector, SECTOR);
		read_some(disk, round * 9 + 1, 20);	/* neighbours in the same block */
		disk_close(disk);
	}
}

/* The bits wait for a flush: the map in the file never runs ahead of the blocks. */
static void bits_come_last(void)
{
	static u8 map[OVERLAY_BLOCK], none[OVERLAY_BLOCK];
	struct disk *disk;
	int fd;

	make_base();
	disk = open_it();
	fd = open("overlay", O_RDONLY);
	write_some(disk, 80, 8);
	CHECK_EQUAL(pread(fd, map, sizeof(map), OVERLAY_BLOCK), sizeof(map));
	CHECK(!memcmp(map, none, sizeof(map)));
	CHECK_EQUAL(disk_sync(disk), OS_OK);
	CHECK_EQUAL(pread(fd, map, sizeof(map), OVERLAY_BLOCK), sizeof(map));
	CHECK_EQUAL(map[1], 1u << 2);		/* block 10 */
	map[1] = 0;
	CHECK(!memcmp(map, none, sizeof(map)));
	disk_close(disk);
	close(fd);
}

static void shared_beneath(void)
{
	struct disk *one, *other;

	make_base();
	one = disk_open("base", "overlay", false, &error);
	other = disk_open("base", "other", false, &error);
	CHECK(one && other);
	write_some(one, 3, 5);
	memset(model + 3 * SECTOR, 0, 5 * SECTOR);
	CHECK_EQUAL(disk_zero(other, 3 * SECTOR, 5 * SECTOR), OS_OK);
	read_some(other, 0, 16);
	CHECK(!disk_open("base", "other", false, &error));
	CHECK_TEXT(error.text, "other: is in use");
	CHECK(!disk_open("base", NULL, false, &error));
	CHECK_TEXT(error.text, "base: is in use");
	disk_close(one);
	disk_close(other);
}

static void change(const char *file, u64 offset, const void *bytes, size_t nbytes)
{
	int fd = open(file, O_WRONLY);

	CHECK_EQUAL(pwrite(fd, bytes, nbytes, offset), nbytes);
	close(fd);
}

static void refused(const char *why)
{
	CHECK(!disk_open("base", "overlay", false, &error));
	CHECK_TEXT(error.text, why);
	CHECK_TEXT(error.text, "overlay: ");
}

static void what_fits_not(void)
{
	make_base();
	disk_close(open_it());
	change("base", 1024, "mounted", 7);
	refused("or this one was changed since");
	change("base", 1024, model + 1024, 7);
	disk_close(open_it());
	CHECK(!truncate("base", BYTES + 512));
	refused("of a disk of 135169536 bytes; this one has 135170048");
	CHECK(!truncate("base", BYTES));
	change("overlay", 16, "\2", 1);
	refused("version 2, with blocks of 4096 bytes; this daemon knows version 1");
	change("overlay", 16, "\1", 1);
	change("overlay", 48, "\0", 1);		/* where data is */
	change("overlay", 49, "\0", 1);
	refused("damaged or cut short");
	change("overlay", 0, "x", 1);
	refused("overlay: is no overlay");
	CHECK(!truncate("overlay", 100));
	refused("it is too short");
	CHECK(!unlink("overlay") && !mkdir("overlay", 0700));
	refused("Is a directory");
	CHECK(!rmdir("overlay"));
	disk_close(open_it());
	CHECK(!truncate("overlay", 200 << 10));
	refused("damaged or cut short");
	CHECK(!disk_open("base", "no/such", false, &error));
	CHECK_TEXT(error.text, "no/such: No such file or directory");
	CHECK(access("no", F_OK));
}

const struct test tests[] = {
	{ "like_a_disk", like_a_disk },
	{ "killed_in_the_middle", killed_in_the_middle },
	{ "bits_come_last", bits_come_last },
	{ "shared_beneath", shared_beneath },
	{ "what_fits_not", what_fits_not },
	{ 0 },
};

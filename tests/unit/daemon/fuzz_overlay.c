// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_overlay SEED COUNT: overlay files, good ones with damage in header, map or length,
 * opened above one disk. Each is refused with a reason, or is what overlay.h says: every
 * block is the file's where its bit is set, else the disk's, before and after a write.
 * Prints how many were refused and how many were taken.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "fuzz.h"
#include "overlay.h"

/* The last block is a piece only. */
#define BLOCKS		12u
#define DISK_BYTES	(BLOCKS * OVERLAY_BLOCK - 1536)
#define DATA_OFFSET	(2 * OVERLAY_BLOCK)
#define FILE_BYTES	(DATA_OFFSET + DISK_BYTES)

static u8 disk[DISK_BYTES], good[FILE_BYTES], file[FILE_BYTES], seen[DISK_BYTES];

static u64 some_number(void)
{
	static const u64 numbers[] = {
		0, 1, 2, 511, 4095, 4096, 8192, DISK_BYTES - 1, DISK_BYTES + 1, 0x7fffffff, 0xffffffff, 1ull << 63, ~0ull,
	};

	return one_of(2) ? numbers[one_of(sizeof(numbers) / sizeof(*numbers))] : random_number();
}

/* Puts a file of damage into `memory`; returns its length. */
static u32 damage(int memory)
{
	static const u32 widths[] = { 1, 4, 8 };
	u32 bytes = one_of(8) ? FILE_BYTES : one_of(FILE_BYTES), changes, at, width;
	u64 value;

	memcpy(file, good, FILE_BYTES);
	/* any map is a good one */
	for (at = 0; at < (BLOCKS + 7) / 8 + 2; at++)
		file[OVERLAY_BLOCK + at] = random_number();
	for (changes = one_of(3); changes; changes--) {
		width = widths[one_of(3)];
		at = one_of(sizeof(struct overlay_header) - width + 1) & ~(width - 1);
		value = some_number();
		memcpy(file + at, &value, width);
	}
	CHECK(!ftruncate(memory, 0) && pwrite(memory, file, bytes, 0) == (ssize_t)bytes);
	return bytes;
}

static bool is_here(u32 block)
{
	return file[OVERLAY_BLOCK + block / 8] >> block % 8 & 1;
}

static void read_all(struct overlay *overlay)
{
	struct os_iov iov[2] = { { seen, 5000 }, { seen + 5000, DISK_BYTES - 5000 } };
	u32 at, bytes;

	CHECK_EQUAL(overlay_read(overlay, iov, 2, 0), OS_OK);
	for (at = 0; at < DISK_BYTES; at += bytes) {
		bytes = DISK_BYTES - at < OVERLAY_BLOCK ? DISK_BYTES - at : OVERLAY_BLOCK;
		CHECK(!memcmp(seen + at, (is_here(at / OVERLAY_BLOCK) ? file + DATA_OFFSET : disk) + at, bytes));
	}
}

/* A piece of nobody's blocks, in the middle of some. */
static void write_some(struct overlay *overlay)
{
	u32 at = one_of(DISK_BYTES), bytes = 1 + one_of(DISK_BYTES - at), block;
	u8 *piece = malloc(bytes);
	struct os_iov iov = { piece, bytes };

	memset(piece, random_number(), bytes);
	CHECK_EQUAL(overlay_write(overlay, &iov, 1, at), OS_OK);
	for (block = at / OVERLAY_BLOCK; block <= (at + bytes - 1) / OVERLAY_BLOCK; block++) {
		u32 start = block * OVERLAY_BLOCK;

		if (!is_here(block))
			memcpy(file + DATA_OFFSET + start, disk + start,
			       DISK_BYTES - start < OVERLAY_BLOCK ? DISK_BYTES - start : OVERLAY_BLOCK);
		file[OVERLAY_BLOCK + block / 8] |= 1u << block % 8;
	}
	memset(file + DATA_OFFSET + at, piece[0], bytes);
	free(piece);
}

/* An overlay as the daemon makes it, all of its blocks of a pattern. */
static void make_good(const char *path, struct os_file *beneath)
{
	struct error error;
	struct overlay *overlay;
	FILE *made;
	u32 at;

	overlay = overlay_open(path, beneath, &error);
	CHECK(overlay);
	overlay_close(overlay);
	made = fopen(path, "r");
	CHECK(made && fread(good, 1, sizeof(good), made) == sizeof(good) && fgetc(made) == EOF);
	fclose(made);
	for (at = 0; at < DISK_BYTES; at++)
		good[DATA_OFFSET + at] = at / OVERLAY_BLOCK * 7 + at % 251;
}

int main(int argc, char **argv)
{
	u64 count, refused = 0, taken = 0;
	struct overlay *overlay;
	struct os_file *beneath;
	struct error error;
	char path[64];
	int memory, below;
	u32 at, bytes;

	CHECK(argc == 3);
	random_begin(argv[1]);
	for (at = 0; at < DISK_BYTES; at++)
		disk[at] = random_number();
	below = memfd_create("disk", 0);
	CHECK(pwrite(below, disk, sizeof(disk), 0) == sizeof(disk));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", below);
	beneath = os_file_open(path, OS_READ, false, &error);
	CHECK(beneath);
	make_good("overlay", beneath);
	memory = memfd_create("overlay", 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
	for (count = strtoull(argv[2], NULL, 10); count; count--) {
		bytes = damage(memory);
		error.text[0] = '\0';
		overlay = overlay_open(path, beneath, &error);
		if (!overlay) {
			CHECK_TEXT(error.text, path);
			refused++;
			continue;
		}
		CHECK_EQUAL(bytes, FILE_BYTES);
		/* what decides about it is all as it was made; the padding behind it means nothing */
		CHECK(!memcmp(file, good, sizeof(struct overlay_header)));
		read_all(overlay);
		write_some(overlay);
		read_all(overlay);
		overlay_close(overlay);
		taken++;
	}
	os_file_close(beneath);
	printf("%llu %llu\n", (unsigned long long)refused, (unsigned long long)taken);
	return 0;
}

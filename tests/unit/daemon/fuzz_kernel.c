// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_kernel FILE SEED COUNT: damages a good kernel in COUNT ways, and lets
 * the loader have each. Prints how many were refused and how many were loaded.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "fake_driver.h"
#include "fuzz.h"
#include "kernel_image.h"
#include "vm.h"

static u64 odd_number(void)
{
	static const u64 odd[] = {
		0, 1, 4, 7, 8, 24, 0xff, 0xfff, 0x1000, 0x2000, 0x3000, 0x7fffffff, 0x80000000, 0xffffffff,
		0x1000000, 0x1003000, 1ull << 40, 1ull << 63, ~0ull - 4095, ~0ull,
	};

	switch (random_number() % 3) {
	case 0:
		return random_number();
	case 1:
		return odd[random_number() % (sizeof(odd) / sizeof(*odd))] + random_number() % 17 - 8;
	}
	return odd[random_number() % (sizeof(odd) / sizeof(*odd))];
}

int main(int argc, char **argv)
{
	static u8 good[1 << 20], bad[1 << 20];
	u64 refused = 0, loaded = 0, count;
	struct kernel_image image;
	struct error error;
	struct co_note note = { 0 };
	struct vm vm;
	ssize_t bytes;
	char path[64];
	int fd, memory;

	CHECK(argc == 4);
	fd = open(argv[1], O_RDONLY);
	bytes = read(fd, good, sizeof(good));
	CHECK(bytes > 16384);
	random_begin(argv[2]);
	CHECK(!vm_open(&vm, &error) && !vm_create(&vm, 80 << 20, 0, &note, &error));
	memory = memfd_create("damaged", 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
	for (count = strtoull(argv[3], NULL, 10); count; count--) {
		u32 changes = random_number() % 4;
		size_t length = random_number() % 16 ? (size_t)bytes : random_number() % bytes;

		memcpy(bad, good, bytes);
		while (changes--) {
			u64 value = odd_number();
			u32 width = 1u << random_number() % 4;
			/* headers in front, notes at the end */
			size_t at = random_number() % 2 ? random_number() % 240 :
							  bytes - 1 - random_number() % 60;

			if (random_number() % 2)
				at &= ~(size_t)(width - 1);
			if (at + width <= (size_t)bytes)
				memcpy(bad + at, &value, width);
		}
		CHECK(!ftruncate(memory, 0) && pwrite(memory, bad, length, 0) == (ssize_t)length);
		error.text[0] = 0;
		if (kernel_image_open(&image, path, &error)) {
			CHECK(error.text[0]);
			refused++;
			continue;
		}
		/* what was accepted must load, or say why not */
		if (kernel_image_load(&image, &vm.memory, vm.memory.range[0].start, &error))
			CHECK_TEXT(error.text, "no room");
		kernel_image_close(&image);
		loaded++;
	}
	printf("%llu %llu\n", (unsigned long long)refused, (unsigned long long)loaded);
	return 0;
}

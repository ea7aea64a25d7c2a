// SPDX-License-Identifier: GPL-2.0-only
/* See fake_memory.h: a memfd. Some are made beforehand: a daemon in its sandbox cannot. */
#include "fake_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

#define MADE	3

static int made[MADE], used;

__attribute__((constructor)) static void make(void)
{
	int i;

	for (i = 0; i < MADE; i++)
		made[i] = memfd_create("guest", MFD_CLOEXEC);
}

void fake_memory_open(struct fake_memory *memory)
{
	memory->fd = used < MADE ? made[used++] : memfd_create("guest", MFD_CLOEXEC);
	CHECK(memory->fd >= 0);
}

void fake_memory_size(struct fake_memory *memory, u64 bytes)
{
	CHECK(!ftruncate(memory->fd, bytes));
}

void *fake_memory_map(struct fake_memory *memory, u64 at, u64 bytes, bool writable)
{
	void *address = mmap(NULL, bytes, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED,
			     memory->fd, at);

	return address == MAP_FAILED ? NULL : address;
}

bool fake_memory_show(struct fake_memory *memory, u64 at, void *address, u64 bytes)
{
	return mmap(address, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory->fd, at) != MAP_FAILED;
}

bool fake_memory_hide(void *address, u64 bytes)
{
	return mmap(address, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		    0) != MAP_FAILED;
}

void fake_memory_unmap(void *address, u64 bytes)
{
	munmap(address, bytes);
}

void fake_memory_close(struct fake_memory *memory)
{
	close(memory->fd);
}

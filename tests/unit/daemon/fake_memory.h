/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fake driver's memory: it has no name, and may be mapped piece by piece and more than
 * once. fake_memory_linux.c, fake_memory_windows.c.
 */
#ifndef FAKE_MEMORY_H
#define FAKE_MEMORY_H

#include "os.h"

struct fake_memory {
#ifdef _WIN32
	HANDLE handle;
#else
	int fd;
#endif
};

void fake_memory_open(struct fake_memory *memory);
/* Before anything is mapped; zeros. */
void fake_memory_size(struct fake_memory *memory, u64 bytes);
/* [at, at + bytes), both multiples of a page; NULL: os_last_error(). */
void *fake_memory_map(struct fake_memory *memory, u64 at, u64 bytes, bool writable);
/* The same in the place of a part of a mapping; hide: memory of nobody's. False: not on this system. */
bool fake_memory_show(struct fake_memory *memory, u64 at, void *address, u64 bytes);
bool fake_memory_hide(void *address, u64 bytes);
/* A whole mapping; it may outlive the memory's closing. */
void fake_memory_unmap(void *address, u64 bytes);
void fake_memory_close(struct fake_memory *memory);

#endif

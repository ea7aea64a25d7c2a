// SPDX-License-Identifier: GPL-2.0-only
/* See fake_memory.h: a section of the paging file. Its views begin at multiples of 64 KiB. */
#include "fake_memory.h"

#include "check.h"

#define GRANULE	0x10000u

void fake_memory_open(struct fake_memory *memory)
{
	memory->handle = NULL;
}

void fake_memory_size(struct fake_memory *memory, u64 bytes)
{
	memory->handle = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, (DWORD)(bytes >> 32),
					    (DWORD)bytes, NULL);
	CHECK(memory->handle);
}

void *fake_memory_map(struct fake_memory *memory, u64 at, u64 bytes, bool writable)
{
	u64 within = at % GRANULE, from = at - within;
	char *view = MapViewOfFile(memory->handle, writable ? FILE_MAP_WRITE : FILE_MAP_READ,
				   (DWORD)(from >> 32), (DWORD)from, (SIZE_T)(bytes + within));

	return view ? view + within : NULL;
}

bool fake_memory_show(struct fake_memory *memory, u64 at, void *address, u64 bytes)
{
	(void)memory, (void)at, (void)address, (void)bytes;
	return false;
}

bool fake_memory_hide(void *address, u64 bytes)
{
	(void)address, (void)bytes;
	return false;
}

void fake_memory_unmap(void *address, u64 bytes)
{
	(void)bytes;
	UnmapViewOfFile((void *)((ULONG_PTR)address & ~(ULONG_PTR)(GRANULE - 1)));
}

void fake_memory_close(struct fake_memory *memory)
{
	if (memory->handle)
		CloseHandle(memory->handle);
}

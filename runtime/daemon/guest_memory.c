// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory: mapped once, translated with the bounds checked. */
#include "guest_memory.h"

#include <string.h>

int guest_memory_map(struct guest_memory *memory, struct os_driver *driver,
		     const struct co_range *ranges, u32 nranges, struct error *error)
{
	u64 end = 1ull << 20, chunks = 0;
	u32 i;

	memset(memory, 0, sizeof(*memory));
	memory->driver = driver;
	if (!nranges || nranges > CO_MAX_RANGES)
		return error_set(error, "the driver gave %u ranges of memory; expected 1 to %u",
				 nranges, CO_MAX_RANGES);
	for (i = 0; i < nranges; i++) {
		struct guest_range *range = &memory->range[i];

		range->start = ranges[i].start;
		range->bytes = ranges[i].bytes;
		if (range->start < end || !range->bytes || range->bytes > CO_MEM_MAX ||
		    range->start > ~0ull - range->bytes ||
		    range->start % CO_PAGE_SIZE || range->bytes % CO_PAGE_SIZE ||
		    range->bytes / CO_CHUNK_SIZE > GUEST_CHUNKS_MAX - chunks) {
			error_set(error, "the driver gave a bad range of memory: 0x%llx, %llu bytes",
				  (unsigned long long)range->start,
				  (unsigned long long)range->bytes);
			goto unmap;
		}
		end = range->start + range->bytes;
		range->bit = chunks;
		chunks += range->bytes / CO_CHUNK_SIZE;
		range->base = os_driver_map(driver, range->start, range->bytes, true);
		if (!range->base) {
			error_set(error, "mapping guest memory at 0x%llx, %llu MiB: %s",
				  (unsigned long long)range->start,
				  (unsigned long long)range->bytes >> 20, os_last_error());
			goto unmap;
		}
		memory->nranges++;
	}
	return 0;

unmap:
	guest_memory_unmap(memory);
	return -1;
}

int guest_memory_map_i386(struct guest_memory *memory, struct os_driver *driver,
			  const struct co_range *ranges, u32 nranges, struct error *error)
{
	struct guest_range *range = &memory->range[0];
	u64 bytes = 0;
	u32 i;

	memset(memory, 0, sizeof(*memory));
	memory->driver = driver;
	if (!nranges || nranges > CO_MAX_RANGES)
		return error_set(error, "the driver gave %u ranges of memory; expected 1 to %u",
				 nranges, CO_MAX_RANGES);
	for (i = 0; i < nranges; i++) {
		if (!ranges[i].start || ranges[i].start % CO_CHUNK_SIZE || !ranges[i].bytes ||
		    ranges[i].bytes % CO_CHUNK_SIZE || ranges[i].bytes > CO_MEM_MAX_I386 - bytes ||
		    ranges[i].start > (1ull << 32) - ranges[i].bytes)
			return error_set(error, "the driver gave a bad range of memory: 0x%llx, %llu bytes",
					 (unsigned long long)ranges[i].start,
					 (unsigned long long)ranges[i].bytes);
		bytes += ranges[i].bytes;
	}
	range->base = os_driver_map(driver, CO_MMAP_I386, bytes, true);
	if (!range->base)
		return error_set(error, "mapping guest memory, %llu MiB: %s",
				 (unsigned long long)bytes >> 20, os_last_error());
	range->bytes = bytes;
	memory->nranges = 1;
	return 0;
}

void guest_memory_unmap(struct guest_memory *memory)
{
	while (memory->nranges) {
		struct guest_range *range = &memory->range[--memory->nranges];

		os_driver_unmap(memory->driver, range->base, range->bytes);
	}
}

/* The range that [address, address + bytes) lies in. */
static const struct guest_range *find(const struct guest_memory *memory, u64 address, u64 bytes)
{
	u32 low = 0, high = memory->nranges;

	/* the last range that starts at or below the address */
	while (low < high) {
		u32 middle = (low + high) / 2;

		if (memory->range[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || !bytes)
		return NULL;
	low--;
	/* subtractions only: address + bytes may overflow */
	if (address - memory->range[low].start >= memory->range[low].bytes ||
	    bytes > memory->range[low].bytes - (address - memory->range[low].start))
		return NULL;
	return &memory->range[low];
}

/* --- chunks that are with the host --- */

static bool is_hidden(const struct guest_memory *memory, const struct guest_range *range, u64 at)
{
	u32 bit = range->bit + at / CO_CHUNK_SIZE;

	/* what is left of a range that is not of whole chunks is never hidden */
	return at / CO_CHUNK_SIZE < range->bytes / CO_CHUNK_SIZE &&
	       __atomic_load_n(&memory->hidden[bit / 32], __ATOMIC_ACQUIRE) & 1u << bit % 32;
}

/* Chunks are counted from the range's start, which is aligned as they are in a guest that has a balloon. */
static const struct guest_range *find_chunk(const struct guest_memory *memory, u64 chunk)
{
	const struct guest_range *range = find(memory, chunk, CO_CHUNK_SIZE);

	return !range || range->start % CO_CHUNK_SIZE || chunk % CO_CHUNK_SIZE ? NULL : range;
}

bool guest_memory_is_hidden(const struct guest_memory *memory, u64 chunk)
{
	const struct guest_range *range = find_chunk(memory, chunk);

	return range && is_hidden(memory, range, chunk - range->start);
}

static void mark(struct guest_memory *memory, const struct guest_range *range, u64 at, bool hidden)
{
	u32 bit = range->bit + at / CO_CHUNK_SIZE, *word = &memory->hidden[bit / 32];

	if (hidden)
		__atomic_fetch_or(word, 1u << bit % 32, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(word, ~(1u << bit % 32), __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&memory->nhidden, hidden ? 1 : -1u, __ATOMIC_SEQ_CST);
}

int guest_memory_hide(struct guest_memory *memory, u64 chunk)
{
	const struct guest_range *range = find_chunk(memory, chunk);

	if (!range)
		return -1;
	/* first nobody gets a pointer any more, then those that there are lead elsewhere */
	mark(memory, range, chunk - range->start, true);
	if (!os_driver_hide(memory->driver, range->base + (chunk - range->start), CO_CHUNK_SIZE))
		return 0;
	mark(memory, range, chunk - range->start, false);
	return -1;
}

int guest_memory_show(struct guest_memory *memory, u64 chunk)
{
	const struct guest_range *range = find_chunk(memory, chunk);

	if (!range || os_driver_show(memory->driver, range->base + (chunk - range->start), chunk,
				     CO_CHUNK_SIZE))
		return -1;
	mark(memory, range, chunk - range->start, false);
	return 0;
}

void *guest_memory_at(const struct guest_memory *memory, u64 address, u64 bytes)
{
	const struct guest_range *range = find(memory, address, bytes);
	u64 at, from;

	if (!range)
		return NULL;
	from = address - range->start;
	if (__atomic_load_n(&memory->nhidden, __ATOMIC_ACQUIRE))
		for (at = from; at < from + bytes; at = (at / CO_CHUNK_SIZE + 1) * CO_CHUNK_SIZE)
			if (is_hidden(memory, range, at))
				return NULL;
	return range->base + from;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory, as the daemon sees it. An x86_64 guest's physical addresses are
 * real ones; the guest owns a few disjoint ranges of them, each mapped here in one
 * piece. An i386 guest's are [0, its size), mapped in one piece, wherever it is.
 * Every address that comes from a guest passes guest_memory_at().
 */
#ifndef COLINUX_GUEST_MEMORY_H
#define COLINUX_GUEST_MEMORY_H

#include "os.h"

struct guest_range {
	u64 start, bytes;	/* guest-physical */
	u8 *base;		/* where it is mapped */
	u32 bit;		/* of its first chunk, in `hidden` */
};

#define GUEST_CHUNKS_MAX	((u32)(CO_MEM_MAX / CO_CHUNK_SIZE))

struct guest_memory {
	struct os_driver *driver;
	u32 nranges;
	struct guest_range range[CO_MAX_RANGES];	/* ascending, disjoint */
	/* Chunks that are with the host: the vCPU thread's to write, read by all. */
	u32 nhidden;
	u32 hidden[GUEST_CHUNKS_MAX / 32];
};

/* Checks the driver's ranges and maps them; -1: nothing stays mapped. */
int guest_memory_map(struct guest_memory *memory, struct os_driver *driver,
		     const struct co_range *ranges, u32 nranges, struct error *error);
/* The same for an i386 guest: one range from 0 on, the sum of all of the driver's. */
int guest_memory_map_i386(struct guest_memory *memory, struct os_driver *driver,
			  const struct co_range *ranges, u32 nranges, struct error *error);
void guest_memory_unmap(struct guest_memory *memory);

/*
 * The vCPU thread. hide: a whole chunk of the guest's, aligned, is not its any more; pointers into it
 * that others may have lead to memory of nobody's from now on. show: it is the guest's
 * again, at the same place. -1: as before; os_last_error().
 */
int guest_memory_hide(struct guest_memory *memory, u64 chunk);
int guest_memory_show(struct guest_memory *memory, u64 chunk);
bool guest_memory_is_hidden(const struct guest_memory *memory, u64 chunk);

/*
 * Where [address, address + bytes) lies in the daemon, or NULL if not all of it
 * is the guest's. bytes is at least 1.
 */
void *guest_memory_at(const struct guest_memory *memory, u64 address, u64 bytes);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two kinds of physical address.
 *
 * A cooperative i386 guest sees memory from 0 on without a hole, as any PC; but
 * each 4 MiB chunk of it lies where the host had one to give. What the kernel
 * calls a physical address (__pa, page numbers, e820, virtio rings) is an address
 * in the memory it sees. What the CPU wants in page tables and CR3 is a *real*
 * address. The two meet only here: the macros that make a page-table entry, or
 * read one, translate. Entries that are neither present nor PROTNONE (none, swap)
 * hold no address and are never translated.
 */
#ifndef _I386_COLINUX_P2M_H
#define _I386_COLINUX_P2M_H

#define CO_CHUNK_SHIFT	22
#define CO_CHUNK_MASK	((1UL << CO_CHUNK_SHIFT) - 1)
#define CO_LOW_CHUNKS	256		/* the GiB above PAGE_OFFSET */
#define CO_REAL_CHUNKS	1024		/* real memory below 4 GiB */

/* In both tables: there is no such chunk. No memory of a guest reaches so far. */
#define CO_NO_CHUNK	0xffc00000UL

#ifndef __ASSEMBLY__

extern unsigned long co_p2m[CO_LOW_CHUNKS];	/* chunk -> its real address */
extern unsigned long co_m2p[CO_REAL_CHUNKS];	/* real chunk -> where we see it */

/* For memory that is ours. Both keep the lower 22 bits, so flags may be in. */
static __inline__ unsigned long phys_to_real(unsigned long pa)
{
	return co_p2m[pa >> CO_CHUNK_SHIFT] | (pa & CO_CHUNK_MASK);
}

/* What is not ours comes out beyond the end of mem_map: see VALID_PAGE. */
static __inline__ unsigned long real_to_phys(unsigned long ra)
{
	return co_m2p[ra >> CO_CHUNK_SHIFT] | (ra & CO_CHUNK_MASK);
}

#endif
#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chunks that leave a guest while it runs, and come back (monitor/chunk.c).
 *
 * Back at the very same address: whatever Linux has put there meanwhile has to move away. It does that for
 * pages of programs and files, and not for its own; which of them it puts into a block of memory
 * depends on the block's *type*. So what we return is made a block for movable things first.
 */
#include <linux/gfp.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/page_ref.h>
#include <linux/sched.h>

#include "linux.h"

#define CHUNK_ORDER	10
#define CHUNK_PAGES	(1ul << CHUNK_ORDER)

/* Nobody disturbs for long: other isolations, pages that are just being written. */
#define TRIES		5

/*
 * All mappings of the file are the owner's, who is asking: nobody else may map, and none is inherited. The
 * caller holds the address space's lock, under which mappings are made.
 */
void co_os_chunk_unmap(struct co_vm *vm, u64 phys)
{
	struct co_linux_vm *l = to_linux(vm);
	struct vm_area_struct *vma;
	u64 start, from, to;

	for (vma = find_vma(l->mm, 0); vma; vma = find_vma(l->mm, vma->vm_end)) {
		if (vma->vm_file != l->file)
			continue;
		start = (u64)vma->vm_pgoff << PAGE_SHIFT;
		from = max(start, phys);
		to = min(start + (vma->vm_end - vma->vm_start), phys + CO_CHUNK_SIZE);
		if (from < to)
			zap_vma_ptes(vma, vma->vm_start + (from - start), to - from);
	}
}

#ifdef CONFIG_CONTIG_ALLOC

/* Our pages, each with one reference, or an error. */
static int isolate(unsigned long pfn)
{
#ifdef ACR_FLAGS_NONE	/* Linux 6.17 and later */
	return alloc_contig_range(pfn, pfn + CHUNK_PAGES, ACR_FLAGS_NONE,
				  GFP_KERNEL | __GFP_NOWARN);
#else
	return alloc_contig_range(pfn, pfn + CHUNK_PAGES, MIGRATE_MOVABLE,
				  GFP_KERNEL | __GFP_NOWARN);
#endif
}

void co_os_chunk_return(struct co_chunk *chunk)
{
	unsigned long pfn = PHYS_PFN(chunk->phys);

	__free_pages(chunk->os, CHUNK_ORDER);
	chunk->os = NULL;
	/* a whole block was isolated: it is one for movable things afterwards */
	if (!isolate(pfn))
		free_contig_range(pfn, CHUNK_PAGES);
}

/* It was once allocated like any other memory; unless it has been taken out of the computer since. */
static bool is_there(unsigned long pfn)
{
	unsigned long i;

	for (i = 0; i < CHUNK_PAGES; i++) {
		struct page *page = pfn_to_online_page(pfn + i);

		if (!page || PageReserved(page) || page_zone(page) != page_zone(pfn_to_page(pfn)))
			return false;
	}
	return true;
}

int co_os_chunk_again(struct co_chunk *chunk)
{
	unsigned long pfn = PHYS_PFN(chunk->phys), i;
	int tries, error = -EBUSY;

	if (!is_there(pfn))
		return CO_E_NOMEM;
	for (tries = 0; error && tries < TRIES; tries++) {
		if (fatal_signal_pending(current))
			return CO_E_NOMEM;
		error = isolate(pfn);
	}
	if (error)
		return CO_E_NOMEM;
	/*
	 * Single pages become the block that all other chunks are: one reference for all of them. Who looks at
	 * pages by their numbers holds one for a moment; without it, he finds none to hold.
	 */
	for (i = 1; i < CHUNK_PAGES; i++)
		while (!page_ref_freeze(pfn_to_page(pfn + i), 1))
			cond_resched();
	chunk->os = pfn_to_page(pfn);
	return 0;
}

#else

void co_os_chunk_return(struct co_chunk *chunk)
{
	__free_pages(chunk->os, CHUNK_ORDER);
	chunk->os = NULL;
}

int co_os_chunk_again(struct co_chunk *chunk)
{
	return CO_E_NOMEM;	/* this kernel moves nothing away for anybody */
}

#endif

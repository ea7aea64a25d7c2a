// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory descriptor lists: the pages that they give, their parts, their mappings.
 *
 * The pages that MmAllocatePagesForMdl may find free are whole chunks that are taken from
 * Linux at the start; one of them has a hole, as windows of memory in use have. An MDL that
 * did not come from a function in here, or says what none of them wrote into it, is a fault:
 * what NT keeps in one is NT's own.
 */
#include <linux/highmem.h>
#include <linux/vmalloc.h>
#include <asm/io.h>

#include "nt.h"

#define BLOCK_ORDER	10
#define BLOCK_BYTES	(PAGE_SIZE << BLOCK_ORDER)
#define BLOCK_PAGES	(1 << BLOCK_ORDER)
#define MAX_BLOCKS	1024

/* MdlFlags (wdm.h) */
#define MAPPED_TO_SYSTEM_VA		0x01
#define PAGES_LOCKED			0x02
#define SOURCE_IS_NONPAGED_POOL		0x04
#define PARTIAL				0x10
#define PARTIAL_HAS_BEEN_MAPPED		0x20

#define HOLE	0			/* of which block one page is never free */

/* IoAllocateMdl's; what is behind the MDL is the list of its pages. */
struct part { struct list_head link; u32 room; s16 flags; struct nt_mdl mdl; };

static struct page *block[MAX_BLOCKS];
static struct nt_mdl *taken[MAX_BLOCKS];	/* by which MDL */
static u32 nblocks;
static LIST_HEAD(parts);
static DEFINE_SPINLOCK(lock);
static atomic_t mappings, attempts;	/* of several guests at once */

static unsigned int mapped_parts;
module_param(mapped_parts, uint, 0400);
MODULE_PARM_DESC(mapped_parts, "how often the driver had a part of an MDL mapped");

/* ---- whose is it? ---- */

/* The block that was given by this very MDL; nblocks: none. */
static u32 block_of(const struct nt_mdl *mdl)
{
	u32 n = 0;

	while (n < nblocks && (!mdl || taken[n] != mdl))
		n++;
	return n;
}

static struct part *part_of(const struct nt_mdl *mdl)
{
	struct part *part, *found = NULL;

	spin_lock(&lock);
	list_for_each_entry(part, &parts, link)
		if (&part->mdl == mdl)
			found = part;
	spin_unlock(&lock);
	return found;
}

static u32 pages_of(const struct nt_mdl *mdl)
{
	return DIV_ROUND_UP(mdl->offset + mdl->bytes, PAGE_SIZE);
}

/* ---- pages by MDL: <= APC_LEVEL; whichever are free, in any order ---- */

/* The list's pages from the last one down, so that nobody takes their order for granted. */
static unsigned long pfn_at(u32 n, u32 pages, u32 i)
{
	return page_to_pfn(block[n]) + pages - 1 - i;
}

NTAPI struct nt_mdl *nt_MmAllocatePagesForMdl(u64 low, u64 high, u64 skip, unsigned long bytes)
{
	struct nt_mdl *mdl;
	u32 i, n = 0, pages = BLOCK_PAGES;

	NT_IRQL(APC_LEVEL);
	if (skip || bytes != BLOCK_BYTES || low % BLOCK_BYTES ||
	    (high != low + BLOCK_BYTES - 1 && high != low + BLOCK_BYTES)) {
		nt_fault("not a window of 4 MiB: %llx to %llx, %lu bytes\n", low, high, bytes);
		return NULL;
	}
	while (n < nblocks && (page_to_phys(block[n]) != low || taken[n]))
		n++;
	if (n == nblocks)
		return NULL;
	if (n == HOLE)
		pages--;
	mdl = nt_pool(sizeof(*mdl) + pages * sizeof(mdl->pfn[0]));
	if (!mdl)
		return NULL;
	memset(mdl, 0, sizeof(*mdl));
	mdl->flags = PAGES_LOCKED;
	mdl->bytes = pages * PAGE_SIZE;
	for (i = 0; i < pages; i++)
		mdl->pfn[i] = pfn_at(n, pages, i);
	taken[n] = mdl;
	return mdl;
}

/* The very list that MmAllocatePagesForMdl gave: of MmGetMdlPfnArray it is said that changing
 * the list breaks the system in ways that are hard to find. */
NTAPI void nt_MmFreePagesFromMdl(struct nt_mdl *mdl)
{
	u32 n = block_of(mdl), pages = n == HOLE ? BLOCK_PAGES - 1 : BLOCK_PAGES, i;

	NT_IRQL(APC_LEVEL);
	if (n == nblocks) {
		nt_fault("pages of an MDL that none were allocated by\n");
		return;
	}
	if (mdl->flags != PAGES_LOCKED || mdl->bytes != pages * PAGE_SIZE)
		nt_fault("pages of an MDL that is mapped, or was changed: flags %x\n", mdl->flags);
	for (i = 0; i < pages && mdl->pfn[i] == pfn_at(n, pages, i); i++)
		;
	if (i < pages)
		nt_fault("the list of an MDL's pages was changed\n");
	taken[n] = NULL;
}

/* ExFreePool gives back the MDL itself, once its pages are given back. */
void nt_mdl_is_freed(const void *pool)
{
	if (block_of(pool) != nblocks)
		nt_fault("an MDL is freed, and its pages are not\n");
}

/* ---- parts of it: <= DISPATCH_LEVEL ---- */

/* No secondary buffer without an IRP; ChargeQuota is reserved. Says where it is to be, no more. */
NTAPI struct nt_mdl *nt_IoAllocateMdl(void *va, u32 bytes, u8 secondary, u8 quota, void *irp)
{
	u32 pages = DIV_ROUND_UP(offset_in_page(va) + bytes, PAGE_SIZE);
	struct part *part;

	NT_IRQL(DISPATCH_LEVEL);
	if (secondary || quota || irp || !bytes)
		nt_fault("an MDL of %u bytes with reserved arguments\n", bytes);
	if (atomic_inc_return(&attempts) % 97 == 5)
		return NULL;
	part = kmalloc(sizeof(*part) + pages * sizeof(part->mdl.pfn[0]), GFP_ATOMIC);
	if (!part)
		return NULL;
	memset(part, 0xa5, sizeof(*part) + pages * sizeof(part->mdl.pfn[0]));
	part->room = pages;
	part->flags = part->mdl.flags = 0;
	part->mdl.start = va - offset_in_page(va);
	part->mdl.offset = offset_in_page(va);
	part->mdl.bytes = bytes;
	spin_lock(&lock);
	list_add(&part->link, &parts);
	spin_unlock(&lock);
	return &part->mdl;
}

/*
 * The source's pages have to be locked, by MmAllocatePagesForMdl among others; the range
 * lies in it; the target has room for it, and what it described before is not mapped any
 * more (MmPrepareMdlForReuse). A source that is mapped would lend its mapping.
 */
NTAPI void nt_IoBuildPartialMdl(struct nt_mdl *source, struct nt_mdl *target, void *va, u32 bytes)
{
	struct part *part = part_of(target);
	unsigned long at = (unsigned long)va - (unsigned long)source->start - source->offset;

	NT_IRQL(DISPATCH_LEVEL);
	if (block_of(source) == nblocks || source->flags != PAGES_LOCKED) {
		nt_fault("a part of an MDL whose pages are not locked, or mapped: flags %x\n", source->flags);
		return;
	}
	if (!part || target->flags & (MAPPED_TO_SYSTEM_VA | PARTIAL_HAS_BEEN_MAPPED)) {
		nt_fault("a part goes into an MDL that is not there for it, or is mapped still\n");
		return;
	}
	if (!bytes)
		bytes = source->bytes - at;
	if (at > source->bytes || bytes > source->bytes - at ||
	    DIV_ROUND_UP(offset_in_page(va) + bytes, PAGE_SIZE) > part->room) {
		nt_fault("%u bytes at %lx are no part of it, or more than its MDL has room for\n", bytes, at);
		return;
	}
	target->start = va - offset_in_page(va);
	target->offset = offset_in_page(va);
	target->bytes = bytes;
	target->process = source->process;
	target->flags = part->flags = PARTIAL;
	memcpy(target->pfn, source->pfn + at / PAGE_SIZE, pages_of(target) * sizeof(target->pfn[0]));
}

/* <= DISPATCH_LEVEL for KernelMode (here it sleeps); NULL when the system has no addresses left,
 * which happens here now and then. One mapping of an MDL at a time. */
NTAPI void *nt_MmMapLockedPagesSpecifyCache(struct nt_mdl *mdl, u8 mode, u32 cache, void *base,
					    u32 bugcheck, u32 priority)
{
	struct part *part = part_of(mdl);
	struct page *pages[64];
	u32 i, n = pages_of(mdl);
	void *va;

	NT_IRQL(APC_LEVEL);
	if (mode || cache != 1 || base || bugcheck || n > ARRAY_SIZE(pages)) {
		nt_fault("a mapping of another kind than the driver's\n");
		return NULL;
	}
	if (part ? mdl->flags != PARTIAL || part->flags != PARTIAL :
		   block_of(mdl) == nblocks || mdl->flags != PAGES_LOCKED) {
		nt_fault("an MDL that is mapped already, or that no function has locked: flags %x\n", mdl->flags);
		return NULL;
	}
	if (atomic_inc_return(&attempts) % 97 == 14)
		return NULL;
	for (i = 0; i < n; i++)
		pages[i] = pfn_to_page(mdl->pfn[i]);
	va = vmap(pages, n, VM_MAP, PAGE_KERNEL);
	if (!va)
		return NULL;
	atomic_inc(&mappings);
	mdl->mapped = va + mdl->offset;
	mdl->flags |= MAPPED_TO_SYSTEM_VA;
	if (part) {
		mdl->flags |= PARTIAL_HAS_BEEN_MAPPED;
		mapped_parts++;
	}
	return mdl->mapped;
}

/* <= DISPATCH_LEVEL for system addresses: the address and the MDL that it was mapped by */
NTAPI void nt_MmUnmapLockedPages(void *va, struct nt_mdl *mdl)
{
	NT_IRQL(APC_LEVEL);
	if ((!part_of(mdl) && block_of(mdl) == nblocks) || !(mdl->flags & MAPPED_TO_SYSTEM_VA) ||
	    mdl->mapped != va) {
		nt_fault("%px is not where this MDL is mapped\n", va);
		return;
	}
	vunmap(va - mdl->offset);
	atomic_dec(&mappings);
	mdl->flags &= ~(MAPPED_TO_SYSTEM_VA | PARTIAL_HAS_BEEN_MAPPED);
}

/* <= DISPATCH_LEVEL; a part's mapping goes with it */
NTAPI void nt_IoFreeMdl(struct nt_mdl *mdl)
{
	struct part *part = part_of(mdl);

	NT_IRQL(DISPATCH_LEVEL);
	if (!part) {
		nt_fault("%px is no MDL of IoAllocateMdl's (or is freed twice)\n", mdl);
		return;
	}
	if (mdl->flags & PARTIAL_HAS_BEEN_MAPPED)
		nt_MmUnmapLockedPages(mdl->mapped, mdl);
	spin_lock(&lock);
	list_del(&part->link);
	spin_unlock(&lock);
	memset(mdl, 0x5a, sizeof(*mdl));
	kfree(part);
}

/* ---- beginning and end ---- */

u64 nt_pages_end(void)
{
	u64 end = 0;
	u32 n;

	for (n = 0; n < nblocks; n++)
		end = max_t(u64, end, page_to_phys(block[n]) + BLOCK_BYTES);
	return end;
}

u32 nt_chunks_taken(void)
{
	u32 i, n = 0;

	for (i = 0; i < nblocks; i++)
		n += !!taken[i];
	return n;
}

u64 nt_free_pages(void)
{
	return (u64)(nblocks - nt_chunks_taken()) * BLOCK_PAGES;
}

int nt_mappings(void)
{
	return atomic_read(&mappings);
}

u32 nt_mdls(void)
{
	struct part *part;
	u32 n = 0;

	spin_lock(&lock);
	list_for_each_entry(part, &parts, link)
		n++;
	spin_unlock(&lock);
	return n;
}

int nt_pages_init(unsigned int reserve_mib)
{
	while (nblocks < MAX_BLOCKS && nblocks < reserve_mib / 4) {
		block[nblocks] = alloc_pages(GFP_HIGHUSER | __GFP_NOWARN | __GFP_RETRY_MAYFAIL,
					     BLOCK_ORDER);
		if (!block[nblocks])
			break;
		nblocks++;
	}
	pr_info("nt: %u MiB to give\n", nblocks * 4);
	return nblocks ? 0 : -ENOMEM;
}

void nt_pages_exit(void)
{
	u32 i;

	if (nt_chunks_taken() || nt_mappings() || nt_mdls())
		nt_fault("left behind: %u chunks, %d mappings, %u MDLs\n", nt_chunks_taken(),
			 nt_mappings(), nt_mdls());
	for (i = 0; i < nblocks; i++)
		__free_pages(block[i], BLOCK_ORDER);
	nblocks = 0;
}

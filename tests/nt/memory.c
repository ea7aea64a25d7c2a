// SPDX-License-Identifier: GPL-2.0-only
/*
 * NT's memory: pool and contiguous memory. What the driver has is counted, and must be
 * nothing in the end. Pages by MDL: mdl.c.
 */
#include <linux/vmalloc.h>
#include <asm/io.h>

#include "nt.h"

struct allocation {
	struct list_head link;
	void *va;
	u64 bytes;
	u32 tag;
	struct page *pages;		/* contiguous memory; NULL: pool */
	bool mapped;			/* by vmap */
};

static LIST_HEAD(allocations);
static DEFINE_SPINLOCK(lock);

static void note(struct allocation *a)
{
	spin_lock(&lock);
	list_add(&a->link, &allocations);
	spin_unlock(&lock);
}

static struct allocation *forget(const void *va, bool contiguous)
{
	struct allocation *a, *found = NULL;

	spin_lock(&lock);
	list_for_each_entry(a, &allocations, link)
		if (a->va == va && !a->pages == !contiguous)
			found = a;
	if (found)
		list_del(&found->link);
	spin_unlock(&lock);
	if (!found)
		nt_fault("%px is freed, and was not allocated (or is freed twice)\n", va);
	return found;
}

/* ---- pool: <= DISPATCH_LEVEL, contents undefined ---- */

NTAPI void *nt_ExAllocatePoolWithTag(u32 type, unsigned long bytes, u32 tag)
{
	struct allocation *a = kzalloc(sizeof(*a), GFP_ATOMIC);
	void *va = a ? kmalloc(bytes, nt_irql() ? GFP_ATOMIC : GFP_KERNEL) : NULL;

	NT_IRQL(DISPATCH_LEVEL);
	if (type)
		nt_fault("pool of type %u: only nonpaged is any use to the driver\n", type);
	if (!va) {
		kfree(a);
		return NULL;
	}
	memset(va, 0xa5, bytes);
	*a = (struct allocation){ .va = va, .bytes = bytes, .tag = tag };
	note(a);
	return va;
}

void *nt_pool(unsigned long bytes)
{
	return nt_ExAllocatePoolWithTag(0, bytes, 0);
}

NTAPI void nt_ExFreePoolWithTag(void *va, u32 tag)
{
	struct allocation *a = forget(va, false);

	NT_IRQL(DISPATCH_LEVEL);
	if (!a)
		return;
	if (tag && a->tag != tag)
		nt_fault("pool of tag %x is freed with tag %x\n", a->tag, tag);
	nt_mdl_is_freed(va);
	memset(va, 0x5a, a->bytes);
	kfree(va);
	kfree(a);
}

NTAPI void nt_ExFreePool(void *va)
{
	nt_ExFreePoolWithTag(va, 0);
}

/* ---- contiguous memory: <= DISPATCH_LEVEL; within limits, not across a boundary ---- */

NTAPI void *nt_MmAllocateContiguousMemorySpecifyCache(unsigned long bytes, u64 low, u64 high,
						      u64 boundary, u32 cache)
{
	struct allocation *a = kzalloc(sizeof(*a), GFP_KERNEL);
	u32 order = get_order(boundary > bytes ? boundary : bytes);
	u64 phys;

	NT_IRQL(APC_LEVEL);		/* here it sleeps */
	if (cache != 1)
		nt_fault("contiguous memory of caching type %u\n", cache);
	if (!a)
		return NULL;
	a->pages = alloc_pages(GFP_KERNEL | __GFP_NOWARN |
			       (high < 1ull << 32 ? GFP_DMA32 : 0), order);
	if (!a->pages)
		goto none;
	phys = page_to_phys(a->pages);
	if (phys < low || phys + bytes - 1 > high) {
		__free_pages(a->pages, order);
		goto none;
	}
	a->va = page_address(a->pages);
	a->bytes = PAGE_SIZE << order;
	memset(a->va, 0xa5, bytes);
	note(a);
	return a->va;
none:
	kfree(a);
	return NULL;
}

NTAPI void nt_MmFreeContiguousMemorySpecifyCache(void *va, unsigned long bytes, u32 cache)
{
	struct allocation *a = forget(va, true);

	NT_IRQL(DISPATCH_LEVEL);
	if (!a)
		return;
	if (get_order(bytes) != get_order(a->bytes) || cache != 1)
		nt_fault("contiguous memory of %llu bytes is freed as %lu\n", a->bytes, bytes);
	__free_pages(a->pages, get_order(a->bytes));
	kfree(a);
}

NTAPI u64 nt_MmGetPhysicalAddress(void *va)
{
	if (is_vmalloc_addr(va))
		return page_to_phys(vmalloc_to_page(va)) + offset_in_page(va);
	return virt_to_phys(va);
}

struct nt_range { s64 base, bytes; };

/* PASSIVE_LEVEL; the caller frees it by ExFreePool; the last one is zero. */
NTAPI struct nt_range *nt_MmGetPhysicalMemoryRanges(void)
{
	struct nt_range *r = nt_pool(3 * sizeof(*r));
	u64 end = nt_pages_end();

	NT_IRQL(PASSIVE_LEVEL);
	if (!r)
		return NULL;
	r[0] = (struct nt_range){ PAGE_SIZE, 0x9e000 };
	r[1] = (struct nt_range){ 1 << 20, end - (1 << 20) };
	r[2] = (struct nt_range){ 0, 0 };
	return r;
}

/* ---- the end ---- */

/* What the driver has of all that at the moment, to the byte: for who compares. */
int nt_memory_held(char *buffer)
{
	struct allocation *a;
	u32 allocations_held = 0;
	u64 bytes = 0;

	spin_lock(&lock);
	list_for_each_entry(a, &allocations, link) {
		allocations_held++;
		bytes += a->bytes;
	}
	spin_unlock(&lock);
	return sysfs_emit(buffer, "%u allocations of %llu bytes, %u chunks, %d mappings, %u MDLs\n",
			  allocations_held, bytes, nt_chunks_taken(), nt_mappings(), nt_mdls());
}

void nt_memory_exit(void)
{
	struct allocation *a, *next;

	list_for_each_entry_safe(a, next, &allocations, link)
		nt_fault("left behind: %llu bytes of %s, tag %x\n", a->bytes,
			 a->pages ? "contiguous memory" : "pool", a->tag);
}

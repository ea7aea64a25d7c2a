// SPDX-License-Identifier: GPL-2.0-only
/*
 * The balloon: memory that we do not need, given to the host and taken back.
 *
 * Our physical addresses are the host's real ones, and it gave us memory in chunks; so a chunk goes
 * as a whole, and comes back at its own address or not at all. (That is why it is not
 * virtio's balloon, nor free page reporting: these count on single pages for which the host
 * puts in others, later, by itself.)
 *
 * What is given is allocated here for good, and mapped nowhere: the host may use it with
 * another memory type, so that not even a speculative read may reach it by an old mapping. Where it
 * was, its struct pages remain, marked as offline.
 *
 * How many chunks are to be with the host it says in co_comm.balloon: a number, or CO_BALLOON_AUTO.
 * Then we give what has long been free, and take it back before we are short of memory.
 */
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/oom.h>
#include <linux/page-flags.h>
#include <linux/shrinker.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>
#include <asm/io.h>
#include <asm/pgtable.h>
#include <asm/set_memory.h>
#include "colinux.h"

#define CO_CHUNK_ORDER	(CO_CHUNK_SHIFT - PAGE_SHIFT)
#define CO_CHUNK_PAGES	(1ul << CO_CHUNK_ORDER)
#define CO_CHUNK_SIZE	(1ul << CO_CHUNK_SHIFT)

#define CO_PAGES(mib)	((unsigned long)(mib) << (20 - PAGE_SHIFT))

/* How often is it looked what is free, or tried again what could not be had; how much goes at a time. */
#define CO_PERIOD	(4 * HZ)
#define CO_BATCH	8u
/* Of so many that the host cannot clear, one after the other, the next one is left for the next time. */
#define CO_REFUSALS	64u

/* Whoever is out of memory waits for it: nothing is allocated under it. */
static DEFINE_MUTEX(co_balloon_lock);
static LIST_HEAD(co_given);		/* by their first pages */
static unsigned int co_ngiven;

static void co_balloon_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(co_work, co_balloon_work);
static struct workqueue_struct *co_queue;

unsigned int co_balloon_given(void)
{
	return READ_ONCE(co_ngiven);
}

/* ---- one chunk ---- */

static bool co_ask(u32 what, struct page *page)
{
	unsigned long flags;
	bool done;

	local_irq_save(flags);
	WRITE_ONCE(co_comm->chunk, CO_CHUNK_REFUSED);
	co_comm->arg[0] = what;
	co_comm->arg[1] = page_to_phys(page);
	co_switch(CO_R_CHUNK);
	done = READ_ONCE(co_comm->chunk) == CO_CHUNK_DONE;
	local_irq_restore(flags);
	co_take_pending();
	return done;
}

/* Into the direct map again. All tables are there: set_memory_np() leaves them. */
static void co_map(struct page *page)
{
	unsigned long va = (unsigned long)page_address(page), end = va + CO_CHUNK_SIZE;
	unsigned int level;
	pte_t *entry;

	while (va < end) {
		entry = lookup_address(va, &level);
		if (level == PG_LEVEL_2M) {
			set_pmd((pmd_t *)entry, pfn_pmd(__pa(va) >> PAGE_SHIFT, PAGE_KERNEL_LARGE));
			va += PMD_SIZE;
		} else {
			set_pte(entry, pfn_pte(__pa(va) >> PAGE_SHIFT, PAGE_KERNEL));
			va += PAGE_SIZE;
		}
	}
}

static void co_mark(struct page *page, bool offline)
{
	unsigned long i;

	page_offline_begin();
	for (i = 0; i < CO_CHUNK_PAGES; i++) {
		if (offline)
			__SetPageOffline(page + i);
		else
			__ClearPageOffline(page + i);
	}
	page_offline_end();
	adjust_managed_page_count(page, offline ? -(long)CO_CHUNK_PAGES : (long)CO_CHUNK_PAGES);
}

/*
 * Single pages that are ours, or NULL. eager: others move away for it, and what can be read
 * again is forgotten; nobody is killed, and no reserve is touched. Otherwise only what is free as a
 * whole anyway.
 */
static struct page *co_find_chunk(bool eager)
{
	gfp_t gfp = __GFP_HIGHMEM | __GFP_MOVABLE | __GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN;
	struct page *page;

	page = alloc_pages(eager ? gfp | GFP_USER : gfp, CO_CHUNK_ORDER);
	if (page)
		split_page(page, CO_CHUNK_ORDER);
	else if (eager)
		page = alloc_contig_pages(CO_CHUNK_PAGES, GFP_HIGHUSER_MOVABLE | __GFP_NOWARN,
					  numa_mem_id(), NULL);
	return page;
}

/* It is memory like any other again. */
static void co_use(struct page *page)
{
	co_map(page);
	co_mark(page, false);
	free_contig_range(page_to_pfn(page), CO_CHUNK_PAGES);
}

static bool co_give_chunk(bool eager)
{
	struct page *page = co_find_chunk(eager);
	bool gone = false;

	if (!page)
		return false;
	co_mark(page, true);
	/* flushes the TLB, and what vfree() has left in it */
	if (!set_memory_np((unsigned long)page_address(page), CO_CHUNK_PAGES)) {
		mutex_lock(&co_balloon_lock);
		gone = co_ask(CO_CHUNK_GIVE, page);
		if (gone) {
			list_add(&page->lru, &co_given);
			WRITE_ONCE(co_ngiven, co_ngiven + 1);
		}
		mutex_unlock(&co_balloon_lock);
	}
	if (!gone)
		co_use(page);
	return gone;
}

static bool co_take_chunk(struct page *page)
{
	if (!co_ask(CO_CHUNK_TAKE, page))
		return false;
	list_del(&page->lru);
	WRITE_ONCE(co_ngiven, co_ngiven - 1);
	co_use(page);
	return true;
}

/* Any @chunks of them; how many came. Those that did not are asked for again when all others were. */
static unsigned long co_take_chunks(unsigned long chunks)
{
	unsigned long came = 0, refused = 0, left;
	struct page *page;

	mutex_lock(&co_balloon_lock);
	for (left = co_ngiven; left && came < chunks && refused < CO_REFUSALS; left--) {
		page = list_first_entry(&co_given, struct page, lru);
		if (co_take_chunk(page)) {
			came++;
		} else {
			refused++;
			list_move_tail(&page->lru, &co_given);
		}
		cond_resched();
	}
	mutex_unlock(&co_balloon_lock);
	return came;
}

/* ---- how many ---- */

static unsigned long co_all_pages(void)
{
	return totalram_pages() + co_balloon_given() * CO_CHUNK_PAGES;
}

/* What the host may not have, however much it wants: we would not run well any more, or at all. */
static bool co_can_spare(void)
{
	unsigned long floor = max(CO_PAGES(16), co_all_pages() / 32);

	return si_mem_available() > (long)(floor + CO_CHUNK_PAGES);
}

/* What we keep when we choose ourselves. */
static unsigned long co_reserve(void)
{
	return max(CO_PAGES(64), co_all_pages() / 8);
}

/* Is more than that free, with a distance between giving and taking? */
static bool co_has_idle(void)
{
	long least = co_reserve() + 2 * CO_CHUNK_PAGES;

	return (long)global_zone_page_state(NR_FREE_PAGES) > least && si_mem_available() > least;
}

static long co_short_of(void)
{
	return (long)co_reserve() - si_mem_available();
}

/* Both return when to look again, in jiffies; 0: not before the host has another wish. */

static unsigned long co_balance(void)
{
	long lacking = co_short_of();
	unsigned int given = 0;

	if (lacking > 0)
		co_take_chunks(DIV_ROUND_UP(lacking, CO_CHUNK_PAGES));
	else
		while (given < CO_BATCH && co_has_idle() && co_give_chunk(false))
			given++;
	return given == CO_BATCH ? HZ : CO_PERIOD;
}

static unsigned long co_reach(u32 chunks)
{
	while (co_ngiven < chunks && co_can_spare() && co_give_chunk(true))
		cond_resched();
	if (co_ngiven > chunks)
		co_take_chunks(co_ngiven - chunks);
	return co_ngiven == chunks ? 0 : CO_PERIOD;
}

static void co_balloon_work(struct work_struct *work)
{
	u32 wish = READ_ONCE(co_comm->balloon);
	unsigned long again = wish == CO_BALLOON_AUTO ? co_balance() : co_reach(wish);

	/* not in place of an earlier one, which a new wish may have asked for meanwhile */
	if (again)
		queue_delayed_work(co_queue, &co_work, again);
}

void co_balloon_changed(void)
{
	if (co_queue)
		mod_delayed_work(co_queue, &co_work, 0);
}

/* ---- when memory is short ---- */

static bool co_is_auto(void)
{
	return READ_ONCE(co_comm->balloon) == CO_BALLOON_AUTO;
}

/* There is nothing here to shrink; but who asks is short of memory, and we look earlier then. */
static unsigned long co_count(struct shrinker *shrinker, struct shrink_control *control)
{
	if (co_is_auto() && co_balloon_given() && co_short_of() > 0)
		mod_delayed_work(co_queue, &co_work, 0);
	return 0;
}

static unsigned long co_scan(struct shrinker *shrinker, struct shrink_control *control)
{
	return SHRINK_STOP;
}

static struct shrinker co_shrinker = {
	.count_objects = co_count,
	.scan_objects = co_scan,
	.seeks = DEFAULT_SEEKS,
};

/* The last moment before somebody is killed. */
static int co_oom(struct notifier_block *nb, unsigned long unused, void *freed)
{
	if (co_is_auto())
		*(unsigned long *)freed += co_take_chunks(CO_BATCH) * CO_CHUNK_PAGES;
	return NOTIFY_OK;
}

static struct notifier_block co_oom_notifier = { .notifier_call = co_oom };

static int __init co_balloon_init(void)
{
	int err;

	BUILD_BUG_ON(CO_CHUNK_ORDER != MAX_ORDER - 1);
	if (!co_active)
		return 0;
	/* a thread of its own: what is short of memory can start none */
	co_queue = alloc_workqueue("colinux-balloon", WQ_MEM_RECLAIM | WQ_UNBOUND, 1);
	if (!co_queue)
		return -ENOMEM;
	err = register_shrinker(&co_shrinker, "colinux-balloon");
	if (!err)
		err = register_oom_notifier(&co_oom_notifier);
	if (err)
		pr_warn("colinux: the balloon does not see when memory is short (%d)\n", err);
	/* a wish from before our start */
	if (READ_ONCE(co_comm->balloon))
		co_balloon_changed();
	return 0;
}
device_initcall(co_balloon_init);

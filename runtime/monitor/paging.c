// SPDX-License-Identifier: GPL-2.0-only
/*
 * The intermediate page table: the ground between two worlds.
 *
 * It maps as little as it can: the passage's code page and the state page, each
 * at the host's and at the guest's addresses; and the guest's memory at its own
 * physical addresses, since this is also the table on which the guest takes its
 * first steps (the boot protocol's identity mapping). Nothing else of the
 * host's is in it.
 *
 * All its entries are writable, executable and without NX: EFER.NXE may be
 * either world's while it is in force. Format: Intel SDM volume 3, 4.5.
 */
#include "monitor.h"
#include "cpu.h"

#define ENTRY_P		(1ull << 0)
#define ENTRY_RW	(1ull << 1)
#define ENTRY_A		(1ull << 5)
#define ENTRY_D		(1ull << 6)
#define ENTRY_PS	(1ull << 7)
#define ENTRY_ADDRESS	0x000ffffffffff000ull
/* Accessed and dirty from the start, so that the CPU never has to write here. */
#define TABLE_FLAGS	(ENTRY_P | ENTRY_RW | ENTRY_A)
#define LEAF_FLAGS	(TABLE_FLAGS | ENTRY_D)

#define LARGE_PAGE	(2ull << 20)
#define GIB		(1ull << 30)

/* Each of the four single pages may need a whole branch of its own. */
#define BRANCHES	4u

static u64 *new_table(struct co_ipt *ipt, u64 *phys)
{
	struct co_table *t;

	if (ipt->ntables == ipt->max_tables)
		return NULL;
	t = &ipt->table[ipt->ntables];
	t->entry = co_os_pages(1, &t->phys);
	if (!t->entry)
		return NULL;
	ipt->ntables++;
	*phys = t->phys;
	return t->entry;
}

/* Ranges are mapped in order, so that it is mostly the newest one. */
static u64 *find_table(const struct co_ipt *ipt, u64 phys)
{
	u32 i = ipt->ntables;

	while (i--)
		if (ipt->table[i].phys == phys)
			return ipt->table[i].entry;
	return NULL;
}

/* Set va's entry of the given level (1: 4 KiB, 2: 2 MiB); none may be there. */
static int map(struct co_ipt *ipt, u64 va, u64 value, u32 level)
{
	u64 *table = ipt->table[0].entry, *entry, phys;
	u32 l;

	for (l = ipt->levels; ; l--) {
		entry = &table[va >> (12 + 9 * (l - 1)) & 511];
		if (l == level)
			break;
		if (*entry & ENTRY_P) {
			if (*entry & ENTRY_PS)
				return CO_E_INVAL;
			table = find_table(ipt, *entry & ENTRY_ADDRESS);
			continue;
		}
		table = new_table(ipt, &phys);
		if (!table)
			return CO_E_NOMEM;
		*entry = phys | TABLE_FLAGS;
	}
	if (*entry)
		return CO_E_INVAL;
	*entry = value;
	return 0;
}

/* Map one page. CO_E_INVAL when something else is mapped there already. */
int co_ipt_map_page(struct co_ipt *ipt, u64 va, u64 phys)
{
	return map(ipt, va, phys | LEAF_FLAGS, 1);
}

/*
 * Make a table of 4 or 5 levels that maps each range (whole chunks) at its own
 * physical address. On an error nothing is left behind.
 */
int co_ipt_create(struct co_ipt *ipt, u32 levels, const struct co_range *range, u32 nranges)
{
	u64 tables = 1 + BRANCHES * (levels - 1), phys;
	int error = CO_E_NOMEM;
	u32 i;

	/* A page directory for each GiB that a range touches, and two tables of
	 * each level above it, if the range lies across a border there. */
	for (i = 0; i < nranges; i++)
		tables += range[i].bytes / GIB + 2 + 2 * (levels - 3);
	co_zero(ipt, sizeof(*ipt));
	ipt->levels = levels;
	ipt->max_tables = (u32)tables;
	ipt->table = co_os_alloc(tables * sizeof(ipt->table[0]));
	if (!ipt->table || !new_table(ipt, &phys))
		goto fail;
	for (i = 0; i < nranges; i++)
		for (phys = range[i].start; phys < range[i].start + range[i].bytes;
		     phys += LARGE_PAGE) {
			error = map(ipt, phys, phys | LEAF_FLAGS | ENTRY_PS, 2);
			if (error)
				goto fail;
		}
	return 0;
fail:
	co_ipt_destroy(ipt);
	return error;
}

void co_ipt_destroy(struct co_ipt *ipt)
{
	while (ipt->ntables)
		co_os_pages_free(ipt->table[--ipt->ntables].entry, 1);
	co_os_free(ipt->table);		/* NULL is allowed, as everywhere */
	ipt->table = NULL;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The intermediate page tables: the ground between two worlds.
 *
 * They map as little as they can: the passage's code page and the state page, at
 * the addresses at which the passage goes over them. An x86_64 guest's has the
 * guest's memory at its own physical addresses, too, since this is also the table
 * on which that guest takes its first steps (the boot protocol's identity
 * mapping). Nothing else of the host's is in it.
 *
 * All entries are writable, executable and without NX: EFER.NXE may be either
 * world's while they are in force. Formats: Intel SDM volume 3, 4.3 to 4.5.
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
#define TABLE_FLAGS	((u32)(ENTRY_P | ENTRY_RW | ENTRY_A))
#define LEAF_FLAGS	(TABLE_FLAGS | ENTRY_D)

#define LARGE_PAGE	(2ull << 20)
#define GIB		(1ull << 30)

/* Each of the four single pages may need a whole branch of its own. */
#define BRANCHES	4u

const struct co_paging co_paging_2level = {
	.levels = 2, .index_bits = 10, .entry_bytes = 4,
	.table_flags = TABLE_FLAGS, .root_flags = TABLE_FLAGS,
};
const struct co_paging co_paging_pae = {
	.levels = 3, .index_bits = 9, .entry_bytes = 8,
	.table_flags = TABLE_FLAGS, .root_flags = ENTRY_P,	/* nothing else is allowed */
};
const struct co_paging co_paging_4level = {
	.levels = 4, .index_bits = 9, .entry_bytes = 8,
	.table_flags = TABLE_FLAGS, .root_flags = TABLE_FLAGS,
};
const struct co_paging co_paging_5level = {
	.levels = 5, .index_bits = 9, .entry_bytes = 8,
	.table_flags = TABLE_FLAGS, .root_flags = TABLE_FLAGS,
};

static u64 read_entry(const struct co_ipt *ipt, const void *table, u64 index)
{
	return ipt->format->entry_bytes == 4 ? ((const u32 *)table)[index] :
					       ((const u64 *)table)[index];
}

static void write_entry(const struct co_ipt *ipt, void *table, u64 index, u64 value)
{
	if (ipt->format->entry_bytes == 4)
		((u32 *)table)[index] = (u32)value;
	else
		((u64 *)table)[index] = value;
}

static void *new_table(struct co_ipt *ipt, u64 *phys)
{
	struct co_table *t;

	if (ipt->ntables == ipt->max_tables)
		return NULL;
	t = &ipt->table[ipt->ntables];
	t->entries = co_os_pages(1, ipt->low, &t->phys);
	if (!t->entries)
		return NULL;
	ipt->ntables++;
	*phys = t->phys;
	return t->entries;
}

/* Ranges are mapped in order, so that it is mostly the newest one. */
static void *find_table(const struct co_ipt *ipt, u64 phys)
{
	u32 i = ipt->ntables;

	while (i--)
		if (ipt->table[i].phys == phys)
			return ipt->table[i].entries;
	return NULL;
}

/* Set va's entry of the given level (1: 4 KiB, 2: a large page); none may be there. */
static int map(struct co_ipt *ipt, u64 va, u64 value, u32 level)
{
	u32 bits = ipt->format->index_bits, l;
	void *table = ipt->table[0].entries;
	u64 index, entry, phys;

	for (l = ipt->format->levels; ; l--) {
		void *next;

		index = va >> (12 + bits * (l - 1)) & ((1u << bits) - 1);
		entry = read_entry(ipt, table, index);
		if (l == level)
			break;
		if (entry & ENTRY_P) {
			if (entry & ENTRY_PS)
				return CO_E_INVAL;
			table = find_table(ipt, entry & ENTRY_ADDRESS);
			continue;
		}
		next = new_table(ipt, &phys);
		if (!next)
			return CO_E_NOMEM;
		write_entry(ipt, table, index, phys | (l == ipt->format->levels ?
			    ipt->format->root_flags : ipt->format->table_flags));
		table = next;
	}
	if (entry)
		return CO_E_INVAL;
	write_entry(ipt, table, index, value);
	return 0;
}

/* Map one page. CO_E_INVAL when something else is mapped there already. */
int co_ipt_map_page(struct co_ipt *ipt, u64 va, u64 phys)
{
	return map(ipt, va, phys | LEAF_FLAGS, 1);
}

/*
 * Make a table that maps each range (whole chunks) at its own physical address;
 * ranges only in formats of 4 or 5 levels. `low`: all of it below 4 GiB, so that
 * 32-bit code can load it. On an error nothing is left behind.
 */
int co_ipt_create(struct co_ipt *ipt, const struct co_paging *format, u32 low,
		  const struct co_range *range, u32 nranges)
{
	u64 tables = 1 + BRANCHES * (format->levels - 1), phys;
	int error = CO_E_NOMEM;
	u32 i;

	/* A page directory for each GiB that a range touches, and two tables of
	 * each level above it, if the range lies across a border there. */
	for (i = 0; i < nranges; i++)
		tables += range[i].bytes / GIB + 2 + 2 * (format->levels - 3);
	co_zero(ipt, sizeof(*ipt));
	ipt->format = format;
	ipt->low = low;
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

/*
 * Take whole chunks out again. Nothing else is mapped there: the single pages lie in the kernels' halves, or
 * beside no range. No CPU keeps an entry: it had them only while these tables were in force,
 * and every load of CR3 drops what is not global.
 */
void co_ipt_unmap(struct co_ipt *ipt, u64 phys, u64 bytes)
{
	u32 bits = ipt->format->index_bits, l;
	u64 end = phys + bytes, entry;

	for (; phys < end; phys += LARGE_PAGE) {
		void *table = ipt->table[0].entries;

		for (l = ipt->format->levels; table && l > 2; l--) {
			entry = read_entry(ipt, table, phys >> (12 + bits * (l - 1)) & ((1u << bits) - 1));
			table = entry & ENTRY_P ? find_table(ipt, entry & ENTRY_ADDRESS) : NULL;
		}
		if (table)
			write_entry(ipt, table, phys >> (12 + bits) & ((1u << bits) - 1), 0);
	}
}

/* Also of one that was never made (all zero). */
void co_ipt_destroy(struct co_ipt *ipt)
{
	while (ipt->ntables)
		co_os_pages_free(ipt->table[--ipt->ntables].entries, 1);
	co_os_free(ipt->table);		/* NULL is allowed, as everywhere */
	ipt->table = NULL;
}

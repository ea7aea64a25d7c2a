// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory: a pool of chunks, kept across guests until the driver goes.
 *
 * A guest's physical memory is real physical memory, so it has to be big
 * contiguous pieces. A host hands those out gladly after its own boot and more
 * and more reluctantly later; what one guest gives back is therefore kept for the
 * next one, and is not returned to the host before the driver is unloaded or
 * the administrator asks (CO_POOL_TRIM).
 *
 * The pool is one list in the order of addresses: runs of adjacent chunks are
 * then runs of the list. The pool's lock guards the list and every chunk in it;
 * a machine's own chunks are linked to each other besides.
 *
 * What a guest gives away while it runs is another thing: that goes to the host, and out of
 * the pool (co_pool_remove), as the host wants it for itself.
 *
 * Some guests can only use memory below 4 GiB: a `limit` here is the address
 * that no chunk may reach beyond.
 */
#include "monitor.h"
#include "cpu.h"

#define MAX_CHUNKS	(CO_MEM_MAX / CO_CHUNK_SIZE)
/* A run of adjacent chunks may take some more to find; the rest goes back. */
#define HUNT_CHUNKS	32u

u32 co_pool_scatter;

static struct co_chunk *pool;
static u64 pool_chunks, pool_used;

static int adjacent(const struct co_chunk *a)
{
	return a->next && a->phys + CO_CHUNK_SIZE == a->next->phys;
}

static int usable(const struct co_chunk *c, u64 limit)
{
	return !c->owner && c->phys + CO_CHUNK_SIZE <= limit;
}

static void enlist(struct co_chunk *c)
{
	struct co_chunk **link;

	for (link = &pool; *link && (*link)->phys < c->phys; link = &(*link)->next)
		;
	c->next = *link;
	*link = c;
	pool_chunks++;
}

/* Take one more chunk from the host into the list. */
static int grow(u64 limit)
{
	struct co_chunk *c;

	c = co_os_alloc(sizeof(*c));
	if (!c)
		return CO_E_NOMEM;
	if (co_os_chunk_alloc(c, limit <= CO_BELOW_4GIB)) {
		co_os_free(c);
		return CO_E_NOMEM;
	}
	c->owner = NULL;
	c->fresh = 1;
	enlist(c);
	return 0;
}

/* Give free chunks back to the host: all of them, or only the fresh ones. */
static void shrink(int only_fresh)
{
	struct co_chunk *c, **link = &pool;

	while ((c = *link)) {
		if (c->owner || (only_fresh && !c->fresh)) {
			link = &c->next;
			continue;
		}
		*link = c->next;
		pool_chunks--;
		co_os_chunk_free(c);
		co_os_free(c);
	}
}

static void forget_fresh(void)
{
	struct co_chunk *c;

	for (c = pool; c; c = c->next)
		c->fresh = 0;
}

/* The length of the run of free chunks that starts at c. */
static u64 run_length(const struct co_chunk *c, u64 limit)
{
	u64 n = 0;

	while (c && usable(c, limit)) {
		n++;
		if (!adjacent(c))
			break;
		c = c->next;
	}
	return n;
}

/*
 * The best free run: the shortest one of at least `want` chunks, so that long
 * runs stay whole; or, for want = 0, the longest one. NULL when there is none.
 */
static struct co_chunk *find_run(u64 want, u64 limit, u64 *length)
{
	struct co_chunk *c = pool, *best = NULL;
	u64 n, skip;

	*length = 0;
	while (c) {
		n = run_length(c, limit);
		if (n >= (want ? want : 1) &&
		    (!best || (want ? n < *length : n > *length))) {
			best = c;
			*length = n;
		}
		for (skip = n ? n : 1; skip; skip--)
			c = c->next;
	}
	return best;
}

static void claim(struct co_chunk *c, u64 n, struct co_vm *vm)
{
	for (; n; n--, c = c->next) {
		c->owner = vm;
		c->sibling = vm->chunks;
		vm->chunks = c;
		pool_used++;
	}
}

static void release(struct co_vm *vm)
{
	struct co_chunk *c;

	for (c = vm->chunks; c; c = c->sibling) {
		c->owner = NULL;
		pool_used--;
	}
	vm->chunks = NULL;
	/* what it gave the host is not ours any more, only its description */
	while ((c = vm->given)) {
		vm->given = c->sibling;
		co_os_free(c);
	}
}

static u64 free_chunks(u64 limit)
{
	const struct co_chunk *c;
	u64 n = 0;

	for (c = pool; c; c = c->next)
		n += usable(c, limit);
	return n;
}

/* May the pool take n more chunks from the host? */
static int affordable(u64 n)
{
	return n <= MAX_CHUNKS && n * CO_CHUNK_SIZE <= co_os_memory_available();
}

/*
 * Make sure that `chunks` are free, with a run of `run` adjacent ones among
 * them. On failure the host has back what was taken.
 */
static int provide(u64 chunks, u64 run, u64 limit)
{
	u64 length, hunt = HUNT_CHUNKS + run, have = free_chunks(limit);

	if (have < chunks && !affordable(chunks - have))
		goto nomem;
	for (; have < chunks; have++)
		if (grow(limit))
			goto nomem;
	while (run && !find_run(run, limit, &length))
		if (!hunt-- || !affordable(1) || grow(limit))
			goto nomem;
	return 0;
nomem:
	shrink(1);
	return CO_E_NOMEM;
}

/* The test's choice: after the image's run, only chunks that touch no other. */
static u64 claim_scattered(struct co_vm *vm, u64 left, u64 limit)
{
	struct co_chunk *c, *previous = NULL;

	for (c = pool; c && left; previous = c, c = c->next) {
		if (!usable(c, limit) || (adjacent(c) && c->next->owner == vm) ||
		    (previous && adjacent(previous) && previous->owner == vm))
			continue;
		claim(c, 1, vm);
		left--;
	}
	return left;
}

/* Describe the machine's chunks as ranges; CO_E_NOMEM when they are too many. */
static int describe(const struct co_vm *vm, struct co_range *range, u32 *nranges)
{
	const struct co_chunk *c;
	u32 n = 0;

	for (c = pool; c; c = c->next) {
		if (c->owner != vm)
			continue;
		if (n && range[n - 1].start + range[n - 1].bytes == c->phys) {
			range[n - 1].bytes += CO_CHUNK_SIZE;
			continue;
		}
		if (n == CO_MAX_RANGES)
			return CO_E_NOMEM;
		range[n].start = c->phys;
		range[n++].bytes = CO_CHUNK_SIZE;
	}
	*nranges = n;
	return 0;
}

/* The test's choice, where the order is free: the highest memory first. */
static void reverse(struct co_range *range, u32 nranges)
{
	u32 i;

	for (i = 0; i < nranges / 2; i++) {
		struct co_range other = range[nranges - 1 - i];

		range[nranges - 1 - i] = range[i];
		range[i] = other;
	}
}

/*
 * Give a machine `chunks` chunks of zeroed memory below `limit`, `run` of them in
 * one piece (0: wherever), and describe them as disjoint ranges: ascending ones, but
 * for a test where the order is free. The rest is taken from the longest runs, for few ranges.
 * CO_E_NOMEM leaves nothing behind.
 */
int co_pool_take(struct co_vm *vm, u64 chunks, u64 run, u64 limit, struct co_range *range,
		 u32 *nranges)
{
	struct co_chunk *c;
	u64 left = chunks, length;
	int error;

	co_os_pool_lock();
	error = provide(co_pool_scatter ? 2 * chunks + run : chunks, run, limit);
	if (error)
		goto unlock;
	if (run) {
		claim(find_run(run, limit, &length), run, vm);
		left -= run;
	}
	if (co_pool_scatter)
		left = claim_scattered(vm, left, limit);
	while (left) {
		c = find_run(0, limit, &length);
		if (length > left)
			length = left;
		claim(c, length, vm);
		left -= length;
	}
	error = describe(vm, range, nranges);
	if (error) {
		co_os_log("memory is too fragmented: more than %u pieces", CO_MAX_RANGES);
		release(vm);
	}
	if (co_pool_scatter && co_vm_is_pseudo_physical(vm) && !error)
		reverse(range, *nranges);
	shrink(1);	/* what the hunt for a run took too much */
	forget_fresh();
unlock:
	co_os_pool_unlock();
	if (error)
		return error;

	/* Without the lock, as it takes a while: what a machine owns stays. */
	for (c = vm->chunks; c; c = c->sibling)
		co_os_chunk_zero(c);
	return 0;
}

/* Take back what a machine has; it is kept for the next one. */
void co_pool_give(struct co_vm *vm)
{
	co_os_pool_lock();
	release(vm);
	co_os_pool_unlock();
}

/* ---- the balloon ---- */

/*
 * Take the chunk at phys out of a machine's memory and out of the pool. CO_E_INVAL: it is none of the
 * machine's; CO_E_NOMEM: what remains would be too many pieces.
 */
int co_pool_remove(struct co_vm *vm, u64 phys, struct co_chunk **chunk)
{
	struct co_chunk *c, **link;
	int error = CO_E_INVAL;

	co_os_pool_lock();
	for (link = &pool; (c = *link) && c->phys < phys; link = &c->next)
		;
	if (!c || c->phys != phys || c->owner != vm)
		goto unlock;
	c->owner = NULL;
	error = describe(vm, vm->range, &vm->nranges);
	if (error) {
		c->owner = vm;
		describe(vm, vm->range, &vm->nranges);	/* as before, so it fits */
		goto unlock;
	}
	*link = c->next;
	pool_chunks--;
	pool_used--;
	for (link = &vm->chunks; *link != c; link = &(*link)->sibling)
		;
	*link = c->sibling;
	*chunk = c;
unlock:
	co_os_pool_unlock();
	return error;
}

/* The same, backwards: the chunk is zeroed, and the machine's again. CO_E_NOMEM: too many pieces. */
int co_pool_insert(struct co_vm *vm, struct co_chunk *c)
{
	struct co_chunk **link;
	int error;

	co_os_pool_lock();
	c->fresh = 0;
	enlist(c);
	claim(c, 1, vm);
	error = describe(vm, vm->range, &vm->nranges);
	if (error) {
		vm->chunks = c->sibling;
		for (link = &pool; *link != c; link = &(*link)->next)
			;
		*link = c->next;
		pool_chunks--;
		pool_used--;
		c->owner = NULL;
		describe(vm, vm->range, &vm->nranges);
	}
	co_os_pool_unlock();
	return error;
}

/* CO_IOC_POOL. On CO_E_NOMEM, arg->chunks is still what the pool holds. */
int co_pool_control(struct co_pool *arg)
{
	int error = 0;

	if (arg->op != CO_POOL_TRIM && arg->op != CO_POOL_RESERVE)
		return CO_E_INVAL;
	if (arg->op == CO_POOL_RESERVE && arg->chunks > MAX_CHUNKS)
		return CO_E_INVAL;
	co_os_pool_lock();
	if (arg->op == CO_POOL_TRIM)
		shrink(0);
	else if (arg->chunks > pool_chunks && !affordable(arg->chunks - pool_chunks))
		error = CO_E_NOMEM;
	else
		while (!error && pool_chunks < arg->chunks)
			error = grow(CO_ANYWHERE);
	forget_fresh();
	arg->chunks = pool_chunks;
	co_os_pool_unlock();
	return error;
}

void co_pool_count(u64 *chunks, u64 *used)
{
	co_os_pool_lock();
	*chunks = pool_chunks;
	*used = pool_used;
	co_os_pool_unlock();
}

void co_pool_destroy(void)
{
	co_os_pool_lock();
	shrink(0);
	co_os_pool_unlock();
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The monitor's balloon (chunk.c, pool.c, paging.c) with a host that is a table: what may go and come, what
 * follows of it in the machine's ranges and in the intermediate page table, and that in the
 * end the host has everything again. Prints what is wrong; exits 0 when nothing is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monitor.h"

#define SLOTS	600u
#define FIRST	(3ull << 30)	/* across the 4 GiB, and page directories */

/* Whose a piece of the host's memory is. */
static enum { FREE, DRIVER, HOST } slot[SLOTS];
static u32 zeroed, unmapped;
static u64 unmapped_phys, available = ~0ull;
static u32 pseudo_physical, failures;

#define CHECK(condition) do { \
	if (!(condition)) { \
		printf("%d: %s\n", __LINE__, #condition); \
		failures++; \
	} \
} while (0)

/* ---- the host ---- */

void *co_os_alloc(u64 bytes)
{
	return calloc(1, bytes);
}

void co_os_free(void *p)
{
	free(p);
}

void *co_os_pages(u32 pages, u32 low, u64 *phys)
{
	void *p = aligned_alloc(CO_PAGE_SIZE, pages * CO_PAGE_SIZE);

	(void)low;
	memset(p, 0, pages * CO_PAGE_SIZE);
	*phys = co_address(p);
	return p;
}

void co_os_pages_free(void *va, u32 pages)
{
	(void)pages;
	free(va);
}

static u32 slot_of(const struct co_chunk *chunk)
{
	return (chunk->phys - FIRST) / CO_CHUNK_SIZE;
}

int co_os_chunk_alloc(struct co_chunk *chunk, u32 low)
{
	u32 i;

	(void)low;
	for (i = 0; i < SLOTS && slot[i] != FREE; i++)
		;
	if (i == SLOTS)
		return CO_E_NOMEM;
	slot[i] = DRIVER;
	chunk->phys = FIRST + i * CO_CHUNK_SIZE;
	return 0;
}

void co_os_chunk_free(struct co_chunk *chunk)
{
	CHECK(slot[slot_of(chunk)] == DRIVER);
	slot[slot_of(chunk)] = FREE;
}

void co_os_chunk_zero(struct co_chunk *chunk)
{
	CHECK(slot[slot_of(chunk)] == DRIVER);
	zeroed++;
}

/* Nothing may lead there any more when it goes. */
void co_os_chunk_unmap(struct co_vm *vm, u64 phys)
{
	u32 i;

	for (i = 0; i < vm->nranges; i++)
		CHECK(phys < vm->range[i].start || phys - vm->range[i].start >= vm->range[i].bytes);
	unmapped++;
	unmapped_phys = phys;
}

void co_os_chunk_return(struct co_chunk *chunk)
{
	CHECK(unmapped_phys == chunk->phys);
	co_os_chunk_free(chunk);
}

int co_os_chunk_again(struct co_chunk *chunk)
{
	if (slot[slot_of(chunk)] != FREE)
		return CO_E_NOMEM;
	slot[slot_of(chunk)] = DRIVER;
	return 0;
}

u64 co_os_memory_available(void)
{
	return available;
}

void co_os_pool_lock(void)
{
}

void co_os_pool_unlock(void)
{
}

void co_os_log(const char *format, ...)
{
	(void)format;
}

int co_vm_is_pseudo_physical(const struct co_vm *vm)
{
	(void)vm;
	return pseudo_physical;
}

/* ---- machines ---- */

static struct co_state state;
static struct co_comm comm;

static void begin(struct co_vm *vm, u32 chunks, u32 image)
{
	memset(vm, 0, sizeof(*vm));
	vm->st = &state;
	vm->comm = &comm;
	state.guest.cr3 = 0x1000;
	CHECK(!co_pool_take(vm, chunks, image, CO_ANYWHERE, vm->range, &vm->nranges));
	CHECK(!co_ipt_create(&vm->ipt, &co_paging_4level, 0, vm->range, vm->nranges));
	vm->entry = vm->range[0].start;
	vm->state = CO_VM_STARTED;
}

static void end(struct co_vm *vm)
{
	co_ipt_destroy(&vm->ipt);
	co_pool_give(vm);
	CHECK(!vm->chunks && !vm->given);
}

static u64 chunk(u32 number)
{
	return FIRST + number * CO_CHUNK_SIZE;
}

/* As RUN leaves it, when the guest has asked for this. */
static int answer(struct co_vm *vm, u32 op, u64 phys)
{
	struct co_chunk_op arg = { sizeof(arg), op, phys };

	comm.chunk = CO_CHUNK_REFUSED;
	vm->asked = op;
	vm->asked_phys = phys;
	return co_vm_chunk(vm, &arg);
}

static int give(struct co_vm *vm, u64 phys)
{
	int error = answer(vm, CO_CHUNK_GIVE, phys);

	CHECK(comm.chunk == (error ? CO_CHUNK_REFUSED : CO_CHUNK_DONE));
	CHECK(!vm->running);
	return error;
}

static int take(struct co_vm *vm, u64 phys)
{
	int error = answer(vm, CO_CHUNK_TAKE, phys);

	CHECK(comm.chunk == (error ? CO_CHUNK_REFUSED : CO_CHUNK_DONE));
	CHECK(!vm->running);
	return error;
}

/* The large page's entry at an address, or 0. */
static u64 entry(const struct co_vm *vm, u64 va)
{
	const u64 *table = vm->ipt.table[0].entries;
	u64 value = 0;
	u32 level;

	for (level = 4; level >= 2; level--) {
		value = table[va >> (12 + 9 * (level - 1)) & 511];
		if (level == 2 || !(value & 1))
			return value;
		table = co_pointer(value & 0x000ffffffffff000ull);
	}
	return value;
}

static int is_mapped(const struct co_vm *vm, u64 phys)
{
	u32 i, pages = 0;

	for (i = 0; i < 2; i++)
		pages += (entry(vm, phys + i * (2ull << 20)) & 0x000fffffffe00001ull) ==
			 ((phys + i * (2ull << 20)) | 1);
	CHECK(pages != 1);
	return pages == 2;
}

static void is_range(const struct co_vm *vm, u32 number, u32 first, u32 chunks)
{
	CHECK(number < vm->nranges && vm->range[number].start == chunk(first) &&
	      vm->range[number].bytes == chunks * CO_CHUNK_SIZE);
}

static void counts(u64 all, u64 in_use)
{
	u64 chunks, used;

	co_pool_count(&chunks, &used);
	CHECK(chunks == all && used == in_use);
}

/* ---- tests ---- */

static void test_goes_and_comes(void)
{
	struct co_vm vm;

	begin(&vm, 300, 4);
	is_range(&vm, 0, 0, 300);
	CHECK(is_mapped(&vm, chunk(256)) && is_mapped(&vm, chunk(255)));
	CHECK(!give(&vm, chunk(256)));	/* the first one above 4 GiB */
	CHECK(slot[256] == FREE && unmapped == 1);
	CHECK(vm.nranges == 2);
	is_range(&vm, 0, 0, 256);
	is_range(&vm, 1, 257, 43);
	CHECK(!is_mapped(&vm, chunk(256)) && is_mapped(&vm, chunk(255)) && is_mapped(&vm, chunk(257)));
	counts(299, 299);
	CHECK(give(&vm, chunk(256)) == CO_E_INVAL);	/* it has it no more */

	/* while somebody else has it, and while the host has none to spare */
	slot[256] = HOST;
	CHECK(take(&vm, chunk(256)) == CO_E_NOMEM);
	CHECK(slot[256] == HOST && vm.nranges == 2);
	slot[256] = FREE;
	available = CO_CHUNK_SIZE - 1;
	CHECK(take(&vm, chunk(256)) == CO_E_NOMEM);
	CHECK(slot[256] == FREE);
	available = ~0ull;

	zeroed = 0;
	CHECK(!take(&vm, chunk(256)));
	CHECK(zeroed == 1 && slot[256] == DRIVER && vm.nranges == 1);
	is_range(&vm, 0, 0, 300);
	CHECK(!is_mapped(&vm, chunk(256)));	/* only the first steps needed that */
	counts(300, 300);
	CHECK(take(&vm, chunk(256)) == CO_E_INVAL);
	CHECK(!give(&vm, chunk(299)) && !give(&vm, chunk(298)));
	is_range(&vm, 0, 0, 298);
	end(&vm);
	/* kept for the next one; what was given is not */
	counts(298, 0);
	CHECK(slot[299] == FREE && slot[298] == FREE && slot[0] == DRIVER);
	co_pool_destroy();
}

static void test_what_may_not_go(void)
{
	struct co_chunk_op arg = { sizeof(arg), CO_CHUNK_GIVE, chunk(10) };
	struct co_vm vm, other;

	begin(&vm, 20, 4);
	begin(&other, 20, 4);
	unmapped = 0;
	vm.entry = chunk(9) + 0x1000;			/* its kernel */
	CHECK(give(&vm, chunk(9)) == CO_E_INVAL);
	vm.entry = chunk(10) - 1;
	CHECK(give(&vm, chunk(9)) == CO_E_INVAL);
	CHECK(give(&vm, chunk(25)) == CO_E_INVAL);	/* another machine's */
	CHECK(give(&vm, chunk(45)) == CO_E_INVAL);	/* nobody's */
	CHECK(give(&vm, chunk(10) + CO_PAGE_SIZE) == CO_E_INVAL);
	CHECK(give(&vm, 0) == CO_E_INVAL && give(&vm, ~0ull) == CO_E_INVAL);
	state.guest.cr3 = chunk(12) + 0x5000;		/* its page tables */
	CHECK(give(&vm, chunk(12)) == CO_E_INVAL);
	state.guest.cr3 = chunk(12);
	CHECK(give(&vm, chunk(12)) == CO_E_INVAL);
	CHECK(!give(&vm, chunk(11)) && !give(&vm, chunk(13)));
	state.guest.cr3 = 0x1000;

	/* only what was asked for, and once */
	arg.phys = chunk(10);
	vm.asked = 0;
	CHECK(co_vm_chunk(&vm, &arg) == CO_E_BUSY);
	vm.asked = CO_CHUNK_TAKE;
	vm.asked_phys = chunk(10);
	CHECK(co_vm_chunk(&vm, &arg) == CO_E_INVAL);
	vm.asked = CO_CHUNK_GIVE;
	vm.asked_phys = chunk(14);
	CHECK(co_vm_chunk(&vm, &arg) == CO_E_INVAL);
	vm.asked_phys = chunk(10);
	for (arg.op = 0; arg.op < 10; arg.op++)
		if (arg.op != CO_CHUNK_GIVE && arg.op != CO_CHUNK_TAKE)
			CHECK(co_vm_chunk(&vm, &arg) == CO_E_INVAL);
	arg.op = CO_CHUNK_GIVE;
	CHECK(!co_vm_chunk(&vm, &arg));
	CHECK(co_vm_chunk(&vm, &arg) == CO_E_BUSY);

	/* nor of a machine that runs, or does not, or not so */
	vm.running = 1;
	vm.asked = CO_CHUNK_GIVE;
	arg.phys = vm.asked_phys = chunk(15);
	CHECK(co_vm_chunk(&vm, &arg) == CO_E_BUSY && vm.running);
	vm.running = 0;
	vm.state = CO_VM_CREATED;
	CHECK(give(&vm, chunk(15)) == CO_E_BUSY);
	vm.state = CO_VM_NEW;
	CHECK(give(&vm, chunk(15)) == CO_E_BUSY);
	vm.state = CO_VM_ENDED;
	CHECK(give(&vm, chunk(15)) == CO_E_GONE);
	vm.state = CO_VM_STARTED;
	pseudo_physical = 1;
	CHECK(give(&vm, chunk(15)) == CO_E_HOST);
	pseudo_physical = 0;
	/* another machine gets nothing of it */
	CHECK(take(&other, chunk(10)) == CO_E_INVAL);
	CHECK(unmapped == 3);
	counts(37, 37);
	end(&other);
	end(&vm);
	co_pool_destroy();
}

/* A guest has at most so many pieces, whatever it gives and takes. */
static void test_pieces(void)
{
	struct co_vm vm;
	u32 i;

	begin(&vm, 300, 2);
	for (i = 1; i < CO_MAX_RANGES; i++)	/* each makes one more */
		CHECK(!give(&vm, chunk(2 * i + 1)));
	CHECK(vm.nranges == CO_MAX_RANGES);
	CHECK(give(&vm, chunk(250)) == CO_E_NOMEM);
	CHECK(slot[250] == DRIVER && vm.nranges == CO_MAX_RANGES);
	is_range(&vm, CO_MAX_RANGES - 1, 2 * CO_MAX_RANGES, 300 - 2 * CO_MAX_RANGES);
	/* at the edges of one, that makes none more */
	for (i = 299; i > 290; i--)
		CHECK(!give(&vm, chunk(i)));
	CHECK(vm.nranges == CO_MAX_RANGES);
	unmapped_phys = chunk(295);
	CHECK(take(&vm, chunk(295)) == CO_E_NOMEM);
	CHECK(slot[295] == FREE && vm.nranges == CO_MAX_RANGES);
	CHECK(!take(&vm, chunk(3)));
	CHECK(!take(&vm, chunk(295)));
	CHECK(vm.nranges == CO_MAX_RANGES);
	is_range(&vm, CO_MAX_RANGES - 1, 295, 1);
	end(&vm);
	co_pool_destroy();
}

/* The next guest gets what is there, and the host what is left. */
static void test_the_next_guest(void)
{
	struct co_vm vm;
	u32 i;

	begin(&vm, 20, 4);
	for (i = 10; i < 20; i++)
		CHECK(!give(&vm, chunk(i)));
	end(&vm);
	slot[12] = HOST;
	begin(&vm, 20, 4);
	is_range(&vm, 0, 0, 12);
	is_range(&vm, 1, 13, 8);
	counts(20, 20);
	CHECK(!give(&vm, chunk(4)));
	end(&vm);
	slot[12] = FREE;
	co_pool_destroy();
}

int main(void)
{
	u32 i;

	test_goes_and_comes();
	test_what_may_not_go();
	test_pieces();
	test_the_next_guest();
	counts(0, 0);
	for (i = 0; i < SLOTS; i++)
		CHECK(slot[i] == FREE);
	return failures ? 1 : 0;
}

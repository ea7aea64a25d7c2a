// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual machine's life: create, start, end. Its days are in run.c.
 *
 * NEW --create--> CREATED --start--> STARTED --the guest ends--> ENDED. Nothing
 * leads back: one open file is one machine. The glue's lock keeps create, start
 * and destroy of one machine apart.
 */
#include "monitor.h"
#include "cpu.h"

#define AREA_BYTES	((u64)CO_AREA_PAGES * CO_PAGE_SIZE)
#define GIB4		(1ull << 32)

/* Does the intermediate table's upper half reach this address? */
static int is_kernel_address(u64 va, u32 levels)
{
	return va >> (levels == 5 ? 56 : 47) == (levels == 5 ? 0xffull : 0x1ffffull);
}

/* The area must lie in the kernel's half, and not run over the top. */
static int check_area(u64 va)
{
	if (va % CO_PAGE_SIZE || va > 0ull - AREA_BYTES ||
	    !is_kernel_address(va, co_host_paging()->levels))
		return CO_E_INVAL;
	return 0;
}

/* The same for an i386 guest; there, the kernel has the upper half or less. */
static int check_area_i386(u64 va)
{
	if (va % CO_PAGE_SIZE || va < GIB4 / 2 || va > GIB4 - AREA_BYTES)
		return CO_E_INVAL;
	return 0;
}

static int check_create(const struct co_create *arg)
{
	int is_i386 = !!(arg->note_flags & CO_NOTE_I386);

	if (arg->note_flags & ~(CO_NOTE_LA57 | CO_NOTE_MODE | CO_NOTE_BELOW_4G | CO_NOTE_BALLOON) ||
	    arg->reserved)
		return CO_E_INVAL;
	/* PAE is a kind of I386; LA57 is not, and what an i386 guest has stays */
	if (arg->note_flags & (is_i386 ? CO_NOTE_LA57 | CO_NOTE_BALLOON : CO_NOTE_PAE))
		return CO_E_INVAL;
	if (arg->mem_bytes < CO_MEM_MIN ||
	    arg->mem_bytes > (is_i386 ? CO_MEM_MAX_I386 : CO_MEM_MAX))
		return CO_E_INVAL;
	if (arg->image_bytes > (is_i386 ? 0 : arg->mem_bytes))
		return CO_E_INVAL;
	return is_i386 ? check_area_i386(arg->area_va) : check_area(arg->area_va);
}

/* The two pages which the passage itself touches, at one world's addresses. */
static int map_pair(const struct co_vm *vm, struct co_ipt *ipt, u64 va_code, u64 va_state)
{
	int error = co_ipt_map_page(ipt, va_code, vm->code_phys);

	return error ? error : co_ipt_map_page(ipt, va_state, vm->area_phys);
}

/*
 * The ground between the worlds: one table with both worlds' addresses and the
 * guest's memory; or, where the way goes over identity addresses, one in each world's
 * format, each with that world's addresses and identity. On an error co_ipt_destroy of both
 * is due.
 */
static int create_ground(struct co_vm *vm, u64 area_va)
{
	u64 code = area_va + CO_AREA_CODE * CO_PAGE_SIZE;
	u64 state = area_va + CO_AREA_STATE * CO_PAGE_SIZE;
	u32 over_identity = vm->way->identity;
	int error;

	error = co_ipt_create(&vm->ipt, co_host_paging(), over_identity, vm->range,
			      over_identity ? 0 : vm->nranges);
	if (!error)
		error = map_pair(vm, &vm->ipt, co_address(vm->way->code), co_address(vm->st));
	if (!error && !over_identity)
		return map_pair(vm, &vm->ipt, code, state);
	if (!error)
		error = map_pair(vm, &vm->ipt, vm->code_phys, vm->area_phys);
	if (!error)
		error = co_ipt_create(&vm->ipt32, vm->way->guest, over_identity, NULL, 0);
	if (!error)
		error = map_pair(vm, &vm->ipt32, vm->code_phys, vm->area_phys);
	if (!error)
		error = map_pair(vm, &vm->ipt32, code, state);
	return error;
}

static void destroy_ground(struct co_vm *vm)
{
	co_ipt_destroy(&vm->ipt32);
	co_ipt_destroy(&vm->ipt);
}

/* The shared area but for its code, if that is the driver's own text; or all of
 * it, with a copy of the code, if both must lie below 4 GiB. */
static u32 area_pages(const struct co_vm *vm)
{
	return CO_AREA_PAGES - (vm->way->identity ? 0 : 1);
}

/* 32-bit page tables reach no further; and some kernels need some there. */
static u64 memory_limit(const struct co_vm *vm, u32 note_flags)
{
	return vm->way->identity || note_flags & CO_NOTE_BELOW_4G ? CO_BELOW_4GIB : CO_ANYWHERE;
}

static int create_area(struct co_vm *vm)
{
	u64 phys;

	vm->area = co_os_pages(area_pages(vm), vm->way->identity, &phys);
	if (!vm->area)
		return CO_E_NOMEM;
	vm->code_phys = phys;
	if (vm->way->identity) {
		co_copy(vm->area, vm->way->code, CO_PAGE_SIZE);
		phys += CO_PAGE_SIZE;
	} else {
		vm->code_phys = co_os_code_phys(vm->way->code);
	}
	vm->area_phys = phys;
	vm->st = (struct co_state *)((char *)vm->area +
				     (vm->way->identity ? CO_PAGE_SIZE : 0));
	vm->comm = (struct co_comm *)((char *)vm->st +
				      (CO_AREA_COMM - CO_AREA_STATE) * CO_PAGE_SIZE);
	return 0;
}

static void destroy_area(struct co_vm *vm)
{
	co_os_pages_free(vm->area, area_pages(vm));
	vm->area = NULL;
	vm->st = NULL;
	vm->comm = NULL;
}

/*
 * Allocate all that a machine needs; its state becomes CREATED. CO_E_INVAL for a
 * field's value (area_va may also collide with the host's own address of the
 * passage), CO_E_HOST when this host cannot run such a guest, CO_E_NOMEM. After an
 * error the machine is as new.
 */
int co_vm_create(struct co_vm *vm, struct co_create *arg)
{
	int error;

	if (vm->state != CO_VM_NEW)
		return vm->state == CO_VM_ENDED ? CO_E_GONE : CO_E_BUSY;
	error = check_create(arg);
	if (error)
		return error;
	error = co_host_check(arg->note_flags);
	if (error)
		return error;
	vm->way = co_way_to(arg->note_flags);
	/* The passage is one page of code, and must be all of one page. */
	if (co_address(vm->way->code) % CO_PAGE_SIZE)
		return CO_E_HOST;
	vm->tsc_khz = co_os_tsc_khz();

	error = co_pool_take(vm, CO_UP(arg->mem_bytes, CO_CHUNK_SIZE) / CO_CHUNK_SIZE,
			     CO_UP(arg->image_bytes, CO_CHUNK_SIZE) / CO_CHUNK_SIZE,
			     memory_limit(vm, arg->note_flags),
			     vm->range, &vm->nranges);
	if (error)
		return error;
	error = create_area(vm);
	if (error)
		goto give_memory;
	error = co_fpu_create(&vm->fpu, vm->way->identity);
	if (error)
		goto free_area;
	error = create_ground(vm, arg->area_va);
	if (error)
		goto free_ground;
	error = co_snapshot_create(vm);
	if (error)
		goto free_ground;

	co_worlds_create(vm, arg->area_va);
	vm->comm->abi_version = CO_ABI_VERSION;
	vm->comm->tsc_khz = vm->tsc_khz;
	vm->comm->deadline = CO_NO_DEADLINE;
	vm->armed = CO_NO_DEADLINE;

	arg->code_phys = vm->code_phys;
	arg->area_phys = vm->area_phys;
	arg->nranges = vm->nranges;
	co_zero(arg->range, sizeof(arg->range));
	co_copy(arg->range, vm->range, vm->nranges * sizeof(vm->range[0]));
	co_publish(&vm->state, CO_VM_CREATED);
	return 0;

free_ground:
	destroy_ground(vm);
	co_fpu_destroy(&vm->fpu);
free_area:
	destroy_area(vm);
give_memory:
	co_pool_give(vm);
	vm->nranges = 0;
	return error;
}

/* The same, backwards. Nobody runs, maps or asks the machine any more. */
void co_vm_destroy(struct co_vm *vm)
{
	if (vm->state == CO_VM_NEW)
		return;
	if (vm->st->stack_guard != CO_STACK_GUARD)
		co_os_log("the passage's stack has overflown, or the guest wrote to it");
	co_snapshot_destroy(vm);
	destroy_ground(vm);
	co_fpu_destroy(&vm->fpu);
	destroy_area(vm);
	co_pool_give(vm);
	co_zero(vm, sizeof(*vm));
}

int co_vm_owns(const struct co_vm *vm, u64 phys, u64 bytes)
{
	u32 i;

	for (i = 0; i < vm->nranges; i++)
		if (phys >= vm->range[i].start &&
		    phys - vm->range[i].start < vm->range[i].bytes)
			/* spelt so that nothing can overflow */
			return bytes <= vm->range[i].bytes - (phys - vm->range[i].start);
	return 0;
}

int co_vm_is_pseudo_physical(const struct co_vm *vm)
{
	return vm->way->mode & CO_NOTE_I386;
}

/* Entry and boot_params must lie in the guest's memory, the latter whole. */
static int check_start(const struct co_vm *vm, const struct co_start *arg)
{
	if (arg->code_selector || arg->boot32 || arg->root ||
	    !co_vm_owns(vm, arg->entry, 1) ||
	    !co_vm_owns(vm, arg->boot_params, CO_PAGE_SIZE))
		return CO_E_INVAL;
	return 0;
}

/* Is there a whole page of the kernel's half at this virtual address? */
static int is_page_i386(u64 va)
{
	return va >= GIB4 / 4 && va <= GIB4 - CO_PAGE_SIZE && va % CO_PAGE_SIZE == 0;
}

/* An i386 guest's are virtual addresses, and what they lead to is for its page
 * directory to say; that must be its own. */
static int check_start_i386(const struct co_vm *vm, const struct co_start *arg)
{
	if (arg->code_selector != CO_SEL_CODE && arg->code_selector != CO_SEL_CODE32)
		return CO_E_INVAL;
	if (arg->entry < GIB4 / 4 || arg->entry >= GIB4 ||
	    !is_page_i386(arg->boot_params) || !is_page_i386(arg->boot32))
		return CO_E_INVAL;
	if (arg->root % CO_PAGE_SIZE || !co_vm_owns(vm, arg->root, CO_PAGE_SIZE))
		return CO_E_INVAL;
	return 0;
}

int co_vm_start(struct co_vm *vm, const struct co_start *arg)
{
	int error;

	if (vm->state != CO_VM_CREATED)
		return vm->state == CO_VM_ENDED ? CO_E_GONE : CO_E_BUSY;
	error = co_vm_is_pseudo_physical(vm) ? check_start_i386(vm, arg) : check_start(vm, arg);
	if (error)
		return error;
	vm->entry = arg->entry;
	co_world_enter(vm, arg);
	co_set_wall(vm->comm);
	co_publish(&vm->state, CO_VM_STARTED);
	return 0;
}

/* ---- what other threads may do meanwhile ---- */

static int check_alive(const struct co_vm *vm)
{
	switch (co_read(&vm->state)) {
	case CO_VM_NEW:
		return CO_E_BUSY;
	case CO_VM_ENDED:
		return CO_E_GONE;
	default:
		return 0;
	}
}

/*
 * Raise virtual interrupts. The guest takes the bits on every way in, with one
 * atomic exchange; so a bit set here is either seen by a way in that has not
 * come to the exchange yet, or it finds in_guest set, and the interrupt that
 * co_os_notify sends makes another way out and in.
 */
static void raise(struct co_vm *vm, u32 events, const u32 *bits)
{
	u32 pending[CO_PENDING_WORDS] = { 0 }, i;

	for (i = 0; bits && i < CO_PENDING_WORDS; i++)
		pending[i] = bits[i];
	if (events) {
		co_set_bits(&vm->comm->events, events);
		pending[0] |= 1u << CO_VIRQ_EVENT;
	}
	for (i = 0; i < CO_PENDING_WORDS; i++)
		if (pending[i])
			co_set_bits(&vm->comm->pending[i], pending[i]);
	co_os_notify(vm);
}

int co_vm_irq(struct co_vm *vm, const struct co_irq *arg)
{
	int error = check_alive(vm);

	if (error)
		return error;
	if (arg->events & ~(CO_EVENT_POWER | CO_EVENT_WALL))
		return CO_E_INVAL;
	if (arg->pending[1] >> (CO_NR_VIRQ - 32))
		return CO_E_INVAL;
	raise(vm, arg->events, arg->pending);
	return 0;
}

/* The host's wish; what becomes of it is between the guest and its running thread. */
int co_vm_balloon(struct co_vm *vm, const struct co_balloon *arg)
{
	int error = check_alive(vm);

	if (error)
		return error;
	if (co_vm_is_pseudo_physical(vm))
		return CO_E_HOST;
	if (arg->chunks != CO_BALLOON_AUTO && arg->chunks > CO_MEM_MAX / CO_CHUNK_SIZE)
		return CO_E_INVAL;
	co_write(&vm->comm->balloon, arg->chunks);
	raise(vm, CO_EVENT_BALLOON, NULL);
	return 0;
}

/* Make RUN return CO_R_KICKED; if nobody is in it, the next one will. */
int co_vm_kick(struct co_vm *vm)
{
	int error = check_alive(vm);

	if (error)
		return error;
	co_publish(&vm->kicked, 1);
	co_os_notify(vm);
	return 0;
}

/* A fraction of a tick is lost at each conversion, which nobody will miss. */
static u64 ticks_to_ns(u64 ticks, u32 khz)
{
	u64 ms;

	if (!khz)
		return 0;
	ms = co_divide(ticks, khz);
	return ms * 1000000 + co_divide((ticks - ms * khz) * 1000000, khz);
}

/* Counters; they may be in motion. In the state NEW, only the pool's are set. */
void co_vm_stats(struct co_vm *vm, struct co_stats *out)
{
	*out = vm->stats;
	out->idle_ns = ticks_to_ns(vm->stats.idle_ns, vm->tsc_khz);
	out->guest_ns = ticks_to_ns(vm->stats.guest_ns, vm->tsc_khz);
	out->size = sizeof(*out);
	out->reserved = 0;
	co_pool_count(&out->pool_chunks, &out->pool_chunks_used);
}

/* A seqlock's writer: the guest reads again while wall_seq is odd or changed. */
void co_set_wall(struct co_comm *comm)
{
	u64 tsc, sec;
	u32 nsec, seq = co_read(&comm->wall_seq) | 1;

	co_os_wall(&tsc, &sec, &nsec);
	co_write(&comm->wall_seq, seq);
	co_write_barrier();
	co_write(&comm->wall_tsc, tsc);
	co_write(&comm->wall_sec, sec);
	co_write(&comm->wall_nsec, nsec);
	co_write_barrier();
	co_write(&comm->wall_seq, seq + 1);
}

/* The host has slept, or its clock was set: tell the guest. */
void co_vm_wall(struct co_vm *vm)
{
	struct co_irq irq = { .events = CO_EVENT_WALL };

	if (check_alive(vm))
		return;
	co_set_wall(vm->comm);
	co_vm_irq(vm, &irq);
}

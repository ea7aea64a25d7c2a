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

/* Does the intermediate table's upper half reach this address? */
static int is_kernel_address(u64 va, u32 levels)
{
	return va >> (levels == 5 ? 56 : 47) == (levels == 5 ? 0xffull : 0x1ffffull);
}

static int check_create(const struct co_create *arg)
{
	u64 area_bytes = CO_AREA_PAGES * CO_PAGE_SIZE;

	if (arg->note_flags & ~CO_NOTE_LA57 || arg->reserved)
		return CO_E_INVAL;
	if (arg->mem_bytes < CO_MEM_MIN || arg->mem_bytes > CO_MEM_MAX)
		return CO_E_INVAL;
	if (arg->image_bytes > arg->mem_bytes)
		return CO_E_INVAL;
	/* The area must lie in the kernel's half, and not run over the top. */
	if (arg->area_va % CO_PAGE_SIZE || arg->area_va > 0ull - area_bytes ||
	    !is_kernel_address(arg->area_va, co_host_levels()))
		return CO_E_INVAL;
	return 0;
}

/* The two pages which the passage itself touches, at both worlds' addresses. */
static int map_worlds(struct co_vm *vm, u64 area_va)
{
	const u64 at[2][2] = {
		{ (u64)(char *)co_passage, (u64)vm->st },
		{ area_va + CO_AREA_CODE * CO_PAGE_SIZE, area_va + CO_AREA_STATE * CO_PAGE_SIZE },
	};
	int error, i;

	for (i = 0; i < 2; i++) {
		error = co_ipt_map_page(&vm->ipt, at[i][0], vm->code_phys);
		if (!error)
			error = co_ipt_map_page(&vm->ipt, at[i][1], vm->area_phys);
		if (error)
			return error;
	}
	return 0;
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
	/* The passage is one page of code, and must be all of one page. */
	if ((u64)(char *)co_passage % CO_PAGE_SIZE)
		return CO_E_HOST;
	vm->code_phys = co_os_code_phys((char *)co_passage);
	vm->tsc_khz = co_os_tsc_khz();

	error = co_pool_take(vm, CO_UP(arg->mem_bytes, CO_CHUNK_SIZE) / CO_CHUNK_SIZE,
			     CO_UP(arg->image_bytes, CO_CHUNK_SIZE) / CO_CHUNK_SIZE,
			     vm->range, &vm->nranges);
	if (error)
		return error;
	error = CO_E_NOMEM;
	vm->st = co_os_pages(CO_AREA_DATA_PAGES, &vm->area_phys);
	if (!vm->st)
		goto give_memory;
	vm->comm = (struct co_comm *)((char *)vm->st +
				      (CO_AREA_COMM - CO_AREA_STATE) * CO_PAGE_SIZE);
	error = co_fpu_create(&vm->fpu);
	if (error)
		goto free_area;
	error = co_ipt_create(&vm->ipt, co_host_levels(), vm->range, vm->nranges);
	if (error)
		goto free_fpu;
	error = map_worlds(vm, arg->area_va);
	if (error)
		goto free_ipt;
	error = co_snapshot_create(vm);
	if (error)
		goto free_ipt;

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

free_ipt:
	co_ipt_destroy(&vm->ipt);
free_fpu:
	co_fpu_destroy(&vm->fpu);
free_area:
	co_os_pages_free(vm->st, CO_AREA_DATA_PAGES);
	vm->st = NULL;
	vm->comm = NULL;
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
	co_ipt_destroy(&vm->ipt);
	co_fpu_destroy(&vm->fpu);
	co_os_pages_free(vm->st, CO_AREA_DATA_PAGES);
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

/* Entry and boot_params must lie in the guest's memory, the latter whole. */
int co_vm_start(struct co_vm *vm, const struct co_start *arg)
{
	if (vm->state != CO_VM_CREATED)
		return vm->state == CO_VM_ENDED ? CO_E_GONE : CO_E_BUSY;
	if (arg->reserved || !co_vm_owns(vm, arg->entry, 1) ||
	    !co_vm_owns(vm, arg->boot_params, CO_PAGE_SIZE))
		return CO_E_INVAL;
	co_world_enter(vm->st, arg->entry, arg->boot_params);
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
int co_vm_irq(struct co_vm *vm, const struct co_irq *arg)
{
	u32 pending[CO_PENDING_WORDS], i;
	int error = check_alive(vm);

	if (error)
		return error;
	if (arg->events & ~(CO_EVENT_POWER | CO_EVENT_WALL))
		return CO_E_INVAL;
	for (i = 0; i < CO_PENDING_WORDS; i++)
		pending[i] = arg->pending[i];
	if (pending[1] >> (CO_NR_VIRQ - 32))
		return CO_E_INVAL;
	if (arg->events) {
		co_set_bits(&vm->comm->events, arg->events);
		pending[0] |= 1u << CO_VIRQ_EVENT;
	}
	for (i = 0; i < CO_PENDING_WORDS; i++)
		if (pending[i])
			co_set_bits(&vm->comm->pending[i], pending[i]);
	co_os_notify(vm);
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
	return khz ? ticks / khz * 1000000 + ticks % khz * 1000000 / khz : 0;
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

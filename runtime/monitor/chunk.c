// SPDX-License-Identifier: GPL-2.0-only
/*
 * The balloon: a guest gives chunks of its memory to the host, and gets them back.
 *
 * A guest's physical addresses are the host's real ones, so nothing can be put in the place
 * of what it gave: a chunk comes back at its own address, when nobody needs what the host
 * has put there meanwhile, or it does not come back. And single pages cannot go,
 * as a chunk is what the host hands out and takes in one piece.
 *
 * The guest leaves with CO_R_CHUNK; the daemon lets go of its mapping and makes CO_IOC_CHUNK,
 * for what was asked and nothing else; then the guest goes on and finds the answer. So neither side
 * ever uses what the other one has.
 *
 * Only for hosts that can ask their own kernel for a given piece of memory, whoever uses
 * it now; not compiled for NT.
 */
#include "monitor.h"
#include "cpu.h"

/* Would the guest lose the ground under its feet? It asks from these page tables, and from a kernel that
 * begins there. (More of both may lie elsewhere; the guest knows.) */
static int is_needed(const struct co_vm *vm, u64 phys)
{
	u64 root = co_read(&vm->st->guest.cr3);

	return root - phys < CO_CHUNK_SIZE || vm->entry - phys < CO_CHUNK_SIZE;
}

static int give(struct co_vm *vm, u64 phys)
{
	struct co_chunk *c;
	int error;

	if (is_needed(vm, phys))
		return CO_E_INVAL;
	error = co_pool_remove(vm, phys, &c);
	if (error)
		return error;
	/* The guest took its first steps on it there, and has page tables of its own since; so
	 * what comes back is not mapped there again. */
	co_ipt_unmap(&vm->ipt, phys, CO_CHUNK_SIZE);
	co_os_chunk_unmap(vm, phys);
	co_os_chunk_return(c);
	c->sibling = vm->given;
	vm->given = c;
	return 0;
}

static int take(struct co_vm *vm, u64 phys)
{
	struct co_chunk *c, **link;
	int error;

	for (link = &vm->given; (c = *link) && c->phys != phys; link = &c->sibling)
		;
	if (!c)
		return CO_E_INVAL;
	if (co_os_memory_available() < CO_CHUNK_SIZE)
		return CO_E_NOMEM;
	error = co_os_chunk_again(c);
	if (error)
		return error;
	*link = c->sibling;
	co_os_chunk_zero(c);
	error = co_pool_insert(vm, c);
	if (error) {
		co_os_chunk_return(c);
		c->sibling = vm->given;
		vm->given = c;
	}
	return error;
}

/*
 * Answer the guest's last CO_R_CHUNK. CO_E_BUSY when there was none, or when the machine
 * runs meanwhile; CO_E_INVAL, CO_E_NOMEM: nothing has changed, and the guest will find that it was refused.
 */
int co_vm_chunk(struct co_vm *vm, const struct co_chunk_op *arg)
{
	int error = CO_E_BUSY;

	if (arg->op != CO_CHUNK_GIVE && arg->op != CO_CHUNK_TAKE)
		return CO_E_INVAL;
	if (co_exchange(&vm->running, 1))
		return CO_E_BUSY;
	if (co_read(&vm->state) == CO_VM_ENDED)
		error = CO_E_GONE;
	if (co_read(&vm->state) != CO_VM_STARTED)
		goto out;
	error = CO_E_HOST;
	if (co_vm_is_pseudo_physical(vm))
		goto out;
	error = CO_E_BUSY;
	if (!vm->asked)
		goto out;
	error = CO_E_INVAL;
	if (arg->op != vm->asked || arg->phys != vm->asked_phys)
		goto out;
	vm->asked = 0;
	error = arg->op == CO_CHUNK_GIVE ? give(vm, arg->phys) : take(vm, arg->phys);
	if (!error)
		co_write(&vm->comm->chunk, CO_CHUNK_DONE);
out:
	co_publish(&vm->running, 0);
	return error;
}

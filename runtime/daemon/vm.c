// SPDX-License-Identifier: GPL-2.0-only
/* One virtual machine: every request that the driver knows, with its errors put into words. */
#include "vm.h"

#include <string.h>

/* words: room for the driver's own, where the system lets it say some. */
static const char *call_error(struct vm *vm, enum os_call result, char words[OS_REASON_SIZE])
{
	static const char cannot[] = "this host cannot run this guest; ";
	size_t used = strlen(cannot);

	switch (result) {
	case OS_CALL_ENDED:
		return "the guest has ended";
	case OS_CALL_UNKNOWN:
		return "the driver does not know this request";
	case OS_CALL_CANNOT:
		strcpy(words, cannot);
		if (!os_driver_reason(vm->driver, words + used, OS_REASON_SIZE - used))
			strcpy(words + used, "the host kernel's log says why");
		return words;
	default:
		return os_last_error();
	}
}

int vm_open(struct vm *vm, struct error *error)
{
	struct co_version version = { .size = sizeof(version) };
	char words[OS_REASON_SIZE];
	enum os_call result;

	memset(vm, 0, sizeof(*vm));
	vm->driver = os_driver_open(error);
	if (!vm->driver)
		return -1;
	result = os_driver_call(vm->driver, CO_NR_VERSION, &version);
	if (result == OS_CALL_OK && version.abi_version == CO_ABI_VERSION) {
		memcpy(vm->driver_release, version.release, sizeof(vm->driver_release) - 1);
		return 0;
	}
	if (result == OS_CALL_OK)
		error_set_code(error, EXIT_VERSION_MISMATCH,
			       "the driver speaks ABI version %u, this daemon version %u; install both from one release",
			       version.abi_version, CO_ABI_VERSION);
	else
		error_set_code(error, EXIT_VERSION_MISMATCH,
			       "the driver does not tell its version (%s); install driver and daemon from one release",
			       call_error(vm, result, words));
	vm_close(vm);
	return -1;
}

void vm_close(struct vm *vm)
{
	if (vm->devices)
		os_driver_unmap(vm->driver, vm->devices, CO_DEVICE_PAGES * CO_PAGE_SIZE);
	if (vm->comm)
		os_driver_unmap(vm->driver, (void *)vm->comm, CO_PAGE_SIZE);
	guest_memory_unmap(&vm->memory);
	if (vm->driver)
		os_driver_close(vm->driver);
	vm->devices = NULL;
	vm->comm = NULL;
	vm->driver = NULL;
}

int vm_create(struct vm *vm, u64 mem_bytes, u64 image_bytes, const struct co_note *note,
	      struct error *error)
{
	struct co_create *created = &vm->created;
	char words[OS_REASON_SIZE];
	enum os_call result;

	memset(created, 0, sizeof(*created));
	created->size = sizeof(*created);
	created->note_flags = note->flags;
	created->mem_bytes = mem_bytes;
	created->area_va = note->area_va;
	created->image_bytes = image_bytes;
	result = os_driver_call(vm->driver, CO_NR_CREATE, created);
	if (result == OS_CALL_NO_MEMORY && note->flags & (CO_NOTE_I386 | CO_NOTE_BELOW_4G))
		return error_set(error, "the host has no %llu MiB below 4 GiB for the guest; close programs or give mem= a smaller value",
				 (unsigned long long)mem_bytes >> 20);
	if (result == OS_CALL_NO_MEMORY)
		return error_set(error, "the host has no %llu MiB for the guest, or no %llu MiB of it in one piece; close programs or give mem= a smaller value",
				 (unsigned long long)mem_bytes >> 20,
				 (unsigned long long)(image_bytes + (1 << 20) - 1) >> 20);
	if (result != OS_CALL_OK)
		return error_set(error, "creating the virtual machine: %s", call_error(vm, result, words));
	if (note->flags & CO_NOTE_I386 ?
	    guest_memory_map_i386(&vm->memory, vm->driver, created->range, created->nranges, error) :
	    guest_memory_map(&vm->memory, vm->driver, created->range, created->nranges, error))
		return -1;
	vm->comm = os_driver_map(vm->driver, CO_MMAP_COMM, CO_PAGE_SIZE, false);
	if (!vm->comm)
		return error_set(error, "mapping the shared page: %s", os_last_error());
	vm->devices = os_driver_map(vm->driver, CO_MMAP_DEVICES, CO_DEVICE_PAGES * CO_PAGE_SIZE, true);
	if (!vm->devices)
		return error_set(error, "mapping the device pages: %s", os_last_error());
	return 0;
}

int vm_start(struct vm *vm, struct co_start *start, struct error *error)
{
	char words[OS_REASON_SIZE];
	enum os_call result;

	start->size = sizeof(*start);
	result = os_driver_call(vm->driver, CO_NR_START, start);
	if (result != OS_CALL_OK)
		return error_set(error, "starting the guest: %s", call_error(vm, result, words));
	return 0;
}

enum os_call vm_run(struct vm *vm, struct co_run *run)
{
	memset(run, 0, sizeof(*run));
	run->size = sizeof(*run);
	return os_driver_call(vm->driver, CO_NR_RUN, run);
}

/* Fails only when the guest has ended, and then nobody misses the interrupt. */
static void call_irq(struct vm *vm, struct co_irq *irq)
{
	irq->size = sizeof(*irq);
	os_driver_call(vm->driver, CO_NR_IRQ, irq);
	__atomic_fetch_add(&vm->interrupts_raised, 1, __ATOMIC_RELAXED);
}

void vm_raise(struct vm *vm, u32 virq)
{
	struct co_irq irq = { 0 };

	irq.pending[virq / 32] = 1u << virq % 32;
	call_irq(vm, &irq);
}

void vm_post_events(struct vm *vm, u32 events)
{
	struct co_irq irq = { .events = events };

	call_irq(vm, &irq);
}

enum os_call vm_balloon(struct vm *vm, u32 chunks)
{
	struct co_balloon balloon = { .size = sizeof(balloon), .chunks = chunks };

	return os_driver_call(vm->driver, CO_NR_BALLOON, &balloon);
}

enum os_call vm_chunk(struct vm *vm, u32 what, u64 address)
{
	struct co_chunk_op chunk = { .size = sizeof(chunk), .op = what, .phys = address };

	return os_driver_call(vm->driver, CO_NR_CHUNK, &chunk);
}

void vm_kick(struct vm *vm)
{
	os_driver_call(vm->driver, CO_NR_KICK, NULL);
}

bool vm_stats(struct vm *vm, struct co_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->size = sizeof(*stats);
	return os_driver_call(vm->driver, CO_NR_STATS, stats) == OS_CALL_OK;
}

u32 vm_text(const struct vm *vm, char text[CO_TEXT_SIZE])
{
	u32 bytes = __atomic_load_n(&vm->comm->text_len, __ATOMIC_ACQUIRE);

	if (bytes > CO_TEXT_SIZE)
		bytes = CO_TEXT_SIZE;
	memcpy(text, vm->comm->text, bytes);
	return bytes;
}

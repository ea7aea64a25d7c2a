// SPDX-License-Identifier: GPL-2.0-only
/*
 * The daemon's part of the balloon: it sees to it that nothing of its own reaches a chunk
 * that the host is to have, and asks the driver. What the guest's words are worth is looked at here
 * and once more by the driver.
 *
 * A request of the guest's that is still under way in another thread may mean the very memory that the guest
 * gives away. Where that was, there is then other memory, of nobody's: the request comes to nothing, and
 * the guest has only itself to blame. Queues are different: they are used for ever.
 */
#include "balloon.h"

#include "log.h"

#define CHUNK_MIB	((u32)(CO_CHUNK_SIZE >> 20))

const char *balloon_refusal(u32 note_flags)
{
	if (!(note_flags & CO_NOTE_BALLOON))
		return "this guest's kernel keeps all its memory while it runs; that of Linux 6.1 for x86_64 can give some back";
	if (!os_driver_can_hide())
		return "this host takes no memory back from a guest that runs; Linux hosts do";
	return NULL;
}

static u32 load(const u32 *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void count(struct balloon *balloon, u32 given)
{
	__atomic_store_n(&balloon->given, given, __ATOMIC_RELAXED);
}

void balloon_open(struct balloon *balloon, struct vm *vm)
{
	const struct co_create *created = &vm->created;
	u64 bytes = 0;
	u32 i;

	for (i = 0; i < created->nranges; i++)
		bytes += created->range[i].bytes;
	balloon->vm = vm;
	balloon->refusal = balloon_refusal(created->note_flags);
	balloon->chunks = bytes / CO_CHUNK_SIZE;
	balloon->wish = balloon->given = 0;
	balloon->broken = false;
}

static bool is_broken(const struct balloon *balloon)
{
	return __atomic_load_n(&balloon->broken, __ATOMIC_SEQ_CST);
}

int balloon_keep(struct balloon *balloon, u32 mib, struct error *error)
{
	u32 most = balloon->chunks * CHUNK_MIB, least = CO_MEM_MIN >> 20, wish = CO_BALLOON_AUTO;

	if (balloon->refusal)
		return error_set(error, "%s", balloon->refusal);
	if (is_broken(balloon))
		return error_set(error, "the guest's balloon has stopped, because its driver broke the rules");
	if (mib != BALLOON_AUTO) {
		if (mib < least || mib > most)
			return error_set(error, "a guest of %u MiB can keep %u to %u of them", most, least, most);
		wish = balloon->chunks - (mib + CHUNK_MIB - 1) / CHUNK_MIB;
	}
	__atomic_store_n(&balloon->wish, wish, __ATOMIC_RELAXED);
	if (vm_balloon(balloon->vm, wish) != OS_CALL_OK)
		return error_set(error, "telling the guest: %s", os_last_error());
	return 0;
}

void balloon_tell(const struct balloon *balloon, struct json_text *json)
{
	u32 given = load(&balloon->given), wish = load(&balloon->wish);

	if (!balloon->vm || balloon->refusal) {
		json_add(json, ",\"balloon\":null");
		return;
	}
	json_member_open(json, "balloon", '{');
	json_member_bool(json, "auto", wish == CO_BALLOON_AUTO);
	if (wish != CO_BALLOON_AUTO)
		json_member_number(json, "target_mib", (balloon->chunks - wish) * CHUNK_MIB);
	json_member_number(json, "actual_mib", (balloon->chunks - given) * CHUNK_MIB);
	json_member_number(json, "given_mib", given * CHUNK_MIB);
	json_member_bool(json, "broken", is_broken(balloon));
	json_add(json, "}");
}

/* --- what the guest asks --- */

static int stop(struct balloon *balloon, const char *what, u64 address)
{
	__atomic_store_n(&balloon->broken, true, __ATOMIC_SEQ_CST);
	log_warn("balloon: the guest's driver broke the rules, the balloon stops: it wants to %s (0x%llx)",
		 what, (unsigned long long)address);
	return 0;
}

/* A queue in memory that goes away would be one in nobody's. */
static bool is_used(struct device *const *device, u32 ndevices, const void *chunk)
{
	bool used = false;
	u32 i, queue;

	for (i = 0; i < ndevices; i++)
		for (queue = 0; queue < device[i]->ops->nqueues; queue++)
			if (vring_overlaps(&device[i]->ring[queue], chunk, CO_CHUNK_SIZE)) {
				device_break(device[i], "it gives away the memory in which queue %u is", queue);
				used = true;
			}
	return used;
}

static int give(struct balloon *balloon, struct device *const *device, u32 ndevices, u64 address,
		struct error *error)
{
	struct guest_memory *memory = &balloon->vm->memory;
	u32 wish = load(&balloon->wish);
	void *chunk;

	chunk = address % CO_CHUNK_SIZE ? NULL : guest_memory_at(memory, address, CO_CHUNK_SIZE);
	if (!chunk)
		return stop(balloon, "give what is no chunk of its memory", address);
	/* the host may have changed its mind, which is no fault of the guest's */
	if ((wish != CO_BALLOON_AUTO && balloon->given >= wish) || is_used(device, ndevices, chunk))
		return 0;
	if (guest_memory_hide(memory, address)) {
		log_debug("balloon: hiding 0x%llx: %s", (unsigned long long)address, os_last_error());
		return 0;
	}
	if (vm_chunk(balloon->vm, CO_CHUNK_GIVE, address) == OS_CALL_OK) {
		count(balloon, balloon->given + 1);
		return 0;
	}
	log_debug("balloon: the driver refuses 0x%llx: %s", (unsigned long long)address, os_last_error());
	if (guest_memory_show(memory, address))
		return error_set(error, "mapping guest memory at 0x%llx again: %s",
				 (unsigned long long)address, os_last_error());
	return 0;
}

static int take(struct balloon *balloon, u64 address, struct error *error)
{
	struct guest_memory *memory = &balloon->vm->memory;

	if (!guest_memory_is_hidden(memory, address))
		return stop(balloon, "take what it did not give", address);
	/* NO_MEMORY for one: somebody else has it now; the guest will ask again */
	if (vm_chunk(balloon->vm, CO_CHUNK_TAKE, address) != OS_CALL_OK)
		return 0;
	count(balloon, balloon->given - 1);
	if (guest_memory_show(memory, address))
		return error_set(error, "mapping guest memory at 0x%llx again: %s",
				 (unsigned long long)address, os_last_error());
	return 0;
}

int balloon_asked(struct balloon *balloon, struct device *const *device, u32 ndevices, u64 what,
		  u64 address, struct error *error)
{
	/* whoever gets no answer finds that he was refused */
	if (balloon->refusal || is_broken(balloon))
		return 0;
	if (what == CO_CHUNK_GIVE)
		return give(balloon, device, ndevices, address, error);
	if (what == CO_CHUNK_TAKE)
		return take(balloon, address, error);
	return stop(balloon, "do what nobody knows", what);
}

// SPDX-License-Identifier: GPL-2.0-only
/* Memory that a guest gives back, and takes again: what it may say, and what nobody may see any more. */
#include "balloon.h"

#include "check.h"
#include "zoo.h"

#define MIB	(1ull << 20)
#define CHUNK	CO_CHUNK_SIZE

static struct vm vm;
static struct balloon balloon;
static struct error error;

static void set_up(void)
{
	struct co_note note = { .flags = CO_NOTE_BALLOON };

	CHECK(!vm_open(&vm, &error) && !vm_create(&vm, 80 << 20, 0, &note, &error));
	balloon_open(&balloon, &vm);
}

static int ask(u32 what, u64 address)
{
	fake.comm->chunk = CO_CHUNK_REFUSED;
	return balloon_asked(&balloon, NULL, 0, what, address, &error);
}

/* A chunk of the fake driver's second range. */
static u64 chunk(u32 number)
{
	return 256 * MIB + number * CHUNK;
}

static void wish(u32 keep)
{
	CHECK(!balloon_keep(&balloon, keep, &error));
}

static void is_done(u32 what, u64 address)
{
	CHECK(!ask(what, address));
	CHECK_EQUAL(fake.comm->chunk, CO_CHUNK_DONE);
}

static void is_refused(u32 what, u64 address)
{
	CHECK(!ask(what, address));
	CHECK_EQUAL(fake.comm->chunk, CO_CHUNK_REFUSED);
}

static const char *told(void)
{
	static char text[300];
	struct json_text json;

	json_begin(&json, text, sizeof(text));
	json_add(&json, "{\"a\":1");
	balloon_tell(&balloon, &json);
	json_add(&json, "}");
	CHECK(!json.full);
	return text;
}

/* --- what goes and comes --- */

static void a_chunk_goes_and_comes(void)
{
	u8 *stale;

	set_up();
	wish(72);
	CHECK_EQUAL(fake.comm->balloon, 2);
	CHECK_TEXT(told(), "\"balloon\":{\"auto\":false,\"target_mib\":72,\"actual_mib\":80,\"given_mib\":0,\"broken\":false}");
	stale = guest_memory_at(&vm.memory, chunk(3), CHUNK);
	memset(stale, 0x11, CHUNK);
	is_done(CO_CHUNK_GIVE, chunk(3));
	CHECK_EQUAL(fake.gives, 1);
	CHECK_TEXT(told(), "\"actual_mib\":76,\"given_mib\":4");

	/* no part of it is the guest's any more, whatever lies beside */
	CHECK(!guest_memory_at(&vm.memory, chunk(3), 1));
	CHECK(!guest_memory_at(&vm.memory, chunk(4) - 1, 1));
	CHECK(!guest_memory_at(&vm.memory, chunk(3) - 1, 2));
	CHECK(!guest_memory_at(&vm.memory, chunk(4) - 1, 2));
	CHECK(!guest_memory_at(&vm.memory, chunk(2), 3 * CHUNK));
	CHECK(guest_memory_at(&vm.memory, chunk(3) - 1, 1));
	CHECK(guest_memory_at(&vm.memory, chunk(2), CHUNK));
	CHECK(guest_memory_at(&vm.memory, chunk(4), CHUNK));
	CHECK(guest_memory_at(&vm.memory, 64 * MIB, 48 * MIB));

	/* who was just about to write there writes to nobody */
	memset(stale, 0x22, CHUNK);
	CHECK_EQUAL(*(u8 *)fake_at(chunk(3), 1), 0xee);

	is_done(CO_CHUNK_TAKE, chunk(3));
	CHECK_EQUAL(fake.takes, 1);
	CHECK(guest_memory_at(&vm.memory, chunk(3), CHUNK) == stale);
	CHECK_EQUAL(stale[0], 0);
	stale[5] = 0x33;
	CHECK_EQUAL(*(u8 *)fake_at(chunk(3) + 5, 1), 0x33);
	CHECK(guest_memory_at(&vm.memory, chunk(2), 3 * CHUNK));
	CHECK_TEXT(told(), "\"actual_mib\":80,\"given_mib\":0");
	vm_close(&vm);
}

/* All of a range, in an order of their own, twice. */
static void many_go_and_come(void)
{
	u32 round, i;

	set_up();
	wish(BALLOON_AUTO);
	CHECK_EQUAL(fake.comm->balloon, CO_BALLOON_AUTO);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 8; i++)
			is_done(CO_CHUNK_GIVE, chunk(i * 3 % 8));
		CHECK(!guest_memory_at(&vm.memory, chunk(0), 32 * MIB));
		CHECK_TEXT(told(), "{\"auto\":true,\"actual_mib\":48,\"given_mib\":32");
		for (i = 0; i < 8; i++)
			is_done(CO_CHUNK_TAKE, chunk(i * 5 % 8));
		CHECK(guest_memory_at(&vm.memory, chunk(0), 32 * MIB));
	}
	is_done(CO_CHUNK_GIVE, chunk(7));
	vm_close(&vm);	/* all mappings are gone, also of what is with the host */
}

/* The host has changed its mind; so has the driver, or somebody else has the memory. */
static void refusals_are_no_faults(void)
{
	set_up();
	is_refused(CO_CHUNK_GIVE, chunk(0));	/* nobody asked for it */
	CHECK_EQUAL(fake.gives, 0);
	wish(72);
	is_done(CO_CHUNK_GIVE, chunk(0));
	is_done(CO_CHUNK_GIVE, chunk(1));
	is_refused(CO_CHUNK_GIVE, chunk(2));
	fake.take_result = OS_CALL_NO_MEMORY;
	wish(80);
	is_refused(CO_CHUNK_TAKE, chunk(0));
	CHECK(!guest_memory_at(&vm.memory, chunk(0), 1));
	fake.take_result = OS_CALL_OK;
	is_done(CO_CHUNK_TAKE, chunk(0));
	wish(72);
	fake.give_result = OS_CALL_FAILED;
	is_refused(CO_CHUNK_GIVE, chunk(5));
	*(u8 *)guest_memory_at(&vm.memory, chunk(5), 1) = 0x44;
	CHECK_EQUAL(*(u8 *)fake_at(chunk(5), 1), 0x44);
	CHECK_TEXT(told(), "\"given_mib\":4,\"broken\":false");
	vm_close(&vm);
}

/* What the guest has and the daemon does not see would be a guest whose requests fail for no reason. */
static void memory_that_cannot_be_seen_ends_the_guest(void)
{
	set_up();
	wish(72);
	is_done(CO_CHUNK_GIVE, chunk(0));
	fake.show_fails = true;
	CHECK(ask(CO_CHUNK_TAKE, chunk(0)));
	CHECK_TEXT(error.text, "mapping guest memory at 0x10000000 again");
	fake.give_result = OS_CALL_FAILED;
	CHECK(ask(CO_CHUNK_GIVE, chunk(1)));
	vm_close(&vm);
}

/* --- guests that break the rules --- */

static void is_a_fault(u32 what, u64 address)
{
	u32 gives, takes;

	set_up();
	wish(BALLOON_AUTO);
	is_done(CO_CHUNK_GIVE, chunk(3));
	gives = fake.gives;
	takes = fake.takes;
	is_refused(what, address);
	CHECK_EQUAL(fake.gives, gives);
	CHECK_EQUAL(fake.takes, takes);
	CHECK_TEXT(told(), "\"broken\":true");
	/* nothing comes or goes any more, and nobody can wish for it */
	is_refused(CO_CHUNK_GIVE, chunk(0));
	is_refused(CO_CHUNK_TAKE, chunk(3));
	CHECK(balloon_keep(&balloon, 72, &error));
	CHECK_TEXT(error.text, "broke the rules");
	CHECK(guest_memory_at(&vm.memory, chunk(0), CHUNK));
	CHECK(!guest_memory_at(&vm.memory, chunk(3), 1));
	vm_close(&vm);
}

static void what_is_not_its_own(void)
{
	static const u64 wrong[] = {
		0, 60 * MIB, 112 * MIB, 252 * MIB, 288 * MIB, 1ull << 32, ~0ull, ~0ull - CHUNK + 1,
		64 * MIB + 4096, 256 * MIB - 4096, 257 * MIB, 256 * MIB + 1,
	};
	u32 i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		is_a_fault(CO_CHUNK_GIVE, wrong[i]);
		is_a_fault(CO_CHUNK_TAKE, wrong[i]);
	}
}

static void twice(void)
{
	is_a_fault(CO_CHUNK_GIVE, chunk(3));
	is_a_fault(CO_CHUNK_TAKE, chunk(4));	/* which it has */
}

static void what_nobody_knows(void)
{
	is_a_fault(0, chunk(0));
	is_a_fault(3, chunk(0));
	is_a_fault(~0u, chunk(0));
}

/* Each queue of each device: that device stops, the others go on, and the memory stays. */
static void memory_of_queues(void)
{
	struct device *devices[16];
	struct co_vq *queue;
	u32 i, j, n = 0;
	u64 part;

	zoo_open();
	for (i = 0; i < zoo_animals; i++) {
		for (j = 0; j < n && devices[j] != zoo[i].device; j++)
			;
		if (j == n)
			devices[n++] = zoo[i].device;
	}
	for (i = 0; i < n; i++)
		zoo_start(devices[i], 0);
	devices[0]->vm->created.note_flags = CO_NOTE_BALLOON;
	balloon_open(&balloon, devices[0]->vm);
	wish(BALLOON_AUTO);
	for (i = 0; i < zoo_animals; i++) {
		/* as if only this one were there: they all lie close together */
		queue = &zoo[i].device->regs->vq[zoo[i].number];
		CHECK(queue->size);
		for (j = 0; j < 3; j++) {
			part = (j == 0 ? queue->desc : j == 1 ? queue->avail : queue->used) & ~(CHUNK - 1);
			fake.comm->chunk = CO_CHUNK_REFUSED;
			CHECK(!balloon_asked(&balloon, &zoo[i].device, 1, CO_CHUNK_GIVE, part, &error));
			CHECK_EQUAL(fake.comm->chunk, CO_CHUNK_REFUSED);
			CHECK(guest_memory_at(&devices[0]->vm->memory, part, CHUNK));
			CHECK(device_is_broken(zoo[i].device) && zoo_needs_reset(&zoo[i]));
			for (u32 k = 0; k < n; k++)
				CHECK_EQUAL(device_is_broken(devices[k]), devices[k] == zoo[i].device);
			zoo_start(zoo[i].device, 0);
			queue = &zoo[i].device->regs->vq[zoo[i].number];
		}
	}
	/* a device whose driver has gone has no queues */
	for (i = 0; i < n; i++)
		device_reset(devices[i]);
	fake.comm->chunk = CO_CHUNK_REFUSED;
	CHECK(!balloon_asked(&balloon, devices, n, CO_CHUNK_GIVE, 88 * MIB, &error));
	CHECK_EQUAL(fake.comm->chunk, CO_CHUNK_DONE);
	zoo_close();
}

/* A queue's end may lie in another chunk than its start. */
static void where_queues_end(void)
{
	static u8 place[4096];
	struct vring ring = { .size = 16, .desc = place + 100, .avail = (u16 *)(place + 1000),
			      .used = place + 2000 };

	CHECK(vring_overlaps(&ring, place + 100 + 255, 1) && !vring_overlaps(&ring, place + 100 + 256, 1));
	CHECK(vring_overlaps(&ring, place + 100, 1) && !vring_overlaps(&ring, place, 100));
	CHECK(vring_overlaps(&ring, place + 1000 + 37, 1) && !vring_overlaps(&ring, place + 1000 + 38, 1));
	CHECK(vring_overlaps(&ring, place + 2000 + 133, 1) && !vring_overlaps(&ring, place + 2000 + 134, 1));
	CHECK(vring_overlaps(&ring, place + 10, 4000) && !vring_overlaps(&ring, place + 500, 500));
	ring.size = 0;
	CHECK(!vring_overlaps(&ring, place, sizeof(place)));
}

/* --- who has a balloon --- */

static void others_are_told_why(void)
{
	struct co_note note = { .flags = 0 };

	CHECK(!balloon_refusal(CO_NOTE_BALLOON | CO_NOTE_LA57));
	CHECK_TEXT(balloon_refusal(CO_NOTE_I386), "Linux 6.1 for x86_64");
	fake.can_hide = false;
	CHECK_TEXT(balloon_refusal(CO_NOTE_BALLOON), "Linux hosts do");
	fake.can_hide = true;
	CHECK(!vm_open(&vm, &error) && !vm_create(&vm, 80 << 20, 0, &note, &error));
	balloon_open(&balloon, &vm);
	CHECK_TEXT(told(), "\"balloon\":null");
	CHECK(balloon_keep(&balloon, 72, &error));
	CHECK_TEXT(error.text, "Linux 6.1 for x86_64");
	is_refused(CO_CHUNK_GIVE, chunk(0));
	CHECK_EQUAL(fake.balloons, 0);
	CHECK_EQUAL(fake.gives, 0);
	vm_close(&vm);
}

static void wishes_have_bounds(void)
{
	static const u32 wrong[] = { 0, 1, 15, 81, 4096, 0x7fffffff };
	u32 i;

	set_up();
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		CHECK(balloon_keep(&balloon, wrong[i], &error));
		CHECK_TEXT(error.text, "can keep 16 to 80");
	}
	CHECK_EQUAL(fake.balloons, 0);
	wish(80);
	CHECK_EQUAL(fake.comm->balloon, 0);
	wish(16);
	CHECK_EQUAL(fake.comm->balloon, 16);
	wish(77);	/* 80: whole chunks, and not less than was asked for */
	CHECK_EQUAL(fake.comm->balloon, 0);
	CHECK_TEXT(told(), "\"target_mib\":80");
	CHECK_EQUAL(fake.events, CO_EVENT_BALLOON);
	vm_close(&vm);
}

const struct test tests[] = {
	{ "a_chunk_goes_and_comes", a_chunk_goes_and_comes },
	{ "many_go_and_come", many_go_and_come },
	{ "refusals_are_no_faults", refusals_are_no_faults },
	{ "memory_that_cannot_be_seen_ends_the_guest", memory_that_cannot_be_seen_ends_the_guest },
	{ "what_is_not_its_own", what_is_not_its_own },
	{ "twice", twice },
	{ "what_nobody_knows", what_nobody_knows },
	{ "memory_of_queues", memory_of_queues },
	{ "where_queues_end", where_queues_end },
	{ "others_are_told_why", others_are_told_why },
	{ "wishes_have_bounds", wishes_have_bounds },
	{ 0 }
};

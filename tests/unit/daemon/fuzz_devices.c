// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_devices DEVICE SEED COUNT: a guest that follows the rules now and then. Each of COUNT
 * rounds sets the device up ("all": one of them), scribbles over its descriptors, rings,
 * buffers and registers, rings doorbells, and gives memory away; the device may stop working until its next
 * reset, and do nothing else. Prints for each queue how many of its requests were served;
 * without arguments, which devices there are.
 */
#include <sched.h>

#include "balloon.h"
#include "check.h"
#include "fuzz.h"
#include "zoo.h"

#define RUNNING (VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK | VIRTIO_S_DRIVER_OK)

#define PATIENCE	50u	/* times that somebody else may run */

static u64 arena, arena_bytes;

/* An address: mostly good, sometimes at an edge, sometimes nonsense. */
static u64 some_address(void)
{
	const struct co_range *range = fake.create.range;
	const u64 edges[] = {
		0, range[0].start - 8, range[0].start, range[0].start + range[0].bytes - 8,
		range[1].start - 1, range[1].start + range[1].bytes - 1, ~0ull, ~0ull - 511, 0x700000,
	};

	switch (one_of(8)) {
	case 0:
		return edges[one_of(sizeof(edges) / sizeof(*edges))];
	case 1:
		return random_number();
	}
	return arena + one_of(arena_bytes / 2);
}

static u32 some_length(void)
{
	static const u32 lengths[] = { 0, 1, 15, 16, 17, 31, 32, 48, 512, 1024, 4096, 0x7fffffff, 0xffffffff };

	return one_of(4) ? lengths[one_of(sizeof(lengths) / sizeof(*lengths))] : one_of(5000);
}

static void some_descriptor(struct vring_desc *desc, u32 number)
{
	desc->addr = some_address();
	desc->len = some_length();
	desc->flags = one_of(3) ? one_of(4) : one_of(8);
	desc->next = one_of(8) ? (number + 1) % ZOO_QUEUE : random_number();
}

/* One part of a good request is another one. */
static void spoil(struct vring_desc *desc)
{
	switch (one_of(5)) {
	case 0:
		desc->addr = some_address();
		break;
	case 1:
		desc->len = some_length();
		break;
	case 2:
		desc->flags ^= 1u << one_of(3);
		break;
	case 3:
		desc->next = one_of(2) ? one_of(ZOO_QUEUE) : random_number();
		break;
	default:
		/* a table of descriptors, which holds anything */
		*desc = (struct vring_desc){ arena + 16 * one_of(64), 16 * one_of(ZOO_QUEUE + 2), VRING_DESC_INDIRECT, 0 };
	}
}

/* A good request or one with a fault, in front of noise; what is in it is good, too, or has faults. */
static void scribble(struct animal *animal)
{
	struct queue *queue = zoo_queue(animal);
	struct vring_desc *table = fake_at(arena, 128 * sizeof(*table));
	struct buffer buffers[ZOO_BUFFERS];
	u32 i, count;

	for (i = 0; i < ZOO_QUEUE; i++)
		some_descriptor(&queue->desc[i], i);
	if (!one_of(4))
		for (i = 0; i < 128; i++)
			some_descriptor(&table[i], i);
	count = animal->request(buffers);
	queue->next_desc = 0;
	queue_chain(queue, buffers, count);
	if (one_of(2))
		spoil(&queue->desc[one_of(count)]);
	for (i = one_of(2) ? one_of(4) : 0; i; i--)
		*(u8 *)fake_at(arena + one_of(64), 1) = one_of(2) ? one_of(16) : random_number();
	for (i = one_of(4) + 1; i; i--)
		queue_offer(queue, one_of(2) ? 0 : one_of(8) ? one_of(ZOO_QUEUE) : random_number());
	if (!one_of(16))
		queue->avail[1] = random_number();
	if (!one_of(16))
		*queue_used_event(queue) = random_number();
}

static void write_status(struct device *device, u32 status)
{
	device->regs->status = status;
	device_status_written(device);
}

/* Its queues set up, most of the time as they should be. */
static void set_up(struct animal *animals, u32 count)
{
	struct device *device = animals->device;
	struct co_vdev *registers = device->regs;
	u32 i;

	write_status(device, 0);
	registers->driver_features = one_of(8) ? registers->features : random_number() & registers->features;
	write_status(device, one_of(32) ? RUNNING & ~VIRTIO_S_DRIVER_OK : random_number());
	for (i = 0; i < device->ops->nqueues; i++)
		queue_setup(zoo_queue_of(device, i), device->index, i, ZOO_QUEUE);
	for (i = 0; i < count; i++)
		scribble(&animals[i]);
	if (!one_of(32))
		registers->vq[one_of(CO_VQ_MAX)] = (struct co_vq){
			random_number(), one_of(300), some_address(), some_address(), some_address() };
	if (!one_of(64))
		memset(registers, random_number(), sizeof(*registers));
	write_status(device, RUNNING);
}

/* Has it nothing to do any more, or what it was provoked to do done? */
static bool is_done(const struct animal *animal, bool provoked, u16 before)
{
	const struct queue *queue = zoo_queue(animal);
	u16 used = __atomic_load_n(&queue->used[1], __ATOMIC_SEQ_CST);

	return animal->provoke ? !provoked || used != before : used == queue->avail[1];
}

/* Memory that it gives away and takes, mostly its own, sometimes that of a device's queues. */
static void some_balloon(struct device *device)
{
	static struct balloon balloon;
	struct device *devices[] = { device };
	static FILE *nowhere, *screen;
	struct error error;
	u64 chunk = some_address();
	u32 i;

	if (!balloon.vm) {
		device->vm->created.note_flags = CO_NOTE_BALLOON;
		balloon_open(&balloon, device->vm);
		CHECK(!balloon_keep(&balloon, BALLOON_AUTO, &error));
	}
	if (one_of(4))
		chunk = (one_of(4) ? fake.create.range[1].start + one_of(9) * CO_CHUNK_SIZE : chunk) & ~(CO_CHUNK_SIZE - 1);
	/* it says once in a guest's life what was wrong; here there are thousands */
	screen = stderr;
	stderr = nowhere = nowhere ? nowhere : fopen("/dev/null", "w");
	CHECK(!balloon_asked(&balloon, devices, 1, one_of(16) ? 1 + one_of(2) : random_number(), chunk, &error));
	stderr = screen;
	balloon.broken = false;
	/* what the devices' own requests need comes back at once */
	for (i = 0; i < fake.create.range[0].bytes / CO_CHUNK_SIZE; i++) {
		chunk = fake.create.range[0].start + i * CO_CHUNK_SIZE;
		if (guest_memory_is_hidden(&device->vm->memory, chunk))
			CHECK(!balloon_asked(&balloon, devices, 1, CO_CHUNK_TAKE, chunk, &error));
	}
}

static void round_on(struct animal *animals, u32 count, u64 *served)
{
	struct device *device = animals->device;
	bool provoked[2] = { false };
	u16 before[2] = { 0 };
	u32 number, most, tries;

	set_up(animals, count);
	for (number = one_of(4); number; number--) {
		u32 which = one_of(count);
		struct animal *animal = &animals[which];

		scribble(animal);
		/* a network's frames are few enough for its cable */
		if (animal->provoke && zoo_wire_is_idle() && one_of(4)) {
			before[which] = __atomic_load_n(&zoo_queue(animal)->used[1], __ATOMIC_SEQ_CST);
			provoked[which] = true;
			animal->provoke();
		}
		device_kicked(device, one_of(3));
		if (!one_of(8))
			some_balloon(device);
	}
	/* most of the time its thread gets to what was offered before the reset; a busy machine may be late */
	for (tries = one_of(4) ? PATIENCE : 0; tries && !zoo_needs_reset(animals); tries--) {
		for (number = 0; number < count && is_done(&animals[number], provoked[number], before[number]); number++)
			;
		if (number == count)
			break;
		/* of a network, the first frames after its start may come before the device is up */
		if (animals[number].provoke && zoo_wire_is_idle())
			animals[number].provoke();
		sched_yield();
	}
	write_status(device, 0);	/* waits until the device is at rest */
	CHECK_EQUAL(device->regs->status, 0);
	for (number = 0; number < count; number++)
		for (most = 100; most && queue_take(zoo_queue(&animals[number]), NULL, NULL); most--)
			served[number]++;
}

/* The animals of one device, which stand side by side: its queues. */
static u32 queues_of(u32 first)
{
	u32 count = 1;

	while (first + count < zoo_animals && zoo[first + count].device == zoo[first].device)
		count++;
	return count;
}

int main(int argc, char **argv)
{
	u64 count, served[32] = { 0 }, start;
	u32 first[16], devices = 0, queues, i;

	CHECK(argc == 4 || argc == 1);
	zoo_open();
	for (i = 0; i < zoo_animals && argc == 1; i += queues_of(i))
		puts(zoo[i].device->name);
	if (argc == 1) {
		zoo_close();
		return 0;
	}
	random_begin(argv[2]);
	for (i = 0; i < zoo_animals; i += queues_of(i))
		if (!strcmp(argv[1], "all") || !strcmp(argv[1], zoo[i].device->name))
			first[devices++] = i;
	CHECK(devices);
	arena = zoo_arena(&arena_bytes);
	start = guest_alloc(0, 4096);
	for (count = strtoull(argv[3], NULL, 10); count; count--) {
		guest_release(start);
		i = first[one_of(devices)];
		queues = queues_of(i);
		/* one of them alone, half of the time: a fault in another would stop it soon */
		if (one_of(2)) {
			i += one_of(queues);
			queues = 1;
		}
		round_on(&zoo[i], queues, &served[i]);
	}
	for (i = 0; i < zoo_animals; i++)
		if (!strcmp(argv[1], "all") || !strcmp(argv[1], zoo[i].device->name))
			printf("%llu\n", (unsigned long long)served[i]);
	zoo_close();
	return 0;
}

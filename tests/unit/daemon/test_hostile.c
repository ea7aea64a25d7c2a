// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests that break the rules of virtqueues, each rule at each queue of each device: the
 * device says what was wrong and stops, all the others go on, and a driver that begins
 * with it anew is served. What is the same for all devices is tested here; what only one of
 * them knows, in its own test.
 */
#include "zoo.h"

#include <unistd.h>

#include "check.h"

/* What is said goes into `told` meanwhile; a failing check must still be seen. */
static FILE *screen;
static char *told;
static size_t told_bytes;

static void listen(void)
{
	if (!screen)
		screen = stderr;
	stderr = open_memstream(&told, &told_bytes);
	CHECK(stderr);
}

static void stop_listening(void)
{
	fclose(stderr);
	stderr = screen;
}

/* --- a request that is kept, and one that is not --- */

static u16 write_request(struct animal *animal)
{
	struct buffer buffers[ZOO_BUFFERS];

	return queue_chain(zoo_queue(animal), buffers, animal->request(buffers));
}

/* The device looks at what was offered; one that fills a queue by itself has to have something. */
static void look(struct animal *animal)
{
	device_kicked(animal->device, animal->number);
	if (animal->provoke)
		animal->provoke();
}

static void is_served(struct animal *animal, u16 head)
{
	u32 taken;

	while (!queue_take(zoo_queue(animal), &taken, NULL)) {
		CHECK(!zoo_needs_reset(animal));
		/* of a network, the first frames after its start may come before the device is up */
		if (animal->provoke && zoo_wire_is_idle())
			animal->provoke();
		usleep(100);
	}
	CHECK_EQUAL(taken, head);
}

static void works(struct animal *animal)
{
	u16 head = write_request(animal);

	queue_offer(zoo_queue(animal), head);
	look(animal);
	is_served(animal, head);
}

static void everybody_works_but(const struct animal *broken)
{
	u32 i;

	for (i = 0; i < zoo_animals; i++)
		if (!broken || zoo[i].device != broken->device)
			works(&zoo[i]);
}

static void start_everybody(void)
{
	u32 i;

	for (i = 0; i < zoo_animals; i++)
		if (!i || zoo[i].device != zoo[i - 1].device)
			zoo_start(zoo[i].device, 0);
}

/* --- how a request is spoilt; the queue has SIZE entries, head is written and not offered --- */

static struct vring_desc *desc(struct animal *animal, u16 head)
{
	return &zoo_queue(animal)->desc[head % ZOO_QUEUE];
}

static u64 end_of_memory(u32 range)
{
	return fake.create.range[range].start + fake.create.range[range].bytes;
}

static void at_zero(struct animal *animal, u16 head)
{
	desc(animal, head)->addr = 0;
}

static void before_memory(struct animal *animal, u16 head)
{
	desc(animal, head)->addr = fake.create.range[1].start - 1;
}

static void behind_memory(struct animal *animal, u16 head)
{
	desc(animal, head)->addr = end_of_memory(1);
}

static void across_the_end(struct animal *animal, u16 head)
{
	desc(animal, head)->addr = end_of_memory(0) - desc(animal, head)->len + 1;
}

static void around_the_corner(struct animal *animal, u16 head)
{
	desc(animal, head)->addr = ~0ull - 3;
}

static void in_the_drivers_pages(struct animal *animal, u16 head)
{
	desc(animal, head)->addr = CO_MMAP_DEVICES;
}

static void in_the_shared_area(struct animal *animal, u16 head)
{
	desc(animal, head)->addr = fake.create.area_phys;
}

static void second_one_outside(struct animal *animal, u16 head)
{
	desc(animal, head + 1)->addr = 0x1000;
}

static void four_gigabytes(struct animal *animal, u16 head)
{
	desc(animal, head)->len = ~0u;
}

static void of_no_length(struct animal *animal, u16 head)
{
	desc(animal, head)->len = 0;
}

static void loop_of_one(struct animal *animal, u16 head)
{
	desc(animal, head)->flags |= VRING_DESC_NEXT;
	desc(animal, head)->next = head;
}

static void loop_of_two(struct animal *animal, u16 head)
{
	desc(animal, head + 1)->flags = desc(animal, head)->flags;
	desc(animal, head + 1)->next = head;
}

static void successor_beyond(struct animal *animal, u16 head)
{
	desc(animal, head)->next = ZOO_QUEUE;
}

static void successor_far_beyond(struct animal *animal, u16 head)
{
	desc(animal, head)->next = 0xffff;
}

static void read_behind_write(struct animal *animal, u16 head)
{
	desc(animal, head)->flags |= VRING_DESC_WRITE;
	desc(animal, head + 1)->flags &= ~VRING_DESC_WRITE;
}

/* --- the same with indirect tables --- */

/* The request's descriptors, moved into a table; descriptor `head` names it. */
static struct vring_desc *make_indirect(struct animal *animal, u16 head, u32 entries)
{
	u64 at = guest_alloc(16ull * entries, 16);
	struct vring_desc *table = fake_at(at, 16ull * entries);
	u32 i;

	for (i = 0; i < entries; i++) {
		table[i] = *desc(animal, head + i);
		table[i].next = i + 1;
	}
	*desc(animal, head) = (struct vring_desc){ at, 16 * entries, VRING_DESC_INDIRECT, 0 };
	return table;
}

static void table_outside(struct animal *animal, u16 head)
{
	make_indirect(animal, head, 2);
	desc(animal, head)->addr = end_of_memory(1) - 16;
}

static void table_of_a_piece(struct animal *animal, u16 head)
{
	make_indirect(animal, head, 2);
	desc(animal, head)->len = 24;
}

static void table_of_nothing(struct animal *animal, u16 head)
{
	make_indirect(animal, head, 2);
	desc(animal, head)->len = 0;
}

static void table_too_long(struct animal *animal, u16 head)
{
	make_indirect(animal, head, 2);
	desc(animal, head)->len = 16 * (ZOO_QUEUE + 1);
}

static void table_of_a_table(struct animal *animal, u16 head)
{
	struct vring_desc *table = make_indirect(animal, head, 2);

	table[0] = *desc(animal, head);
}

static void table_with_successor(struct animal *animal, u16 head)
{
	make_indirect(animal, head, 2);
	desc(animal, head)->flags |= VRING_DESC_NEXT;
}

static void successor_beyond_the_table(struct animal *animal, u16 head)
{
	make_indirect(animal, head, 2)[0].next = 2;
}

static void loop_in_a_table(struct animal *animal, u16 head)
{
	make_indirect(animal, head, 2)[0].next = 0;
}

static void outside_from_a_table(struct animal *animal, u16 head)
{
	make_indirect(animal, head, 2)[1].addr = 0x1000;
}

static void good_table(struct animal *animal, u16 head)
{
	make_indirect(animal, head, 2);
}

/* --- the available ring: these offer by themselves --- */

static void entry_beyond(struct animal *animal, u16 head)
{
	(void)head;
	queue_offer(zoo_queue(animal), ZOO_QUEUE);
}

static void entry_far_beyond(struct animal *animal, u16 head)
{
	(void)head;
	queue_offer(zoo_queue(animal), 0xffff);
}

static void index_runs_ahead(struct animal *animal, u16 head)
{
	(void)head;
	zoo_queue(animal)->avail[1] += ZOO_QUEUE + 1;
}

static void index_runs_back(struct animal *animal, u16 head)
{
	(void)head;
	zoo_queue(animal)->avail[1]--;
}

static void index_runs_far(struct animal *animal, u16 head)
{
	(void)head;
	zoo_queue(animal)->avail[1] += 0x8000;
}

struct fault {
	void (*spoil)(struct animal *animal, u16 head);
	const char *why;	/* is said of it */
	bool offers;
	u64 without;		/* features that the driver does not take */
};

static const struct fault faults[] = {
	{ at_zero, "a buffer lies outside guest memory (0x0)", false, 0 },
	{ before_memory, "a buffer lies outside guest memory", false, 0 },
	{ behind_memory, "a buffer lies outside guest memory", false, 0 },
	{ across_the_end, "a buffer lies outside guest memory", false, 0 },
	{ around_the_corner, "a buffer lies outside guest memory (0xfffffffffffffffc)", false, 0 },
	{ in_the_drivers_pages, "a buffer lies outside guest memory", false, 0 },
	{ in_the_shared_area, "a buffer lies outside guest memory (0x700000)", false, 0 },
	{ second_one_outside, "a buffer lies outside guest memory (0x1000)", false, 0 },
	{ four_gigabytes, "a buffer lies outside guest memory", false, 0 },
	{ of_no_length, "a buffer is empty", false, 0 },
	{ loop_of_one, "or a loop", false, 0 },
	{ loop_of_two, "or a loop", false, 0 },
	{ successor_beyond, "a descriptor's successor does not exist (0x10)", false, 0 },
	{ successor_far_beyond, "a descriptor's successor does not exist (0xffff)", false, 0 },
	{ read_behind_write, "a readable buffer follows a writable one", false, 0 },
	{ table_outside, "an indirect table lies outside guest memory", false, 0 },
	{ table_of_a_piece, "an indirect table has a bad length (0x18)", false, 0 },
	{ table_of_nothing, "an indirect table has a bad length (0x0)", false, 0 },
	{ table_too_long, "an indirect table has a bad length (0x110)", false, 0 },
	{ table_of_a_table, "an indirect table names another one", false, 0 },
	{ table_with_successor, "an indirect descriptor has a successor", false, 0 },
	{ successor_beyond_the_table, "a descriptor's successor does not exist (0x2)", false, 0 },
	{ loop_in_a_table, "or a loop", false, 0 },
	{ outside_from_a_table, "a buffer lies outside guest memory (0x1000)", false, 0 },
	{ good_table, "an indirect descriptor was not negotiated", false, VIRTIO_F_INDIRECT_DESC },
	{ entry_beyond, "an available entry names no descriptor (0x10)", true, 0 },
	{ entry_far_beyond, "an available entry names no descriptor (0xffff)", true, 0 },
	{ index_runs_ahead, "the available index jumped", true, 0 },
	{ index_runs_back, "the available index jumped", true, 0 },
	{ index_runs_far, "the available index jumped", true, 0 },
};

/* Waits until the device has given up on its guest. */
static void breaks(struct animal *animal)
{
	while (!zoo_needs_reset(animal)) {
		if (animal->provoke && zoo_wire_is_idle())
			animal->provoke();
		usleep(100);
	}
}

/* Said once, with the device's name and the reason; and a broken device does nothing more. */
static void is_told(struct animal *animal, const char *why, u32 used)
{
	char line[300];

	stop_listening();
	snprintf(line, sizeof(line), "colinux-daemon: %s: the guest's driver broke the rules, the device stops until it is reset: ",
		 animal->device->name);
	CHECK_TEXT(told, line);
	CHECK_TEXT(told, why);
	CHECK(strchr(told, '\n') == told + strlen(told) - 1);
	free(told);
	CHECK_EQUAL(zoo_queue(animal)->used[1], used);
	CHECK(animal->device->regs->isr & CO_ISR_CONFIG);
}

static void commit(struct animal *animal, const struct fault *fault)
{
	u16 head, used;

	zoo_start(animal->device, fault->without);
	works(animal);
	head = write_request(animal);
	used = zoo_queue(animal)->used[1];
	fault->spoil(animal, head);
	/* of each fault the message is looked at, and a guest gets only some printed */
	animal->device->complaints = 0;
	listen();
	if (!fault->offers)
		queue_offer(zoo_queue(animal), head);
	look(animal);
	breaks(animal);
	is_told(animal, fault->why, used);
	/* rung for again, it stays as it is */
	look(animal);
	everybody_works_but(animal);
	CHECK_EQUAL(zoo_queue(animal)->used[1], used);
	zoo_start(animal->device, 0);
	works(animal);
}

/* Requests of one direction alone: refused where the device knows no such, served where they are only empty. */
static void turn_round(struct animal *animal, bool writable)
{
	bool ends = writable ? animal->ends_with_writable : animal->ends_with_readable;
	struct buffer buffers[ZOO_BUFFERS];
	u32 count, i;
	u16 head;

	zoo_start(animal->device, 0);
	works(animal);
	count = animal->request(buffers);
	for (i = 0; i < count; i++)
		buffers[i].write = writable;
	head = queue_chain(zoo_queue(animal), buffers, count);
	queue_offer(zoo_queue(animal), head);
	look(animal);
	if (ends)
		breaks(animal);
	else
		is_served(animal, head);
	everybody_works_but(animal);
	zoo_start(animal->device, 0);
	works(animal);
}

static void try_all(const char *name)
{
	struct animal *animal = zoo;
	size_t i;

	zoo_open();
	start_everybody();
	while (strcmp(animal->name, name))
		CHECK(++animal < zoo + zoo_animals);
	everybody_works_but(NULL);
	/* each has to be found and told: breaks() waits until it is */
	for (i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		commit(animal, &faults[i]);
	turn_round(animal, false);
	turn_round(animal, true);
	everybody_works_but(NULL);
	zoo_close();
}

/* A test for each queue: its name is the animal's, with _ for a blank. */

static void console_receive(void)
{
	try_all("console receive");
}

static void console_transmit(void)
{
	try_all("console transmit");
}

static void cobd0(void)
{
	try_all("cobd0");
}

static void cobd1(void)
{
	try_all("cobd1");
}

static void cofs0(void)
{
	try_all("cofs0");
}

static void ttys0_receive(void)
{
	try_all("ttys0 receive");
}

static void ttys0_transmit(void)
{
	try_all("ttys0 transmit");
}

static void eth0_receive(void)
{
	try_all("eth0 receive");
}

static void eth0_transmit(void)
{
	try_all("eth0 transmit");
}

static void rng(void)
{
	try_all("rng");
}

static void every_queue_has_its_test(void)
{
	const struct test *test;
	char name[40];
	u32 i, at;

	for (i = 0; i < zoo_animals; i++) {
		snprintf(name, sizeof(name), "%s", zoo[i].name);
		for (at = 0; name[at]; at++)
			if (name[at] == ' ')
				name[at] = '_';
		for (test = tests; test->name && strcmp(test->name, name); test++)
			;
		if (!test->name)
			check_no_text(__FILE__, __LINE__, "tests[]", name);
	}
}

/* --- queues that cannot be: refused when the driver says that it is ready --- */

static void queues_that_cannot_be(void)
{
	static const struct {
		u32 size;
		u64 desc, avail, used;	/* added */
		const char *why;
	} wrong[] = {
		{ 7, 0, 0, 0, "its size is no power of two that was offered" },
		{ 0x8000, 0, 0, 0, "its size is no power of two that was offered" },
		{ ~0u, 0, 0, 0, "its size is no power of two that was offered" },
		{ ZOO_QUEUE, 8, 0, 0, "it is not aligned" },
		{ ZOO_QUEUE, 0, 1, 0, "it is not aligned" },
		{ ZOO_QUEUE, 0, 0, 2, "it is not aligned" },
		{ ZOO_QUEUE, 1ull << 40, 0, 0, "it lies outside guest memory" },
		{ ZOO_QUEUE, 0, 1ull << 40, 0, "it lies outside guest memory" },
		{ ZOO_QUEUE, 0, 0, 1ull << 40, "it lies outside guest memory" },
		{ ZOO_QUEUE, 0, 0, 0ull - (1ull << 32), "it lies outside guest memory" },
	};
	u32 ready = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK;
	size_t i;
	u32 n;

	zoo_open();
	start_everybody();
	for (n = 0; n < zoo_animals; n++)
		for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
			struct device *device = zoo[n].device;
			struct co_vq *registers = &device->regs->vq[zoo[n].number];
			struct co_vq good = *registers;
			char which[20];

			device->regs->status = 0;
			device_status_written(device);
			device->regs->driver_features = device->regs->features;
			device->regs->status = ready;
			device_status_written(device);
			*registers = (struct co_vq){
				good.size_max, wrong[i].size, good.desc + wrong[i].desc,
				good.avail + wrong[i].avail, good.used + wrong[i].used,
			};
			device->complaints = 0;
			listen();
			device->regs->status = ready | VIRTIO_S_DRIVER_OK;
			device_status_written(device);
			breaks(&zoo[n]);
			stop_listening();
			CHECK_TEXT(told, device->name);
			snprintf(which, sizeof(which), ": queue %u: ", zoo[n].number);
			CHECK_TEXT(told, which);
			CHECK_TEXT(told, wrong[i].why);
			free(told);
			everybody_works_but(&zoo[n]);
			zoo_start(device, 0);
			works(&zoo[n]);
		}
	zoo_close();
}

const struct test tests[] = {
	{ "console_receive", console_receive },
	{ "console_transmit", console_transmit },
	{ "cobd0", cobd0 },
	{ "cobd1", cobd1 },
	{ "cofs0", cofs0 },
	{ "ttys0_receive", ttys0_receive },
	{ "ttys0_transmit", ttys0_transmit },
	{ "eth0_receive", eth0_receive },
	{ "eth0_transmit", eth0_transmit },
	{ "rng", rng },
	{ "every_queue_has_its_test", every_queue_has_its_test },
	{ "queues_that_cannot_be", queues_that_cannot_be },
	{ 0 },
};

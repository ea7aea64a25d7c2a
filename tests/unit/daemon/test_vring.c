// SPDX-License-Identifier: GPL-2.0-only
/* Virtqueues, device side: what the rules promise, and what a hostile guest tries. */
#include "vring.h"

#include "check.h"
#include "guest.h"
#include "vm.h"

#define FEATURES (VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC)

static struct vm vm;
static struct vring ring;
static struct chain chain;
static struct queue queue;
static u64 page;	/* a page of guest memory for buffers */

static void set_up(u16 size, u64 features)
{
	struct co_note note = { 0 };
	struct error error = { 0 };
	struct co_vq registers;

	CHECK(!vm_open(&vm, &error));
	CHECK(!vm_create(&vm, 80 << 20, 0, &note, &error));
	queue_setup(&queue, 0, 0, size);
	registers = vm.devices[0].vq[0];
	CHECK(!vring_setup(&ring, &vm.memory, &registers, VRING_SIZE_MAX, features));
	page = guest_alloc(4096, 4096);
}

static void expect_broken(const char *why)
{
	CHECK_EQUAL(vring_pop(&ring, &chain), VRING_BROKEN);
	CHECK_TEXT(ring.problem, why);
}

/* --- the rules kept --- */

static void chains_come_in_order(void)
{
	struct buffer buffers[] = { { 0, 16, false }, { 0, 100, false }, { 0, 512, true }, { 0, 1, true } };
	u32 round, i, head, written;

	set_up(8, FEATURES);
	CHECK_EQUAL(vring_pop(&ring, &chain), VRING_EMPTY);
	/* more rounds than a 16-bit index has values */
	for (round = 0; round < 70000; round++) {
		u16 offered;

		for (i = 0; i < 4; i++)
			buffers[i].address = page + 512 * i;
		buffers[0].bytes = 16 + round % 32;
		offered = queue_chain(&queue, buffers, 4);
		queue_offer(&queue, offered);
		CHECK_EQUAL(vring_pop(&ring, &chain), VRING_CHAIN);
		CHECK_EQUAL(chain.head, offered);
		CHECK_EQUAL(chain.nread, 2);
		CHECK_EQUAL(chain.nwrite, 2);
		CHECK_EQUAL(chain.read_bytes, 116 + round % 32);
		CHECK_EQUAL(chain.write_bytes, 513);
		memset(chain.iov[2].base, round, 512);
		vring_push(&ring, chain.head, 7);
		CHECK(queue_take(&queue, &head, &written));
		CHECK_EQUAL(head, offered);
		CHECK_EQUAL(written, 7);
		CHECK_EQUAL(*(u8 *)fake_at(page + 1024, 1), round & 0xff);
		CHECK_EQUAL(vring_pop(&ring, &chain), VRING_EMPTY);
	}
}

static void indirect_chain(void)
{
	struct buffer buffers[] = { { 0, 16, false }, { 0, 512, true } };

	set_up(4, FEATURES);
	buffers[0].address = page;
	buffers[1].address = page + 16;
	queue_offer(&queue, queue_indirect(&queue, buffers, 2));
	CHECK_EQUAL(vring_pop(&ring, &chain), VRING_CHAIN);
	CHECK_EQUAL(chain.nread, 1);
	CHECK_EQUAL(chain.nwrite, 1);
	CHECK_EQUAL(chain.write_bytes, 512);
}

static void full_queue(void)
{
	struct buffer buffer = { 0, 64, false };
	u32 i;

	set_up(4, FEATURES);
	buffer.address = page;
	for (i = 0; i < 4; i++)
		queue_offer(&queue, queue_chain(&queue, &buffer, 1));
	for (i = 0; i < 4; i++)
		CHECK_EQUAL(vring_pop(&ring, &chain), VRING_CHAIN);
	CHECK_EQUAL(vring_pop(&ring, &chain), VRING_EMPTY);
}

/* 2.7.7: the guest says with used_event after which entry it wants an interrupt. */
static void event_index_of_the_guest(void)
{
	struct buffer buffer = { 0, 64, false };
	u32 i;

	set_up(16, FEATURES);
	buffer.address = page;
	for (i = 0; i < 10; i++)
		queue_offer(&queue, queue_chain(&queue, &buffer, 1));
	*queue_used_event(&queue) = 4;	/* tell me when entry 4 is used */
	for (i = 0; i < 10; i++) {
		CHECK_EQUAL(vring_pop(&ring, &chain), VRING_CHAIN);
		vring_push(&ring, chain.head, 0);
		/* the first decision is always yes: there is no "before" */
		CHECK_EQUAL(vring_wants_interrupt(&ring), i == 0 || i == 4);
	}
}

/* 2.7.10: the device says with avail_event when the guest shall ring. */
static void event_index_of_the_device(void)
{
	struct buffer buffer = { 0, 64, false };
	u16 old;

	set_up(16, FEATURES);
	buffer.address = page;
	CHECK(!vring_listen(&ring));
	old = queue.avail[1];
	queue_offer(&queue, queue_chain(&queue, &buffer, 1));
	CHECK(queue_must_ring(&queue, old));
	vring_ignore(&ring);
	CHECK_EQUAL(vring_pop(&ring, &chain), VRING_CHAIN);
	/* at work: further chains ring no bell, and listening finds them */
	old = queue.avail[1];
	queue_offer(&queue, queue_chain(&queue, &buffer, 1));
	CHECK(!queue_must_ring(&queue, old));
	CHECK(vring_listen(&ring));
	CHECK_EQUAL(vring_pop(&ring, &chain), VRING_CHAIN);
	CHECK(!vring_listen(&ring));
	old = queue.avail[1];
	queue_offer(&queue, queue_chain(&queue, &buffer, 1));
	CHECK(queue_must_ring(&queue, old));
}

static void flags_without_event_index(void)
{
	set_up(4, VIRTIO_F_VERSION_1);
	CHECK(vring_wants_interrupt(&ring));
	queue.avail[0] = VRING_AVAIL_NO_INTERRUPT;
	CHECK(!vring_wants_interrupt(&ring));
	vring_ignore(&ring);
	CHECK_EQUAL(queue.used[0], VRING_USED_NO_NOTIFY);
	CHECK(!vring_listen(&ring));
	CHECK_EQUAL(queue.used[0], 0);
}

/* --- the rules broken --- */

static void registers_are_checked(void)
{
	struct co_vq good, bad;

	set_up(8, FEATURES);
	good = vm.devices[0].vq[0];
#define REFUSED(field, value, why) do { \
	const char *problem; \
	bad = good; \
	bad.field = value; \
	problem = vring_setup(&ring, &vm.memory, &bad, 128, FEATURES); \
	CHECK(problem); \
	CHECK_TEXT(problem, why); \
} while (0)
	REFUSED(size, 0, "power of two");
	REFUSED(size, 7, "power of two");
	REFUSED(size, 256, "power of two");
	REFUSED(size, 0x80000000u, "power of two");
	REFUSED(desc, good.desc + 8, "aligned");
	REFUSED(avail, good.avail + 1, "aligned");
	REFUSED(used, good.used + 2, "aligned");
	REFUSED(desc, 0, "outside");
	REFUSED(avail, ~1ull, "outside");
	REFUSED(used, ~3ull, "outside");
	/* begins inside, ends outside */
	REFUSED(desc, fake.create.range[0].start + fake.create.range[0].bytes - 16, "outside");
	bad = good;
	CHECK(!vring_setup(&ring, &vm.memory, &bad, 128, FEATURES));
}

static void available_index_jumps(void)
{
	set_up(8, FEATURES);
	queue.avail[1] = 9;
	expect_broken("index jumped");
	queue.avail[1] = 0xffff;
	expect_broken("index jumped");
}

static void head_does_not_exist(void)
{
	set_up(8, FEATURES);
	queue_offer(&queue, 8);
	expect_broken("no descriptor");
}

static void successor_does_not_exist(void)
{
	struct buffer buffers[] = { { 0, 16, false }, { 0, 16, true } };

	set_up(8, FEATURES);
	buffers[0].address = buffers[1].address = page;
	queue_offer(&queue, queue_chain(&queue, buffers, 2));
	queue.desc[0].next = 8;
	expect_broken("successor");
}

static void loop(void)
{
	struct buffer buffers[] = { { 0, 16, false }, { 0, 16, false } };

	set_up(8, FEATURES);
	buffers[0].address = buffers[1].address = page;
	queue_offer(&queue, queue_chain(&queue, buffers, 2));
	queue.desc[1].flags = VRING_DESC_NEXT;
	queue.desc[1].next = 0;
	expect_broken("loop");
}

static void readable_after_writable(void)
{
	struct buffer buffers[] = { { 0, 16, true }, { 0, 16, false } };

	set_up(8, FEATURES);
	buffers[0].address = buffers[1].address = page;
	queue_offer(&queue, queue_chain(&queue, buffers, 2));
	expect_broken("follows a writable");
}

static void bad_buffer(u64 address, u32 bytes, const char *why)
{
	struct buffer buffer = { address, bytes, true };

	queue_offer(&queue, queue_chain(&queue, &buffer, 1));
	expect_broken(why);
	queue.avail[1]--;
}

static void buffers_outside_memory(void)
{
	const struct co_range *range = fake.create.range;

	set_up(8, FEATURES);
	bad_buffer(0, 16, "outside");
	bad_buffer(page, 0, "empty");
	bad_buffer(CO_MMAP_DEVICES, 16, "outside");
	bad_buffer(fake.create.area_phys, 16, "outside");
	bad_buffer(range[0].start - 1, 16, "outside");
	bad_buffer(range[0].start + range[0].bytes, 1, "outside");
	bad_buffer(range[0].start + range[0].bytes - 8, 9, "outside");
	bad_buffer(range[1].start - 4, 8, "outside");
	bad_buffer(~0ull, 1, "outside");
	bad_buffer(~0ull - 8, 0xffffffffu, "outside");
	bad_buffer(range[0].start, 0xffffffffu, "outside");
}

static void translation(void)
{
	const struct co_range *range = fake.create.range;

	set_up(8, FEATURES);
	CHECK(guest_memory_at(&vm.memory, range[0].start, range[0].bytes));
	CHECK(!guest_memory_at(&vm.memory, range[0].start, range[0].bytes + 1));
	CHECK(!guest_memory_at(&vm.memory, range[0].start + 8, ~0ull));
	CHECK(!guest_memory_at(&vm.memory, range[0].start + 8, ~0ull - range[0].start));
	CHECK(!guest_memory_at(&vm.memory, range[0].start, 0));
	CHECK(guest_memory_at(&vm.memory, range[1].start + range[1].bytes - 1, 1));
	CHECK(!guest_memory_at(&vm.memory, range[1].start + range[1].bytes, 1));
}

static void four_gigabytes(void)
{
	struct buffer buffers[200];
	u32 i;

	set_up(256, FEATURES);
	for (i = 0; i < 200; i++)
		buffers[i] = (struct buffer){ fake.create.range[1].start, 32 << 20, true };
	queue_offer(&queue, queue_chain(&queue, buffers, 127));
	CHECK_EQUAL(vring_pop(&ring, &chain), VRING_CHAIN);
	queue_offer(&queue, queue_chain(&queue, buffers, 128));
	expect_broken("4 GiB");
}

static void bad_indirect_tables(void)
{
	struct buffer buffers[] = { { 0, 16, false }, { 0, 512, true } };
	struct vring_desc *desc, saved;
	u16 head;

	set_up(4, FEATURES);
	buffers[0].address = buffers[1].address = page;
	head = queue_indirect(&queue, buffers, 2);
	queue_offer(&queue, head);
	desc = &queue.desc[head];
	saved = *desc;
#define REFUSED_TABLE(field, value, why) do { \
	*desc = saved; \
	desc->field = value; \
	expect_broken(why); \
} while (0)
	REFUSED_TABLE(len, 0, "bad length");
	REFUSED_TABLE(len, 24, "bad length");
	REFUSED_TABLE(len, 16 * 5, "bad length");
	REFUSED_TABLE(len, 0xfffffff0u, "bad length");
	REFUSED_TABLE(addr, 0, "outside");
	REFUSED_TABLE(addr, ~0ull - 15, "outside");
	REFUSED_TABLE(flags, VRING_DESC_INDIRECT | VRING_DESC_NEXT, "has a successor");
	*desc = saved;
	/* in the table: a successor outside it, a loop, another table */
	desc = fake_at(saved.addr, 32);
	saved = desc[0];
	REFUSED_TABLE(next, 2, "successor");
	REFUSED_TABLE(next, 0, "loop");
	REFUSED_TABLE(flags, VRING_DESC_INDIRECT, "names another");
	*desc = saved;
	CHECK_EQUAL(vring_pop(&ring, &chain), VRING_CHAIN);
}

static void indirect_not_negotiated(void)
{
	struct buffer buffer = { 0, 16, false };

	set_up(4, VIRTIO_F_VERSION_1);
	buffer.address = page;
	queue_offer(&queue, queue_indirect(&queue, &buffer, 1));
	expect_broken("not negotiated");
}

static void longest_chain(void)
{
	struct buffer buffers[9];
	u32 i;

	set_up(8, FEATURES);
	for (i = 0; i < 9; i++)
		buffers[i] = (struct buffer){ page + 8 * i, 8, true };
	queue_offer(&queue, queue_chain(&queue, buffers, 8));
	CHECK_EQUAL(vring_pop(&ring, &chain), VRING_CHAIN);
	CHECK_EQUAL(chain.nwrite, 8);
	queue_offer(&queue, queue_indirect(&queue, buffers, 8));
	CHECK_EQUAL(vring_pop(&ring, &chain), VRING_CHAIN);
	CHECK_EQUAL(chain.nwrite, 8);
	queue_offer(&queue, queue_indirect(&queue, buffers, 9));
	expect_broken("bad length");
}

/* --- pieces --- */

static void pieces_of_chains(void)
{
	char a[3] = "abc", b[5] = "defgh", out[16] = "";
	struct os_iov iov[] = { { a, 3 }, { b, 5 } }, *at = iov;
	u32 count = 2;

	CHECK_EQUAL(iov_take(&at, &count, out, 4), 4);
	CHECK(!memcmp(out, "abcd", 4));
	CHECK_EQUAL(count, 1);
	CHECK_EQUAL(at->bytes, 4);
	CHECK_EQUAL(iov_take(&at, &count, out, 10), 4);
	CHECK(!memcmp(out, "efgh", 4));
	CHECK_EQUAL(count, 0);
	CHECK_EQUAL(iov_take(&at, &count, out, 1), 0);

	iov[0] = (struct os_iov){ a, 3 };
	iov[1] = (struct os_iov){ b, 5 };
	CHECK_EQUAL(iov_fill(iov, 2, "12345", 5), 5);
	CHECK(!memcmp(a, "123", 3) && !memcmp(b, "45fgh", 5));
	CHECK_EQUAL(iov_fill(iov, 2, "0123456789", 10), 8);
}

const struct test tests[] = {
	{ "chains_come_in_order", chains_come_in_order },
	{ "indirect_chain", indirect_chain },
	{ "full_queue", full_queue },
	{ "event_index_of_the_guest", event_index_of_the_guest },
	{ "event_index_of_the_device", event_index_of_the_device },
	{ "flags_without_event_index", flags_without_event_index },
	{ "registers_are_checked", registers_are_checked },
	{ "available_index_jumps", available_index_jumps },
	{ "head_does_not_exist", head_does_not_exist },
	{ "successor_does_not_exist", successor_does_not_exist },
	{ "loop", loop },
	{ "readable_after_writable", readable_after_writable },
	{ "buffers_outside_memory", buffers_outside_memory },
	{ "translation", translation },
	{ "four_gigabytes", four_gigabytes },
	{ "bad_indirect_tables", bad_indirect_tables },
	{ "indirect_not_negotiated", indirect_not_negotiated },
	{ "longest_chain", longest_chain },
	{ "pieces_of_chains", pieces_of_chains },
	{ 0 },
};

// SPDX-License-Identifier: GPL-2.0-only
/* The entropy device, seen from its guest. */
#include "rng.h"

#include "check.h"
#include "guest.h"

#define RUNNING (VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK | VIRTIO_S_DRIVER_OK)

static struct vm vm;
static struct rng *rng;
static struct device *device;
static struct queue queue;
static u64 data;

static void start_driver(void)
{
	u32 status[] = { 0, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER, RUNNING & ~VIRTIO_S_DRIVER_OK, RUNNING };
	u32 i;

	for (i = 0; i < 4; i++) {
		if (i == 2)
			fake.devices[0].driver_features = fake.devices[0].features;
		if (i == 3)
			queue_setup(&queue, 0, 0, 8);
		fake.devices[0].status = status[i];
		device_status_written(device);
	}
	CHECK_EQUAL(fake.devices[0].status, RUNNING);
}

static void set_up(void)
{
	struct co_note note = { 0 };
	struct error error;

	CHECK(!vm_open(&vm, &error) && !vm_create(&vm, 80 << 20, 0, &note, &error));
	rng = rng_open(&error);
	CHECK(rng);
	rng_attach(rng, &vm, 0);
	device = rng_device(rng);
	start_driver();
	data = guest_alloc(1 << 20, 4096);
}

static void tear_down(void)
{
	rng_close(rng);
	vm_close(&vm);
}

/* Rings for buffers; the doorbell's return is the answer. Returns what was written; ~0: it broke down. */
static u32 request(const struct buffer *buffers, u32 count)
{
	u32 written;

	queue_offer(&queue, queue_chain(&queue, buffers, count));
	device_kicked(device, 0);
	if (fake.devices[0].status & VIRTIO_S_NEEDS_RESET)
		return ~0u;
	CHECK(queue_take(&queue, NULL, &written));
	return written;
}

static void numbers_are_random(void)
{
	struct buffer buffer = { 0, 64, true };
	u8 before[64] = { 0 }, *bytes;
	u32 i, j, seen[256] = { 0 }, kinds = 0;

	set_up();
	CHECK_EQUAL(fake.devices[0].id, 4);
	buffer.address = data;
	bytes = fake_at(data, 65);
	for (i = 0; i < 100; i++) {
		bytes[64] = 0x77;
		CHECK_EQUAL(request(&buffer, 1), 64);
		CHECK(memcmp(before, bytes, 64));	/* not twice the same, nor zeroes */
		CHECK_EQUAL(bytes[64], 0x77);
		memcpy(before, bytes, 64);
		for (j = 0; j < 64; j++)
			kinds += !seen[bytes[j]]++;
	}
	/* of 6400 bytes, any value is missing with a chance of 256 * e^-25 */
	CHECK_EQUAL(kinds, 256);
	CHECK(fake.irqs);
	tear_down();
}

static void large_and_scattered(void)
{
	struct buffer buffers[3];
	u32 written;

	set_up();
	buffers[0] = (struct buffer){ data, 1, true };
	buffers[1] = (struct buffer){ data + 100, 2, true };
	buffers[2] = (struct buffer){ data + 4096, 1 << 19, true };
	written = request(buffers, 3);
	CHECK(written >= 32 && written <= 4096);	/* some, not half a MiB during a doorbell */
	CHECK_EQUAL(*(u8 *)fake_at(data + 1, 1), 0);
	CHECK_EQUAL(*(u8 *)fake_at(data + 102, 1), 0);
	CHECK_EQUAL(*(u8 *)fake_at(data + 4096 + written, 1), 0);
	tear_down();
}

static void rules_are_broken(void)
{
	struct buffer bad[2];

	set_up();
	bad[0] = (struct buffer){ data, 64, false };
	CHECK_EQUAL(request(bad, 1), ~0u);
	start_driver();
	bad[1] = (struct buffer){ data, 64, true };
	CHECK_EQUAL(request(bad, 2), ~0u);
	start_driver();
	bad[0] = (struct buffer){ 0x1000, 64, true };
	CHECK_EQUAL(request(bad, 1), ~0u);
	start_driver();
	queue.avail[1] = 999;
	device_kicked(device, 0);
	CHECK(fake.devices[0].status & VIRTIO_S_NEEDS_RESET);
	start_driver();
	CHECK_EQUAL(request(bad + 1, 1), 64);
	tear_down();
}

const struct test tests[] = {
	{ "numbers_are_random", numbers_are_random },
	{ "large_and_scattered", large_and_scattered },
	{ "rules_are_broken", rules_are_broken },
	{ 0 },
};

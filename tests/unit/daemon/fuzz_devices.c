// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_devices SEED COUNT: a guest that follows the rules now and then. Each
 * round sets a disk, a console, a network, a folder or random numbers up, scribbles over its
 * descriptors, rings, buffers and registers, and rings doorbells; a device may stop working until
 * its next reset, and do nothing else. Prints how many requests were served.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block.h"
#include "check.h"
#include "cofs.h"
#include "console.h"
#include "fake_wire.h"
#include "guest.h"
#include "net.h"
#include "rng.h"

#define RUNNING (VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK | VIRTIO_S_DRIVER_OK)
#define SIZE 16
#define BUFFERS (16u << 10)

static u64 state;
static u64 arena;	/* guest memory of a round: queues' tables and buffers */

static u64 random_number(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

static u64 pick(const u64 *from, size_t count)
{
	return from[random_number() % count];
}

/* An address: mostly good, sometimes at an edge, sometimes nonsense. */
static u64 some_address(void)
{
	const struct co_range *range = fake.create.range;
	const u64 edges[] = {
		0, range[0].start - 8, range[0].start, range[0].start + range[0].bytes - 8,
		range[1].start - 1, range[1].start + range[1].bytes - 1, ~0ull, ~0ull - 511, 0x700000,
	};

	switch (random_number() % 8) {
	case 0:
		return pick(edges, sizeof(edges) / sizeof(*edges));
	case 1:
		return random_number();
	}
	return arena + random_number() % BUFFERS;
}

static u32 some_length(void)
{
	static const u64 lengths[] = { 0, 1, 15, 16, 17, 31, 32, 48, 512, 1024, 4096, 0x7fffffff, 0xffffffff };

	return random_number() % 4 ? pick(lengths, sizeof(lengths) / sizeof(*lengths)) : random_number() % 5000;
}

static void scribble(struct queue *queue)
{
	struct virtio_blk_header *header = fake_at(arena, sizeof(*header));
	static const u64 types[] = { 0, 1, 4, 8, 11, 13, 99 };
	u32 i, count;

	for (i = 0; i < SIZE; i++) {
		queue->desc[i].addr = some_address();
		queue->desc[i].len = some_length();
		queue->desc[i].flags = random_number() % 3 ? random_number() % 4 : random_number() % 8;
		queue->desc[i].next = random_number() % 8 ? (i + 1) % SIZE : random_number();
	}
	/* a good disk request in front, with one fault or none */
	header->type = pick(types, 7);
	header->sector = random_number() % 3 ? random_number() % 140 : random_number();
	queue->desc[0] = (struct vring_desc){ arena, 16, VRING_DESC_NEXT, 1 };
	queue->desc[1].flags = VRING_DESC_NEXT | (random_number() % 2 ? VRING_DESC_WRITE : 0);
	queue->desc[1].next = 2;
	queue->desc[2] = (struct vring_desc){ arena + BUFFERS - 1, 1, VRING_DESC_WRITE, 0 };
	count = random_number() % 4 + 1;
	for (i = 0; i < count; i++)
		queue_offer(queue, random_number() % 2 ? 0 : random_number() % 8 ? random_number() % SIZE : random_number());
	if (random_number() % 16 == 0)
		queue->avail[1] = random_number();
}

/* A network's queues: packets now and then as they should be. */
static void scribble_packets(struct queue *queue)
{
	u32 i;

	scribble(queue);
	memset(fake_at(arena, 64), random_number() % 8 ? 0 : 1, 64);
	for (i = 0; i < SIZE; i++)
		if (random_number() % 4)
			queue->desc[i] = (struct vring_desc){ arena, 12 + random_number() % 1520,
							      queue->number ? 0 : VRING_DESC_WRITE, 0 };
}

/* A folder's queue: a version of 9P to begin with; what is in messages is fuzz_p9's. */
static void scribble_messages(struct queue *queue)
{
	static const u8 version[] = { 21, 0, 0, 0, 100, 255, 255, 0, 16, 0, 0, 8, 0, '9', 'P', '2', '0', '0', '0', '.', 'L' };
	u32 faulty = random_number() % 4;

	scribble(queue);
	memcpy(fake_at(arena, sizeof(version)), version, sizeof(version));
	if (!faulty)
		*(u8 *)fake_at(arena + random_number() % sizeof(version), 1) = random_number();
	queue->desc[0] = (struct vring_desc){ arena, sizeof(version), VRING_DESC_NEXT, 1 };
	queue->desc[1] = (struct vring_desc){ arena + 1024, random_number() % 64 + 1, VRING_DESC_WRITE, 0 };
}

static void write_status(struct device *device, u32 status)
{
	fake.devices[device->index].status = status;
	device_status_written(device);
}

static u32 round_on(struct device *device, u32 nqueues, void (*scribble_on)(struct queue *))
{
	struct co_vdev *registers = &fake.devices[device->index];
	struct queue queue[2];
	u32 number, served = 0;

	write_status(device, 0);
	registers->driver_features = random_number() % 8 ? registers->features :
							   random_number() & registers->features;
	write_status(device, random_number() % 32 ? RUNNING & ~VIRTIO_S_DRIVER_OK : random_number());
	for (number = 0; number < nqueues; number++) {
		queue_setup(&queue[number], device->index, number, SIZE);
		scribble_on(&queue[number]);
	}
	if (random_number() % 32 == 0)
		registers->vq[random_number() % CO_VQ_MAX] = (struct co_vq){
			random_number(), random_number() % 300, some_address(), some_address(), some_address() };
	if (random_number() % 64 == 0)
		memset(registers, random_number(), sizeof(*registers));
	write_status(device, RUNNING);
	for (number = random_number() % 4; number; number--) {
		scribble_on(&queue[random_number() % nqueues]);
		device_kicked(device, random_number() % 3);
	}
	if (random_number() % 4 == 0)
		usleep(20);
	write_status(device, 0);	/* waits until the device is at rest */
	CHECK_EQUAL(registers->status, 0);
	for (number = 0; number < nqueues; number++)
		while (served < 100 && queue_take(&queue[number], NULL, NULL))
			served++;
	return served;
}

int main(int argc, char **argv)
{
	u64 count, served = 0, start;
	struct co_note note = { 0 };
	struct console *console;
	struct os_stream *stream;
	struct error error;
	static const u8 mac[6] = { 2 };
	u8 frame[WIRE_FRAME_MAX] = { 0 };
	struct block *disk;
	struct wire *wire;
	struct rng *rng;
	static const struct folder_setting setting;
	struct cofs *cofs;
	struct net *net;
	struct vm vm;

	CHECK(argc == 3);
	state = strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15ull + 1;
	check_file("disk", 128 * 512);
	CHECK(!vm_open(&vm, &error) && !vm_create(&vm, 80 << 20, 0, &note, &error));
	disk = block_open("cobd0", "disk", NULL, false, &error);
	CHECK(disk && !block_attach(disk, &vm, 0, &error));
	stream = os_stream_null(&error);
	console = console_open("console", stream, false, &error);
	CHECK(console && !console_attach(console, &vm, 1, &error));
	wire = fake_wire();
	net = net_open("eth0", wire, mac, &error);
	CHECK(net && !net_attach(net, &vm, 2, &error));
	rng = rng_open(&error);
	CHECK(rng);
	rng_attach(rng, &vm, 3);
	CHECK(!mkdir("folder", 0755));
	cofs = cofs_open("cofs0", "folder", &setting, &error);
	CHECK(cofs && !cofs_attach(cofs, &vm, 4, &error));
	start = guest_alloc(BUFFERS, 4096);
	for (count = strtoull(argv[2], NULL, 10); count; count--) {
		arena = start;
		guest_release(start + BUFFERS);
		switch (random_number() % 8) {
		case 0:
			served += round_on(console_device(console), 2, scribble);
			break;
		case 1:
			served += round_on(rng_device(rng), 1, scribble);
			break;
		case 2:
		case 3:
			if (fake_wire_idle(wire))
				fake_wire_put(wire, frame, 14 + random_number() % 1504);
			served += round_on(net_device(net), 2, scribble_packets);
			break;
		case 4:
			served += round_on(cofs_device(cofs), 1, scribble_messages);
			break;
		default:
			served += round_on(block_device(disk), 1, scribble);
		}
	}
	cofs_close(cofs);
	rng_close(rng);
	net_close(net);
	console_close(console, 0);
	block_close(disk);
	vm_close(&vm);
	printf("%llu\n", (unsigned long long)served);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* One device of every kind; see zoo.h. */
#include "zoo.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "block.h"
#include "check.h"
#include "cofs.h"
#include "console.h"
#include "fake_wire.h"
#include "net.h"
#include "rng.h"

#define RUNNING (VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK | VIRTIO_S_DRIVER_OK)
#define DISK_BYTES	(128u * 512)
#define ARENA_BYTES	(64u << 10)

enum { CONSOLE, DISK, OVERLAY, FOLDER, SERIAL, NET, RNG, DEVICES };

static struct vm vm;
static struct error error;
static struct console *console, *serial;
static struct block *disk, *overlay;
static struct cofs *folder;
static struct net *net;
static struct wire *wire;
static struct rng *rng;
static int peer;			/* the serial port's other end */
static struct os_thread listener;
static struct queue queues[DEVICES][2];
static u64 arena;

/* --- good requests --- */

static u32 text_out(struct buffer buffers[ZOO_BUFFERS])
{
	memset(fake_at(arena, 64), 'o', 64);
	buffers[0] = (struct buffer){ arena, 40, false };
	buffers[1] = (struct buffer){ arena + 40, 24, false };
	return 2;
}

static u32 text_in(struct buffer buffers[ZOO_BUFFERS])
{
	buffers[0] = (struct buffer){ arena, 16, true };
	buffers[1] = (struct buffer){ arena + 16, 16, true };
	return 2;
}

static u32 sector(struct buffer buffers[ZOO_BUFFERS], u32 type, bool into_guest)
{
	struct virtio_blk_header *header = fake_at(arena, sizeof(*header));

	*header = (struct virtio_blk_header){ .type = type, .sector = 3 };
	buffers[0] = (struct buffer){ arena, sizeof(*header), false };
	buffers[1] = (struct buffer){ arena + 1024, 512, into_guest };
	buffers[2] = (struct buffer){ arena + 512, 1, true };
	return 3;
}

static u32 read_sector(struct buffer buffers[ZOO_BUFFERS])
{
	return sector(buffers, VIRTIO_BLK_T_IN, true);
}

static u32 write_sector(struct buffer buffers[ZOO_BUFFERS])
{
	return sector(buffers, VIRTIO_BLK_T_OUT, false);
}

static u32 version(struct buffer buffers[ZOO_BUFFERS])
{
	static const u8 message[] = {
		21, 0, 0, 0, 100, 255, 255, 0, 16, 0, 0, 8, 0, '9', 'P', '2', '0', '0', '0', '.', 'L',
	};

	memcpy(fake_at(arena, sizeof(message)), message, sizeof(message));
	buffers[0] = (struct buffer){ arena, 7, false };
	buffers[1] = (struct buffer){ arena + 7, sizeof(message) - 7, false };
	buffers[2] = (struct buffer){ arena + 1024, 64, true };
	return 3;
}

static u32 frame_out(struct buffer buffers[ZOO_BUFFERS])
{
	memset(fake_at(arena, 12 + 60), 0, 12 + 60);
	buffers[0] = (struct buffer){ arena, 12, false };
	buffers[1] = (struct buffer){ arena + 12, 60, false };
	return 2;
}

static u32 frame_in(struct buffer buffers[ZOO_BUFFERS])
{
	buffers[0] = (struct buffer){ arena, 12, true };
	buffers[1] = (struct buffer){ arena + 12, WIRE_FRAME_MAX, true };
	return 2;
}

static u32 numbers(struct buffer buffers[ZOO_BUFFERS])
{
	buffers[0] = (struct buffer){ arena, 8, true };
	buffers[1] = (struct buffer){ arena + 8, 8, true };
	return 2;
}

/* --- the host's part --- */

static void type_text(void)
{
	/* as many as a request has room for, or another would get the rest */
	console_type(console, "0123456789abcdef0123456789abcdef", 32);
}

static void send_text(void)
{
	/* does not wait: where the guest takes nothing, there is enough to be taken */
	send(peer, "0123456789abcdef0123456789abcdef", 32, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void put_frame(void)
{
	static const u8 frame[60];

	/* a frame is for a driver that the device has seen at work, and such a one takes it */
	CHECK(fake_wire_put(wire, frame, sizeof(frame)));
}

struct animal zoo[] = {
	{ "console receive", 0, text_in, type_text, false, false, NULL },
	{ "console transmit", 1, text_out, NULL, false, false, NULL },
	{ "cobd0", 0, read_sector, NULL, true, true, NULL },
	{ "cobd1", 0, write_sector, NULL, true, true, NULL },
	{ "cofs0", 0, version, NULL, true, true, NULL },
	{ "ttys0 receive", 0, text_in, send_text, false, false, NULL },
	{ "ttys0 transmit", 1, text_out, NULL, false, false, NULL },
	{ "eth0 receive", 0, frame_in, put_frame, true, false, NULL },
	{ "eth0 transmit", 1, frame_out, NULL, false, true, NULL },
	{ "rng", 0, numbers, NULL, true, false, NULL },
};
const u32 zoo_animals = sizeof(zoo) / sizeof(*zoo);

/* --- opening and closing --- */

/* Takes what the guest says at its serial port, until the port is closed. */
static void listen_to_it(void *arg)
{
	char text[4096];

	(void)arg;
	while (read(peer, text, sizeof(text)) > 0)
		;
	close(peer);
}

/* A port with somebody at its other end. */
static struct os_stream *port(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "port" };
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct os_stream *stream;

	CHECK(server >= 0 && !bind(server, (struct sockaddr *)&address, sizeof(address)) && !listen(server, 1));
	stream = os_stream_open("unix:port", &error);
	CHECK(stream);
	peer = accept(server, NULL, NULL);
	CHECK(peer >= 0);
	close(server);
	CHECK(!os_thread_start(&listener, "listener", listen_to_it, NULL, &error));
	return stream;
}

/* So many animals has it: one for each of its queues, or a test of all has a hole. */
static void every_queue_is_here(const struct device *device)
{
	u32 number, i, found;

	for (number = 0; number < device->ops->nqueues; number++) {
		for (found = i = 0; i < zoo_animals; i++)
			found += zoo[i].device == device && zoo[i].number == number;
		CHECK_EQUAL(found, 1);
	}
}

void zoo_open(void)
{
	static const struct folder_setting setting;
	static const u8 mac[6] = { 2 };
	struct co_note note = { 0 };
	struct device *devices[DEVICES];
	u32 i, at;

	CHECK(!vm_open(&vm, &error) && !vm_create(&vm, 80 << 20, 0, &note, &error));
	console = console_open("console", os_stream_null(&error), false, &error);
	CHECK(console && !console_attach(console, &vm, CONSOLE, &error));
	disk = block_open("cobd0", check_file("disk", DISK_BYTES), NULL, false, &error);
	CHECK(disk && !block_attach(disk, &vm, DISK, &error));
	overlay = block_open("cobd1", check_file("beneath", DISK_BYTES), "overlay", false, &error);
	CHECK(overlay && !block_attach(overlay, &vm, OVERLAY, &error));
	CHECK(!mkdir("folder", 0755));
	folder = cofs_open("cofs0", "folder", &setting, &error);
	CHECK(folder && !cofs_attach(folder, &vm, FOLDER, &error));
	serial = console_open("ttys0", port(), false, &error);
	CHECK(serial && !console_attach(serial, &vm, SERIAL, &error));
	wire = fake_wire();
	net = net_open("eth0", wire, mac, &error);
	CHECK(net && !net_attach(net, &vm, NET, &error));
	rng = rng_open(&error);
	CHECK(rng);
	rng_attach(rng, &vm, RNG);
	devices[CONSOLE] = console_device(console);
	devices[DISK] = block_device(disk);
	devices[OVERLAY] = block_device(overlay);
	devices[FOLDER] = cofs_device(folder);
	devices[SERIAL] = console_device(serial);
	devices[NET] = net_device(net);
	devices[RNG] = rng_device(rng);
	for (at = i = 0; i < zoo_animals; i++) {
		while (strncmp(zoo[i].name, devices[at]->name, strlen(devices[at]->name)))
			CHECK(++at < DEVICES);
		zoo[i].device = devices[at];
	}
	for (i = 0; i < DEVICES; i++)
		every_queue_is_here(devices[i]);
	arena = guest_alloc(ARENA_BYTES, 4096);
}

void zoo_close(void)
{
	rng_close(rng);
	net_close(net);
	console_close(serial, 0);
	os_thread_join(&listener);
	cofs_close(folder);
	block_close(overlay);
	block_close(disk);
	console_close(console, 0);
	vm_close(&vm);
}

/* --- the guest's driver --- */

static void write_status(struct device *device, u32 status)
{
	fake.devices[device->index].status = status;
	device_status_written(device);
}

void zoo_start(struct device *device, u64 without)
{
	struct co_vdev *registers = &fake.devices[device->index];
	u32 number;

	write_status(device, 0);
	write_status(device, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
	registers->driver_features = registers->features & ~without;
	write_status(device, RUNNING & ~VIRTIO_S_DRIVER_OK);
	for (number = 0; number < device->ops->nqueues; number++)
		queue_setup(&queues[device->index][number], device->index, number, ZOO_QUEUE);
	write_status(device, RUNNING);
	CHECK_EQUAL(registers->status, RUNNING);
}

struct queue *zoo_queue_of(const struct device *device, u32 number)
{
	return &queues[device->index][number];
}

struct queue *zoo_queue(const struct animal *animal)
{
	return zoo_queue_of(animal->device, animal->number);
}

bool zoo_needs_reset(const struct animal *animal)
{
	return __atomic_load_n(&fake.devices[animal->device->index].status, __ATOMIC_SEQ_CST) &
	       VIRTIO_S_NEEDS_RESET;
}

u64 zoo_arena(u64 *bytes)
{
	*bytes = ARENA_BYTES;
	return arena;
}

bool zoo_wire_is_idle(void)
{
	return fake_wire_idle(wire);
}

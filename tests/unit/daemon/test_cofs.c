// SPDX-License-Identifier: GPL-2.0-only
/* The device of a host folder, seen from its guest: messages in chains, good ones and none. */
#include "cofs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "guest.h"
#include "p9.h"

#define RUNNING (VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK | VIRTIO_S_DRIVER_OK)
#define ROOM	8192u

static struct vm vm;
static struct cofs *cofs;
static struct device *device;
static struct queue queue;
static struct error error;
static u64 request, answer;
static struct p9_out out;

static void write_status(u32 value)
{
	fake.devices[0].status = value;
	device_status_written(device);
}

static void start_driver(void)
{
	write_status(0);
	write_status(VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
	fake.devices[0].driver_features = fake.devices[0].features;
	write_status(RUNNING & ~VIRTIO_S_DRIVER_OK);
	queue_setup(&queue, 0, 0, 128);
	write_status(RUNNING);
	CHECK_EQUAL(fake.devices[0].status, RUNNING);
}

static void set_up(void)
{
	static const struct folder_setting setting;
	struct co_note note = { 0 };

	CHECK(!mkdir("folder", 0755));
	CHECK(!vm_open(&vm, &error) && !vm_create(&vm, 80 << 20, 0, &note, &error));
	cofs = cofs_open("cofs5", "folder", &setting, &error);
	CHECK(cofs && !cofs_attach(cofs, &vm, 0, &error));
	device = cofs_device(cofs);
	start_driver();
	request = guest_alloc(1 << 20, 4096);
	answer = guest_alloc(1 << 20, 4096);
}

static bool needs_reset(void)
{
	return __atomic_load_n(&fake.devices[0].status, __ATOMIC_SEQ_CST) & VIRTIO_S_NEEDS_RESET;
}

static void begin(u8 type)
{
	u8 *at = fake_at(request, 1 << 20);

	out = (struct p9_out){ at, at, at + (1 << 20), false };
	p9_put32(&out, 0);
	p9_put8(&out, type);
	p9_put16(&out, 9);
}

/* Sends what was written, in pieces of so many bytes; returns the answer's length, 0: the device broke. */
static u32 send_in(u32 piece, u32 room)
{
	u32 bytes = out.at - out.start, at, count = 0, written;
	struct buffer buffers[128];
	struct p9_out size = out;

	size.at = size.start;
	p9_put32(&size, bytes);
	for (at = 0; at < bytes; at += piece)
		buffers[count++] = (struct buffer){ request + at, bytes - at < piece ? bytes - at : piece, false };
	for (at = 0; at < room; at += piece)
		buffers[count++] = (struct buffer){ answer + at, room - at < piece ? room - at : piece, true };
	CHECK(count <= 128);
	queue_offer(&queue, queue_indirect(&queue, buffers, count));
	device_kicked(device, 0);
	while (!queue_take(&queue, NULL, &written)) {
		if (needs_reset())
			return 0;
		usleep(200);
	}
	CHECK(written <= room);
	CHECK(!memcmp(fake_at(answer, 4), &written, 4));
	return written;
}

static u8 type_of_answer(void)
{
	return ((u8 *)fake_at(answer, 5))[4];
}

static void attach(void)
{
	begin(P9_VERSION);
	p9_put32(&out, 65536);
	p9_put_text(&out, "9P2000.L", 8);
	CHECK(send_in(4096, ROOM));
	CHECK_EQUAL(type_of_answer(), P9_VERSION + 1);
	begin(P9_ATTACH);
	p9_put32(&out, 0);
	p9_put32(&out, P9_NOFID);
	p9_put_text(&out, "", 0);
	p9_put_text(&out, "", 0);
	p9_put32(&out, geteuid());
	CHECK(send_in(4096, ROOM));
	CHECK_EQUAL(type_of_answer(), P9_ATTACH + 1);
}

static void configuration(void)
{
	struct virtio_9p_config config;

	set_up();
	memcpy(&config, fake.devices[0].config, sizeof(config));
	CHECK_EQUAL(fake.devices[0].id, 9);
	CHECK(fake.devices[0].features & 1);
	CHECK_EQUAL(config.tag_len, 5);
	CHECK(!memcmp(config.tag, "cofs5", 5));
	cofs_close(cofs);
}

/* A file is made, written and read back; messages come in pieces of any size. */
static void files_through_the_ring(void)
{
	u8 data[3000], found[3000];
	u32 i;
	int fd;

	set_up();
	attach();
	for (i = 0; i < sizeof(data); i++)
		data[i] = i * 7;
	begin(P9_LCREATE);
	p9_put32(&out, 0);
	p9_put_text(&out, "file", 4);
	p9_put32(&out, 2);
	p9_put32(&out, 0644);
	p9_put32(&out, getegid());
	CHECK(send_in(1, 40));
	CHECK_EQUAL(type_of_answer(), P9_LCREATE + 1);
	begin(P9_WRITE);
	p9_put32(&out, 0);
	p9_put64(&out, 0);
	p9_put32(&out, sizeof(data));
	memcpy(out.at, data, sizeof(data));
	out.at += sizeof(data);
	CHECK(send_in(99, 20));
	CHECK_EQUAL(type_of_answer(), P9_WRITE + 1);
	fd = open("folder/file", O_RDONLY);
	CHECK_EQUAL(read(fd, found, sizeof(found)), sizeof(data));
	CHECK(!memcmp(data, found, sizeof(data)));
	begin(P9_READ);
	p9_put32(&out, 0);
	p9_put64(&out, 1000);
	p9_put32(&out, 5000);
	CHECK_EQUAL(send_in(97, 5011), 11 + 2000);
	CHECK(!memcmp((u8 *)fake_at(answer, 2011) + 11, data + 1000, 2000));
	CHECK_EQUAL(cofs_stats(cofs)->bytes_written, sizeof(data));
	cofs_close(cofs);
}

/* Whatever breaks the device, it stands still until a reset, and then is as new. */
static void broken(void)
{
	CHECK(needs_reset());
	device_kicked(device, 0);
	usleep(2000);
	CHECK(!queue_take(&queue, NULL, NULL));
	start_driver();
	attach();
}

static void no_message_at_all(void)
{
	struct buffer only = { 0, 4096, true };

	set_up();
	begin(P9_CLUNK);
	out.at--;			/* six bytes */
	CHECK(!send_in(4096, ROOM));
	broken();
	begin(P9_CLUNK);
	CHECK(!send_in(4096, 10));	/* not even an error has room */
	broken();
	begin(P9_CLUNK);
	CHECK(!send_in(4096, 0));
	broken();
	only.address = answer;
	queue_offer(&queue, queue_chain(&queue, &only, 1));
	device_kicked(device, 0);
	while (!needs_reset())
		usleep(200);
	broken();
	begin(P9_WRITE);		/* larger than any message that is agreed on */
	out.at = out.start + P9_MSIZE_MAX + 1;
	CHECK(!send_in(16384, ROOM));
	broken();
	begin(P9_WRITE);		/* as large as any, and than this guest's */
	out.at = out.start + P9_MSIZE_MAX;
	CHECK_EQUAL(send_in(16384, ROOM), 11);
	cofs_close(cofs);
}

/* A guest that was reset has no files open any more. */
static void reset_forgets(void)
{
	set_up();
	attach();
	start_driver();
	begin(P9_CLUNK);
	p9_put32(&out, 0);
	CHECK(send_in(4096, ROOM));
	CHECK_EQUAL(type_of_answer(), P9_RLERROR);
	attach();
	cofs_close(cofs);
}

static void no_such_folder(void)
{
	static const struct folder_setting setting;

	CHECK(!cofs_open("cofs0", "nowhere", &setting, &error));
	CHECK_TEXT(error.text, "nowhere: No such file");
	check_file("file", 1);
	CHECK(!cofs_open("cofs0", "file", &setting, &error));
	CHECK_TEXT(error.text, "file: Not a directory");
}

const struct test tests[] = {
	{ "configuration", configuration },
	{ "files_through_the_ring", files_through_the_ring },
	{ "no_message_at_all", no_message_at_all },
	{ "reset_forgets", reset_forgets },
	{ "no_such_folder", no_such_folder },
	{ NULL, NULL },
};

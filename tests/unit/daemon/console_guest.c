// SPDX-License-Identifier: GPL-2.0-only
/* The two ends of a console under test; see console_guest.h. */
#include "console_guest.h"

#include <poll.h>
#include <unistd.h>

#define RUNNING (VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK | VIRTIO_S_DRIVER_OK)

static struct vm vm;
struct error error;
struct console *console;
struct device *device;
struct queue receive, transmit;
u64 in, out;	/* buffers in guest memory, 64 KiB each */

/* --- the guest's driver --- */

static void write_status(u32 value)
{
	fake.devices[0].status = value;
	device_status_written(device);
}

void start_driver(void)
{
	write_status(0);
	fake.devices[0].driver_features = fake.devices[0].features;
	write_status(RUNNING & ~VIRTIO_S_DRIVER_OK);
	queue_setup(&receive, 0, 0, 64);
	queue_setup(&transmit, 0, 1, 64);
	write_status(RUNNING);
	CHECK_EQUAL(fake.devices[0].status, RUNNING);
}

void attach(struct os_stream *stream)
{
	struct co_note note = { 0 };

	CHECK(stream);
	CHECK(!vm_open(&vm, &error) && !vm_create(&vm, 80 << 20, 0, &note, &error));
	console = console_open("console", stream, false, &error);
	CHECK(console);
	device = console_device(console);
	CHECK(!console_attach(console, &vm, 0, &error));
	start_driver();
	in = guest_alloc(65536, 4096);
	out = guest_alloc(65536, 4096);
}

/* What hvc does: one buffer, doorbell, and it is gone when the doorbell returns. */
void say(const char *text)
{
	struct buffer buffer = { out, strlen(text), false };

	memcpy(fake_at(out, strlen(text)), text, strlen(text));
	queue_offer(&transmit, queue_chain(&transmit, &buffer, 1));
	device_kicked(device, 1);
	CHECK(queue_take(&transmit, NULL, NULL));
}

void offer_input(u32 bytes)
{
	struct buffer buffer = { in, bytes, true };

	queue_offer(&receive, queue_chain(&receive, &buffer, 1));
	device_kicked(device, 0);
}

void expect_input(const char *text)
{
	u32 written;

	while (!queue_take(&receive, NULL, &written))
		usleep(200);
	CHECK_EQUAL(written, strlen(text));
	CHECK(!memcmp(fake_at(in, written), text, written));
}

/* --- the other end --- */

void expect_bytes(int fd, const char *text)
{
	char got[4096] = "";
	size_t have = 0;

	while (have < strlen(text)) {
		struct pollfd readable = { .fd = fd, .events = POLLIN };
		ssize_t now;

		CHECK_EQUAL(poll(&readable, 1, 10000), 1);
		now = read(fd, got + have, strlen(text) - have);
		CHECK(now > 0);
		have += now;
	}
	CHECK_TEXT(got, text);
}

void put_bytes(int fd, const char *text)
{
	CHECK_EQUAL(write(fd, text, strlen(text)), strlen(text));
}

/* stdin and stdout of this process become one end of a socket pair. */
int stdio_peer(int *input)
{
	int from[2], to[2];

	CHECK(!pipe(from) && !pipe(to));
	dup2(from[0], 0);
	dup2(to[1], 1);
	close(from[0]);
	close(to[1]);
	*input = from[1];
	return to[0];
}

/* Says a word again and again until it arrives: what was said to nobody is lost. */
void say_until_heard(int fd, const char *text)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };

	do
		say(text);
	while (poll(&readable, 1, 20) <= 0);
	expect_bytes(fd, text);
}

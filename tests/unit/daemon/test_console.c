// SPDX-License-Identifier: GPL-2.0-only
/* The console device: bytes go both ways, and the vCPU waits only where it must. */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "console_guest.h"

static void standard_input_and_output(void)
{
	int input, output = stdio_peer(&input);

	attach(os_stream_stdio(&error));
	CHECK_EQUAL(fake.devices[0].id, 3);
	say("hello, ");
	say("world\n");
	expect_bytes(output, "hello, world\n");
	offer_input(100);
	put_bytes(input, "echo\n");
	expect_input("echo\n");
	CHECK(fake.devices[0].isr & CO_ISR_QUEUE);
	/* the end of input is not the end of the console */
	close(input);
	usleep(20000);
	say("still here\n");
	expect_bytes(output, "still here\n");
	console_close(console, 1000);
}

/* A driver of today reads the size when it is told of a new one, and is told at each of its starts. */
static void size_is_told_at_each_start(void)
{
	int input;

	stdio_peer(&input);
	attach(os_stream_stdio(&error));
	CHECK(fake.devices[0].isr & CO_ISR_CONFIG);
	fake.devices[0].isr = 0;
	start_driver();
	CHECK(fake.devices[0].isr & CO_ISR_CONFIG);
	console_close(console, 1000);
}

static void early_messages_come_first(void)
{
	int input, output = stdio_peer(&input);

	attach(os_stream_stdio(&error));
	console_put(console, "early ", 6);
	say("late");
	expect_bytes(output, "early late");
	console_close(console, 1000);
}

/* Input that comes before the guest has buffers waits, in order. */
static void input_waits_for_buffers(void)
{
	int input, output = stdio_peer(&input);
	u32 i;

	(void)output;
	attach(os_stream_stdio(&error));
	put_bytes(input, "abcdefghij");
	usleep(20000);
	offer_input(4);
	expect_input("abcd");
	offer_input(4);
	expect_input("efgh");
	for (i = 0; i < 2; i++)
		offer_input(1);
	while (receive.used[1] != 4)
		usleep(200);
	CHECK_EQUAL(*(u8 *)fake_at(in, 1), 'j');
	console_close(console, 1000);
}

/* Much more input than the daemon holds: it comes through whole, in order. */
static void much_input(void)
{
	static u8 sent[100000], got[100000];
	int input, output = stdio_peer(&input);
	size_t written = 0, have = 0, i;
	u32 bytes;

	(void)output;
	attach(os_stream_stdio(&error));
	fcntl(input, F_SETFL, O_NONBLOCK);
	for (i = 0; i < sizeof(sent); i++)
		sent[i] = i * 31 + i / 251;
	offer_input(333);
	while (have < sizeof(sent)) {
		ssize_t now = written < sizeof(sent) ? write(input, sent + written, sizeof(sent) - written) : 0;

		written += now > 0 ? now : 0;
		if (!queue_take(&receive, NULL, &bytes)) {
			usleep(50);
			continue;
		}
		CHECK(bytes > 0 && bytes <= 333 && have + bytes <= sizeof(got));
		memcpy(got + have, fake_at(in, bytes), bytes);
		have += bytes;
		offer_input(333);
	}
	CHECK(!memcmp(sent, got, sizeof(got)));
	console_close(console, 1000);
}

static void *reader_thread_result;
static int reader_fd;

static void slow_reader(void *arg)
{
	static u8 bytes[1 << 20];
	size_t have = 0, i;
	ssize_t now;

	usleep(300000);
	while (have < 600000 && (now = read(reader_fd, bytes + have, sizeof(bytes) - have)) > 0)
		have += now;
	for (i = 0; i < have; i++)
		if (bytes[i] != (u8)('a' + i / 60000))
			return;
	if (have == 600000)
		reader_thread_result = arg;
}

/* The guest waits for a slow reader, and loses nothing. */
static void full_buffer_waits(void)
{
	static char text[60001];
	struct os_thread thread;
	int input, i;
	u64 before;

	reader_fd = stdio_peer(&input);
	attach(os_stream_stdio(&error));
	CHECK(!os_thread_start(&thread, "reader", slow_reader, &thread, &error));
	before = os_now_ms();
	for (i = 0; i < 10; i++) {
		memset(text, 'a' + i, 60000);
		say(text);
	}
	CHECK(os_now_ms() - before >= 200);
	os_thread_join(&thread);
	CHECK(reader_thread_result == &thread);
	console_close(console, 1000);
}

static void abandon_later(void *arg)
{
	usleep(100000);
	console_abandon(arg);
}

/* When the guest is to end, a terminal that takes no output holds nobody up. */
static void abandoned_console_lets_go(void)
{
	static char text[60001];
	struct os_thread thread;
	int input, output = stdio_peer(&input), i;
	u64 before;

	(void)output;
	attach(os_stream_stdio(&error));
	CHECK(!os_thread_start(&thread, "abandon", abandon_later, console, &error));
	memset(text, 'x', 60000);
	for (i = 0; i < 10; i++)
		say(text);
	os_thread_join(&thread);
	before = os_now_ms();
	console_close(console, 100);
	CHECK(os_now_ms() - before < 1500);
}

static void closed_output_swallows(void)
{
	static char text[60001];
	int input, output = stdio_peer(&input), i;

	signal(SIGPIPE, SIG_IGN);
	attach(os_stream_stdio(&error));
	close(output);
	memset(text, 'x', 60000);
	for (i = 0; i < 10; i++)
		say(text);
	console_close(console, 1000);
}

static void nobody(void)
{
	static char text[60001];
	int i;

	attach(os_stream_null(&error));
	memset(text, 'x', 60000);
	for (i = 0; i < 10; i++)
		say(text);
	offer_input(10);
	console_close(console, 1000);
}

static void broken_rings(void)
{
	attach(os_stream_null(&error));
	transmit.avail[1] = 1000;
	device_kicked(device, 1);
	CHECK(fake.devices[0].status & VIRTIO_S_NEEDS_RESET);
	start_driver();
	say("alive again");
	transmit.desc[transmit.next_desc].addr = ~0ull;
	transmit.desc[transmit.next_desc].len = 10;
	queue_offer(&transmit, transmit.next_desc);
	device_kicked(device, 1);
	CHECK(fake.devices[0].status & VIRTIO_S_NEEDS_RESET);
	/* doorbells for what does not exist */
	start_driver();
	device_kicked(device, 2);
	device_kicked(device, 5);
	console_close(console, 1000);
}

/* A writable buffer in the transmit queue, a readable one in the receive queue. */
static void buffers_of_the_wrong_direction(void)
{
	struct buffer buffer = { 0, 16, true };
	int input, output = stdio_peer(&input);
	u32 written;

	attach(os_stream_stdio(&error));
	buffer.address = out;
	memcpy(fake_at(out, 16), "must not appear!", 16);
	queue_offer(&transmit, queue_chain(&transmit, &buffer, 1));
	device_kicked(device, 1);
	CHECK(queue_take(&transmit, NULL, NULL));
	say("seen");
	expect_bytes(output, "seen");
	buffer.write = false;
	queue_offer(&receive, queue_chain(&receive, &buffer, 1));
	offer_input(16);
	put_bytes(input, "x");
	while (!queue_take(&receive, NULL, &written))
		usleep(200);
	CHECK_EQUAL(written, 0);
	CHECK(!memcmp(fake_at(out, 16), "seen not appear!", 16));
	expect_input("x");
	console_close(console, 1000);
}

const struct test tests[] = {
	{ "standard_input_and_output", standard_input_and_output },
	{ "size_is_told_at_each_start", size_is_told_at_each_start },
	{ "early_messages_come_first", early_messages_come_first },
	{ "input_waits_for_buffers", input_waits_for_buffers },
	{ "much_input", much_input },
	{ "full_buffer_waits", full_buffer_waits },
	{ "abandoned_console_lets_go", abandoned_console_lets_go },
	{ "closed_output_swallows", closed_output_swallows },
	{ "nobody", nobody },
	{ "broken_rings", broken_rings },
	{ "buffers_of_the_wrong_direction", buffers_of_the_wrong_direction },
	{ 0 },
};

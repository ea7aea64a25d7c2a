// SPDX-License-Identifier: GPL-2.0-only
/* Consoles: bytes go both ways, peers come and go, and the vCPU waits only where it must. */
#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "check.h"
#include "guest.h"

#define RUNNING (VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK | VIRTIO_S_DRIVER_OK)

static struct vm vm;
static struct error error;
static struct console *console;
static struct device *device;
static struct queue receive, transmit;
static u64 in, out;	/* buffers in guest memory, 64 KiB each */

/* --- the guest's driver --- */

static void write_status(u32 value)
{
	fake.devices[0].status = value;
	device_status_written(device);
}

static void start_driver(void)
{
	write_status(0);
	fake.devices[0].driver_features = fake.devices[0].features;
	write_status(RUNNING & ~VIRTIO_S_DRIVER_OK);
	queue_setup(&receive, 0, 0, 64);
	queue_setup(&transmit, 0, 1, 64);
	write_status(RUNNING);
	CHECK_EQUAL(fake.devices[0].status, RUNNING);
}

static void attach(struct os_stream *stream)
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
static void say(const char *text)
{
	struct buffer buffer = { out, strlen(text), false };

	memcpy(fake_at(out, strlen(text)), text, strlen(text));
	queue_offer(&transmit, queue_chain(&transmit, &buffer, 1));
	device_kicked(device, 1);
	CHECK(queue_take(&transmit, NULL, NULL));
}

static void offer_input(u32 bytes)
{
	struct buffer buffer = { in, bytes, true };

	queue_offer(&receive, queue_chain(&receive, &buffer, 1));
	device_kicked(device, 0);
}

static void expect_input(const char *text)
{
	u32 written;

	while (!queue_take(&receive, NULL, &written))
		usleep(200);
	CHECK_EQUAL(written, strlen(text));
	CHECK(!memcmp(fake_at(in, written), text, written));
}

/* --- the other end --- */

static void expect_bytes(int fd, const char *text)
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

static void put_bytes(int fd, const char *text)
{
	CHECK_EQUAL(write(fd, text, strlen(text)), strlen(text));
}

/* stdin and stdout of this process become one end of a socket pair. */
static int stdio_peer(int *input)
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

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	unlink(path);
	strcpy(address.sun_path, path);
	CHECK(!bind(fd, (struct sockaddr *)&address, sizeof(address)) && !listen(fd, 1));
	return fd;
}

/* Says a word again and again until it arrives: what was said to nobody is lost. */
static void say_until_heard(int fd, const char *text)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };

	do
		say(text);
	while (poll(&readable, 1, 20) <= 0);
	expect_bytes(fd, text);
}

/* --- tests --- */

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

static void socket_comes_and_goes(void)
{
	int server, peer;

	unlink("port");
	attach(os_stream_open("unix:port", &error));
	say("to nobody\n");
	server = listen_at("port");
	peer = accept(server, NULL, NULL);
	say_until_heard(peer, "one\n");
	offer_input(16);
	put_bytes(peer, "in");
	expect_input("in");
	close(peer);
	peer = accept(server, NULL, NULL);
	say_until_heard(peer, "two\n");
	offer_input(16);
	put_bytes(peer, "again");
	expect_input("again");
	console_close(console, 1000);
}

static void socket_by_its_path(void)
{
	int server = listen_at("port"), peer;

	attach(os_stream_open("port", &error));
	peer = accept(server, NULL, NULL);
	say_until_heard(peer, "hello\n");
	console_close(console, 1000);
}

static void pty(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	CHECK(master >= 0 && !grantpt(master) && !unlockpt(master));
	attach(os_stream_open(ptsname(master), &error));
	/* raw: nothing is echoed, \n stays \n */
	say("line\n");
	expect_bytes(master, "line\n");
	offer_input(16);
	put_bytes(master, "a\003\n");
	expect_input("a\003\n");
	/* the master goes away for good: the console lives on */
	close(master);
	usleep(50000);
	say("to nobody\n");
	console_close(console, 1000);
}

static void fifo_is_output(void)
{
	static char text[60001];
	int reader, i;

	CHECK(!mkfifo("fifo", 0600) || errno == EEXIST);
	signal(SIGPIPE, SIG_IGN);
	attach(os_stream_open("fifo", &error));
	memset(text, 'x', 60000);
	for (i = 0; i < 10; i++)
		say(text);
	reader = open("fifo", O_RDONLY | O_NONBLOCK);
	say_until_heard(reader, "heard\n");
	close(reader);
	for (i = 0; i < 10; i++)
		say(text);
	console_close(console, 1000);
}

static void file_is_appended_to(void)
{
	char got[32] = "";
	int fd;

	check_file("log", 3);
	attach(os_stream_open("log", &error));
	say("hello\n");
	console_close(console, 1000);
	fd = open("log", O_RDONLY);
	CHECK_EQUAL(read(fd, got, sizeof(got)), 9);
	CHECK(!memcmp(got, "\0\0\0hello\n", 9));
}

static void paths_that_cannot_be(void)
{
	CHECK(!os_stream_open("nothing", &error));
	CHECK_TEXT(error.text, "nothing: No such file");
	CHECK(!os_stream_open(".", &error));
	CHECK_TEXT(error.text, "is no character device");
	CHECK(!os_stream_open("unix:/"
			      "a/very/long/path/a/very/long/path/a/very/long/path/a/very/long/path/"
			      "a/very/long/path/a/very/long/path/a/very/long/path/a/very/long/path", &error));
	CHECK_TEXT(error.text, "too long");
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
	{ "early_messages_come_first", early_messages_come_first },
	{ "input_waits_for_buffers", input_waits_for_buffers },
	{ "much_input", much_input },
	{ "full_buffer_waits", full_buffer_waits },
	{ "abandoned_console_lets_go", abandoned_console_lets_go },
	{ "closed_output_swallows", closed_output_swallows },
	{ "nobody", nobody },
	{ "socket_comes_and_goes", socket_comes_and_goes },
	{ "socket_by_its_path", socket_by_its_path },
	{ "pty", pty },
	{ "fifo_is_output", fifo_is_output },
	{ "file_is_appended_to", file_is_appended_to },
	{ "paths_that_cannot_be", paths_that_cannot_be },
	{ "broken_rings", broken_rings },
	{ "buffers_of_the_wrong_direction", buffers_of_the_wrong_direction },
	{ 0 },
};

// SPDX-License-Identifier: GPL-2.0-only
/* Streams of the Linux daemon: sockets, ptys, FIFOs and files, whose other ends come and go. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "console_guest.h"

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	unlink(path);
	strcpy(address.sun_path, path);
	CHECK(!bind(fd, (struct sockaddr *)&address, sizeof(address)) && !listen(fd, 1));
	return fd;
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

/* The number of a pty that hung up is soon somebody else's: hands off. */
static void pty_of_a_stranger(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), stranger, moved;
	char path[64], got[256] = "";

	CHECK(master >= 0 && !grantpt(master) && !unlockpt(master));
	strcpy(path, ptsname(master));
	unlink("link");
	CHECK(!symlink(path, "link"));
	attach(os_stream_open("link", &error));
	say("one\n");
	expect_bytes(master, "one\n");
	close(master);
	usleep(50000);
	/* the same number again, for another purpose */
	stranger = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	CHECK(stranger >= 0 && !grantpt(stranger) && !unlockpt(stranger));
	if (!strcmp(ptsname(stranger), path)) {
		usleep(1200000);
		say("two\n");
		usleep(50000);
		CHECK(read(stranger, got, sizeof(got) - 1) < 0 || !strstr(got, "two"));
	}
	/* but where the link leads to another one, that one is meant */
	moved = posix_openpt(O_RDWR | O_NOCTTY);
	CHECK(moved >= 0 && !grantpt(moved) && !unlockpt(moved));
	unlink("link");
	CHECK(!symlink(ptsname(moved), "link"));
	say_until_heard(moved, "three\n");
	console_close(console, 1000);
}

static struct serial_line line_of(const char *text)
{
	struct serial_line line = { 0 };

	CHECK(!serial_line_parse(&line, text, &error));
	return line;
}

/* A new pty that "link" leads to; its master, through which the line can be looked at. */
static int linked_pty(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	CHECK(master >= 0 && !grantpt(master) && !unlockpt(master));
	unlink("link");
	CHECK(!symlink(ptsname(master), "link"));
	return master;
}

static void check_line(int master, speed_t speed, tcflag_t control, tcflag_t input)
{
	struct termios mode;

	CHECK(!tcgetattr(master, &mode));
	CHECK_EQUAL(cfgetospeed(&mode), speed);
	CHECK_EQUAL(cfgetispeed(&mode), speed);
	CHECK_EQUAL(mode.c_cflag & (CSIZE | PARENB | CSTOPB | CRTSCTS | CLOCAL), control | CLOCAL);
	CHECK_EQUAL(mode.c_iflag & (IXON | IXOFF | IXANY), input);
	/* and raw all the same */
	CHECK(!(mode.c_lflag & (ICANON | ECHO | ISIG)) && !(mode.c_oflag & OPOST));
}

static void lines_are_set(void)
{
	int master = linked_pty(), moved;
	struct serial_line line = line_of("115200,8n2,rtscts");
	struct os_stream *stream;

	attach(os_stream_open_line("link", &line, &error));
	check_line(master, B115200, CS8 | CSTOPB | CRTSCTS, 0);
	say("line\n");
	expect_bytes(master, "line\n");
	/* another port in its place is set like it */
	moved = linked_pty();
	close(master);
	say_until_heard(moved, "moved\n");
	check_line(moved, B115200, CS8 | CSTOPB | CRTSCTS, 0);
	console_close(console, 1000);
	/* what is not asked for stays */
	line = line_of("xonxoff");
	stream = os_stream_open_line("link", &line, &error);
	CHECK(stream);
	os_stream_close(stream);
	check_line(moved, B115200, CS8 | CSTOPB, IXON | IXOFF);
	line = line_of("9600,noflow");
	stream = os_stream_open_line("link", &line, &error);
	CHECK(stream);
	os_stream_close(stream);
	check_line(moved, B9600, CS8 | CSTOPB, 0);
	/* a speed without a name of its own: the C library sees only that it is another one */
	line = line_of("250000");
	stream = os_stream_open_line("link", &line, &error);
	CHECK(stream);
	os_stream_close(stream);
	check_line(moved, CBAUDEX, CS8 | CSTOPB, 0);
	close(moved);
}

/* A pty has eight bits without parity, whatever it is told; it says nothing, and we do. */
static void lines_that_cannot_be_set(void)
{
	int master = linked_pty();
	struct serial_line line = line_of("7e1");

	CHECK(!os_stream_open_line("link", &line, &error));
	CHECK_TEXT(error.text, "link: 7e1: the port cannot be set so");
	CHECK(!os_stream_open_line("/dev/null", &line, &error));
	CHECK_TEXT(error.text, "/dev/null: 7e1: it is no serial port");
	check_file("log", 3);
	CHECK(!os_stream_open_line("log", &line, &error));
	CHECK_TEXT(error.text, "log: only a serial port has a line to be set");
	close(listen_at("port"));
	CHECK(!os_stream_open_line("port", &line, &error));
	CHECK_TEXT(error.text, "port: only a serial port has a line to be set");
	close(master);
}

/* The words, and what becomes of them. */
static void words_for_lines(void)
{
	static const struct {
		const char *words, *text;
	} good[] = {
		{ "", "" },
		{ "9600", "9600" },
		{ "8n1", "8n1" },
		{ "rtscts 7E2,\t4000000", "4000000,7e2,rtscts" },
		{ "BAUD=115200 PARITY=n DATA=8 STOP=1 dtr=on rts=on", "115200,8n1" },
		{ "parity=s octs=on rts=hs to=off", "-s-,rtscts" },
		{ "xon=on stop=2", "--2,xonxoff" },
		{ "noflow,octs=off", "noflow" },
	}, bad[] = {
		{ "0", "expected a whole number of bits a second, 50 to 4000000" },
		{ "99999999999999999999", "expected a whole number of bits a second" },
		{ "baud=", "expected a whole number of bits a second" },
		{ "4000001", "expected a whole number of bits a second" },
		{ "9600,19200", "the speed is given twice" },
		{ "9n1", "9: a byte has 5 to 8 data bits" },
		{ "8x1", "x: parity is n, e, o, m or s" },
		{ "8n3", "3: there are 1 or 2 stop bits" },
		{ "data=9", "9: a byte has 5 to 8 data bits" },
		{ "8n1 stop=1", "the number of stop bits is given twice" },
		{ "8n1 parity=e", "the parity is given twice" },
		{ "8n1 8n1", "the number of data bits is given twice" },
		{ "rtscts xonxoff", "the flow control is given twice" },
		{ "dtr=off", "dtr=off: unknown setting of a line; known are a speed (115200)" },
		{ "115200 stop", "stop: unknown setting of a line" },
		{ "a-word-that-is-much-too-long", "a-word-that-is-much-too-long: unknown setting" },
	};
	char text[SERIAL_LINE_TEXT_SIZE];
	struct serial_line line;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(*good); i++) {
		line = line_of(good[i].words);
		CHECK_TEXT(serial_line_text(&line, text), good[i].text);
		CHECK_EQUAL(strlen(text), strlen(good[i].text));
		CHECK_EQUAL(serial_line_any(&line), !!text[0]);
	}
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		line = (struct serial_line){ 0 };
		CHECK(serial_line_parse(&line, bad[i].words, &error));
		CHECK_TEXT(error.text, bad[i].text);
	}
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

const struct test tests[] = {
	{ "socket_comes_and_goes", socket_comes_and_goes },
	{ "socket_by_its_path", socket_by_its_path },
	{ "pty", pty },
	{ "pty_of_a_stranger", pty_of_a_stranger },
	{ "lines_are_set", lines_are_set },
	{ "lines_that_cannot_be_set", lines_that_cannot_be_set },
	{ "words_for_lines", words_for_lines },
	{ "fifo_is_output", fifo_is_output },
	{ "file_is_appended_to", file_is_appended_to },
	{ "paths_that_cannot_be", paths_that_cannot_be },
	{ 0 },
};

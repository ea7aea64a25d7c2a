// SPDX-License-Identifier: GPL-2.0-only
/* Streams of the Linux daemon: sockets, ptys, FIFOs and files, whose other ends come and go. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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
	{ "fifo_is_output", fifo_is_output },
	{ "file_is_appended_to", file_is_appended_to },
	{ "paths_that_cannot_be", paths_that_cannot_be },
	{ 0 },
};

// SPDX-License-Identifier: GPL-2.0-only
/* The opener: what it does for a daemon, and what for one that is in somebody else's hands. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "opener_parts.h"
#include "os.h"

static struct options options;
static struct error error;

static void understand(const char *configuration)
{
	char text[1000];

	snprintf(text, sizeof(text), "kernel=kernel %s", configuration);
	options_init(&options);
	CHECK(!options_parse_text(&options, "text", text, strlen(text), &error));
	memset(&error, 0, sizeof(error));
	CHECK(!options_complete(&options, &error));
	check_file("kernel", 100);
}

static void begin(const char *configuration)
{
	understand(configuration);
	CHECK(!opener_is_there());
	CHECK(!opener_begin(&options, &error));
	CHECK(opener_is_there());
}

static void end(void)
{
	opener_end();
	CHECK(!opener_is_there());
	options_free(&options);
}

/* --- what flags mean --- */

static void meanings(void)
{
	CHECK_EQUAL(opener_list_meaning(O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), OPENER_READ);
	CHECK_EQUAL(opener_list_meaning(O_WRONLY | O_APPEND), OPENER_WRITE);
	CHECK_EQUAL(opener_list_meaning(O_RDWR | O_EXCL), OPENER_READ | OPENER_WRITE);
	CHECK_EQUAL(opener_list_meaning(O_RDWR | O_CREAT | O_EXCL),
		    OPENER_READ | OPENER_WRITE | OPENER_CREATE);
	CHECK_EQUAL(opener_list_meaning(O_PATH | O_DIRECTORY | O_NOFOLLOW), OPENER_LOOK);
	/* what a list of paths has no word for */
	CHECK_EQUAL(opener_list_meaning(O_RDWR | O_CREAT), ~0u);
	CHECK_EQUAL(opener_list_meaning(O_RDONLY | O_TRUNC), ~0u);
	CHECK_EQUAL(opener_list_meaning(O_PATH | O_RDWR), ~0u);
	CHECK_EQUAL(opener_list_meaning(O_ACCMODE), ~0u);
	CHECK_EQUAL(opener_list_meaning(O_RDONLY | O_ASYNC), ~0u);
	CHECK_EQUAL(opener_list_meaning(O_RDWR | O_TMPFILE), ~0u);
}

/* --- paths --- */

static void opened(int fd)
{
	CHECK(fd >= 0);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

static void paths(void)
{
	struct stat status;
	int fd;

	check_file("disk", 4096);
	check_file("beneath", 4096);
	check_file("fixed", 4096);
	CHECK(!mkdir("folder", 0700));
	begin("cobd0=disk cobd1=beneath,cow=changes cobd2=fixed,ro cofs0=folder");
	opened(opener_open("kernel", O_RDONLY, 0));
	opened(opener_open("kernel", O_PATH, 0));
	opened(opener_open("disk", O_RDWR | O_NONBLOCK, 0));
	opened(opener_open("folder", O_PATH | O_DIRECTORY, 0));
	CHECK_EQUAL(-opener_open("kernel", O_RDWR, 0), EACCES);
	CHECK_EQUAL(-opener_open("fixed", O_RDWR, 0), EACCES);
	CHECK_EQUAL(-opener_open("beneath", O_RDWR, 0), EACCES);
	CHECK_EQUAL(-opener_open("folder", O_RDONLY | O_DIRECTORY, 0), EACCES);
	CHECK_EQUAL(-opener_open("folder/../disk", O_RDWR, 0), EACCES);
	CHECK_EQUAL(-opener_open("/etc/passwd", O_RDONLY, 0), EACCES);
	CHECK_EQUAL(-opener_open("/etc/resolv.conf", O_RDONLY, 0), EACCES);
	CHECK_EQUAL(-opener_open("", O_RDONLY, 0), EACCES);
	/* an overlay's file is made, and goes again when it did not become one */
	CHECK_EQUAL(-opener_open("changes", O_RDWR, 0), ENOENT);
	fd = opener_open("changes", O_RDWR | O_CREAT | O_EXCL, 04777);
	CHECK(fd >= 0 && !fstat(fd, &status));
	CHECK_EQUAL(status.st_mode & ~0777, S_IFREG);
	close(fd);
	CHECK_EQUAL(-opener_open("changes", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_EQUAL(opener_remove("changes"), 0);
	CHECK_EQUAL(-opener_remove("changes"), ENOENT);
	CHECK_EQUAL(-opener_remove("disk"), EACCES);
	CHECK(!access("disk", F_OK));
	end();
}

static void a_network_needs_names(void)
{
	begin("eth0=slirp");
	opened(opener_open("/dev/urandom", O_RDONLY, 0));
	CHECK(opener_open("/etc/resolv.conf", O_RDONLY, 0) != -EACCES);
	end();
}

static void the_list_is_closed(void)
{
	check_file("one", 1);
	check_file("other", 1);
	begin("");
	opener_allow("one", OPENER_READ | OPENER_REMOVE);
	opener_seal();
	opener_allow("other", OPENER_READ | OPENER_REMOVE);
	opener_seal();
	opened(opener_open("one", O_RDONLY, 0));
	CHECK_EQUAL(-opener_open("other", O_RDONLY, 0), EACCES);
	CHECK_EQUAL(-opener_remove("other"), EACCES);
	CHECK_EQUAL(opener_remove("one"), 0);
	end();
}

static void connections(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "port" };
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	begin("ttys0=unix:port ttys1=port2");
	CHECK_EQUAL(-opener_connect("port"), ENOENT);
	CHECK_EQUAL(-opener_connect("port3"), EACCES);
	CHECK_EQUAL(-opener_connect("kernel"), EACCES);
	CHECK(!bind(server, (struct sockaddr *)&address, sizeof(address)) && !listen(server, 1));
	fd = opener_connect("port");
	CHECK(fd >= 0 && fcntl(fd, F_GETFL) & O_NONBLOCK);
	opened(fd);
	close(server);
	end();
}

static void no_such_interface(void)
{
	begin("eth0=slirp eth1=tuntap,tap-1");
	CHECK_EQUAL(opener_tap("eth0", "", &error), -1);
	CHECK_TEXT(error.text, "the configuration has no such interface");
	CHECK_EQUAL(opener_tap("eth1", "tap-2", &error), -1);
	CHECK_TEXT(error.text, "the configuration has no such interface");
	end();
}

/* --- programs --- */

/* Until that file has a number in it. */
static pid_t number_in(const char *path)
{
	int number = 0, tries;
	FILE *file;

	for (tries = 0; tries < 500 && !number; tries++) {
		file = fopen(path, "r");
		if (file && fscanf(file, "%d\n", &number) != 1)
			number = 0;
		if (file)
			fclose(file);
		usleep(20000);
	}
	CHECK(number);
	return number;
}

static void is_gone(pid_t pid)
{
	int tries;

	for (tries = 0; tries < 500 && !kill(pid, 0); tries++)
		usleep(20000);
	CHECK(kill(pid, 0) && errno == ESRCH);
}

static void make_program(void)
{
	FILE *file = fopen("program", "w");

	/* the number is whole when it is there */
	fputs("#!/bin/sh\necho $$ > new.$1 && mv new.$1 $1\nexec sleep 1000\n", file);
	fclose(file);
	CHECK(!chmod("program", 0700));
}

static void programs(void)
{
	int number, second;
	pid_t pid;

	make_program();
	begin("exec2=./program,first exec3=./program,second exec4=./nothing");
	number = opener_start("./program", "first", &error);
	CHECK_EQUAL(number, 2);
	second = opener_start("./program", "second", &error);
	CHECK_EQUAL(second, 3);
	CHECK_EQUAL(opener_start("./program", "first", &error), -1);	/* it runs */
	CHECK_EQUAL(opener_start("./program", "third", &error), -1);
	CHECK_EQUAL(opener_start("/bin/sh", "", &error), -1);
	CHECK_TEXT(error.text, "no such program");
	CHECK_EQUAL(opener_start("./nothing", "", &error), -1);
	CHECK(!strcmp(error.text, "./nothing: No such file or directory"));
	pid = number_in("first");
	opener_stop(number);
	is_gone(pid);
	CHECK_EQUAL(opener_start("./program", "first", &error), 2);
	pid = number_in("second");
	end();		/* and whatever still runs */
	is_gone(pid);
}

/* However the daemon ends, neither opener nor programs stay behind. */
static void ends_with_the_daemon(void)
{
	int watch[2], status;
	char byte;
	pid_t daemon, pid;

	make_program();
	CHECK(!pipe(watch));
	daemon = fork();
	if (!daemon) {
		close(watch[0]);
		begin("exec0=./program,pid");
		CHECK_EQUAL(opener_start("./program", "pid", &error), 0);
		number_in("pid");
		kill(getpid(), SIGKILL);
	}
	close(watch[1]);
	CHECK(waitpid(daemon, &status, 0) == daemon && WIFSIGNALED(status));
	pid = number_in("pid");
	is_gone(pid);
	CHECK_EQUAL(read(watch[0], &byte, 1), 0);
}

/* --- messages of somebody who means no good --- */

static int served;	/* our end */

static pid_t begin_raw(void)
{
	static struct opener_list list;
	int sockets[2];
	pid_t pid;

	CHECK(!opener_list_fill(&list, &options, &error));
	CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets));
	pid = fork();
	if (!pid) {
		close(sockets[0]);
		opener_serve(sockets[1], &options, &list);
	}
	close(sockets[1]);
	served = sockets[0];
	return pid;
}

/* What is answered; descriptors that come along are closed by nobody, and none may come. */
static int answer_to(const void *message, size_t bytes)
{
	char control[100];
	struct opener_answer answer;
	struct iovec in = { &answer, sizeof(answer) };
	struct msghdr from = {
		.msg_iov = &in, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control),
	};

	CHECK(send(served, message, bytes, MSG_NOSIGNAL) == (ssize_t)bytes);
	CHECK(recvmsg(served, &from, 0) == sizeof(answer));
	CHECK(!CMSG_FIRSTHDR(&from));
	return -answer.result;
}

static void hostile_messages(void)
{
	static struct {
		struct opener_request request;
		char text[2 * OPENER_TEXT_MAX];
	} message;
	const size_t head = sizeof(message.request);
	pid_t pid;
	u32 i;

	make_program();
	understand("exec0=./program,x eth0=tuntap");
	pid = begin_raw();
	for (i = 1; i <= head; i++)
		CHECK_EQUAL(answer_to(&message, i), EINVAL);	/* no text */
	message.request.kind = OPENER_OPEN;
	memset(message.text, 'x', sizeof(message.text));
	CHECK_EQUAL(answer_to(&message, head + 10), EINVAL);	/* without its end */
	CHECK_EQUAL(answer_to(&message, sizeof(message)), EINVAL);	/* longer than there is room */
	memcpy(message.text, "kernel\0", 7);
	message.request.flags = ~0u;
	CHECK_EQUAL(answer_to(&message, head + 7), EACCES);
	message.request.kind = OPENER_START;
	CHECK_EQUAL(answer_to(&message, head + 7), EINVAL);	/* one text where two belong */
	message.request.kind = OPENER_TAP;
	CHECK_EQUAL(answer_to(&message, head + 7), EINVAL);
	message.request.kind = OPENER_STOP;
	for (message.request.number = 0; message.request.number < OPTIONS_PROGRAMS; message.request.number++)
		CHECK_EQUAL(answer_to(&message, head + 7), 0);	/* it does not run */
	CHECK_EQUAL(answer_to(&message, head + 7), EINVAL);
	message.request.number = ~0u;
	CHECK_EQUAL(answer_to(&message, head + 7), EINVAL);
	for (message.request.kind = OPENER_STOP + 1; message.request.kind < 100; message.request.kind++)
		CHECK_EQUAL(answer_to(&message, head + 7), EINVAL);
	/* more paths than there is room for */
	message.request.kind = OPENER_ALLOW;
	for (i = 0; i < OPENER_PATHS_MAX; i++)
		answer_to(&message, head + 7);
	CHECK_EQUAL(answer_to(&message, head + 7), EACCES);
	close(served);
	CHECK(waitpid(pid, (int *)&i, 0) == pid);
	CHECK_EQUAL(i, 0);
	options_free(&options);
}

const struct test tests[] = {
	{ "meanings", meanings },
	{ "paths", paths },
	{ "a_network_needs_names", a_network_needs_names },
	{ "the_list_is_closed", the_list_is_closed },
	{ "connections", connections },
	{ "no_such_interface", no_such_interface },
	{ "programs", programs },
	{ "ends_with_the_daemon", ends_with_the_daemon },
	{ "hostile_messages", hostile_messages },
	{}
};

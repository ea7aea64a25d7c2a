// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_opener SEED COUNT: a daemon that is in somebody else's hands, and what it asks its opener
 * for: good requests, good ones with a fault, and noise. Whatever comes back, it is a
 * descriptor of a file that the configuration names, for what it may be used for; nothing else
 * is made, removed or reached, and the opener keeps nothing open. Prints how many
 * requests were granted and how many refused.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "fuzz.h"
#include "opener_parts.h"

#define LIFE	5000u	/* requests of one opener */

/* All that lies in the folder, and what may be done with it. */
static const struct {
	const char *name;
	u32 what;
} things[] = {
	{ "kernel", OPENER_READ },
	{ "disk", OPENER_READ | OPENER_WRITE },
	{ "beneath", OPENER_READ },
	{ "changes", OPENER_READ | OPENER_WRITE | OPENER_CREATE | OPENER_REMOVE },
	{ "fixed", OPENER_READ },
	{ "folder", OPENER_LOOK },
	{ "port", OPENER_READ | OPENER_WRITE | OPENER_CONNECT },
	{ "allowed", OPENER_READ | OPENER_REMOVE },
	/* not named */
	{ "secret", ~0u },
	{ "link", ~0u },	/* to the secret */
	{ "door", ~0u },	/* a socket */
};
#define THINGS	(sizeof(things) / sizeof(*things))

static u32 thing_of(const char *name)
{
	u32 i;

	for (i = 0; i < THINGS && strcmp(things[i].name, name); i++)
		;
	return i;
}

static const char *some_text(void)
{
	static const char *const others[] = {
		"", ".", "..", "/", "./disk", "folder/../secret", "folder/", "/etc/passwd", "/dev/urandom", "new",
		"./nothing", "x", "eth0", "tap-1", "unix:port", "/proc/self/mem", "disk ", "DISK",
	};

	return one_of(3) ? things[one_of(THINGS)].name : others[one_of(sizeof(others) / sizeof(*others))];
}

static u32 some_flags(void)
{
	static const u32 good[] = {
		O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_CREAT | O_EXCL, O_PATH, O_PATH | O_DIRECTORY, O_RDWR | O_CREAT,
		O_WRONLY | O_TRUNC, O_ACCMODE, O_RDWR | O_TMPFILE, O_RDONLY | O_DIRECTORY,
	};
	u32 flags = good[one_of(sizeof(good) / sizeof(*good))];

	/* none of them waits for a writer */
	flags |= O_NONBLOCK;
	if (!one_of(4))
		flags ^= 1u << one_of(32);
	return one_of(32) ? flags : random_number();
}

static struct {
	struct opener_request request;
	char text[OPENER_TEXT_MAX + 64];
} message;

/* A request, in `message`; returns its length. */
static size_t compose(void)
{
	const size_t head = sizeof(message.request);
	size_t bytes;

	message.request = (struct opener_request){ OPENER_OPEN, some_flags(), random_number(), random_number() };
	if (!one_of(3))
		message.request.kind = one_of(64) ? one_of(OPENER_STOP + 1) : random_number();
	if (one_of(2))
		message.request.number = one_of(OPTIONS_PROGRAMS + 2);
	bytes = snprintf(message.text, sizeof(message.text), "%s", some_text()) + 1;
	if (message.request.kind >= OPENER_TAP || !one_of(8))
		bytes += snprintf(message.text + bytes, sizeof(message.text) - bytes, "%s", some_text()) + 1;
	/* a program of the configuration's cannot be started, and to find that out takes a process */
	if (message.request.kind == OPENER_START && !one_of(200))
		bytes = snprintf(message.text, sizeof(message.text), "./nothing%cx", 0) + 1;
	if (!one_of(16))
		message.text[one_of(bytes)] = random_number();
	if (!one_of(64)) {
		memset(message.text, 'x', sizeof(message.text));
		bytes = one_of(sizeof(message.text)) + 1;
	}
	bytes += head;
	return one_of(16) ? bytes : 1 + one_of(bytes);
}

/* --- what is answered --- */

static int served;	/* our end */
static int server;	/* at "port" */

static void ask(size_t bytes, bool with_descriptors)
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr header;
	} control = { .header = {
		.cmsg_len = CMSG_LEN(2 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
	} };
	struct iovec out = { &message, bytes };
	struct msghdr to = { .msg_iov = &out, .msg_iovlen = 1 };
	const int along[2] = { served, STDERR_FILENO };

	if (with_descriptors) {
		memcpy(CMSG_DATA(&control.header), along, sizeof(along));
		to.msg_control = control.bytes;
		to.msg_controllen = sizeof(control.bytes);
	}
	CHECK_EQUAL(sendmsg(served, &to, MSG_NOSIGNAL), bytes);
}

/* The answer; *fd: what came with it, or -1. Exactly one answer comes. */
static int answer(int *fd)
{
	char control[CMSG_SPACE(4 * sizeof(int))];
	struct opener_answer answer;
	struct iovec in = { &answer, sizeof(answer) };
	struct msghdr from = {
		.msg_iov = &in, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *part;

	CHECK_EQUAL(recvmsg(served, &from, MSG_CMSG_CLOEXEC), sizeof(answer));
	CHECK(!(from.msg_flags & (MSG_CTRUNC | MSG_TRUNC)));
	CHECK(memchr(answer.text, 0, sizeof(answer.text)));
	CHECK_EQUAL(recv(served, &from, 1, MSG_DONTWAIT), ~0ull);
	*fd = -1;
	part = CMSG_FIRSTHDR(&from);
	if (!part)
		return answer.result;
	CHECK(part->cmsg_type == SCM_RIGHTS && part->cmsg_len == CMSG_LEN(sizeof(int)));
	memcpy(fd, CMSG_DATA(part), sizeof(*fd));
	return 0;
}

/* The descriptor is of that thing, and for no more than is allowed with it. */
static void is_allowed(int fd, u32 what, const char *name)
{
	int flags = fcntl(fd, F_GETFL), mode = flags & O_ACCMODE;
	struct stat asked, got;

	CHECK(flags >= 0 && what != ~0u);
	if (message.request.kind == OPENER_SOCKET) {
		CHECK(what & OPENER_CONNECT);
		close(accept(server, NULL, NULL));
		return;
	}
	CHECK_EQUAL(message.request.kind, OPENER_OPEN);
	/* a link that is not followed is looked at itself */
	CHECK(!(message.request.flags & O_NOFOLLOW ? lstat : stat)(name, &asked) && !fstat(fd, &got));
	CHECK(asked.st_ino == got.st_ino && asked.st_dev == got.st_dev);
	if (flags & O_PATH)
		return;
	CHECK(mode == O_RDONLY || what & OPENER_WRITE);
	CHECK(mode == O_WRONLY || what & OPENER_READ);
}

/* Was it granted? If so, rightly? */
static bool judge(size_t bytes)
{
	const u32 kind = message.request.kind;
	u32 thing = thing_of(message.text);
	int fd, result = answer(&fd);

	if (fd < 0 && result < 0)
		return false;
	/* a request is whole: head, text, its end */
	CHECK(bytes > sizeof(message.request));
	if (fd >= 0) {
		CHECK(thing < THINGS);
		is_allowed(fd, things[thing].what, things[thing].name);
		close(fd);
		return true;
	}
	CHECK_EQUAL(result, 0);
	if (kind == OPENER_UNLINK)
		CHECK(thing < THINGS && things[thing].what != ~0u && things[thing].what & OPENER_REMOVE);
	else if (kind == OPENER_STOP)
		CHECK(message.request.number < OPTIONS_PROGRAMS);
	else
		CHECK_EQUAL(kind, OPENER_SEAL);
	return true;
}

/* --- openers --- */

static struct options options;
static struct error error;
static struct stat secret;
static u32 others;	/* entries of the folder that are not ours */

static u32 count_entries(const char *path)
{
	DIR *folder = opendir(path);
	u32 count = 0;

	CHECK(folder);
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static u32 kept_open(pid_t pid)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	return count_entries(path);
}

static void allow(const char *path, u32 what)
{
	int fd, result;

	message.request = (struct opener_request){ path ? OPENER_ALLOW : OPENER_SEAL, what, 0, 0 };
	strcpy(message.text, path ? path : "");
	ask(sizeof(message.request) + strlen(message.text) + 1, false);
	result = answer(&fd);
	CHECK(!result && fd < 0);
}

static pid_t begin(void)
{
	static struct opener_list list;
	int sockets[2];
	pid_t pid;

	memset(&list, 0, sizeof(list));
	CHECK(!opener_list_fill(&list, &options, &error));
	CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets));
	pid = fork();
	if (!pid) {
		close(sockets[0]);
		opener_serve(sockets[1], &options, &list);
	}
	while (list.count)
		free((char *)list.entry[--list.count].path);
	close(sockets[1]);
	served = sockets[0];
	allow("allowed", OPENER_READ | OPENER_REMOVE);
	allow(NULL, 0);
	return pid;
}

static bool is_there(const char *name)
{
	struct stat status;

	return !lstat(name, &status);
}

static void nothing_else_has_changed(void)
{
	static const char *const whole[] = { "kernel", "disk", "beneath", "fixed" };
	struct stat now;
	u32 i;

	/* a descriptor was given, and nothing written */
	for (i = 0; i < sizeof(whole) / sizeof(*whole); i++)
		CHECK(!lstat(whole[i], &now) && S_ISREG(now.st_mode) && now.st_size == 10);

	CHECK(!lstat("secret", &now));
	CHECK(now.st_ino == secret.st_ino && now.st_size == secret.st_size && now.st_mode == secret.st_mode);
	CHECK(now.st_nlink == 1 && now.st_ctim.tv_sec == secret.st_ctim.tv_sec &&
	      now.st_ctim.tv_nsec == secret.st_ctim.tv_nsec);
	CHECK_EQUAL(count_entries("."), others + THINGS - !is_there("changes") - !is_there("allowed"));
	CHECK_EQUAL(count_entries("folder"), 2);
}

static void end(pid_t pid, u32 open)
{
	int status, fd;

	/* what it sent with its last answer it closes before it reads another request */
	ask(1, false);
	CHECK(answer(&fd) < 0);
	CHECK_EQUAL(kept_open(pid), open);
	close(served);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQUAL(status, 0);
	nothing_else_has_changed();
}

/* One life; returns how many requests were granted. */
static u32 live(u32 count)
{
	pid_t pid = begin();
	u32 open = kept_open(pid), granted = 0;
	size_t bytes;

	/* the list is closed, but a request may remove what it names */
	check_file("allowed", 10);
	while (count--) {
		/* somebody else's, where an overlay is to be made: it would make "made" */
		if (!is_there("changes") && one_of(2))
			CHECK(!symlink("made", "changes"));
		bytes = compose();
		ask(bytes, !one_of(32));
		granted += judge(bytes);
	}
	end(pid, open);
	return granted;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	CHECK(fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)) && !listen(fd, 4));
	return fd;
}

static void furnish(void)
{
	const char text[] = "kernel=kernel cobd0=disk cobd1=beneath,cow=changes cobd2=fixed,ro cofs0=folder "
			    "ttys0=unix:port exec0=./nothing,x eth0=tuntap,tap-2";

	options_init(&options);
	CHECK(!options_parse_text(&options, "text", text, strlen(text), &error));
	CHECK(!options_complete(&options, &error));
	others = count_entries(".");
	check_file("kernel", 10);
	check_file("disk", 10);
	check_file("beneath", 10);
	check_file("changes", 10);
	check_file("fixed", 10);
	check_file("secret", 10);
	CHECK(!mkdir("folder", 0700) && !symlink("secret", "link") && !lstat("secret", &secret));
	server = listen_at("port");
	listen_at("door");
}

int main(int argc, char **argv)
{
	u64 count, granted = 0, all;

	CHECK(argc == 3);
	random_begin(argv[1]);
	furnish();
	for (all = count = strtoull(argv[2], NULL, 10); count; count -= count < LIFE ? count : LIFE)
		granted += live(count < LIFE ? count : LIFE);
	options_free(&options);
	printf("%llu %llu\n", (unsigned long long)granted, (unsigned long long)(all - granted));
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* The daemon's side of the opener: starting it, asking it. */
#include "opener_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os.h"

static int opener = -1;		/* our end of the socket; -1: there is none */
static pid_t process;
static struct os_mutex one_at_a_time;

bool opener_is_there(void)
{
	return opener >= 0;
}

/* --- asking --- */

/*
 * This runs in the handler of SIGSYS as well. That a mutex is none of the functions for
 * handlers does no harm: the signal comes where a thread calls the system by a path,
 * which nobody does who holds this one.
 */
static int ask(const struct opener_request *request, const char *text, size_t bytes,
	       struct opener_answer *answer)
{
	struct iovec out[2] = {
		{ (void *)request, sizeof(*request) },
		{ (void *)text, bytes },
	};
	struct iovec in = { answer, sizeof(*answer) };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control;
	struct msghdr to = { .msg_iov = out, .msg_iovlen = 2 };
	struct msghdr from = {
		.msg_iov = &in, .msg_iovlen = 1,
		.msg_control = control.bytes, .msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *part;
	ssize_t done;
	int fd;

	if (bytes > OPENER_TEXT_MAX)
		return -ENAMETOOLONG;
	os_lock(&one_at_a_time);
	do
		done = sendmsg(opener, &to, MSG_NOSIGNAL);
	while (done < 0 && errno == EINTR);
	while (done >= 0) {
		done = recvmsg(opener, &from, MSG_CMSG_CLOEXEC);
		if (done >= 0 || errno != EINTR)
			break;
	}
	os_unlock(&one_at_a_time);
	if (done != sizeof(*answer))
		return -EIO;	/* it was killed */
	part = CMSG_FIRSTHDR(&from);
	if (!part || part->cmsg_type != SCM_RIGHTS)
		return answer->result;
	memcpy(&fd, CMSG_DATA(part), sizeof(fd));
	return fd;
}

static int ask_path(enum opener_kind kind, const char *path, u32 flags, u32 mode)
{
	struct opener_request request = { .kind = kind, .flags = flags, .mode = mode };
	struct opener_answer answer;

	return ask(&request, path, strlen(path) + 1, &answer);
}

int opener_open(const char *path, u32 flags, u32 mode)
{
	return ask_path(OPENER_OPEN, path, flags, mode);
}

int opener_remove(const char *path)
{
	return ask_path(OPENER_UNLINK, path, 0, 0);
}

int opener_connect(const char *path)
{
	return ask_path(OPENER_SOCKET, path, 0, 0);
}

/* Two texts; -1: see error. */
static int ask_two(enum opener_kind kind, const char *one, const char *other, struct error *error)
{
	struct opener_request request = { .kind = kind };
	size_t first = strlen(one) + 1, second = strlen(other) + 1;
	struct opener_answer answer = { 0 };
	char text[OPENER_TEXT_MAX];
	int result = -ENAMETOOLONG;

	if (first + second <= sizeof(text)) {
		memcpy(text, one, first);
		memcpy(text + first, other, second);
		result = ask(&request, text, first + second, &answer);
	}
	if (result >= 0)
		return result;
	answer.text[sizeof(answer.text) - 1] = '\0';
	if (answer.text[0])
		return error_set(error, "%s", answer.text);
	return error_set(error, "%s: %s", one, strerror(-result));
}

int opener_tap(const char *device, const char *name, struct error *error)
{
	return ask_two(OPENER_TAP, device, name ? name : "", error);
}

int opener_start(const char *program, const char *arguments, struct error *error)
{
	return ask_two(OPENER_START, program, arguments, error);
}

void opener_stop(u32 number)
{
	struct opener_request request = { .kind = OPENER_STOP, .number = number };
	struct opener_answer answer;

	ask(&request, "", 1, &answer);
}

/* --- its life --- */

void opener_allow(const char *path, u32 what)
{
	if (opener_is_there())
		ask_path(OPENER_ALLOW, path, what, 0);
}

void opener_seal(void)
{
	if (opener_is_there())
		ask_path(OPENER_SEAL, "", 0, 0);
}

/* The terminal's keys and its hang-up are for the daemon, and the opener ends with that. */
static void become_opener(int socket)
{
	static const int others[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd;
	size_t i;

	for (i = 0; i < sizeof(others) / sizeof(*others); i++)
		signal(others[i], SIG_IGN);
	prctl(PR_SET_NAME, "colinux-opener");
	/* whoever waits for the end of the daemon's output is not to wait for us */
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	for (fd = 3; fd < 1024; fd++)
		if (fd != socket)
			close(fd);
}

int opener_begin(const struct options *options, struct error *error)
{
	static struct opener_list list;
	int sockets[2];

	if (opener_list_fill(&list, options, error))
		return -1;
	os_mutex_init(&one_at_a_time);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		return error_set(error, "a socket for the opener: %s", strerror(errno));
	process = fork();
	if (process < 0) {
		error_set(error, "starting the opener: %s", strerror(errno));
		close(sockets[0]);
		close(sockets[1]);
		return -1;
	}
	if (!process) {
		become_opener(sockets[1]);
		opener_serve(sockets[1], options, &list);
	}
	close(sockets[1]);
	opener = sockets[0];
	return 0;
}

void opener_end(void)
{
	if (!opener_is_there())
		return;
	close(opener);
	opener = -1;
	while (waitpid(process, NULL, 0) < 0 && errno == EINTR)
		;
}

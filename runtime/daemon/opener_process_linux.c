// SPDX-License-Identifier: GPL-2.0-only
/*
 * The opener itself: reads a request, looks into its list, does it, answers. Who asks may be
 * in a guest's hands: lengths, flags and numbers are checked here, as the driver checks its own.
 */
#include "opener_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "os.h"
#include "wire.h"

static struct os_process *programs[OPTIONS_PROGRAMS];

/* --- paths --- */

static int refuse(const char *path)
{
	char shown[200];

	log_info("the opener was asked for %s, which the configuration does not name",
		 log_printable(shown, sizeof(shown), path, strlen(path), 0));
	return -EACCES;
}

static int open_path(const struct opener_list *list, const struct opener_request *request,
		     const char *path)
{
	u32 what = opener_list_meaning(request->flags);
	int fd;

	if (what == ~0u || !opener_list_allows(list, path, what))
		return refuse(path);
	fd = open(path, request->flags | O_CLOEXEC, request->mode & 0777);
	return fd < 0 ? -errno : fd;
}

static int remove_path(const struct opener_list *list, const char *path)
{
	if (!opener_list_allows(list, path, OPENER_REMOVE))
		return refuse(path);
	return unlink(path) ? -errno : 0;
}

static int connect_path(const struct opener_list *list, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, failure;

	if (!opener_list_allows(list, path, OPENER_CONNECT))
		return refuse(path);
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		failure = errno;
		close(fd);
		return -failure;
	}
	return fd < 0 ? -errno : fd;
}

/* --- interfaces and programs --- */

static int open_tap(const struct options *options, const char *device, const char *name,
		    struct error *error)
{
	u32 i;

	for (i = 0; i < OPTIONS_NETS; i++) {
		const struct option_net *net = &options->net[i];

		if (net->given && net->kind == NET_TUNTAP && !strcmp(net->given->key, device) &&
		    !strcmp(net->tap ? net->tap : "", name))
			return tap_make(net->given->key, net->tap, error);
	}
	return error_set(error, "the configuration has no such interface");
}

static int start(const struct options *options, const char *program, const char *arguments,
		 struct error *error)
{
	u32 i;

	for (i = 0; i < OPTIONS_PROGRAMS; i++) {
		const struct option_program *one = &options->program[i];

		if (!one->path || programs[i] || strcmp(one->path, program) ||
		    strcmp(one->arguments, arguments))
			continue;
		programs[i] = os_process_start(one->path, one->arguments, error);
		return programs[i] ? (int)i : -1;
	}
	return error_set(error, "the configuration has no such program, or it runs already");
}

static int stop(u32 number)
{
	if (number >= OPTIONS_PROGRAMS)
		return -EINVAL;
	os_process_end(programs[number]);
	programs[number] = NULL;
	return 0;
}

/* --- messages --- */

/* The text behind a path's NUL, or NULL. */
static const char *second(const char *text, size_t bytes)
{
	size_t first = strlen(text) + 1;

	return first < bytes ? text + first : NULL;
}

/* What is answered; *fd is to be sent along and closed. */
static int serve(const struct options *options, struct opener_list *list,
		 const struct opener_request *request, const char *text, size_t bytes, int *fd,
		 struct error *error)
{
	const char *other = second(text, bytes);

	switch (request->kind) {
	case OPENER_ALLOW:
		return opener_list_add(list, text, request->flags) ? -EACCES : 0;
	case OPENER_SEAL:
		list->sealed = true;
		return 0;
	case OPENER_OPEN:
		return *fd = open_path(list, request, text);
	case OPENER_UNLINK:
		return remove_path(list, text);
	case OPENER_SOCKET:
		return *fd = connect_path(list, text);
	case OPENER_TAP:
		return *fd = other ? open_tap(options, text, other, error) : -EINVAL;
	case OPENER_START:
		return other ? start(options, text, other, error) : -EINVAL;
	case OPENER_STOP:
		return stop(request->number);
	default:
		return -EINVAL;
	}
}

static bool answer(int socket, const struct opener_answer *answer, int fd)
{
	struct iovec out = { (void *)answer, sizeof(*answer) };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = { .header = {
		.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
	} };
	struct msghdr message = { .msg_iov = &out, .msg_iovlen = 1 };

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
	}
	return sendmsg(socket, &message, MSG_NOSIGNAL) == sizeof(*answer);
}

void opener_serve(int socket, const struct options *options, struct opener_list *list)
{
	static struct {
		struct opener_request request;
		char text[OPENER_TEXT_MAX];
	} message;
	static struct opener_answer reply;
	static struct error error;
	u32 i;

	for (;;) {
		ssize_t bytes = recv(socket, &message, sizeof(message), 0);
		int fd = -1;

		if (bytes < 0 && errno == EINTR)
			continue;
		if (bytes <= 0)
			break;
		memset(&reply, 0, sizeof(reply));
		error.text[0] = '\0';
		bytes -= sizeof(message.request);
		if (bytes < 1 || message.text[bytes - 1])
			reply.result = -EINVAL;
		else
			reply.result = serve(options, list, &message.request, message.text, bytes, &fd, &error);
		snprintf(reply.text, sizeof(reply.text), "%.*s", (int)sizeof(reply.text) - 1, error.text);
		if (!answer(socket, &reply, fd))
			break;
		if (fd >= 0)
			close(fd);
	}
	for (i = 0; i < OPTIONS_PROGRAMS; i++)
		os_process_end(programs[i]);
	_exit(0);
}

// SPDX-License-Identifier: GPL-2.0-only
/* Where daemons listen on Linux, and lines to and from them. */
#include "client_linux.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "run_folder.h"

char **client_arguments(int *argc, char **argv)
{
	(void)argc;
	return argv;
}

long long client_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

/* --- finding --- */

/* -1 and errno. */
static int connect_to(const struct sockaddr_un *address)
{
	struct timeval patience = { .tv_sec = CLIENT_PATIENCE_MS / 1000 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), failure;

	/* for a queue of connections that nobody takes */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (fd < 0 || !connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		return fd;
	failure = errno;
	close(fd);
	errno = failure;
	return -1;
}

struct client_link *client_open(const char *name, bool *absent, struct error *error)
{
	struct client_link *link;
	char folder[RUN_FOLDER_SIZE];
	struct sockaddr_un address;

	*absent = false;
	if (run_folder(folder, false, error)) {
		*absent = errno == ENOENT;
		return NULL;
	}
	if (run_folder_address(folder, name, &address, error))
		return NULL;
	link = malloc(sizeof(*link));
	if (!link) {
		error_set(error, "out of memory");
		return NULL;
	}
	link->fd = connect_to(&address);
	if (link->fd >= 0)
		return link;
	/* of one that was killed, the socket is left */
	*absent = errno == ENOENT || errno == ECONNREFUSED;
	error_set(error, "%s: %s", name, strerror(errno));
	free(link);
	return NULL;
}

void client_close(struct client_link *link)
{
	close(link->fd);
	free(link);
}

int client_names(void (*found)(void *arg, const char *name), void *arg, struct error *error)
{
	size_t suffix = strlen(RUN_SOCKET_SUFFIX), bytes;
	char folder[RUN_FOLDER_SIZE];
	struct dirent *entry;
	DIR *open;

	if (run_folder(folder, false, error))
		return errno == ENOENT ? 0 : -1;
	open = opendir(folder);
	if (!open)
		return error_set(error, "%s: %s", folder, strerror(errno));
	while ((entry = readdir(open))) {
		/* "linux.ctl" is the guest "linux" */
		bytes = strlen(entry->d_name);
		if (bytes <= suffix || strcmp(entry->d_name + bytes - suffix, RUN_SOCKET_SUFFIX))
			continue;
		entry->d_name[bytes - suffix] = '\0';
		found(arg, entry->d_name);
	}
	closedir(open);
	return 0;
}

/* --- lines --- */

/* False: not within the time. */
static bool wait_for(int fd, short what, int ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = what };
	long long until = client_now_ms() + ms, left = ms;
	int ready;

	while ((ready = poll(&poll_fd, 1, (int)left)) < 0 && errno == EINTR)
		if (ms >= 0)
			left = until > client_now_ms() ? until - client_now_ms() : 0;
	return ready > 0;
}

long client_send(struct client_link *link, const void *bytes, size_t count, int ms, struct error *error)
{
	ssize_t now;

	if (!wait_for(link->fd, POLLOUT, ms))
		return CLIENT_LATE;
	do {
		now = send(link->fd, bytes, count, MSG_NOSIGNAL);
	} while (now < 0 && errno == EINTR);
	if (now > 0)
		return now;
	error_set(error, "the guest's daemon: %s", strerror(errno));
	return CLIENT_FAILED;
}

long client_receive(struct client_link *link, char *bytes, size_t room, int ms, struct error *error)
{
	ssize_t now;
	char *end;

	(void)error;
	if (!wait_for(link->fd, POLLIN, ms))
		return CLIENT_LATE;
	/* looked at first, then taken as far as the line goes */
	do {
		now = recv(link->fd, bytes, room, MSG_PEEK);
	} while (now < 0 && errno == EINTR);
	if (now <= 0)
		return CLIENT_CLOSED;
	end = memchr(bytes, '\n', now);
	do {
		now = recv(link->fd, bytes, end ? (size_t)(end + 1 - bytes) : (size_t)now, 0);
	} while (now < 0 && errno == EINTR);
	return now > 0 ? now : CLIENT_CLOSED;
}

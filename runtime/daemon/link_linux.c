// SPDX-License-Identifier: GPL-2.0-only
/* os_link.h on Linux: a Unix socket for each guest, in a folder of mode 0700. */
#include "os_link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "opener.h"
#include "run_folder.h"

#define BACKLOG		128
#define LINKS_MAX	64
/* Somebody who tries again and again must not fill the host's disk with messages. */
#define STRANGERS_SHOWN	8u

struct os_listener {
	int fd, wake;
	u32 strangers;
	struct sockaddr_un address;
	char folder[RUN_FOLDER_SIZE];
};

struct os_link {
	int fd;
};

/*
 * Held while a name is taken or given up: between bind() and listen() a socket
 * looks as dead as one whose daemon was killed. -1: see error.
 */
static int lock_folder(const char *folder, struct error *error)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && !flock(fd, LOCK_EX))
		return fd;
	error_set(error, "%s: locking it: %s", folder, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Is somebody listening there? A full backlog (EAGAIN) is somebody. */
static bool is_alive(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool dead;

	if (fd < 0)
		return true;
	dead = connect(fd, (const struct sockaddr *)address, sizeof(*address)) &&
	       (errno == ECONNREFUSED || errno == ENOENT);
	close(fd);
	return !dead;
}

static int bind_and_listen(struct os_listener *listener, const char *name, bool *taken,
			   struct error *error)
{
	const char *path = listener->address.sun_path;

	if (is_alive(&listener->address)) {
		*taken = true;
		return error_set(error, "a guest of the name %s is running", name);
	}
	unlink(path);
	/* the folder keeps others out; this is for the day when somebody opens it */
	if (bind(listener->fd, (struct sockaddr *)&listener->address, sizeof(listener->address)) ||
	    chmod(path, 0600) || listen(listener->fd, BACKLOG))
		return error_set(error, "%s: %s", path, strerror(errno));
	return 0;
}

struct os_listener *os_listener_open(const char *name, bool *taken, struct error *error)
{
	struct os_listener *listener = calloc(1, sizeof(*listener));
	int lock, result;

	*taken = false;
	if (!listener) {
		error_set(error, "out of memory");
		return NULL;
	}
	if (run_folder(listener->folder, true, error) ||
	    run_folder_address(listener->folder, name, &listener->address, error))
		goto free_listener;
	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	listener->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (listener->fd < 0 || listener->wake < 0) {
		error_set(error, "a socket for colinux-ctl: %s", strerror(errno));
		goto close_both;
	}
	lock = lock_folder(listener->folder, error);
	if (lock < 0)
		goto close_both;
	result = bind_and_listen(listener, name, taken, error);
	close(lock);
	if (!result) {
		/* for closing it */
		opener_allow(listener->folder, OPENER_READ);
		opener_allow(listener->address.sun_path, OPENER_REMOVE);
		return listener;
	}
close_both:
	if (listener->wake >= 0)
		close(listener->wake);
	if (listener->fd >= 0)
		close(listener->fd);
free_listener:
	free(listener);
	return NULL;
}

void os_listener_close(struct os_listener *listener)
{
	struct error error;
	int lock = lock_folder(listener->folder, &error);

	/* while we listen nobody takes the name over, so the file is ours */
	unlink(listener->address.sun_path);
	close(listener->fd);
	if (lock >= 0)
		close(lock);
	close(listener->wake);
	free(listener);
}

/* Root may do anything to us anyway; everybody else has to be our own user. */
static bool may_connect(struct os_listener *listener, int fd)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) || bytes != sizeof(peer))
		return false;
	if (!peer.uid || peer.uid == geteuid())
		return true;
	if (listener->strangers++ < STRANGERS_SHOWN)
		log_warn("control: user %u is not this guest's owner: turned away",
			 (unsigned int)peer.uid);
	return false;
}

struct os_link *os_listener_accept(struct os_listener *listener)
{
	struct os_link *link;
	int fd;

	for (;;) {
		fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0)
			return NULL;
		link = may_connect(listener, fd) ? calloc(1, sizeof(*link)) : NULL;
		if (link) {
			link->fd = fd;
			return link;
		}
		close(fd);
	}
}

static long outcome(ssize_t done)
{
	if (done >= 0)
		return done;
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
}

long os_link_read(struct os_link *link, void *buffer, size_t bytes)
{
	ssize_t done = recv(link->fd, buffer, bytes, MSG_DONTWAIT);

	return done ? outcome(done) : -1;
}

long os_link_write(struct os_link *link, const void *buffer, size_t bytes)
{
	return outcome(send(link->fd, buffer, bytes, MSG_DONTWAIT | MSG_NOSIGNAL));
}

void os_link_close(struct os_link *link)
{
	close(link->fd);
	free(link);
}

bool os_links_wait(struct os_listener *listener, bool accept, struct os_link_wait *waits,
		   u32 count, u32 ms)
{
	struct pollfd fds[2 + LINKS_MAX] = {
		{ .fd = listener->wake, .events = POLLIN },
		{ .fd = accept ? listener->fd : -1, .events = POLLIN },
	};
	u64 wakes;
	u32 i;

	for (i = 0; i < count; i++) {
		fds[2 + i].fd = waits[i].link->fd;
		fds[2 + i].events = (waits[i].wanted & OS_LINK_READABLE ? POLLIN : 0) |
				    (waits[i].wanted & OS_LINK_WRITABLE ? POLLOUT : 0);
		waits[i].ready = 0;
	}
	if (poll(fds, 2 + count, ms == ~0u ? -1 : (int)ms) <= 0)
		return false;
	if (fds[0].revents && read(listener->wake, &wakes, sizeof(wakes)) < 0)
		log_debug("control: nobody woke us");
	for (i = 0; i < count; i++) {
		short seen = fds[2 + i].revents;

		waits[i].ready = (seen & POLLIN ? OS_LINK_READABLE : 0) |
				 (seen & POLLOUT ? OS_LINK_WRITABLE : 0) |
				 (seen & (POLLHUP | POLLERR | POLLNVAL) ? OS_LINK_GONE : 0);
	}
	return fds[1].revents;
}

void os_listener_wake(struct os_listener *listener)
{
	u64 one = 1;

	/* fails only when it is awake already, 2^64 times over */
	if (write(listener->wake, &one, sizeof(one)) < 0)
		return;
}

u32 os_process_number(void)
{
	return getpid();
}

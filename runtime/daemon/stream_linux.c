// SPDX-License-Identifier: GPL-2.0-only
/*
 * os.h on Linux: byte streams. A stream is two halves, often one descriptor,
 * and each kind of descriptor has its own way to say that nobody is there:
 *
 *	a port or other character device	POLLHUP, comes back by itself
 *	a terminal				POLLHUP, EIO: open it again
 *	a pty					the same, if its path now leads to another one
 *	a socket				end of file: connect again
 *	a FIFO					POLLERR: no reader yet, or not any more
 *	stdin, stdout				end of file, EPIPE: for good
 */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "line_linux.h"
#include "log.h"
#include "opener.h"
#include "sandbox_linux.h"

#define AWAY_MS		250	/* until we look again whether the peer is back */
#define REOPEN_MS	500

enum kind { KIND_NOTHING, KIND_FILE, KIND_DEVICE, KIND_TERMINAL, KIND_FIFO, KIND_SOCKET };

struct half {
	int fd;			/* -1: none */
	enum kind kind;
	bool waits;		/* a write of more than there is room for does not return */
	bool ended;		/* for good */
	u64 away_until;		/* 0: the peer is there */
	short seen;		/* what poll() said last */
};

struct os_stream {
	struct half in, out;
	const char *path;	/* NULL: never opened again */
	char *path_copy;
	bool is_socket;
	struct serial_line line;
	struct error line_fault;	/* why it could not be set so; the text may be empty */
	dev_t lost_pty;		/* the pty that hung up; 0: none did */
	u64 reopen_at;
	int wake;
};

/* --- opening --- */

static enum kind kind_of(int fd)
{
	struct stat status;

	if (fd < 0 || fstat(fd, &status))
		return KIND_NOTHING;
	if (S_ISCHR(status.st_mode))
		return isatty(fd) ? KIND_TERMINAL : KIND_DEVICE;
	if (S_ISFIFO(status.st_mode))
		return KIND_FIFO;
	if (S_ISSOCK(status.st_mode))
		return KIND_SOCKET;
	return KIND_FILE;
}

static void set_half(struct half *half, int fd)
{
	memset(half, 0, sizeof(*half));
	half->fd = fd;
	half->kind = kind_of(fd);
	half->waits = fd >= 0 && !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static struct os_stream *new_stream(struct error *error)
{
	struct os_stream *stream = calloc(1, sizeof(*stream));

	if (!stream) {
		error_set(error, "out of memory");
		return NULL;
	}
	set_half(&stream->in, -1);
	set_half(&stream->out, -1);
	stream->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (stream->wake < 0) {
		error_set(error, "eventfd: %s", strerror(errno));
		free(stream);
		return NULL;
	}
	return stream;
}

struct os_stream *os_stream_null(struct error *error)
{
	return new_stream(error);
}

/*
 * stdin and stdout are shared with whoever started us: O_NONBLOCK set on them
 * would be theirs, too. Terminals and pipes can be opened once more; for the
 * others poll() and small pieces must do.
 */
static int open_own(int fd, int flags)
{
	enum kind kind = kind_of(fd);
	char path[32];
	int own = -1;

	if (kind == KIND_TERMINAL || kind == KIND_FIFO) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		own = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	}
	return own >= 0 ? own : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

/* In a sandbox they cannot be opened any more, and a guest may start anew. */
static int kept[2] = { -1, -1 };

void stream_keep_stdio(void)
{
	kept[STDIN_FILENO] = open_own(STDIN_FILENO, O_RDONLY);
	kept[STDOUT_FILENO] = open_own(STDOUT_FILENO, O_WRONLY);
}

static int own_descriptor(int fd, int flags)
{
	return kept[fd] >= 0 ? fcntl(kept[fd], F_DUPFD_CLOEXEC, 3) : open_own(fd, flags);
}

struct os_stream *os_stream_stdio(struct error *error)
{
	struct os_stream *stream = new_stream(error);

	if (!stream)
		return NULL;
	/* either may be closed: then that half is nobody */
	set_half(&stream->in, own_descriptor(STDIN_FILENO, O_RDONLY));
	set_half(&stream->out, own_descriptor(STDOUT_FILENO, O_WRONLY));
	return stream;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (opener_is_there()) {
		fd = opener_connect(path);
		errno = fd < 0 ? -fd : 0;
		return fd < 0 ? -1 : fd;
	}
	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		int saved = errno;

		close(fd);
		errno = saved;
		fd = -1;
	}
	return fd;
}

static void make_raw(int fd)
{
	struct termios mode;

	if (tcgetattr(fd, &mode))
		return;
	cfmakeraw(&mode);
	mode.c_cflag |= CLOCAL;
	tcsetattr(fd, TCSANOW, &mode);
}

/* False: a line is to be set, and cannot; errno is EINVAL then. */
static bool set_line(struct os_stream *stream, int fd)
{
	if (!serial_line_any(&stream->line))
		return true;
	if (fd < 0)
		error_set(&stream->line_fault, "only a serial port has a line to be set");
	else if (!line_set(fd, &stream->line, &stream->line_fault))
		return true;
	errno = EINVAL;
	return false;
}

static int open_path(struct os_stream *stream)
{
	int flags = O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	struct stat status;
	int fd;

	stream->line_fault.text[0] = '\0';
	if (stream->is_socket) {
		if (!set_line(stream, -1))
			return -1;
		fd = connect_to(stream->path);
		if (fd < 0)
			return -1;
		set_half(&stream->in, fd);
		set_half(&stream->out, fd);
		return 0;
	}
	if (stat(stream->path, &status))
		return -1;
	if (S_ISCHR(status.st_mode)) {
		/* A pty's number belongs to whoever asks next: never theirs. A
		 * symbolic link to it may lead to another one by now. */
		if (stream->lost_pty && status.st_rdev == stream->lost_pty) {
			errno = ENXIO;
			return -1;
		}
		fd = open(stream->path, flags | O_RDWR);
		if (fd < 0)
			return -1;
		make_raw(fd);
		if (!set_line(stream, fd)) {
			close(fd);
			errno = EINVAL;
			return -1;
		}
		set_half(&stream->in, fd);
		set_half(&stream->out, fd);
	} else if (S_ISFIFO(status.st_mode) || S_ISREG(status.st_mode)) {
		if (!set_line(stream, -1))
			return -1;
		/* what went into them would come back as input: output only */
		fd = open(stream->path, flags | O_WRONLY | O_APPEND);
		if (fd < 0)
			return -1;
		set_half(&stream->out, fd);
	} else {
		errno = ENOTSUP;
		return -1;
	}
	return 0;
}

/* Errors with which a path may still become usable while the guest runs. */
static bool may_come(const struct os_stream *stream, int failure)
{
	if (stream->is_socket)
		return failure == ENOENT || failure == ECONNREFUSED || failure == EAGAIN;
	return failure == ENXIO || failure == EIO;
}

struct os_stream *os_stream_open(const char *path, struct error *error)
{
	static const struct serial_line as_it_is;

	return os_stream_open_line(path, &as_it_is, error);
}

struct os_stream *os_stream_open_line(const char *path, const struct serial_line *line,
				      struct error *error)
{
	struct os_stream *stream = new_stream(error);
	struct stat status;

	if (!stream)
		return NULL;
	stream->line = *line;
	stream->path_copy = strdup(path);
	if (!stream->path_copy) {
		error_set(error, "out of memory");
		goto fail;
	}
	stream->path = stream->path_copy;
	if (!strncmp(path, "unix:", 5)) {
		stream->is_socket = true;
		stream->path += 5;
	} else {
		stream->is_socket = !stat(path, &status) && S_ISSOCK(status.st_mode);
	}
	if (!open_path(stream))
		return stream;
	if (may_come(stream, errno)) {
		log_note("%s: nobody is there yet (%s)", path, strerror(errno));
		stream->reopen_at = os_now_ms() + REOPEN_MS;
		return stream;
	}
	if (stream->line_fault.text[0])
		error_set(error, "%s: %s", path, stream->line_fault.text);
	else if (errno == ENOTSUP)
		error_set(error, "%s: is no character device, pty, socket, FIFO or file", path);
	else
		error_set(error, "%s: %s", path, strerror(errno));
fail:
	os_stream_close(stream);
	return NULL;
}

static void close_halves(struct os_stream *stream)
{
	if (stream->in.fd >= 0)
		close(stream->in.fd);
	if (stream->out.fd >= 0 && stream->out.fd != stream->in.fd)
		close(stream->out.fd);
	set_half(&stream->in, -1);
	set_half(&stream->out, -1);
}

void os_stream_close(struct os_stream *stream)
{
	close_halves(stream);
	close(stream->wake);
	free(stream->path_copy);
	free(stream);
}

/* --- peers that come and go --- */

/* Unix98 pseudo-terminals: Linux's Documentation/admin-guide/devices.txt */
static bool is_pty(dev_t device)
{
	return major(device) >= 136 && major(device) <= 143;
}

/* This half's peer is gone, as far as one can tell. */
static void half_lost(struct os_stream *stream, struct half *half)
{
	int failure = errno;

	if (half->kind == KIND_DEVICE && (half->seen & POLLHUP)) {
		half->away_until = os_now_ms() + AWAY_MS;
	} else if (half->kind == KIND_FIFO && stream->path) {
		half->away_until = os_now_ms() + AWAY_MS;
	} else if (half->kind == KIND_TERMINAL && !stream->path && half == &stream->in &&
		   failure == EIO && tcgetpgrp(half->fd) != getpgrp()) {
		/* started in the background: it may be ours again later */
		half->away_until = os_now_ms() + AWAY_MS;
	} else if (stream->path) {
		struct stat status;

		log_info("%s: the other end is gone", stream->path);
		if (!fstat(half->fd, &status) && is_pty(status.st_rdev))
			stream->lost_pty = status.st_rdev;
		close_halves(stream);
		stream->reopen_at = os_now_ms() + REOPEN_MS;
	} else {
		half->ended = true;
	}
}

static bool half_there(const struct half *half)
{
	return half->fd >= 0 && !half->ended && !half->away_until;
}

static void come_back(struct os_stream *stream, u64 now)
{
	bool faulty;

	if (stream->in.away_until && now >= stream->in.away_until)
		stream->in.away_until = 0;
	if (stream->out.away_until && now >= stream->out.away_until)
		stream->out.away_until = 0;
	if (!stream->reopen_at || now < stream->reopen_at)
		return;
	stream->reopen_at = 0;
	faulty = stream->line_fault.text[0];
	if (!open_path(stream)) {
		log_info("%s: connected", stream->path);
		return;
	}
	stream->reopen_at = now + REOPEN_MS;
	if (stream->line_fault.text[0] && !faulty)
		log_warn("%s: %s", stream->path, stream->line_fault.text);
}

/* Milliseconds until come_back() has something to do; -1: never. */
static int until_come_back(const struct os_stream *stream, u64 now)
{
	const u64 times[] = { stream->in.away_until, stream->out.away_until, stream->reopen_at };
	u64 next = 0;
	size_t i;

	for (i = 0; i < 3; i++)
		if (times[i] && (!next || times[i] < next))
			next = times[i];
	if (!next)
		return -1;
	return next > now ? (int)(next - now) : 0;
}

/* --- waiting, reading, writing --- */

u32 os_stream_wait(struct os_stream *stream, u32 wanted)
{
	struct pollfd fds[3] = { { .fd = stream->wake, .events = POLLIN } };
	u32 ready = 0;

	while (!ready) {
		u64 now = os_now_ms(), wakes;

		come_back(stream, now);
		fds[1].fd = wanted & OS_STREAM_READABLE && half_there(&stream->in) ? stream->in.fd : -1;
		fds[1].events = POLLIN;
		fds[2].fd = wanted & OS_STREAM_WRITABLE && half_there(&stream->out) ? stream->out.fd : -1;
		fds[2].events = POLLOUT;
		/* with nobody there, bytes go nowhere at once */
		if ((wanted & OS_STREAM_WRITABLE) && fds[2].fd < 0)
			return OS_STREAM_WRITABLE;
		if (poll(fds, 3, until_come_back(stream, now)) <= 0)
			continue;
		stream->in.seen = fds[1].fd >= 0 ? fds[1].revents : 0;
		stream->out.seen = fds[2].fd >= 0 ? fds[2].revents : 0;
		if (fds[0].revents && read(stream->wake, &wakes, sizeof(wakes)) > 0)
			ready |= OS_STREAM_WOKEN;
		if (stream->in.seen & POLLIN)
			ready |= OS_STREAM_READABLE;
		else if (stream->in.seen)
			half_lost(stream, &stream->in);
		if (stream->out.seen & POLLOUT && !(stream->out.seen & POLLERR))
			ready |= OS_STREAM_WRITABLE;
		else if (stream->out.seen)
			half_lost(stream, &stream->out);
	}
	return ready;
}

void os_stream_wake(struct os_stream *stream)
{
	u64 one = 1;

	/* fails only when it is awake already, 2^64 times over */
	if (write(stream->wake, &one, sizeof(one)) < 0)
		return;
}

static bool only_now(int failure)
{
	return failure == EAGAIN || failure == EWOULDBLOCK || failure == EINTR;
}

size_t os_stream_read(struct os_stream *stream, void *buffer, size_t bytes)
{
	ssize_t done;

	if (!half_there(&stream->in))
		return 0;
	errno = 0;
	done = read(stream->in.fd, buffer, bytes);
	if (done > 0)
		return done;
	if (done == 0 || !only_now(errno))
		half_lost(stream, &stream->in);
	return 0;
}

size_t os_stream_write(struct os_stream *stream, const void *buffer, size_t bytes)
{
	struct half *half = &stream->out;
	/* what a terminal and a pipe surely take once poll() says so */
	size_t sure = half->kind == KIND_TERMINAL ? 256 : 4096;
	ssize_t done;

	if (!half_there(half))
		return bytes;
	if (half->kind == KIND_SOCKET)
		done = send(half->fd, buffer, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		done = write(half->fd, buffer, half->waits && bytes > sure ? sure : bytes);
	if (done >= 0)
		return done;
	if (only_now(errno))
		return 0;
	half_lost(stream, half);
	return bytes;
}

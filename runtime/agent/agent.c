/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * colinux-agent DEVICE: runs the launcher's scripts; see agent.h.
 *
 * DEVICE is a path (/dev/hvc1), or port:NAME for the virtio-serial port of
 * that name, whose device node depends on the order in which QEMU was told of
 * the ports. The program waits for the device, and starts anew when the other
 * side hangs up.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

#define PORTS "/sys/class/virtio-ports"
#define RETRY_MS 200
/* A frame whose body stops arriving for this long was cut off. */
#define BODY_MS 10000

static int child_pipe[2];
static struct parser parser;
static struct outq outq;

/* Milliseconds; from the wall clock where the kernel has no monotonic one (2.4). */
static long long now_ms(void)
{
	struct timespec ts;
	struct timeval tv;

	if (!clock_gettime(CLOCK_MONOTONIC, &ts))
		return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
	gettimeofday(&tv, NULL);
	return tv.tv_sec * 1000ll + tv.tv_usec / 1000;
}

static void on_child(int sig)
{
	int e = errno;

	(void)sig;
	if (write(child_pipe[1], "", 1) < 0) {
		/* full: a wake-up is on its way already */
	}
	errno = e;
}

/* The device node of a virtio-serial port: 1 found, 0 not (yet). */
static int find_port(const char *name, char *path, size_t size)
{
	DIR *dir = opendir(PORTS);
	struct dirent *e;
	int found = 0;

	if (!dir)
		return 0;
	while (!found && (e = readdir(dir))) {
		char file[512], text[128];
		FILE *f;

		snprintf(file, sizeof(file), PORTS "/%s/name", e->d_name);
		f = fopen(file, "r");
		if (!f)
			continue;
		if (fgets(text, sizeof(text), f)) {
			text[strcspn(text, "\n")] = 0;
			found = !strcmp(text, name);
		}
		fclose(f);
		if (found)
			snprintf(path, size, "/dev/%s", e->d_name);
	}
	closedir(dir);
	return found;
}

static void make_raw(int fd)
{
	struct termios t;

	if (tcgetattr(fd, &t))
		return;		/* a virtio port is no terminal */
	t.c_iflag = IGNBRK;
	t.c_oflag = 0;
	t.c_lflag = 0;
	t.c_cflag = (t.c_cflag & ~(CSIZE | PARENB)) | CS8 | CREAD | CLOCAL;
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	tcsetattr(fd, TCSANOW, &t);
}

/* The device, opened; waits until it can be. */
static int open_device(const char *device)
{
	char path[300];
	const char *last = NULL;

	for (;;) {
		const char *why = "no such port";
		int ready = 1, fd;

		if (!strncmp(device, "port:", 5))
			ready = find_port(device + 5, path, sizeof(path));
		else
			snprintf(path, sizeof(path), "%s", device);
		if (ready) {
			fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
			if (fd >= 0) {
				fcntl(fd, F_SETFD, FD_CLOEXEC);
				make_raw(fd);
				return fd;
			}
			why = strerror(errno);
		}
		if (last != why) {	/* once a reason, not five times a second */
			fprintf(stderr, "colinux-agent: %s: %s; waiting\n", device, why);
			last = why;
		}
		poll(NULL, 0, RETRY_MS);
	}
}

static void hello(const char *device)
{
	const char *name = strrchr(device, device[0] == '/' ? '/' : ':');

	outq_printf(&outq, "hello %d %.64s\n", AGENT_PROTOCOL, name ? name + 1 : device);
}

static void obey(const struct frame *f, const char *device)
{
	switch (f->kind) {
	case FRAME_PING:
		hello(device);
		break;
	case FRAME_RUN:
		run_start(f, &outq, now_ms());
		break;
	case FRAME_KILL:
		run_kill(f->id, now_ms());
		break;
	case FRAME_NONE:
		break;
	}
}

/* What arrived, obeyed. 0: the other side hung up. */
static int receive(int fd, const char *device)
{
	char data[4096];
	ssize_t n = read(fd, data, sizeof(data));
	size_t done = 0;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (!n)
		return 0;
	while (done < (size_t)n) {
		struct frame f;

		done += parser_feed(&parser, data + done, (size_t)n - done, &f);
		obey(&f, device);
	}
	return 1;
}

static int transmit(int fd)
{
	ssize_t n = write(fd, outq.data + outq.start, outq_used(&outq));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	outq.start += (size_t)n;
	if (outq.start == outq.end)
		outq.start = outq.end = 0;
	return 1;
}

/* How long poll may sleep: to the next time limit, or until something comes. */
static int sleep_ms(long long now, long long body_until)
{
	long long next = runs_next_deadline();

	if (body_until && (!next || body_until < next))
		next = body_until;
	if (!next)
		return -1;
	if (next <= now)
		return 0;
	return next - now > 60000 ? 60000 : (int)(next - now);
}

/* One connection, from the opened device to its hang-up. */
static void serve(int fd, const char *device)
{
	long long body_until = 0;

	parser_reset(&parser);
	outq.start = outq.end = 0;
	hello(device);
	for (;;) {
		struct pollfd pfd[2 + AGENT_RUNS_MAX];
		struct run *of[2 + AGENT_RUNS_MAX];
		int n = 2;
		char drain[64];

		runs_expire(now_ms());
		runs_reap();
		runs_finish(&outq);
		pfd[0].fd = fd;
		pfd[0].events = POLLIN | (outq_used(&outq) ? POLLOUT : 0);
		pfd[1].fd = child_pipe[0];
		pfd[1].events = POLLIN;
		/* a full queue stops the reading of output, and so the scripts */
		if (outq_room(&outq) > sizeof(outq.data) / 2)
			for (int i = 0; i < AGENT_RUNS_MAX; i++)
				if (runs[i].used && runs[i].fd >= 0) {
					pfd[n].fd = runs[i].fd;
					pfd[n].events = POLLIN;
					of[n++] = &runs[i];
				}
		if (poll(pfd, (nfds_t)n, sleep_ms(now_ms(), body_until)) < 0)
			continue;	/* EINTR: a child ended */
		if (pfd[1].revents)
			while (read(child_pipe[0], drain, sizeof(drain)) > 0)
				;
		for (int i = 2; i < n; i++)
			if (pfd[i].revents)
				run_read(of[i], &outq);
		if (pfd[0].revents & POLLIN) {
			if (!receive(fd, device))
				return;
			body_until = parser_in_body(&parser) ? now_ms() + BODY_MS : 0;
		} else if (pfd[0].revents & (POLLHUP | POLLERR | POLLNVAL)) {
			return;
		} else if (body_until && now_ms() >= body_until) {
			parser_reset(&parser);
			body_until = 0;
		}
		if ((pfd[0].revents & POLLOUT) && !transmit(fd))
			return;
	}
}

int main(int argc, char **argv)
{
	struct sigaction sa;

	if (argc != 2) {
		fprintf(stderr, "usage: colinux-agent DEVICE   (a path, or port:NAME)\n");
		return 2;
	}
	if (pipe(child_pipe)) {
		perror("colinux-agent: pipe");
		return 1;
	}
	for (int i = 0; i < 2; i++) {
		fcntl(child_pipe[i], F_SETFL, O_NONBLOCK);
		fcntl(child_pipe[i], F_SETFD, FD_CLOEXEC);
	}
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_child;
	sa.sa_flags = SA_NOCLDSTOP;
	sigaction(SIGCHLD, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
	if (!getenv("PATH"))
		setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin", 1);
	for (;;) {
		int fd = open_device(argv[1]);

		serve(fd, argv[1]);
		run_kill_all();
		close(fd);
		/* the number of a pseudo terminal that is gone belongs to whoever asks next */
		if (!strncmp(argv[1], "/dev/pts/", 9))
			return 0;
		/* a port whose other side is away reports the hang-up at once */
		poll(NULL, 0, RETRY_MS);
	}
}

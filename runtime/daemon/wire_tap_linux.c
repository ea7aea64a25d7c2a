// SPDX-License-Identifier: GPL-2.0-only
/*
 * tuntap: a network interface of the host's whose other end we hold
 * (Documentation/networking/tuntap.rst in Linux). What the host does with it, an
 * address, a route, a bridge, is the host's; without the right to make one, one that
 * its administrator has made for this user can be opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "log.h"
#include "opener.h"
#include "waiter.h"
#include "wire.h"

#define TUN_DEVICE	"/dev/net/tun"

/* After so many frames the device may have something to send in its turn. */
#define FRAMES_AT_ONCE	64u

struct tap {
	struct wire wire;
	const char *device;
	int fd;
	struct waiter *waiter;
};

static struct tap *to_tap(struct wire *wire)
{
	return (struct tap *)wire;	/* its first member */
}

static void tap_send(struct wire *wire, const void *frame, u32 bytes)
{
	/* lost, as on any cable, while the interface is down or its queue full */
	if (write(to_tap(wire)->fd, frame, bytes) < 0)
		log_debug("%s: a frame of %u bytes: %s", to_tap(wire)->device, bytes, strerror(errno));
}

static void tap_wait(struct wire *wire, bool take)
{
	struct tap *tap = to_tap(wire);
	u8 frame[WIRE_FRAME_MAX + 1];
	ssize_t bytes = 0;
	u32 frames = 0;
	int number;

	waiter_clear(tap->waiter);
	number = take ? waiter_add(tap->waiter, tap->fd, WAIT_IN) : -1;
	waiter_wait(tap->waiter, ~0u);
	if (!(waiter_got(tap->waiter, number) & (WAIT_IN | WAIT_ERROR)))
		return;
	while (take && frames++ < FRAMES_AT_ONCE) {
		bytes = read(tap->fd, frame, sizeof(frame));
		if (bytes < 0)
			break;
		/* one byte more than fits: the host's side has a greater MTU */
		if (bytes >= (ssize_t)WIRE_FRAME_MIN && bytes <= (ssize_t)WIRE_FRAME_MAX)
			take = wire->deliver(wire->arg, frame, bytes);
	}
	if (bytes < 0 && errno != EAGAIN && errno != EINTR) {
		/* EBADFD: the interface was deleted. It does not come back: do not spin. */
		log_warn("%s: reading from the host's interface: %s; it is cut off", tap->device,
			 strerror(errno));
		close(tap->fd);
		tap->fd = -1;	/* poll(2) ignores it, write(2) fails */
	}
}

static void tap_wake(struct wire *wire)
{
	waiter_wake(to_tap(wire)->waiter);
}

static void tap_close(struct wire *wire)
{
	struct tap *tap = to_tap(wire);

	waiter_free(tap->waiter);
	if (tap->fd >= 0)
		close(tap->fd);
	free(tap);
}

static const struct wire_ops tap_ops = {
	.send = tap_send,
	.wait = tap_wait,
	.wake = tap_wake,
	.close = tap_close,
};

int tap_make(const char *device, const char *name, struct error *error)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd, failure;

	if (name && (strlen(name) >= IFNAMSIZ || strpbrk(name, " \t/:%")))
		return error_set(error, "\"%s\" is no name of a network interface: at most %u characters, without blanks, slashes and colons",
				 name, IFNAMSIZ - 1);
	if (name)
		memcpy(request.ifr_name, name, strlen(name));
	fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return error_set(error, TUN_DEVICE ": %s%s", strerror(errno),
				 errno == ENOENT || errno == ENODEV ? " (modprobe tun)" : "");
	if (ioctl(fd, TUNSETIFF, &request)) {
		failure = errno;
		close(fd);
		return error_set(error, "the interface %s: %s%s", name ? name : "(a new one)",
				 strerror(failure),
				 failure == EPERM ? "; as root: ip tuntap add dev NAME mode tap user YOU" :
				 failure == EBUSY ? " (another guest's, or twice this one's)" : "");
	}
	log_note("%s: is %s on the host", device, request.ifr_name);
	return fd;
}

int tap_look(const char *name, char *text, size_t bytes, struct error *error)
{
	(void)name, (void)error;
	snprintf(text, bytes, "%s", "");
	return 0;
}

struct wire *wire_open_tap(const char *device, const char *name, struct error *error)
{
	struct tap *tap = calloc(1, sizeof(*tap));

	if (!tap) {
		error_set(error, "out of memory");
		return NULL;
	}
	tap->wire.ops = &tap_ops;
	tap->device = device;
	tap->waiter = waiter_new(error);
	if (!tap->waiter)
		tap->fd = -1;
	else if (opener_is_there())
		tap->fd = opener_tap(device, name, error);
	else
		tap->fd = tap_make(device, name, error);
	if (tap->fd < 0) {
		tap_close(&tap->wire);
		return NULL;
	}
	return &tap->wire;
}

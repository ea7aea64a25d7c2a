// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-mode NAT without the NAT: a fake wire in place of libslirp's, whose redirections
 * are real ports of the host's. Who connects to one is taken in, and not spoken to.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "fake_wire.h"
#include "redirects.h"

#define PORTS	64u

static struct {
	int fd;
	u16 port;
	bool udp, used;
	u8 address[4];
} ports[PORTS];

static int listen_at(const struct option_redirect *redirect, u16 port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, redirect->udp ? SOCK_DGRAM : SOCK_STREAM, 0), failure;

	memcpy(&at.sin_addr, redirect->address, 4);
	if (!bind(fd, (struct sockaddr *)&at, sizeof(at)) && (redirect->udp || !listen(fd, 4)))
		return fd;
	failure = errno;
	close(fd);
	errno = failure;
	return -1;
}

static void close_port(const struct option_redirect *redirect, u16 port)
{
	u32 i;

	for (i = 0; i < PORTS; i++)
		if (ports[i].used && ports[i].port == port && ports[i].udp == redirect->udp &&
		    !memcmp(ports[i].address, redirect->address, 4))
			break;
	CHECK(i < PORTS);	/* nobody closes what is not open */
	close(ports[i].fd);
	ports[i].used = false;
}

static void fake_close_ports(struct wire *wire, const struct option_redirect *redirect)
{
	u32 n;

	(void)wire;
	for (n = 0; n < redirect->count; n++)
		close_port(redirect, redirect->host + n);
}

static int fake_open_ports(struct wire *wire, const struct option_redirect *redirect,
			   struct error *error)
{
	u32 n, i;
	int fd;

	(void)wire;
	for (n = 0; n < redirect->count; n++) {
		for (i = 0; i < PORTS && ports[i].used; i++)
			;
		errno = EMFILE;
		fd = i < PORTS ? listen_at(redirect, redirect->host + n) : -1;
		if (fd < 0) {
			error_set(error, "%s port %u at %u.%u.%u.%u: %s", redirect->udp ? "udp" : "tcp", redirect->host + n,
				  redirect->address[0], redirect->address[1], redirect->address[2], redirect->address[3],
				  strerror(errno));
			while (n--)
				close_port(redirect, redirect->host + n);
			return -1;
		}
		ports[i].fd = fd;
		ports[i].port = redirect->host + n;
		ports[i].udp = redirect->udp;
		ports[i].used = true;
		memcpy(ports[i].address, redirect->address, 4);
	}
	return 0;
}

static void (*close_fake)(struct wire *wire);

/* As libslirp's own end closes them. */
static void close_slirp(struct wire *wire)
{
	while (wire->redirects.count)
		fake_close_ports(wire, &wire->redirects.entry[--wire->redirects.count]);
	close_fake(wire);
}

struct wire *wire_open_slirp(const char *device, const struct option_net *net, struct error *error)
{
	static struct wire_ops ops;
	struct wire *wire = fake_wire();

	close_fake = wire->ops->close;
	ops = *wire->ops;
	ops.close = close_slirp;
	ops.open_ports = fake_open_ports;
	ops.close_ports = fake_close_ports;
	wire->ops = &ops;
	if (!redirects_change(wire, device, REDIRECTS_OPEN, &net->redirects, error))
		return wire;
	wire->ops->close(wire);
	return NULL;
}

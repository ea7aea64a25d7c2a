// SPDX-License-Identifier: GPL-2.0-only
/*
 * slirp: user-mode NAT by libslirp, which needs no right on the host: the guest's
 * connections become the daemon's own. eth0 is in the net 10.0.2.0/24, as coLinux's was,
 * eth1 in 10.0.3.0/24, and so on: .2 is the host (its 127.0.0.1), .3 the host's name
 * server, .15 the guest's address by DHCP. With IPv6 fec0:0:0:2::/64, ...
 *
 * libslirp is not thread-safe. All calls come from the network device's thread,
 * but for those before its start and after its end.
 */
#include "wire.h"

#ifdef CO_SLIRP

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>
#include <libslirp.h>

#include "log.h"
#include "os.h"
#include "redirects.h"
#include "waiter.h"

_Static_assert((int)SLIRP_POLL_IN == WAIT_IN && (int)SLIRP_POLL_OUT == WAIT_OUT &&
	       (int)SLIRP_POLL_PRI == WAIT_URGENT && (int)SLIRP_POLL_ERR == WAIT_ERROR &&
	       (int)SLIRP_POLL_HUP == WAIT_HANGUP, "events are passed on as they are");

/* A guest must not fill the host's disk with messages. */
#define COMPLAINTS_SHOWN	8u

/* libslirp looks at its timers when it is asked; it asks for this itself where it has any. */
#define WAIT_AT_MOST_MS		1000u

struct slirp_timer {
	struct slirp_timer *next;
	SlirpTimerCb callback;
	void *arg;
	int64_t at_ms;		/* -1: not set */
};

struct slirp_wire {
	struct wire wire;
	const char *device;
	Slirp *slirp;
	struct waiter *waiter;
	struct slirp_timer *timers;
	u32 complaints;
};

static struct slirp_wire *to_slirp(struct wire *wire)
{
	return (struct slirp_wire *)wire;	/* its first member */
}

/* --- what libslirp asks of us --- */

static ssize_t send_packet(const void *frame, size_t bytes, void *arg)
{
	struct slirp_wire *slirp = arg;

	/* no device yet: opening has failed, and connections are closed */
	if (slirp->wire.deliver && bytes <= WIRE_FRAME_MAX)
		slirp->wire.deliver(slirp->wire.arg, frame, bytes);
	return bytes;
}

static void complain(struct slirp_wire *slirp, const char *text)
{
	char shown[200];

	if (slirp->complaints++ < COMPLAINTS_SHOWN)
		log_warn("%s: slirp: %s%s", slirp->device,
			 log_printable(shown, sizeof(shown), text, strlen(text), 0),
			 slirp->complaints == COMPLAINTS_SHOWN ? " (further ones are not shown)" : "");
}

static void guest_error(const char *text, void *arg)
{
	complain(arg, text);
}

static int64_t clock_get_ns(void *arg)
{
	(void)arg;
	return os_now_ms() * 1000000;
}

static void *timer_new(SlirpTimerCb callback, void *callback_arg, void *arg)
{
	struct slirp_wire *slirp = arg;
	struct slirp_timer *timer = calloc(1, sizeof(*timer));

	if (!timer)
		abort();	/* as libslirp's own allocations do */
	*timer = (struct slirp_timer){ slirp->timers, callback, callback_arg, -1 };
	slirp->timers = timer;
	return timer;
}

static void timer_free(void *timer, void *arg)
{
	struct slirp_wire *slirp = arg;
	struct slirp_timer **at = &slirp->timers;

	while (*at && *at != timer)
		at = &(*at)->next;
	if (*at)
		*at = (*at)->next;
	free(timer);
}

static void timer_mod(void *timer, int64_t at_ms, void *arg)
{
	(void)arg;
	((struct slirp_timer *)timer)->at_ms = at_ms;
}

/* The set is made anew for every wait. */
static void poll_fd(int fd, void *arg)
{
	(void)fd;
	(void)arg;
}

static void notify(void *arg)
{
	waiter_wake(((struct slirp_wire *)arg)->waiter);
}

static const SlirpCb callbacks = {
	.send_packet = send_packet,
	.guest_error = guest_error,
	.clock_get_ns = clock_get_ns,
	.timer_new = timer_new,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = poll_fd,
	.unregister_poll_fd = poll_fd,
	.notify = notify,
};

/* What the library says goes where our messages go, and not without end. */
static void library_message(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer arg)
{
	static u32 messages;	/* of all interfaces; a lost count does no harm */

	(void)arg;
	if (level & (G_LOG_FLAG_FATAL | G_LOG_LEVEL_ERROR) ||
	    __atomic_fetch_add(&messages, 1, __ATOMIC_RELAXED) < 4 * COMPLAINTS_SHOWN)
		log_warn("%s: %s", domain ? domain : "slirp", text);
}

/* --- the wire --- */

static void slirp_send(struct wire *wire, const void *frame, u32 bytes)
{
	slirp_input(to_slirp(wire)->slirp, frame, bytes);
}

static int add_poll(int fd, int events, void *arg)
{
	return waiter_add(((struct slirp_wire *)arg)->waiter, fd, events);
}

static int get_revents(int number, void *arg)
{
	return waiter_got(((struct slirp_wire *)arg)->waiter, number);
}

static void run_timers(struct slirp_wire *slirp)
{
	int64_t now = os_now_ms();
	struct slirp_timer *timer, *next;

	for (timer = slirp->timers; timer; timer = next) {
		next = timer->next;
		if (timer->at_ms < 0 || timer->at_ms > now)
			continue;
		timer->at_ms = -1;	/* it may set itself again */
		timer->callback(timer->arg);
	}
}

static u32 until_timer(const struct slirp_wire *slirp, u32 ms)
{
	int64_t now = os_now_ms();
	const struct slirp_timer *timer;

	for (timer = slirp->timers; timer; timer = timer->next)
		if (timer->at_ms >= 0 && timer->at_ms - now < (int64_t)ms)
			ms = timer->at_ms > now ? timer->at_ms - now : 0;
	return ms;
}

static void slirp_wait(struct wire *wire, bool take)
{
	struct slirp_wire *slirp = to_slirp(wire);
	u32 ms = WAIT_AT_MOST_MS;

	waiter_clear(slirp->waiter);
	if (!take) {
		/* what is not read from the host's sockets makes no frames */
		waiter_wait(slirp->waiter, until_timer(slirp, ms));
		run_timers(slirp);
		return;
	}
	slirp_pollfds_fill(slirp->slirp, &ms, add_poll, slirp);
	waiter_wait(slirp->waiter, until_timer(slirp, ms));
	slirp_pollfds_poll(slirp->slirp, 0, get_revents, slirp);
	run_timers(slirp);
}

static void slirp_wake(struct wire *wire)
{
	waiter_wake(to_slirp(wire)->waiter);
}

static void slirp_close(struct wire *wire)
{
	struct slirp_wire *slirp = to_slirp(wire);

	if (slirp->slirp)
		slirp_cleanup(slirp->slirp);
	waiter_free(slirp->waiter);
	free(slirp);
}

static struct in_addr address(u8 a, u8 b, u8 c, u8 d)
{
	return (struct in_addr){ .s_addr = htonl((u32)a << 24 | b << 16 | c << 8 | d) };
}

/* Why a port cannot be opened: errno, which Windows' C library has few words for. */
static const char *why_not(int code)
{
#ifdef _WIN32
	switch (code) {
	case EADDRINUSE:
		return "Address already in use";
	case EADDRNOTAVAIL:
		return "this computer has no such address";
	case EACCES:
		return "Windows keeps this port (netsh interface ipv4 show excludedportrange)";
	}
#else
	if (code == EACCES)
		return "Permission denied (ports below 1024 are root's)";
#endif
	return strerror(code);
}

/* The first `count` ports of a redirection. */
static void close_some(struct wire *wire, const struct option_redirect *redirect, u32 count)
{
	const u8 *at = redirect->address;

	while (count--)
		slirp_remove_hostfwd(to_slirp(wire)->slirp, redirect->udp,
				     address(at[0], at[1], at[2], at[3]), redirect->host + count);
}

static void slirp_close_ports(struct wire *wire, const struct option_redirect *redirect)
{
	close_some(wire, redirect, redirect->count);
}

static int slirp_open_ports(struct wire *wire, const struct option_redirect *redirect,
			    struct error *error)
{
	const u8 *at = redirect->address;
	u32 i;

	for (i = 0; i < redirect->count; i++) {
		/* the guest's address is the one that DHCP gives */
		if (!slirp_add_hostfwd(to_slirp(wire)->slirp, redirect->udp,
				       address(at[0], at[1], at[2], at[3]), redirect->host + i,
				       address(0, 0, 0, 0), redirect->guest + i))
			continue;
		error_set(error, "%s port %u at %u.%u.%u.%u: %s", redirect->udp ? "udp" : "tcp",
			  redirect->host + i, at[0], at[1], at[2], at[3], why_not(errno));
		close_some(wire, redirect, i);
		return -1;
	}
	return 0;
}

static const struct wire_ops slirp_ops = {
	.send = slirp_send,
	.wait = slirp_wait,
	.wake = slirp_wake,
	.close = slirp_close,
	.open_ports = slirp_open_ports,
	.close_ports = slirp_close_ports,
};

/* --- opening --- */

static struct in6_addr address6(u8 network, u8 host)
{
	return (struct in6_addr){ .s6_addr = { [0] = 0xfe, [1] = 0xc0, [7] = network, [15] = host } };
}

struct wire *wire_open_slirp(const char *device, const struct option_net *net, struct error *error)
{
	struct slirp_wire *slirp = calloc(1, sizeof(*slirp));
	u8 third = 2 + net->given->index;
	SlirpConfig config = {
		.version = SLIRP_CONFIG_VERSION_MIN,
		.in_enabled = true,
		.vnetwork = address(10, 0, third, 0),
		.vnetmask = address(255, 255, 255, 0),
		.vhost = address(10, 0, third, 2),
		.vdhcp_start = address(10, 0, third, 15),
		.vnameserver = address(10, 0, third, 3),
		.in6_enabled = true,
		.vprefix_addr6 = address6(third, 0),
		.vprefix_len = 64,
		.vhost6 = address6(third, 2),
		.vnameserver6 = address6(third, 3),
	};

	if (!slirp) {
		error_set(error, "out of memory");
		return NULL;
	}
	g_log_set_default_handler(library_message, NULL);
	slirp->wire.ops = &slirp_ops;
	slirp->device = device;
	slirp->waiter = waiter_new(error);
	if (slirp->waiter) {
		slirp->slirp = slirp_new(&config, &callbacks, slirp);
		if (!slirp->slirp)
			error_set(error, "libslirp %s does not start", slirp_version_string());
	}
	if (!slirp->slirp ||
	    redirects_change(&slirp->wire, device, REDIRECTS_OPEN, &net->redirects, error)) {
		slirp_close(&slirp->wire);
		return NULL;
	}
	return &slirp->wire;
}

#else	/* its source was not declared */

struct wire *wire_open_slirp(const char *device, const struct option_net *net, struct error *error)
{
	(void)device;
	(void)net;
	error_set(error, "this daemon was built without libslirp; use tuntap");
	return NULL;
}

#endif

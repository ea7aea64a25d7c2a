// SPDX-License-Identifier: GPL-2.0-only
/*
 * The network device (VIRTIO 1.2, 5.1): one queue each way, whole frames, no
 * offloads. One thread a device takes the guest's frames to the wire, and the
 * wire's to the guest; a doorbell only wakes it.
 *
 * Frames that the guest has no buffers for yet wait here, up to a bound. From
 * half of it on the wire is asked for no more: the rest is for what a wire cannot
 * hold back, the answers to what the guest itself sends.
 */
#include "net.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"

enum { QUEUE_RECEIVE = 0, QUEUE_TRANSMIT = 1 };

#define QUEUE_SIZE	256u
#define SLOTS		512u	/* frames that wait for the guest; a power of two */

struct slot {
	u16 bytes;
	u8 frame[WIRE_FRAME_MAX];
};

/* What another thread wants done to the wire, which is the device's thread's. */
struct job {
	enum redirects_change change;
	const struct option_redirects *asked;
	struct option_redirects *open;
	struct error *error;
	int result;
	bool done;
};

struct net {
	struct device device;
	struct wire *wire;
	u8 mac[VIRTIO_NET_MAC_BYTES];
	struct os_thread thread;
	bool has_thread;
	struct os_mutex lock;
	struct os_cond changed;
	/* under the lock: */
	bool enabled;		/* the queues may be used */
	bool busy;		/* the thread is using them */
	bool forget;		/* what waits is for a driver that is gone */
	bool quit;
	struct job *job;	/* NULL: there is none */
	/* the thread's own */
	bool up;		/* the guest's driver was there when we last looked */
	u32 first, waiting;	/* slots */
	struct slot slot[SLOTS];
	struct chain chain;
	struct net_stats stats;
};

struct device *net_device(struct net *net)
{
	return &net->device;
}

const struct net_stats *net_stats(const struct net *net)
{
	return &net->stats;
}

static u32 header_bytes(const struct net *net)
{
	return net->device.driver_features & VIRTIO_F_VERSION_1 ?
	       sizeof(struct virtio_net_header) : VIRTIO_NET_LEGACY_HEADER_BYTES;
}

/* --- from the wire --- */

static bool net_deliver(void *arg, const void *frame, u32 bytes)
{
	struct net *net = arg;
	struct slot *slot = &net->slot[(net->first + net->waiting) % SLOTS];

	if (!net->up)
		return true;	/* nobody is there: no cable is plugged in */
	if (net->waiting == SLOTS || bytes < WIRE_FRAME_MIN || bytes > WIRE_FRAME_MAX) {
		net->stats.dropped++;
		return false;
	}
	slot->bytes = bytes;
	memcpy(slot->frame, frame, bytes);
	net->waiting++;
	return net->waiting < SLOTS / 2;
}

/* One frame into one of the guest's buffers; false: the guest broke the rules. */
static bool put_frame(struct net *net, struct vring *ring)
{
	const struct slot *slot = &net->slot[net->first];
	u8 packet[sizeof(struct virtio_net_header) + WIRE_FRAME_MAX];
	u32 header = header_bytes(net), bytes = header + slot->bytes;
	struct virtio_net_header none = { .num_buffers = 1 };

	/* 5.1.6.3.1: without mergeable buffers each takes a whole packet */
	if (net->chain.nread || net->chain.write_bytes < bytes) {
		device_break(&net->device, "a receive buffer of %llu writable and %llu other bytes",
			     (unsigned long long)net->chain.write_bytes,
			     (unsigned long long)net->chain.read_bytes);
		return false;
	}
	memcpy(packet, &none, header);
	memcpy(packet + header, slot->frame, slot->bytes);
	iov_fill(net->chain.iov, net->chain.nwrite, packet, bytes);
	vring_push(ring, net->chain.head, bytes);
	net->stats.received++;
	net->stats.received_bytes += slot->bytes;
	net->first = (net->first + 1) % SLOTS;
	net->waiting--;
	return true;
}

/* Fills the guest's receive buffers, as far as both reach. */
static void receive(struct net *net)
{
	struct device *device = &net->device;
	struct vring *ring = &device->ring[QUEUE_RECEIVE];
	bool used = false;

	if (!ring->size)
		return;
	while (net->waiting && !device_is_broken(device)) {
		enum vring_pop popped = vring_pop(ring, &net->chain);

		if (popped == VRING_BROKEN) {
			device_break(device, "%s", ring->problem);
			break;
		}
		if (popped == VRING_EMPTY) {
			if (vring_listen(ring))
				continue;
			break;		/* a doorbell comes with the next buffer */
		}
		if (!put_frame(net, ring))
			break;
		used = true;
	}
	if (!net->waiting)
		vring_ignore(ring);
	if (used)
		device_signal_used(device, ring);
}

/* --- to the wire --- */

/* The chain that was popped; false: the guest broke the rules. */
static bool send_frame(struct net *net)
{
	u8 frame[WIRE_FRAME_MAX];
	struct virtio_net_header header = { 0 };
	struct chain *chain = &net->chain;
	struct os_iov *iov = chain->iov;
	u32 count = chain->nread;
	u64 bytes;

	if (chain->nwrite || iov_take(&iov, &count, &header, header_bytes(net)) < header_bytes(net)) {
		device_break(&net->device, "a frame to be sent has %llu bytes and %u writable buffers",
			     (unsigned long long)chain->read_bytes, chain->nwrite);
		return false;
	}
	if (header.flags || header.gso_type) {
		device_break(&net->device, "a frame asks for an offload that was not offered (flags 0x%x, type 0x%x)",
			     header.flags, header.gso_type);
		return false;
	}
	bytes = chain->read_bytes - header_bytes(net);
	if (bytes < WIRE_FRAME_MIN || bytes > sizeof(frame)) {
		device_complain(&net->device, "the guest sent a frame of %llu bytes: dropped (its MTU is 1500)",
				(unsigned long long)bytes);
		net->stats.dropped++;
		return true;
	}
	iov_take(&iov, &count, frame, bytes);
	net->stats.sent++;
	net->stats.sent_bytes += bytes;
	net->wire->ops->send(net->wire, frame, bytes);
	return true;
}

static void transmit(struct net *net)
{
	struct device *device = &net->device;
	struct vring *ring = &device->ring[QUEUE_TRANSMIT];
	u32 frames = 0;

	if (!ring->size)
		return;
	vring_ignore(ring);
	while (!device_is_broken(device)) {
		enum vring_pop popped = vring_pop(ring, &net->chain);

		if (popped == VRING_BROKEN) {
			device_break(device, "%s", ring->problem);
			break;
		}
		if (popped == VRING_EMPTY) {
			if (!vring_listen(ring))
				break;
			vring_ignore(ring);
			continue;
		}
		if (!send_frame(net))
			break;
		vring_push(ring, net->chain.head, 0);
		if (++frames == QUEUE_SIZE) {
			/* the other direction has a right, too */
			net->wire->ops->wake(net->wire);
			break;
		}
	}
	if (frames)
		device_signal_used(device, ring);
}

/* --- redirections --- */

bool net_redirects(const struct net *net)
{
	return net->wire->ops->open_ports != NULL;
}

int net_redirect(struct net *net, enum redirects_change change, const struct option_redirects *asked,
		 struct option_redirects *open, struct error *error)
{
	struct job job = { change, asked, open, error, 0, false };

	os_lock(&net->lock);
	while (net->job)
		os_wait(&net->changed, &net->lock);
	net->job = &job;
	os_unlock(&net->lock);
	net->wire->ops->wake(net->wire);
	os_lock(&net->lock);
	while (!job.done)
		os_wait(&net->changed, &net->lock);
	os_unlock(&net->lock);
	return job.result;
}

/* The thread's; the lock is held. */
static void do_job(struct net *net)
{
	struct job *job = net->job;

	if (!job)
		return;
	os_unlock(&net->lock);
	job->result = redirects_change(net->wire, net->device.name, job->change, job->asked, job->error);
	*job->open = net->wire->redirects;
	os_lock(&net->lock);
	net->job = NULL;
	job->done = true;
	os_wake_all(&net->changed);
}

/* --- the thread --- */

static void net_thread(void *arg)
{
	struct net *net = arg;

	os_lock(&net->lock);
	while (!net->quit) {
		do_job(net);
		net->up = net->busy = net->enabled;
		if (net->forget)
			net->waiting = 0;
		net->forget = false;
		os_unlock(&net->lock);
		if (net->up) {
			transmit(net);
			receive(net);
		}
		os_lock(&net->lock);
		net->busy = false;
		os_wake_all(&net->changed);
		os_unlock(&net->lock);
		net->wire->ops->wait(net->wire, net->waiting < SLOTS / 2);
		os_lock(&net->lock);
	}
	os_unlock(&net->lock);
}

/* --- the device --- */

static void net_start(struct device *device)
{
	struct net *net = device->back;

	os_lock(&net->lock);
	net->enabled = true;
	os_unlock(&net->lock);
}

static void net_stop(struct device *device)
{
	struct net *net = device->back;

	os_lock(&net->lock);
	net->enabled = false;
	net->forget = true;
	while (net->busy)
		os_wait(&net->changed, &net->lock);
	os_unlock(&net->lock);
}

static void net_kick(struct device *device, u32 queue)
{
	struct net *net = device->back;

	(void)queue;
	net->wire->ops->wake(net->wire);
}

static const struct device_ops net_ops = {
	.id = VIRTIO_ID_NET,
	.nqueues = 2,
	.queue_size = QUEUE_SIZE,
	.start = net_start,
	.stop = net_stop,
	.kick = net_kick,
};

/* --- opening and closing --- */

struct net *net_open(const char *name, struct wire *wire, const u8 mac[VIRTIO_NET_MAC_BYTES],
		     struct error *error)
{
	struct net *net = calloc(1, sizeof(*net));

	if (!net) {
		wire->ops->close(wire);
		error_set(error, "out of memory");
		return NULL;
	}
	net->device.ops = &net_ops;
	net->device.name = name;
	net->device.back = net;
	net->wire = wire;
	memcpy(net->mac, mac, sizeof(net->mac));
	wire->deliver = net_deliver;
	wire->arg = net;
	os_mutex_init(&net->lock);
	os_cond_init(&net->changed);
	return net;
}

int net_attach(struct net *net, struct vm *vm, u32 index, struct error *error)
{
	struct virtio_net_config config = { .status = VIRTIO_NET_S_LINK_UP };

	memcpy(config.mac, net->mac, sizeof(config.mac));
	device_attach(&net->device, vm, index, VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS, &config,
		      sizeof(config));
	if (os_thread_start(&net->thread, net->device.name, net_thread, net, error))
		return -1;
	net->has_thread = true;
	return 0;
}

void net_close(struct net *net)
{
	if (!net)
		return;
	if (net->has_thread) {
		os_lock(&net->lock);
		net->quit = true;
		os_unlock(&net->lock);
		net->wire->ops->wake(net->wire);
		os_thread_join(&net->thread);
	}
	net->wire->ops->close(net->wire);
	free(net);
}

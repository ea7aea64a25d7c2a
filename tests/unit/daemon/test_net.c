// SPDX-License-Identifier: GPL-2.0-only
/* The network device, seen from its guest: frames both ways, and rules broken. */
#include "net.h"

#include <unistd.h>

#include "check.h"
#include "fake_wire.h"
#include "guest.h"

#define RUNNING (VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK | VIRTIO_S_DRIVER_OK)
#define SIZE	64u
#define PACKET	(sizeof(struct virtio_net_header) + WIRE_FRAME_MAX)

static const u8 mac[6] = { 0x02, 'C', 'O', 1, 2, 3 };

static struct vm vm;
static struct wire *wire;
static struct net *net;
static struct device *device;
static struct queue receive, transmit;
static struct error error;
static u64 packets;		/* of the receive queue, SIZE of them; then one to be sent */

/* --- the guest's driver --- */

static void write_status(u32 value)
{
	fake.devices[0].status = value;
	device_status_written(device);
}

static void send_frame(const void *frame, u32 bytes);
static void wait_sent(void);

static void start_driver(u64 features)
{
	u8 frame[60] = { 0 };

	write_status(0);
	write_status(VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
	fake.devices[0].driver_features = features;
	write_status(RUNNING & ~VIRTIO_S_DRIVER_OK);
	CHECK(fake.devices[0].status & VIRTIO_S_FEATURES_OK);
	queue_setup(&receive, 0, 0, SIZE);
	queue_setup(&transmit, 0, 1, SIZE);
	write_status(RUNNING);
	CHECK_EQUAL(fake.devices[0].status, RUNNING);
	/* once it has served a queue, the device knows that somebody is there */
	send_frame(frame, 60);
	wait_sent();
}

static void set_up(void)
{
	struct co_note note = { 0 };

	CHECK(!vm_open(&vm, &error) && !vm_create(&vm, 80 << 20, 0, &note, &error));
	wire = fake_wire();
	net = net_open("eth0", wire, mac, &error);
	CHECK(net && !net_attach(net, &vm, 0, &error));
	device = net_device(net);
	packets = guest_alloc((SIZE + 1) * PACKET, 16);
	start_driver(fake.devices[0].features);
}

static void tear_down(void)
{
	net_close(net);
	vm_close(&vm);
}

static bool needs_reset(void)
{
	return __atomic_load_n(&fake.devices[0].status, __ATOMIC_SEQ_CST) & VIRTIO_S_NEEDS_RESET;
}

static void offer_receive(u32 count)
{
	u32 i;

	for (i = 0; i < count; i++) {
		struct buffer buffer = { packets + receive.next_desc * PACKET, PACKET, true };

		queue_offer(&receive, queue_chain(&receive, &buffer, 1));
	}
	device_kicked(device, 0);
}

/* Waits for the next frame; returns its length without the header. */
static u32 wait_frame(u8 frame[WIRE_FRAME_MAX])
{
	u32 head, written;
	const u8 *packet;

	while (!queue_take(&receive, &head, &written)) {
		CHECK(!needs_reset());
		usleep(200);
	}
	CHECK(written > sizeof(struct virtio_net_header) && written <= PACKET);
	packet = fake_at(packets + head * PACKET, PACKET);
	CHECK_EQUAL(((const struct virtio_net_header *)packet)->num_buffers, 1);
	memcpy(frame, packet + sizeof(struct virtio_net_header),
	       written - sizeof(struct virtio_net_header));
	return written - sizeof(struct virtio_net_header);
}

static void send_buffers(const struct buffer *buffers, u32 count)
{
	queue_offer(&transmit, queue_chain(&transmit, buffers, count));
	device_kicked(device, 1);
}

static void send_frame(const void *frame, u32 bytes)
{
	u64 at = packets + SIZE * PACKET;
	struct buffer buffer = { at, sizeof(struct virtio_net_header) + bytes, false };

	memset(fake_at(at, PACKET), 0, sizeof(struct virtio_net_header));
	memcpy((u8 *)fake_at(at, PACKET) + sizeof(struct virtio_net_header), frame, bytes);
	send_buffers(&buffer, 1);
}

static void wait_sent(void)
{
	u32 written;

	while (!queue_take(&transmit, NULL, &written)) {
		CHECK(!needs_reset());
		usleep(200);
	}
	CHECK_EQUAL(written, 0);
}

static void wait_broken(void)
{
	while (!needs_reset())
		usleep(200);
}

static void pattern(u8 *bytes, u32 count, u32 seed)
{
	u32 i;

	for (i = 0; i < count; i++)
		bytes[i] = seed + i * 7 + i / 256;
}

/* --- a network --- */

static void configuration(void)
{
	struct virtio_net_config config;

	set_up();
	CHECK_EQUAL(fake.devices[0].id, 1);
	CHECK_EQUAL(fake.devices[0].features & 0xffffff, VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS);
	memcpy(&config, fake.devices[0].config, sizeof(config));
	CHECK(!memcmp(config.mac, mac, 6));
	CHECK_EQUAL(config.status, VIRTIO_NET_S_LINK_UP);
	tear_down();
}

static void frames_both_ways(void)
{
	static const u32 lengths[] = { 14, 60, 61, 1514, 1518 };
	u8 frame[WIRE_FRAME_MAX], seen[WIRE_FRAME_MAX];
	u32 i, bytes;

	set_up();
	offer_receive(10);
	for (i = 0; i < 5; i++) {
		pattern(frame, lengths[i], i);
		send_frame(frame, lengths[i]);
		wait_sent();
		CHECK_EQUAL(fake_wire_sent(wire, seen, &bytes), i + 2);
		CHECK_EQUAL(bytes, lengths[i]);
		CHECK(!memcmp(seen, frame, bytes));
		pattern(frame, lengths[i], 100 + i);
		CHECK(fake_wire_put(wire, frame, lengths[i]));
		CHECK_EQUAL(wait_frame(seen), lengths[i]);
		CHECK(!memcmp(seen, frame, lengths[i]));
	}
	CHECK_EQUAL(net_stats(net)->dropped, 0);
	CHECK(fake.irqs && fake.devices[0].isr & CO_ISR_QUEUE);
	tear_down();
}

/* Header and data in any pieces: 2.7.4.2, message framing. */
static void in_pieces(void)
{
	u8 frame[200], seen[WIRE_FRAME_MAX];
	struct buffer out[4], in[3];
	u32 bytes, written;
	u64 at;

	set_up();
	at = packets + SIZE * PACKET;
	memset(fake_at(at, PACKET), 0, 12);
	pattern(frame, 200, 9);
	memcpy((u8 *)fake_at(at, PACKET) + 12, frame, 200);
	out[0] = (struct buffer){ at, 5, false };
	out[1] = (struct buffer){ at + 5, 17, false };
	out[2] = (struct buffer){ at + 22, 1, false };
	out[3] = (struct buffer){ at + 23, 189, false };
	send_buffers(out, 4);
	wait_sent();
	CHECK_EQUAL(fake_wire_sent(wire, seen, &bytes), 2);
	CHECK(bytes == 200 && !memcmp(seen, frame, 200));
	in[0] = (struct buffer){ packets, 3, true };
	in[1] = (struct buffer){ packets + 3, 20, true };
	in[2] = (struct buffer){ packets + 23, PACKET - 23, true };
	queue_offer(&receive, queue_chain(&receive, in, 3));
	device_kicked(device, 0);
	CHECK(fake_wire_put(wire, frame, 200));
	while (!queue_take(&receive, NULL, &written))
		usleep(200);
	CHECK_EQUAL(written, 212);
	CHECK(!memcmp((u8 *)fake_at(packets, PACKET) + 12, frame, 200));
	tear_down();
}

/* A guest that has no buffers for a while gets what waited, in order; not for ever, not in any amount. */
static void frames_wait_for_the_guest(void)
{
	u8 frame[60] = { 0 }, seen[WIRE_FRAME_MAX];
	u32 i, next;

	set_up();
	for (i = 0; i < 200; i++) {
		memcpy(frame + 14, &i, sizeof(i));
		CHECK(fake_wire_put(wire, frame, 60));
	}
	while (!fake_wire_idle(wire))
		usleep(200);
	for (i = 0; i < 200; i++) {
		offer_receive(1);
		CHECK_EQUAL(wait_frame(seen), 60);
		memcpy(&next, seen + 14, sizeof(next));
		CHECK_EQUAL(next, i);
	}
	/* more than fits: the wire keeps them */
	for (i = 0; i < 2000; i++)
		CHECK(fake_wire_put(wire, frame, 60));
	offer_receive(SIZE);
	for (i = 0; i < 2000; i++) {
		CHECK_EQUAL(wait_frame(seen), 60);
		offer_receive(1);
	}
	CHECK_EQUAL(net_stats(net)->dropped, 0);
	CHECK_EQUAL(net_stats(net)->received, 2200);
	tear_down();
}

/* A flood that nobody can hold back is cut, and the daemon goes on. */
static void a_flood_is_cut(void)
{
	u8 frame[60] = { 0 }, seen[WIRE_FRAME_MAX];
	u32 i;

	set_up();
	fake_wire_echo(wire);
	for (i = 0; i < 1000; i++) {
		send_frame(frame, 60);
		wait_sent();
	}
	CHECK_EQUAL(net_stats(net)->sent, 1001);
	CHECK_EQUAL(net_stats(net)->dropped, 1000 - 512);
	for (i = 0; i < 512; i++) {
		offer_receive(1);
		CHECK_EQUAL(wait_frame(seen), 60);
	}
	tear_down();
}

static void frames_of_no_size(void)
{
	u8 frame[WIRE_FRAME_MAX + 1] = { 0 }, seen[WIRE_FRAME_MAX];
	u64 big = 0;
	struct buffer buffer;
	u32 bytes;

	set_up();
	send_frame(frame, 13);
	wait_sent();
	big = guest_alloc(1 << 20, 16);
	buffer = (struct buffer){ big, 12 + WIRE_FRAME_MAX + 1, false };
	send_buffers(&buffer, 1);
	wait_sent();
	buffer.bytes = 1 << 20;
	send_buffers(&buffer, 1);
	wait_sent();
	CHECK_EQUAL(fake_wire_sent(wire, seen, &bytes), 1);
	CHECK_EQUAL(net_stats(net)->dropped, 3);
	send_frame(frame, 60);
	wait_sent();
	CHECK_EQUAL(fake_wire_sent(wire, seen, &bytes), 2);
	tear_down();
}

static void breaks_down(const struct buffer *buffers, u32 count, u32 queue)
{
	u8 frame[60] = { 0 }, seen[WIRE_FRAME_MAX];

	if (queue == 1) {
		send_buffers(buffers, count);
	} else {
		queue_offer(&receive, queue_chain(&receive, buffers, count));
		device_kicked(device, 0);
		CHECK(fake_wire_put(wire, frame, 60));
	}
	wait_broken();
	/* as good as new after a reset */
	start_driver(fake.devices[0].features);
	offer_receive(1);
	CHECK(fake_wire_put(wire, frame, 60));
	CHECK_EQUAL(wait_frame(seen), 60);
	send_frame(frame, 60);
	wait_sent();
}

static void rules_are_broken(void)
{
	struct virtio_net_header *header;
	struct buffer bad[2];

	set_up();
	/* to be sent: shorter than a header, writable, outside memory, empty */
	bad[0] = (struct buffer){ packets, 11, false };
	breaks_down(bad, 1, 1);
	bad[0] = (struct buffer){ packets, 100, true };
	breaks_down(bad, 1, 1);
	bad[0] = (struct buffer){ packets, 100, false };
	bad[1] = (struct buffer){ packets, 100, true };
	breaks_down(bad, 2, 1);
	bad[0] = (struct buffer){ 0x1000, 100, false };
	breaks_down(bad, 1, 1);
	bad[0] = (struct buffer){ packets, 0, false };
	breaks_down(bad, 1, 1);
	/* offloads that were not offered */
	header = fake_at(packets, PACKET);
	memset(header, 0, sizeof(*header));
	header->flags = 1;
	bad[0] = (struct buffer){ packets, 100, false };
	breaks_down(bad, 1, 1);
	memset(header, 0, sizeof(*header));
	header->gso_type = 1;
	breaks_down(bad, 1, 1);
	/* to be filled: not writable, too small, outside memory */
	bad[0] = (struct buffer){ packets, PACKET, false };
	breaks_down(bad, 1, 0);
	bad[0] = (struct buffer){ packets, 71, true };
	breaks_down(bad, 1, 0);
	bad[0] = (struct buffer){ ~0ull - 100, PACKET, true };
	breaks_down(bad, 1, 0);
	tear_down();
}

static void rings_are_broken(void)
{
	u8 frame[60] = { 0 };

	set_up();
	/* a loop */
	transmit.desc[0] = (struct vring_desc){ packets, 100, VRING_DESC_NEXT, 0 };
	queue_offer(&transmit, 0);
	device_kicked(device, 1);
	wait_broken();
	/* an entry that does not exist */
	start_driver(fake.devices[0].features);
	queue_offer(&receive, SIZE);
	device_kicked(device, 0);
	CHECK(fake_wire_put(wire, frame, 60));
	wait_broken();
	/* an index that jumps */
	start_driver(fake.devices[0].features);
	transmit.avail[1] = 1000;
	device_kicked(device, 1);
	wait_broken();
	/* an event index of nonsense costs interrupts, and nothing else */
	start_driver(fake.devices[0].features);
	*queue_used_event(&transmit) = 0x8000;
	send_frame(frame, 60);
	wait_sent();
	tear_down();
}

/* Linux 2.6.33: a header of 10 bytes, no FEATURES_OK, a doorbell before DRIVER_OK. */
static void legacy_driver(void)
{
	u8 frame[100], seen[WIRE_FRAME_MAX];
	struct buffer buffer;
	u32 bytes, written;

	set_up();
	write_status(0);
	write_status(VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
	fake.devices[0].driver_features = VIRTIO_NET_F_MAC;
	queue_setup(&receive, 0, 0, SIZE);
	queue_setup(&transmit, 0, 1, SIZE);
	buffer = (struct buffer){ packets, PACKET, true };
	queue_offer(&receive, queue_chain(&receive, &buffer, 1));
	device_kicked(device, 0);
	write_status(VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_DRIVER_OK);
	pattern(frame, 100, 5);
	memset(fake_at(packets + SIZE * PACKET, PACKET), 0, 10);
	memcpy((u8 *)fake_at(packets + SIZE * PACKET, PACKET) + 10, frame, 100);
	buffer = (struct buffer){ packets + SIZE * PACKET, 110, false };
	send_buffers(&buffer, 1);
	wait_sent();
	CHECK_EQUAL(fake_wire_sent(wire, seen, &bytes), 2);
	CHECK(bytes == 100 && !memcmp(seen, frame, 100));
	CHECK(fake_wire_put(wire, frame, 100));
	while (!queue_take(&receive, NULL, &written)) {
		CHECK(!needs_reset());
		usleep(200);
	}
	CHECK_EQUAL(written, 110);
	CHECK(!memcmp((u8 *)fake_at(packets, PACKET) + 10, frame, 100));
	tear_down();
}

/* A reset while frames fly: afterwards nothing of the old queues is touched, and no old frame comes. */
static void reset_in_the_middle(void)
{
	u8 frame[60] = { 0 }, seen[WIRE_FRAME_MAX];
	u32 round, i, next;

	set_up();
	for (round = 0; round < 50; round++) {
		for (i = 0; i < 40; i++)
			fake_wire_put(wire, frame, 60);
		offer_receive(20);
		usleep(round * 20);
		write_status(0);
		CHECK_EQUAL(fake.devices[0].status, 0);
		receive.seen = receive.used[1];
		usleep(100);
		CHECK(!queue_take(&receive, NULL, NULL));
		while (!fake_wire_idle(wire))
			usleep(100);
		start_driver(fake.devices[0].features);
	}
	offer_receive(SIZE);
	next = 0x12345678;
	memcpy(frame + 14, &next, 4);
	CHECK(fake_wire_put(wire, frame, 60));
	CHECK_EQUAL(wait_frame(seen), 60);
	memcpy(&next, seen + 14, 4);
	CHECK_EQUAL(next, 0x12345678);
	tear_down();
}

/* --- redirections --- */

static struct option_redirects asked, now;

static int redirect(enum redirects_change change, const char *text)
{
	char copy[200];

	asked.count = 0;
	snprintf(copy, sizeof(copy), "%s", text);
	CHECK(!redirects_parse(&asked, copy, &error));
	return net_redirect(net, change, &asked, &now, &error);
}

static void check_open(const char *texts)
{
	char all[400] = "", one[REDIRECT_TEXT_SIZE];
	u32 i;

	CHECK(!redirect(REDIRECTS_LIST, ""));
	for (i = 0; i < now.count; i++) {
		strcat(all, i ? "/" : "");
		strcat(all, redirect_text(&now.entry[i], one));
	}
	CHECK_TEXT(all, texts);
	CHECK_EQUAL(strlen(all), strlen(texts));
}

static void refused(enum redirects_change change, const char *text, const char *why)
{
	CHECK(redirect(change, text));
	CHECK_TEXT(error.text, why);
}

/* The first of `count` ports of the host's that are free, one after the other. */
static u32 free_ports(u32 count)
{
	static struct options options;
	struct wire *probe;
	u32 port;

	for (port = 20000; port < 60000; port += count) {
		struct option_net *one = &options.net[0];

		one->redirects.count = 1;
		one->redirects.entry[0] = (struct option_redirect){ false, { 127, 0, 0, 1 }, port, 1, count };
		probe = wire_open_slirp("probe", one, &error);
		if (probe) {
			probe->ops->close(probe);
			return port;
		}
	}
	CHECK(!"ports are free");
	return 0;
}

static void set_up_slirp(const struct option_net *option)
{
	struct co_note note = { 0 };

	CHECK(!vm_open(&vm, &error) && !vm_create(&vm, 80 << 20, 0, &note, &error));
	wire = wire_open_slirp("eth0", option, &error);
	CHECK(wire);
	net = net_open("eth0", wire, mac, &error);
	CHECK(net && !net_attach(net, &vm, 0, &error) && net_redirects(net));
}

static void redirections(void)
{
	static const struct option_net none;
	u32 port = free_ports(10);
	char text[100], both[300];

	set_up_slirp(&none);
	check_open("");
	snprintf(text, sizeof(text), "tcp:127.0.0.1:%u:22", port);
	CHECK(!redirect(REDIRECTS_OPEN, text));
	check_open(text);
	/* the host has it already; so has this guest */
	refused(REDIRECTS_OPEN, text, "eth0 has tcp:127.0.0.1:");
	snprintf(both, sizeof(both), "tcp:0.0.0.0:%u:5:3", port - 2);
	refused(REDIRECTS_OPEN, both, "already");
	/* all of it or nothing: the second one cannot be, and the first one goes */
	snprintf(both, sizeof(both), "tcp:%u:80/tcp:%u:81:2", port + 3, port + 2);
	refused(REDIRECTS_OPEN, both, "already");
	check_open(text);
	/* nor within one that somebody else has a port of */
	snprintf(both, sizeof(both), "udp:%u:7", port + 5);
	CHECK(!redirect(REDIRECTS_OPEN, both));
	snprintf(both, sizeof(both), "%s/udp:127.0.0.1:%u:7", text, port + 5);
	check_open(both);
	snprintf(both, sizeof(both), "udp:127.0.0.1:%u:7", port + 6);
	refused(REDIRECTS_CLOSE, both, "eth0 has no redirection udp:127.0.0.1:");
	/* another guest port is another redirection */
	snprintf(both, sizeof(both), "tcp:%u:23", port);
	refused(REDIRECTS_CLOSE, both, "eth0 has no redirection");
	snprintf(both, sizeof(both), "tcp:%u:22/tcp:%u:22", port, port);
	refused(REDIRECTS_CLOSE, both, "is given twice");
	snprintf(both, sizeof(both), "tcp:%u:22/udp:%u:8", port, port + 5);
	refused(REDIRECTS_CLOSE, both, "eth0 has no redirection udp:");
	CHECK(!redirect(REDIRECTS_CLOSE, text));
	snprintf(both, sizeof(both), "udp:127.0.0.1:%u:7", port + 5);
	check_open(both);
	/* what was closed can be opened, by whomever */
	snprintf(both, sizeof(both), "tcp:%u:22:5", port);
	CHECK(!redirect(REDIRECTS_OPEN, both) && !redirect(REDIRECTS_CLOSE, both));
	tear_down();
}

static void ports_of_others(void)
{
	static const struct option_net none;
	struct option_net taken = { 0 };
	u32 port = free_ports(4);
	struct wire *other;
	char text[100];

	taken.redirects.count = 1;
	taken.redirects.entry[0] = (struct option_redirect){ false, { 127, 0, 0, 1 }, port + 2, 1, 1 };
	other = wire_open_slirp("eth1", &taken, &error);
	CHECK(other);
	set_up_slirp(&none);
	snprintf(text, sizeof(text), "tcp:%u:1:3", port);
	refused(REDIRECTS_OPEN, text, "Address already in use");
	check_open("");
	other->ops->close(other);
	CHECK(!redirect(REDIRECTS_OPEN, text));
	tear_down();
}

static void too_many_redirections(void)
{
	static const struct option_net none;
	u32 port = free_ports(OPTIONS_REDIRECTS + 1), i;
	char text[100];

	set_up_slirp(&none);
	for (i = 0; i < OPTIONS_REDIRECTS; i++) {
		snprintf(text, sizeof(text), "tcp:%u:1", port + i);
		CHECK(!redirect(REDIRECTS_OPEN, text));
	}
	snprintf(text, sizeof(text), "tcp:%u:1", port + i);
	refused(REDIRECTS_OPEN, text, "eth0 has room for 32 redirections");
	tear_down();
}

/* A wire of another kind says so. */
static void no_redirections(void)
{
	set_up();
	CHECK(!net_redirects(net));
	refused(REDIRECTS_OPEN, "tcp:2222:22", "eth0 is no slirp network");
	refused(REDIRECTS_CLOSE, "tcp:2222:22", "eth0 is no slirp network");
	check_open("");
	tear_down();
}

static void no_interface(void)
{
	CHECK(!wire_open_tap("eth0", "has blanks", &error));
	CHECK_TEXT(error.text, "\"has blanks\" is no name of a network interface");
	CHECK(!wire_open_tap("eth0", "sixteen-letters-", &error));
	CHECK_TEXT(error.text, "at most 15 characters");
}

const struct test tests[] = {
	{ "configuration", configuration },
	{ "frames_both_ways", frames_both_ways },
	{ "in_pieces", in_pieces },
	{ "frames_wait_for_the_guest", frames_wait_for_the_guest },
	{ "a_flood_is_cut", a_flood_is_cut },
	{ "frames_of_no_size", frames_of_no_size },
	{ "rules_are_broken", rules_are_broken },
	{ "rings_are_broken", rings_are_broken },
	{ "legacy_driver", legacy_driver },
	{ "reset_in_the_middle", reset_in_the_middle },
	{ "redirections", redirections },
	{ "ports_of_others", ports_of_others },
	{ "too_many_redirections", too_many_redirections },
	{ "no_redirections", no_redirections },
	{ "no_interface", no_interface },
	{ 0 },
};

// SPDX-License-Identifier: GPL-2.0-only
/* See slirp_frames.h. */
#include "slirp_host.h"
#include "slirp_frames.h"

#include "check.h"
#include "option_keys.h"
#include "sandbox.h"

#define RUNNING (VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK | VIRTIO_S_DRIVER_OK)
#define SIZE	256u
#define HEADER	12u

const u8 guest_mac[6] = { 2, 'C', 'O', 0, 0, 1 };
u8 host_mac[6];

static struct vm vm;
static struct net *net;
static struct device *device;
static struct queue receive, transmit;
static u64 packets;

/* --- the guest's driver --- */

static void offer_receive(void)
{
	struct buffer buffer = { packets + receive.next_desc * PACKET, PACKET, true };

	queue_offer(&receive, queue_chain(&receive, &buffer, 1));
}

struct net *start_driver(const char *redirections)
{
	static struct options options;
	struct co_note note = { 0 };
	struct error error;
	struct wire *wire;
	char text[100];
	u32 i;

	snprintf(text, sizeof(text), "kernel=a\neth0=slirp,,%s", redirections);
	options_init(&options);
	CHECK(!options_parse_text(&options, "text", text, strlen(text), &error));
	/* as the daemon does it, where it can: what follows has to work in its sandbox */
	CHECK(!sandbox_begin(&options, &error) && !sandbox_enter(&options, &error));
	printf("sandbox %s\n", sandbox_is());
	wire = wire_open_slirp("eth0", &options.net[0], &error);
	if (!wire)
		check_no_text(__FILE__, __LINE__, error.text, "no error");
	CHECK(!vm_open(&vm, &error) && !vm_create(&vm, 80 << 20, 0, &note, &error));
	net = net_open("eth0", wire, guest_mac, &error);
	CHECK(net && !net_attach(net, &vm, 0, &error));
	device = net_device(net);
	fake.devices[0].driver_features = fake.devices[0].features;
	fake.devices[0].status = RUNNING & ~VIRTIO_S_DRIVER_OK;
	device_status_written(device);
	queue_setup(&receive, 0, 0, SIZE);
	queue_setup(&transmit, 0, 1, SIZE);
	packets = guest_alloc((SIZE + 1) * PACKET, 16);
	for (i = 0; i < SIZE; i++)
		offer_receive();
	fake.devices[0].status = RUNNING;
	device_status_written(device);
	CHECK_EQUAL(fake.devices[0].status, RUNNING);
	options_free(&options);
	return net;
}

void stop_driver(void)
{
	net_close(net);
	vm_close(&vm);
}

void send_frame(const u8 *frame, u32 bytes)
{
	u64 at = packets + SIZE * PACKET;
	struct buffer buffer = { at, HEADER + bytes, false };

	memset(fake_at(at, PACKET), 0, HEADER);
	memcpy((u8 *)fake_at(at, PACKET) + HEADER, frame, bytes);
	queue_offer(&transmit, queue_chain(&transmit, &buffer, 1));
	device_kicked(device, 1);
	/* its thread has it soon, and a fuzzer's frames would mostly wait for a clock */
	while (!queue_take(&transmit, NULL, NULL))
		host_yield();
}

u32 next_frame(u8 frame[PACKET], u32 ms)
{
	u64 until = os_now_ms() + ms;
	u32 head, written;

	while (!queue_take(&receive, &head, &written)) {
		if (os_now_ms() >= until)
			return 0;
		host_sleep();
	}
	memcpy(frame, fake_at(packets + head * PACKET + HEADER, PACKET - HEADER), written - HEADER);
	offer_receive();	/* descriptors come back in order */
	device_kicked(device, 0);
	return written - HEADER;
}

/* --- packets --- */

u32 checksum(const u8 *at, u32 bytes, u32 sum)
{
	u32 i;

	for (i = 0; i + 1 < bytes; i += 2)
		sum += get16(at + i);
	if (bytes % 2)
		sum += at[bytes - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

u32 wrap(u8 *frame, u8 protocol, u32 from, u32 to, u32 bytes)
{
	u8 *ip = frame + 14;

	if (to == ALL)
		memset(frame, 0xff, 6);
	else
		memcpy(frame, host_mac, 6);
	memcpy(frame + 6, guest_mac, 6);
	put16(frame + 12, 0x0800);
	memset(ip, 0, 20);
	ip[0] = 0x45;
	put16(ip + 2, 20 + bytes);
	ip[8] = 64;
	ip[9] = protocol;
	put32(ip + 12, from);
	put32(ip + 16, to);
	put16(ip + 10, checksum(ip, 20, 0));
	return 34 + bytes;
}

void send_datagram(u32 from, u16 from_port, u32 to, u16 to_port, const void *data, u32 bytes)
{
	u8 frame[PACKET] = { 0 }, *udp = frame + 34;

	put16(udp, from_port);
	put16(udp + 2, to_port);
	put16(udp + 4, 8 + bytes);	/* checksum 0: none, RFC 768 */
	memcpy(udp + 8, data, bytes);
	send_frame(frame, wrap(frame, 17, from, to, 8 + bytes));
}

static void answer_arp(const u8 *asked)
{
	u8 frame[60] = { 0 };

	memcpy(frame, asked + 6, 6);
	memcpy(frame + 6, guest_mac, 6);
	memcpy(frame + 12, asked + 12, 8);
	put16(frame + 20, 2);
	memcpy(frame + 22, guest_mac, 6);
	memcpy(frame + 28, asked + 38, 4);
	memcpy(frame + 32, asked + 22, 10);
	send_frame(frame, 60);
}

u32 expect_packet(u8 frame[PACKET], u8 protocol)
{
	u32 bytes;

	for (;;) {
		bytes = next_frame(frame, 30000);
		CHECK(bytes >= 14);
		if (get16(frame + 12) == 0x0806 && get16(frame + 20) == 1 && get32(frame + 38) == GUEST)
			answer_arp(frame);
		else if (get16(frame + 12) == 0x0800 && frame[23] == protocol)
			return bytes;
	}
}

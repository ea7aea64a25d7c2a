// SPDX-License-Identifier: GPL-2.0-only
/*
 * slirp_guest: a guest without a guest. Frames made by hand go through the network
 * device to libslirp, and what comes back is looked at: an address by DHCP, ping,
 * a datagram to the host and back, redirected ones from the host, and then noise
 * (slirp_guest SEED COUNT), after which all of it must still work.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "guest.h"
#include "net.h"
#include "option_keys.h"
#include "sandbox.h"

#define RUNNING (VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK | VIRTIO_S_DRIVER_OK)
#define SIZE	256u
#define PACKET	1536u
#define HEADER	12u
#define HOST	0x0a000202u
#define GUEST	0x0a00020fu
#define NOBODY	0u
#define ALL	0xffffffffu

static const u8 mac[6] = { 2, 'C', 'O', 0, 0, 1 };
static u8 host_mac[6];

static struct vm vm;
static struct net *net;
static struct device *device;
static struct queue receive, transmit;
static u64 packets;
static u64 state;

/* --- the guest's driver --- */

static void offer_receive(void)
{
	struct buffer buffer = { packets + receive.next_desc * PACKET, PACKET, true };

	queue_offer(&receive, queue_chain(&receive, &buffer, 1));
}

static void start_driver(u16 port)
{
	static struct options options;
	struct co_note note = { 0 };
	struct error error;
	struct wire *wire;
	char text[100];
	u32 i;

	snprintf(text, sizeof(text), "kernel=a\neth0=slirp,,udp:%u:7", port);
	options_init(&options);
	CHECK(!options_parse_text(&options, "text", text, strlen(text), &error));
	/* as the daemon does it, where it can: what follows has to work in its sandbox */
	CHECK(!sandbox_begin(&options, &error) && !sandbox_enter(&options, &error));
	printf("sandbox %s\n", sandbox_is());
	wire = wire_open_slirp("eth0", &options.net[0], &error);
	if (!wire)
		check_no_text(__FILE__, __LINE__, error.text, "no error");
	CHECK(!vm_open(&vm, &error) && !vm_create(&vm, 80 << 20, 0, &note, &error));
	net = net_open("eth0", wire, mac, &error);
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
}

static void send_frame(const u8 *frame, u32 bytes)
{
	u64 at = packets + SIZE * PACKET;
	struct buffer buffer = { at, HEADER + bytes, false };

	memset(fake_at(at, PACKET), 0, HEADER);
	memcpy((u8 *)fake_at(at, PACKET) + HEADER, frame, bytes);
	queue_offer(&transmit, queue_chain(&transmit, &buffer, 1));
	device_kicked(device, 1);
	while (!queue_take(&transmit, NULL, NULL))
		usleep(100);
}

/* The next frame from the host; 0: none within ms. */
static u32 next_frame(u8 frame[PACKET], u32 ms)
{
	u64 until = os_now_ms() + ms;
	u32 head, written;

	while (!queue_take(&receive, &head, &written)) {
		if (os_now_ms() >= until)
			return 0;
		usleep(100);
	}
	memcpy(frame, fake_at(packets + head * PACKET + HEADER, PACKET - HEADER), written - HEADER);
	offer_receive();	/* descriptors come back in order */
	device_kicked(device, 0);
	return written - HEADER;
}

/* --- packets --- */

static void put16(u8 *at, u32 value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static void put32(u8 *at, u32 value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

static u32 get16(const u8 *at)
{
	return at[0] << 8 | at[1];
}

static u32 get32(const u8 *at)
{
	return get16(at) << 16 | get16(at + 2);
}

static u32 checksum(const u8 *at, u32 bytes)
{
	u32 sum = 0, i;

	for (i = 0; i + 1 < bytes; i += 2)
		sum += get16(at + i);
	if (bytes % 2)
		sum += at[bytes - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* Ethernet and IP headers before `bytes` that stand at frame + 34; returns the frame's length. */
static u32 wrap(u8 *frame, u8 protocol, u32 from, u32 to, u32 bytes)
{
	u8 *ip = frame + 14;

	if (to == ALL)
		memset(frame, 0xff, 6);
	else
		memcpy(frame, host_mac, 6);
	memcpy(frame + 6, mac, 6);
	put16(frame + 12, 0x0800);
	memset(ip, 0, 20);
	ip[0] = 0x45;
	put16(ip + 2, 20 + bytes);
	ip[8] = 64;
	ip[9] = protocol;
	put32(ip + 12, from);
	put32(ip + 16, to);
	put16(ip + 10, checksum(ip, 20));
	return 34 + bytes;
}

static void send_datagram(u32 from, u16 from_port, u32 to, u16 to_port, const void *data, u32 bytes)
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
	memcpy(frame + 6, mac, 6);
	memcpy(frame + 12, asked + 12, 8);
	put16(frame + 20, 2);
	memcpy(frame + 22, mac, 6);
	memcpy(frame + 28, asked + 38, 4);
	memcpy(frame + 32, asked + 22, 10);
	send_frame(frame, 60);
}

/* The next IP packet for the guest of that protocol; questions for its MAC are answered. */
static u32 expect_packet(u8 frame[PACKET], u8 protocol)
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

/* --- what works --- */

/* RFC 2131: an option of a message; NULL: it is not there. */
static const u8 *dhcp_option(const u8 *message, u32 bytes, u8 code)
{
	u32 at = 240;

	while (at + 2 < bytes && message[at] != 255) {
		if (message[at] == code)
			return message + at + 2;
		at += message[at] ? 2 + message[at + 1] : 1;
	}
	return NULL;
}

static void ask_for_address(u8 kind, u8 answer)
{
	u8 message[300] = { 1, 1, 6 }, frame[PACKET];
	const u8 *option, *said = frame + 42;
	u32 bytes;

	put32(message + 4, 0x1234);
	memcpy(message + 28, mac, 6);
	put32(message + 236, 0x63825363);
	memcpy(message + 240, (u8[]){ 53, 1, kind, 50, 4, 10, 0, 2, 15, 255 }, 10);
	send_datagram(NOBODY, 68, ALL, 67, message, sizeof(message));
	bytes = expect_packet(frame, 17);
	CHECK(bytes > 42 + 240 && get16(frame + 36) == 68);
	CHECK_EQUAL(get32(said + 16), GUEST);
	option = dhcp_option(said, bytes - 42, 53);
	CHECK(option && *option == answer);
	option = dhcp_option(said, bytes - 42, 3);
	CHECK(option && get32(option) == HOST);
	option = dhcp_option(said, bytes - 42, 6);
	CHECK(option && get32(option) == HOST + 1);
	memcpy(host_mac, frame + 6, 6);
}

static void ping(void)
{
	u8 frame[PACKET] = { 0 }, *icmp = frame + 34;

	icmp[0] = 8;
	put16(icmp + 4, 77);
	memcpy(icmp + 8, "hello, is anybody there?", 24);
	put16(icmp + 2, checksum(icmp, 32));
	send_frame(frame, wrap(frame, 1, GUEST, HOST, 32));
	expect_packet(frame, 1);
	CHECK_EQUAL(frame[34], 0);
	CHECK(!memcmp(frame + 42, "hello, is anybody there?", 24));
}

static int host_socket(u16 *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	CHECK(fd >= 0 && !bind(fd, (struct sockaddr *)&at, sizeof(at)));
	CHECK(!getsockname(fd, (struct sockaddr *)&at, &length));
	*port = ntohs(at.sin_port);
	return fd;
}

/* The guest asks a server of the host's; the host asks the guest's, through the redirected port. */
static void datagrams(u16 redirected)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(redirected),
	};
	struct pollfd wait = { .events = POLLIN };
	socklen_t length = sizeof(at);
	struct sockaddr_in from;
	u8 frame[PACKET];
	char text[32];
	u16 port;

	wait.fd = host_socket(&port);
	send_datagram(GUEST, 5000, HOST, port, "question", 8);
	CHECK_EQUAL(poll(&wait, 1, 30000), 1);
	CHECK_EQUAL(recvfrom(wait.fd, text, sizeof(text), 0, (struct sockaddr *)&from, &length), 8);
	CHECK(!memcmp(text, "question", 8));
	CHECK_EQUAL(sendto(wait.fd, "answer", 6, 0, (struct sockaddr *)&from, length), 6);
	expect_packet(frame, 17);
	CHECK(get16(frame + 34) == port && get16(frame + 36) == 5000 && !memcmp(frame + 42, "answer", 6));

	CHECK_EQUAL(sendto(wait.fd, "knock", 5, 0, (struct sockaddr *)&at, sizeof(at)), 5);
	expect_packet(frame, 17);
	CHECK(get16(frame + 36) == 7 && !memcmp(frame + 42, "knock", 5));
	send_datagram(GUEST, 7, get32(frame + 26), get16(frame + 34), "come in", 7);
	CHECK_EQUAL(poll(&wait, 1, 30000), 1);
	CHECK_EQUAL(recv(wait.fd, text, sizeof(text), 0), 7);
	CHECK(!memcmp(text, "come in", 7));
	close(wait.fd);
}

static bool change(enum redirects_change what, const char *format, u16 port, struct error *error)
{
	struct option_redirects asked = { 0 }, open;
	char text[60];

	snprintf(text, sizeof(text), format, port);
	CHECK(!redirects_parse(&asked, text, error));
	return !net_redirect(net, what, &asked, &open, error);
}

/* Does somebody listen at the host's port? */
static bool listens(u16 port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool there = !connect(fd, (struct sockaddr *)&at, sizeof(at));

	close(fd);
	return there;
}

/* Ports that are opened and closed while the network works. */
static void ports_come_and_go(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	u8 frame[PACKET];
	struct error error;
	u16 port;
	int fd = host_socket(&port), sender = socket(AF_INET, SOCK_DGRAM, 0);

	CHECK(!change(REDIRECTS_OPEN, "udp:%u:9", port, &error));
	CHECK(strstr(error.text, "Address already in use"));
	close(fd);
	CHECK(change(REDIRECTS_OPEN, "udp:%u:9", port, &error));
	CHECK(!change(REDIRECTS_OPEN, "udp:%u:10", port, &error) && strstr(error.text, "already"));
	at.sin_port = htons(port);
	CHECK(!connect(sender, (struct sockaddr *)&at, sizeof(at)));
	CHECK_EQUAL(send(sender, "knock", 5, 0), 5);
	expect_packet(frame, 17);
	CHECK(get16(frame + 36) == 9 && !memcmp(frame + 42, "knock", 5));
	CHECK(!change(REDIRECTS_CLOSE, "udp:%u:10", port, &error));
	CHECK(change(REDIRECTS_CLOSE, "udp:%u:9", port, &error));
	/* nobody is there: the host says so to the next one who asks */
	CHECK_EQUAL(send(sender, "knock", 5, 0), 5);
	CHECK(send(sender, "knock", 5, 0) < 0);
	close(sender);

	CHECK(!listens(port));
	CHECK(change(REDIRECTS_OPEN, "tcp:%u:9", port, &error));
	CHECK(listens(port));
	CHECK(change(REDIRECTS_CLOSE, "tcp:%u:9", port, &error));
	CHECK(!listens(port));
}

static void all_of_it(u16 redirected)
{
	ask_for_address(1, 2);
	ask_for_address(3, 5);
	ping();
	datagrams(redirected);
	ports_come_and_go();
}

/* --- noise --- */

static u32 random_below(u32 limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 16) % limit;
}

/* A frame that is nearly one of a protocol that libslirp reads. It goes to the slirp host only:
 * what it passes on would leave this computer. */
static void send_noise(void)
{
	static const u8 protocols[] = { 1, 6, 17, 17, 99 };
	static const u16 ports[] = { 67, 69, 53, 7 };
	u8 frame[PACKET] = { 0 };
	u32 bytes = 8 + random_below(200), i;

	for (i = 0; i < bytes; i++)
		frame[34 + i] = random_below(256);
	put16(frame + 36, ports[random_below(4)]);
	put16(frame + 38, random_below(4) ? bytes : random_below(65536));
	if (frame[34] == 17 || random_below(2))
		put16(frame + 40, 0);
	bytes = wrap(frame, protocols[random_below(5)], random_below(4) ? GUEST : NOBODY,
		     HOST, bytes);
	switch (random_below(8)) {
	case 0:		/* ARP, NC-SI and IPv6 with any contents */
		put16(frame + 12, (const u16[]){ 0x0806, 0x88f8, 0x86dd }[random_below(3)]);
		break;
	case 1:		/* a header of another length, or a fragment */
		frame[14 + random_below(8)] = random_below(256);
		put16(frame + 24, 0);
		put16(frame + 24, checksum(frame + 14, 20));
		break;
	case 2:
		bytes = 14 + random_below(bytes - 13);
		break;
	}
	send_frame(frame, bytes);
	while (random_below(4) && next_frame(frame, 0))
		;
}

int main(int argc, char **argv)
{
	u8 frame[PACKET];
	u16 port;
	u64 count;

	CHECK(argc == 3);
	state = strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15ull + 1;
	/* a port that is free: whoever takes it meanwhile makes the opening fail, which says so */
	close(host_socket(&port));
	start_driver(port);
	all_of_it(port);
	for (count = strtoull(argv[2], NULL, 10); count; count--)
		send_noise();
	while (next_frame(frame, 200))
		;
	all_of_it(port);
	net_close(net);
	vm_close(&vm);
	puts("ok");
	return 0;
}

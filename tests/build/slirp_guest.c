// SPDX-License-Identifier: GPL-2.0-only
/*
 * slirp_guest: a guest without a guest. Frames made by hand go through the network
 * device to libslirp, and what comes back is looked at: an address by DHCP, ping,
 * datagrams and streams to the host and from it, ports that come and go, and then
 * noise (slirp_guest SEED COUNT), after which all of it must still work.
 */
#include "slirp_host.h"
#include "slirp_frames.h"
#include "slirp_streams.h"

#include "check.h"

#define MANY	100u

static struct net *net;
static u64 state;

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
	memcpy(message + 28, guest_mac, 6);
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
	put16(icmp + 2, checksum(icmp, 32, 0));
	send_frame(frame, wrap(frame, 1, GUEST, HOST, 32));
	expect_packet(frame, 1);
	CHECK_EQUAL(frame[34], 0);
	CHECK(!memcmp(frame + 42, "hello, is anybody there?", 24));
}

/* The guest asks a server of the host's; the host asks the guest's, through the redirected port. */
static void datagrams(u16 redirected)
{
	struct sockaddr_in at = host_address(redirected), from;
	socklen_t length = sizeof(from);
	u8 frame[PACKET];
	char text[32];
	u16 port;
	int fd = host_socket(SOCK_DGRAM, &port);

	send_datagram(GUEST, 5000, HOST, port, "question", 8);
	CHECK(host_readable(fd, 30000));
	CHECK_EQUAL(recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&from, &length), 8);
	CHECK(!memcmp(text, "question", 8));
	CHECK_EQUAL(sendto(fd, "answer", 6, 0, (struct sockaddr *)&from, length), 6);
	expect_packet(frame, 17);
	CHECK(get16(frame + 34) == port && get16(frame + 36) == 5000 && !memcmp(frame + 42, "answer", 6));

	CHECK_EQUAL(sendto(fd, "knock", 5, 0, (struct sockaddr *)&at, sizeof(at)), 5);
	expect_packet(frame, 17);
	CHECK(get16(frame + 36) == 7 && !memcmp(frame + 42, "knock", 5));
	send_datagram(GUEST, 7, get32(frame + 26), get16(frame + 34), "come in", 7);
	CHECK(host_readable(fd, 30000));
	CHECK_EQUAL(recv(fd, text, sizeof(text), 0), 7);
	CHECK(!memcmp(text, "come in", 7));
	host_close(fd);
}

/* More of the host's sockets than some systems wait for at once: each hears its own answer. */
static void many_datagrams(void)
{
	struct sockaddr_in from;
	socklen_t length = sizeof(from);
	bool heard[MANY] = { false };
	u8 frame[PACKET], own[2];
	u16 port;
	int fd = host_socket(SOCK_DGRAM, &port);
	u32 i;

	for (i = 0; i < MANY; i++) {
		put16(own, i);
		send_datagram(GUEST, 6000 + i, HOST, port, own, sizeof(own));
		CHECK(host_readable(fd, 30000));
		CHECK_EQUAL(recvfrom(fd, (char *)own, sizeof(own), 0, (struct sockaddr *)&from, &length), sizeof(own));
		CHECK_EQUAL(sendto(fd, (char *)own, sizeof(own), 0, (struct sockaddr *)&from, length), sizeof(own));
	}
	for (i = 0; i < MANY; i++) {
		expect_packet(frame, 17);
		CHECK(get16(frame + 42) < MANY && get16(frame + 36) == 6000 + get16(frame + 42));
		heard[get16(frame + 42)] = true;
	}
	for (i = 0; i < MANY; i++)
		CHECK(heard[i]);
	host_close(fd);
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
	int fd = host_connect(SOCK_STREAM, port);

	if (fd < 0)
		return false;
	host_close(fd);
	return true;
}

/* Ports that are opened and closed while the network works. */
static void ports_come_and_go(void)
{
	u8 frame[PACKET];
	struct error error;
	u16 port;
	int fd = host_socket(SOCK_DGRAM, &port), sender;

	CHECK(!host_is_free(SOCK_DGRAM, port));
	CHECK(!change(REDIRECTS_OPEN, "udp:%u:9", port, &error));
	CHECK_TEXT(error.text, "Address already in use");
	host_close(fd);
	CHECK(change(REDIRECTS_OPEN, "udp:%u:9", port, &error));
	CHECK(!change(REDIRECTS_OPEN, "udp:%u:10", port, &error) && strstr(error.text, "already"));
	sender = host_connect(SOCK_DGRAM, port);
	CHECK_EQUAL(send(sender, "knock", 5, 0), 5);
	expect_packet(frame, 17);
	CHECK(get16(frame + 36) == 9 && !memcmp(frame + 42, "knock", 5));
	CHECK(!change(REDIRECTS_CLOSE, "udp:%u:10", port, &error));
	CHECK(change(REDIRECTS_CLOSE, "udp:%u:9", port, &error));
	host_close(sender);
	CHECK(host_is_free(SOCK_DGRAM, port));

	CHECK(!listens(port));
	CHECK(change(REDIRECTS_OPEN, "tcp:%u:9", port, &error));
	CHECK(listens(port));
	expect_stream_and_refuse(9);
	stream_to_the_guest(port, 9);
	CHECK(change(REDIRECTS_CLOSE, "tcp:%u:9", port, &error));
	CHECK(!listens(port));
}

static void all_of_it(u16 redirected)
{
	ask_for_address(1, 2);
	ask_for_address(3, 5);
	ping();
	datagrams(redirected);
	many_datagrams();
	stream_to_the_host();
	stream_to_nobody();
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
		put16(frame + 24, checksum(frame + 14, 20, 0));
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
	char redirections[32];
	u8 frame[PACKET];
	u16 port;
	u64 count;

	CHECK(argc == 3);
	state = strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15ull + 1;
	/* a port that is free: whoever takes it meanwhile makes the opening fail, which says so */
	host_begin();
	host_close(host_socket(SOCK_DGRAM, &port));
	snprintf(redirections, sizeof(redirections), "udp:%u:7", port);
	net = start_driver(redirections);
	all_of_it(port);
	for (count = strtoull(argv[2], NULL, 10); count; count--)
		send_noise();
	while (next_frame(frame, 200))
		;
	all_of_it(port);
	stop_driver();
	puts("ok");
	return 0;
}

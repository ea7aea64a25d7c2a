// SPDX-License-Identifier: GPL-2.0-only
/* See slirp_streams.h; RFC 9293. */
#include "slirp_host.h"
#include "slirp_frames.h"
#include "slirp_streams.h"

#include "check.h"

#define MUCH	200000u
#define SEGMENT	1000u
#define ROOM	32768u

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

/* The guest's end of a connection. */
struct stream {
	u16 own_port, port;
	u32 address;
	u32 sent, acknowledged;	/* sequence numbers of ours */
	u32 got;		/* of theirs: the next one */
	bool ended;		/* theirs */
};

struct segment {
	u8 frame[PACKET];
	u8 flags;
	const u8 *data;
	u32 bytes;
};

static void send_segment(struct stream *stream, u8 flags, const void *data, u32 bytes)
{
	u8 frame[PACKET] = { 0 }, *tcp = frame + 34, pseudo[12] = { 0 };

	put16(tcp, stream->own_port);
	put16(tcp + 2, stream->port);
	put32(tcp + 4, stream->sent);
	put32(tcp + 8, flags & ACK ? stream->got : 0);
	tcp[12] = 5 << 4;
	tcp[13] = flags;
	put16(tcp + 14, ROOM);
	memcpy(tcp + 20, data, bytes);
	put32(pseudo, GUEST);
	put32(pseudo + 4, stream->address);
	pseudo[9] = 6;
	put16(pseudo + 10, 20 + bytes);
	put16(tcp + 16, checksum(tcp, 20 + bytes, ~checksum(pseudo, 12, 0) & 0xffff));
	send_frame(frame, wrap(frame, 6, GUEST, stream->address, 20 + bytes));
	stream->sent += bytes + !!(flags & (SYN | FIN));
}

/* The next segment of this connection; what came before already, and what came out of order, is passed over. */
static void next_segment(struct stream *stream, struct segment *segment)
{
	const u8 *tcp = segment->frame + 34;
	u32 header;

	for (;;) {
		expect_packet(segment->frame, 6);
		if (get16(tcp + 2) != stream->own_port || get16(tcp) != stream->port)
			continue;
		header = (tcp[12] >> 4) * 4;
		segment->flags = tcp[13];
		segment->data = tcp + header;
		segment->bytes = get16(segment->frame + 16) - 20 - header;
		if (segment->flags & ACK)
			stream->acknowledged = get32(tcp + 8);
		if (segment->flags & (SYN | RST))
			return;
		if (get32(tcp + 4) != stream->got) {
			send_segment(stream, ACK, "", 0);
			continue;
		}
		stream->got += segment->bytes + !!(segment->flags & FIN);
		stream->ended |= segment->flags & FIN;
		if (segment->bytes || segment->flags & FIN)
			send_segment(stream, ACK, "", 0);
		return;
	}
}

static u8 letter(u32 at)
{
	return at * 7 + at / 256;
}

/* `count` letters from the guest, each segment acknowledged before the next; the host reads them meanwhile. */
static void guest_sends(struct stream *stream, int fd, u32 count)
{
	struct segment segment;
	char data[SEGMENT];
	u32 sent, i, read = 0;
	int got;

	for (sent = 0; read < count;) {
		if (sent < count) {
			u32 bytes = count - sent < SEGMENT ? count - sent : SEGMENT;

			for (i = 0; i < bytes; i++)
				data[i] = letter(sent + i);
			send_segment(stream, ACK, data, bytes);
			while (stream->acknowledged != stream->sent)
				next_segment(stream, &segment);
			sent += bytes;
		}
		while (host_readable(fd, sent < count ? 0 : 30000)) {
			got = recv(fd, data, sizeof(data), 0);
			CHECK(got > 0);
			for (i = 0; i < (u32)got; i++)
				CHECK_EQUAL((u8)data[i], letter(read + i));
			read += got;
			if (read == count)
				break;
		}
	}
}

static void host_sends(struct stream *stream, int fd, u32 count)
{
	struct segment segment;
	char data[SEGMENT];
	u32 sent, i, read = 0;

	for (sent = 0; read < count;) {
		if (sent < count && sent - read <= ROOM) {
			u32 bytes = count - sent < SEGMENT ? count - sent : SEGMENT;

			for (i = 0; i < bytes; i++)
				data[i] = letter(sent + i);
			CHECK_EQUAL(send(fd, data, bytes, 0), bytes);
			sent += bytes;
			continue;
		}
		next_segment(stream, &segment);
		CHECK(!(segment.flags & (SYN | RST | FIN)));
		for (i = 0; i < segment.bytes; i++)
			CHECK_EQUAL(segment.data[i], letter(read + i));
		read += segment.bytes;
	}
}

static void expect_end(struct stream *stream)
{
	struct segment segment;

	while (!stream->ended) {
		next_segment(stream, &segment);
		CHECK(!(segment.flags & (SYN | RST)) && !segment.bytes);
	}
}

void stream_to_the_host(void)
{
	static u16 own_port = 3000;
	struct stream stream = { .own_port = own_port++, .address = HOST, .sent = 0xfffffff0u };
	struct segment segment;
	u16 port;
	int listener = host_socket(SOCK_STREAM, &port), fd;
	char byte;

	stream.port = port;
	send_segment(&stream, SYN, "", 0);
	next_segment(&stream, &segment);
	CHECK_EQUAL(segment.flags & (SYN | ACK | RST | FIN), SYN | ACK);
	CHECK_EQUAL(stream.acknowledged, stream.sent);
	stream.got = get32(segment.frame + 38) + 1;
	send_segment(&stream, ACK, "", 0);
	CHECK(host_readable(listener, 30000));
	fd = accept(listener, NULL, NULL);
	CHECK(fd >= 0);
	host_close(listener);
	guest_sends(&stream, fd, MUCH);
	host_sends(&stream, fd, MUCH);
	/* the guest has no more to say; the host has */
	send_segment(&stream, FIN | ACK, "", 0);
	CHECK(host_readable(fd, 30000));
	CHECK_EQUAL(recv(fd, &byte, 1, 0), 0);
	host_sends(&stream, fd, 3 * SEGMENT);
	host_close(fd);
	expect_end(&stream);
}

void stream_to_nobody(void)
{
	static u16 own_port = 4000;
	struct stream stream = { .own_port = own_port++, .address = HOST, .sent = 1 };
	struct segment segment;
	u16 port;

	host_close(host_socket(SOCK_STREAM, &port));
	stream.port = port;
	send_segment(&stream, SYN, "", 0);
	next_segment(&stream, &segment);
	CHECK_EQUAL(segment.flags & (SYN | RST | FIN), RST);
}

/* The SYN of somebody to the guest's port. */
static struct stream expect_stream(u16 guest_port)
{
	u8 frame[PACKET];
	const u8 *tcp = frame + 34;

	do
		expect_packet(frame, 6);
	while (get16(tcp + 2) != guest_port || (tcp[13] & (SYN | ACK)) != SYN);
	return (struct stream){ .own_port = guest_port, .port = get16(tcp), .address = get32(frame + 26), .sent = 77,
				.got = get32(tcp + 4) + 1 };
}

void expect_stream_and_refuse(u16 guest_port)
{
	struct stream stream = expect_stream(guest_port);

	stream.sent = 0;
	send_segment(&stream, RST | ACK, "", 0);
}

void stream_to_the_guest(u16 host_port, u16 guest_port)
{
	int fd = host_connect(SOCK_STREAM, host_port);
	struct stream stream = expect_stream(guest_port);

	CHECK(fd >= 0);
	send_segment(&stream, SYN | ACK, "", 0);
	host_sends(&stream, fd, MUCH);
	guest_sends(&stream, fd, MUCH);
	host_close(fd);
	expect_end(&stream);
	send_segment(&stream, FIN | ACK, "", 0);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* The network of slirp_guest: frames made by hand, through the network device to libslirp and back. */
#ifndef SLIRP_FRAMES_H
#define SLIRP_FRAMES_H

#include "guest.h"
#include "net.h"

#define PACKET	1536u
#define HOST	0x0a000202u
#define GUEST	0x0a00020fu
#define NOBODY	0u
#define ALL	0xffffffffu

extern const u8 guest_mac[6];
extern u8 host_mac[6];		/* as the lease came from it */

/* eth0=slirp with these redirections; its interface. */
struct net *start_driver(const char *redirections);
void stop_driver(void);

void send_frame(const u8 *frame, u32 bytes);
/* The next frame from the host; 0: none within ms. */
u32 next_frame(u8 frame[PACKET], u32 ms);
/* The next IP packet for the guest of that protocol; questions for its MAC are answered. */
u32 expect_packet(u8 frame[PACKET], u8 protocol);
void send_datagram(u32 from, u16 from_port, u32 to, u16 to_port, const void *data, u32 bytes);

/* Ethernet and IP headers before `bytes` that stand at frame + 34; returns the frame's length. */
u32 wrap(u8 *frame, u8 protocol, u32 from, u32 to, u32 bytes);
/* RFC 1071; `sum` is of what stands elsewhere. */
u32 checksum(const u8 *at, u32 bytes, u32 sum);

static inline void put16(u8 *at, u32 value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static inline void put32(u8 *at, u32 value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

static inline u32 get16(const u8 *at)
{
	return at[0] << 8 | at[1];
}

static inline u32 get32(const u8 *at)
{
	return get16(at) << 16 | get16(at + 2);
}

#endif

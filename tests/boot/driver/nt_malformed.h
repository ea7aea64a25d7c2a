/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests to colinux.sys with every length and code that no daemon gives them. How one
 * gets there is the includer's: through the harness in ring 0 (nt_requests.c), or from
 * a process of an emulated Windows (tests/wine/requests.c).
 *
 * The includer has u32, memset() and colinux_nt.h before this.
 */
#ifndef NT_MALFORMED_H
#define NT_MALFORMED_H

#define NT_SUCCESS_STATUS		0u
#define NT_INVALID_PARAMETER		0xc000000du
#define NT_INVALID_DEVICE_REQUEST	0xc0000010u
#define NT_ACCESS_DENIED		0xc0000022u
#define NT_OBJECT_NAME_NOT_FOUND	0xc0000034u
#define NT_NOT_SUPPORTED		0xc00000bbu
#define NT_DEVICE_BUSY			0x80000011u

static const struct nt_request {
	const char *name;
	u32 nr, in, out;
} nt_requests[] = {
#define GOES_IN(name, nr, type)	{ name, nr, sizeof(struct type), 0 }
#define BOTH_WAYS(name, nr, type)	{ name, nr, sizeof(struct type), sizeof(struct type) }
	BOTH_WAYS("VERSION", CO_NR_VERSION, co_version),
	BOTH_WAYS("CREATE", CO_NR_CREATE, co_create),
	GOES_IN("START", CO_NR_START, co_start),
	BOTH_WAYS("RUN", CO_NR_RUN, co_run),
	GOES_IN("IRQ", CO_NR_IRQ, co_irq),
	{ "KICK", CO_NR_KICK, 0, 0 },
	BOTH_WAYS("STATS", CO_NR_STATS, co_stats),
	BOTH_WAYS("POOL", CO_NR_POOL, co_pool),
	BOTH_WAYS("MAP", CO_NR_MAP, co_map),
	GOES_IN("UNMAP", CO_NR_UNMAP, co_map),
	BOTH_WAYS("LOG", CO_NR_LOG, co_log),
#undef GOES_IN
#undef BOTH_WAYS
};

#define NT_REQUESTS	(sizeof(nt_requests) / sizeof(nt_requests[0]))

/* Sends one request; returns its NTSTATUS. */
typedef u32 nt_ask(void *where, u32 code, void *buffer, u32 in, u32 out);
/* Is told of each: what came, what should have. */
typedef void nt_expect(u32 got, u32 want, const char *what, u32 code);

static void nt_wrong_lengths(nt_ask *ask, void *where, nt_expect *expect)
{
	static u32 buffer[2048];
	unsigned int i;

	for (i = 0; i < NT_REQUESTS; i++) {
		u32 code = CO_NT_IOC(nt_requests[i].nr), in = nt_requests[i].in, out = nt_requests[i].out;
		const struct { const char *what; u32 in, out, size; } wrong[] = {
			{ "longer input", in + 1, out, in },
			{ "longer output", in, out + 1, in },
			{ "8000 bytes", 8000, 8000, in },
			{ "8000 bytes that say so", 8000, 8000, 8000 },
			/* of what has no input, the others are no mistakes */
			{ "shorter input", in - 1, out, in },
			{ "no input", 0, out, in },
			{ "no size in it", 3, out, in },
			{ "half a structure", in / 2, out, in / 2 },
			{ "size one less", in, out, in - 1 },
			{ "size one more", in, out, in + 1 },
			{ "size 0", in, out, 0 },
			{ "size ~0", in, out, ~0u },
		};
		unsigned int j, count = in ? sizeof(wrong) / sizeof(wrong[0]) : 4;

		for (j = 0; j < count; j++) {
			memset(buffer, 0, sizeof(buffer));
			buffer[0] = wrong[j].size;
			expect(ask(where, code, wrong[j].in ? buffer : NULL, wrong[j].in, wrong[j].out),
			       NT_INVALID_PARAMETER, wrong[j].what, code);
		}
		memset(buffer, 0, sizeof(buffer));
		buffer[0] = in;
		if (out) {
			expect(ask(where, code, buffer, in, 0), NT_INVALID_PARAMETER, "no output", code);
			expect(ask(where, code, buffer, in, out - 1), NT_INVALID_PARAMETER,
			       "shorter output", code);
		} else {
			expect(ask(where, code, buffer, in, 8), NT_INVALID_PARAMETER,
			       "output where there is none", code);
		}
	}
}

/* Method, access and device type are parts of a code, as the function's number is. */
static void nt_wrong_codes(nt_ask *ask, void *where, nt_expect *expect)
{
	static u32 buffer[2048];
	unsigned int i;
	u32 nr;

	for (i = 0; i < NT_REQUESTS; i++) {
		u32 code = CO_NT_IOC(nt_requests[i].nr), in = nt_requests[i].in, out = nt_requests[i].out;
		const struct { const char *what; u32 code; } wrong[] = {
			{ "METHOD_IN_DIRECT", code | 1 },
			{ "METHOD_OUT_DIRECT", code | 2 },
			{ "METHOD_NEITHER", code | 3 },
			{ "FILE_ANY_ACCESS", code & ~0xc000u },
			{ "FILE_READ_ACCESS", code & ~0x8000u },
			{ "FILE_WRITE_ACCESS", code & ~0x4000u },
			{ "another device's", code ^ 0x10000 },
			{ "the system's range", code & ~0x2000u },
		};
		unsigned int j;

		for (j = 0; j < sizeof(wrong) / sizeof(wrong[0]); j++) {
			memset(buffer, 0, sizeof(buffer));
			buffer[0] = in;
			expect(ask(where, wrong[j].code, buffer, in, out), NT_INVALID_DEVICE_REQUEST,
			       wrong[j].what, wrong[j].code);
		}
	}
	for (nr = 0; nr < 64; nr++) {
		for (i = 0; i < NT_REQUESTS && nt_requests[i].nr != nr; i++)
			;
		if (i == NT_REQUESTS)
			expect(ask(where, CO_NT_IOC(nr), buffer, 0, 0), NT_INVALID_DEVICE_REQUEST,
			       "a number that there is not", CO_NT_IOC(nr));
	}
	expect(ask(where, CO_NT_IOC(0x7ff), buffer, 0, 0), NT_INVALID_DEVICE_REQUEST,
	       "the last number", CO_NT_IOC(0x7ff));
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * colinux.sys in its harness against requests that no daemon makes: every length, code
 * and field, as they reach it on Windows; then fifty machines, one after the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "driver.h"
#include "../../../runtime/windows/colinux_nt.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* tests/nt/irp.c: any request. */
struct nt_raw { u32 code, in, out; u32 status; u64 buffer; };
#define NT_RAW	_IOWR('N', 1, struct nt_raw)

#define SUCCESS			0u
#define INVALID_PARAMETER	0xc000000du
#define INVALID_DEVICE_REQUEST	0xc0000010u
#define DEVICE_BUSY		0x80000011u

static u32 ask(int fd, u32 code, void *buffer, u32 in, u32 out)
{
	struct nt_raw raw = { code, in, out, 0, (u64)(unsigned long)buffer };

	if (ioctl(fd, NT_RAW, &raw))
		die("NT_RAW");
	return raw.status;
}

static void expect(u32 got, u32 want, const char *what, u32 code)
{
	result(got == want, what, "code %x: %x, not %x", code, got, want);
}

static const struct { u32 nr, in, out; } requests[] = {
	{ CO_NR_VERSION, sizeof(struct co_version), sizeof(struct co_version) },
	{ CO_NR_CREATE, sizeof(struct co_create), sizeof(struct co_create) },
	{ CO_NR_START, sizeof(struct co_start), 0 },
	{ CO_NR_RUN, sizeof(struct co_run), sizeof(struct co_run) },
	{ CO_NR_IRQ, sizeof(struct co_irq), 0 },
	{ CO_NR_KICK, 0, 0 },
	{ CO_NR_STATS, sizeof(struct co_stats), sizeof(struct co_stats) },
	{ CO_NR_POOL, sizeof(struct co_pool), sizeof(struct co_pool) },
	{ CO_NR_MAP, sizeof(struct co_map), sizeof(struct co_map) },
	{ CO_NR_UNMAP, sizeof(struct co_map), 0 },
	{ CO_NR_LOG, sizeof(struct co_log), sizeof(struct co_log) },
};

static void test_lengths(int fd)
{
	static u32 buffer[2048];
	unsigned int i;

	for (i = 0; i < COUNT(requests); i++) {
		u32 code = CO_NT_IOC(requests[i].nr), in = requests[i].in, out = requests[i].out;

		memset(buffer, 0, sizeof(buffer));
		buffer[0] = in;
		expect(ask(fd, code, buffer, in + 1, out), INVALID_PARAMETER, "longer input", code);
		expect(ask(fd, code, buffer, in, out + 1), INVALID_PARAMETER, "longer output", code);
		expect(ask(fd, code, buffer, 8000, 8000), INVALID_PARAMETER, "8000 bytes", code);
		if (in) {
			expect(ask(fd, code, buffer, in - 1, out), INVALID_PARAMETER, "shorter input", code);
			expect(ask(fd, code, NULL, 0, out), INVALID_PARAMETER, "no input", code);
			expect(ask(fd, code, buffer, 3, out), INVALID_PARAMETER, "no size in it", code);
			buffer[0] = in - 1;
			expect(ask(fd, code, buffer, in, out), INVALID_PARAMETER, "another size", code);
			buffer[0] = 0;
			expect(ask(fd, code, buffer, in, out), INVALID_PARAMETER, "size 0", code);
			buffer[0] = in;
		}
		if (out)
			expect(ask(fd, code, buffer, in, 0), INVALID_PARAMETER, "no output", code);
		/* method, access and device type are part of the code */
		expect(ask(fd, code | 3, buffer, in, out), INVALID_DEVICE_REQUEST, "METHOD_NEITHER", code);
		expect(ask(fd, code & ~0xc000u, buffer, in, out), INVALID_DEVICE_REQUEST,
		       "FILE_ANY_ACCESS", code);
		expect(ask(fd, code ^ 0x10000, buffer, in, out), INVALID_DEVICE_REQUEST,
		       "another device's", code);
	}
	expect(ask(fd, CO_NT_IOC(0), buffer, 0, 0), INVALID_DEVICE_REQUEST, "number 0", 0);
	expect(ask(fd, CO_NT_IOC(9), buffer, 0, 0), INVALID_DEVICE_REQUEST, "number 9", 9);
	expect(ask(fd, CO_NT_IOC(35), buffer, 0, 0), INVALID_DEVICE_REQUEST, "number 35", 35);
}

static u32 map(int fd, u32 writable, u64 offset, u64 bytes, u64 address)
{
	struct co_map arg = { sizeof(arg), writable, offset, bytes, address };

	return ask(fd, CO_NT_IOC(CO_NR_MAP), &arg, sizeof(arg), sizeof(arg));
}

static void test_map(void)
{
	struct machine m = machine_create();
	u64 start = m.create.range[0].start, bytes = m.create.range[0].bytes;
	struct co_map arg = { .size = sizeof(arg) };
	int fresh = machine_open();
	const struct { const char *name; u32 writable; u64 offset, bytes, address; } wrong[] = {
		{ "writable: 2", 2, start, 4096, 0 },
		{ "an address", 0, start, 4096, 4096 },
		{ "no bytes", 0, start, 0, 0 },
		{ "part of a page", 0, start, 100, 0 },
		{ "not from a page on", 0, start + 1, 4096, 0 },
		{ "COMM to write", 1, CO_MMAP_COMM, 4096, 0 },
		{ "COMM and more", 0, CO_MMAP_COMM, 8192, 0 },
		{ "after the devices", 0, CO_MMAP_DEVICES + CO_DEVICE_PAGES * 4096, 4096, 0 },
		{ "before memory", 0, start - 4096, 4096, 0 },
		{ "beyond memory", 0, start + bytes - 4096, 1ull << 40, 0 },
		{ "all there is", 0, start, ~0xfffull, 0 },
		{ "around the end", 0, ~0xfffull, 8192, 0 },
		{ "an i386 guest's", 0, CO_MMAP_I386, 4096, 0 },
	};
	unsigned int i;

	for (i = 0; i < COUNT(wrong); i++)
		expect(map(m.fd, wrong[i].writable, wrong[i].offset, wrong[i].bytes, wrong[i].address),
		       INVALID_PARAMETER, wrong[i].name, i);
	expect(map(fresh, 0, CO_MMAP_COMM, 4096, 0), DEVICE_BUSY, "MAP before CREATE", 0);
	expect(ask(fresh, CO_NT_IOC(CO_NR_UNMAP), &arg, sizeof(arg), 0), INVALID_PARAMETER,
	       "UNMAP of nothing", 0);
	close(fresh);
	machine_close(&m);
}

static u32 create(int fd)
{
	struct co_create arg = good_create();

	return ask(fd, CO_NT_IOC(CO_NR_CREATE), &arg, sizeof(arg), sizeof(arg));
}

/* On a synchronous handle KICK would wait for RUN: that is said, not found out. */
static void test_synchronous(void)
{
	struct co_log log = { .size = sizeof(log) };
	int fd = open(CO_DEVICE_PATH, O_RDWR | O_SYNC);

	expect(create(fd), INVALID_PARAMETER, "CREATE on a synchronous handle", 0);
	expect(ask(fd, CO_NT_IOC(CO_NR_LOG), &log, sizeof(log), sizeof(log)), SUCCESS, "LOG", 0);
	result(log.lines && !strcmp(log.text, "the device was opened without FILE_FLAG_OVERLAPPED"),
	       "LOG says why", "%u: %s", log.lines, log.text);
	close(fd);
}

static struct co_stats stats_of(int fd)
{
	struct co_stats stats = { .size = sizeof(stats) };

	if (ask(fd, CO_NT_IOC(CO_NR_STATS), &stats, sizeof(stats), sizeof(stats)))
		die("STATS");
	return stats;
}

/* tests/nt/memory.c: what the driver has of NT's memory, in words with all numbers. */
#define HELD "/sys/module/colinux/parameters/held"

static void held(char text[128])
{
	FILE *file = fopen(HELD, "r");

	if (!file || !fgets(text, 128, file))
		die(HELD);
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
}

#define TIMES	50

static void test_again_and_again(void)
{
	int i, fd, bad = 0;
	struct co_stats before = { 0 }, after;
	char held_first[128] = "", held_last[128];
	struct machine m;
	struct co_run run;

	for (i = 0; i < TIMES; i++) {
		m = machine_start();
		command(&m, CO_R_SHUTDOWN, 0, 0);
		bad += run_once(m.fd, &run) || run.reason != CO_R_SHUTDOWN;
		machine_close(&m);
		if (!i) {
			fd = machine_open();
			before = stats_of(fd);
			close(fd);
			held(held_first);
		}
	}
	fd = machine_open();
	after = stats_of(fd);
	close(fd);
	held(held_last);
	result(!bad, "fifty machines", "%d of them failed", bad);
	result(after.pool_chunks == before.pool_chunks && !after.pool_chunks_used,
	       "the pool is as after the first", "%llu chunks, %llu in use; first %llu",
	       (unsigned long long)after.pool_chunks, (unsigned long long)after.pool_chunks_used,
	       (unsigned long long)before.pool_chunks);
	result(!strcmp(held_first, held_last), "the driver has what it had after the first",
	       "%s; first %s", held_last, held_first);
}

int main(void)
{
	int fd = machine_open();

	test_lengths(fd);
	close(fd);
	test_map();
	test_synchronous();
	test_again_and_again();
	printf("%d failures\n", failures());
	return failures() ? 1 : 0;
}

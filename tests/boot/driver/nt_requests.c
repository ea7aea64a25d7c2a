/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * colinux.sys in its harness against requests that no daemon makes: every length, code
 * and field, as they reach it on Windows; then fifty machines, one after the other.
 *
 *	nt_requests [CODE-SELECTOR]	with one, machines are i386 guests on that selector
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
#include "nt_malformed.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* tests/nt/irp.c: any request. */
struct nt_raw { u32 code, in, out; u32 status; u64 buffer; };
#define NT_RAW	_IOWR('N', 1, struct nt_raw)
#define NT_RAW_NO_FILE	_IOWR('N', 2, struct nt_raw)

static u32 selector;		/* an i386 guest's; 0: x86_64 */

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

static u32 ask_where(void *where, u32 code, void *buffer, u32 in, u32 out)
{
	return ask(*(int *)where, code, buffer, in, out);
}

/* What a driver could send: it belongs to no file, so to nobody. */
static void test_no_file(int fd)
{
	static u32 buffer[2048];
	unsigned int i;

	for (i = 0; i < NT_REQUESTS; i++) {
		struct nt_raw raw = { CO_NT_IOC(nt_requests[i].nr), nt_requests[i].in, nt_requests[i].out, 0,
				      (u64)(unsigned long)buffer };

		memset(buffer, 0, sizeof(buffer));
		buffer[0] = nt_requests[i].in;
		if (ioctl(fd, NT_RAW_NO_FILE, &raw))
			die("NT_RAW_NO_FILE");
		expect(raw.status, NT_ACCESS_DENIED, "of no open file", raw.code);
	}
}

static struct co_create wanted(void)
{
	return selector ? good_create_i386() : good_create();
}

static u32 map(int fd, u32 writable, u64 offset, u64 bytes, u64 address)
{
	struct co_map arg = { sizeof(arg), writable, offset, bytes, address };

	return ask(fd, CO_NT_IOC(CO_NR_MAP), &arg, sizeof(arg), sizeof(arg));
}

static void test_map(void)
{
	struct machine m = selector ? machine_create_i386(selector) : machine_create();
	u64 real = m.create.range[0].start;
	u64 start = selector ? CO_MMAP_I386 : real, bytes = selector ? MEM_BYTES : m.create.range[0].bytes;
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
		{ "another kind of guest's", 0, selector ? real : CO_MMAP_I386, 4096, 0 },
	};
	unsigned int i;

	for (i = 0; i < COUNT(wrong); i++)
		expect(map(m.fd, wrong[i].writable, wrong[i].offset, wrong[i].bytes, wrong[i].address),
		       NT_INVALID_PARAMETER, wrong[i].name, i);
	expect(map(fresh, 0, CO_MMAP_COMM, 4096, 0), NT_DEVICE_BUSY, "MAP before CREATE", 0);
	expect(ask(fresh, CO_NT_IOC(CO_NR_UNMAP), &arg, sizeof(arg), 0), NT_INVALID_PARAMETER,
	       "UNMAP of nothing", 0);
	close(fresh);
	machine_close(&m);
}

static u32 create(int fd)
{
	struct co_create arg = wanted();

	return ask(fd, CO_NT_IOC(CO_NR_CREATE), &arg, sizeof(arg), sizeof(arg));
}

/* On a synchronous handle KICK would wait for RUN: that is said, not found out. */
static void test_synchronous(void)
{
	struct co_log log = { .size = sizeof(log) };
	int fd = open(CO_DEVICE_PATH, O_RDWR | O_SYNC);

	expect(create(fd), NT_INVALID_PARAMETER, "CREATE on a synchronous handle", 0);
	expect(ask(fd, CO_NT_IOC(CO_NR_LOG), &log, sizeof(log), sizeof(log)), NT_SUCCESS_STATUS, "LOG", 0);
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

static void parameter(const char *name, char text[128])
{
	char path[80];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/module/colinux/parameters/%s", name);
	file = fopen(path, "r");
	if (!file || !fgets(text, 128, file))
		die(path);
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
}

/* tests/nt/memory.c: what the driver has of NT's memory, in words with all numbers. */
static void held(char text[128])
{
	parameter("held", text);
}

/* tests/nt/mdl.c: how often a part of an MDL was mapped. */
static unsigned long mapped_parts(void)
{
	char text[128];

	parameter("mapped_parts", text);
	return strtoul(text, NULL, 10);
}

/* Created, and its memory mapped: nothing is written to it yet. */
static struct machine blank(void)
{
	struct machine m = { .fd = machine_open(), .create = wanted() };

	if (ioctl(m.fd, CO_IOC_CREATE, &m.create))
		die("CREATE");
	if (selector)
		machine_map(&m, CO_MMAP_I386, MEM_BYTES);
	else
		machine_map(&m, m.create.range[0].start, m.create.range[0].bytes);
	return m;
}

#define PIECES	(CO_CHUNK_SIZE >> 16)	/* of 64 KiB, in which a chunk is zeroed */

/* The next machine gets the same memory, and finds nothing in it. */
static void test_memory_is_zeroed(void)
{
	unsigned long before = mapped_parts(), parts;
	struct machine m = blank();
	u64 start = m.create.range[0].start, i, left = 0;

	memset(m.memory, 0x5a, m.memory_bytes);
	machine_close(&m);
	m = blank();
	for (i = 0; i < m.memory_bytes; i++)
		left += !!m.memory[i];
	result(m.create.range[0].start == start && !left, "memory is zeroed",
	       "%llu of %llu bytes are left; it begins at %llx, before at %llx", (unsigned long long)left,
	       (unsigned long long)m.memory_bytes, (unsigned long long)m.create.range[0].start,
	       (unsigned long long)start);
	machine_close(&m);
	parts = mapped_parts() - before;
	result(parts >= 2 * MEM_BYTES / CO_CHUNK_SIZE * PIECES, "each by parts of its MDL", "only %lu", parts);
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
		m = selector ? machine_start_i386(selector) : machine_start();
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

int main(int argc, char **argv)
{
	int fd = machine_open();

	selector = argc > 1 ? (u32)strtoul(argv[1], NULL, 0) : 0;
	nt_wrong_lengths(ask_where, &fd, expect);
	nt_wrong_codes(ask_where, &fd, expect);
	test_no_file(fd);
	close(fd);
	test_map();
	test_synchronous();
	test_memory_is_zeroed();
	test_again_and_again();
	printf("%d failures\n", failures());
	return failures() ? 1 : 0;
}

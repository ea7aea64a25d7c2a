/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every request to the driver, with every wrong size, field and order; then
 * (ioctl_use.c) mmap misuse, other processes, and what a guest may say; and (ioctl_chunk.c) memory
 * that goes and comes.
 *
 * Runs as root on a host with the driver loaded and no other guest. Prints one
 * line for each case (driver.h) and exits 0 when all are ok.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ioctl_table.h"

int request(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) ? errno : 0;
}

void expect(int got, int want, const char *format, ...)
{
	char name[160];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	result(got == want, name, "got %d (%s), expected %d (%s)", got, strerror(got),
	       want, strerror(want));
}

/* ---- sizes and pointers ---- */

static const struct {
	const char *name;
	unsigned long cmd;
	u32 size;
} requests[] = {
	{ "version", CO_IOC_VERSION, sizeof(struct co_version) },
	{ "create", CO_IOC_CREATE, sizeof(struct co_create) },
	{ "start", CO_IOC_START, sizeof(struct co_start) },
	{ "run", CO_IOC_RUN, sizeof(struct co_run) },
	{ "irq", CO_IOC_IRQ, sizeof(struct co_irq) },
	{ "stats", CO_IOC_STATS, sizeof(struct co_stats) },
	{ "pool", CO_IOC_POOL, sizeof(struct co_pool) },
	{ "chunk", CO_IOC_CHUNK, sizeof(struct co_chunk_op) },
	{ "balloon", CO_IOC_BALLOON, sizeof(struct co_balloon) },
};

static void test_sizes(void)
{
	int fd = machine_open();
	unsigned int i, j;
	char buffer[8192];

	for (i = 0; i < COUNT(requests); i++) {
		const u32 size = requests[i].size;
		const u32 wrong[] = { 0, 1, 4, size - 4, size - 1, size + 1, size + 8,
				      4096, 0x7fffffff, 0x80000000u, 0xffffffffu };

		for (j = 0; j < COUNT(wrong); j++) {
			memset(buffer, 0, sizeof(buffer));
			memcpy(buffer, &wrong[j], 4);
			expect(request(fd, requests[i].cmd, buffer), EINVAL,
			       "%s size %u", requests[i].name, wrong[j]);
		}
		expect(request(fd, requests[i].cmd, NULL), EFAULT, "%s null", requests[i].name);
		expect(request(fd, requests[i].cmd, (void *)-4096ul), EFAULT,
		       "%s kernel address", requests[i].name);
		/* the right size in the last readable word, the rest beyond it */
		char *edge = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		munmap(edge + PAGE, PAGE);
		memcpy(edge + PAGE - 4, &size, 4);
		expect(request(fd, requests[i].cmd, edge + PAGE - 4), EFAULT,
		       "%s across the edge", requests[i].name);
		munmap(edge, PAGE);
		/* the same number with another size in it is another request */
		memset(buffer, 0, sizeof(buffer));
		memcpy(buffer, &size, 4);
		expect(request(fd, _IOC(_IOC_READ | _IOC_WRITE, 'C',
					_IOC_NR(requests[i].cmd), size + 8), buffer),
		       ENOTTY, "%s request of another size", requests[i].name);
	}
	for (i = 0; i < 256; i++)
		if (i < CO_NR_VERSION || i > CO_NR_BALLOON)
			if (request(fd, _IOWR('C', i, struct co_run), buffer) != ENOTTY)
				result(false, "unknown request", "number %u", i);
	expect(request(fd, _IOWR('D', CO_NR_RUN, struct co_run), buffer), ENOTTY,
	       "another driver's request");
	expect(request(fd, 0, NULL), ENOTTY, "request 0");
	expect(request(fd, ~0ul, NULL), ENOTTY, "request ~0");
	expect(read(fd, buffer, 1) < 0 ? errno : 0, EINVAL, "read");
	expect(write(fd, buffer, 1) < 0 ? errno : 0, EINVAL, "write");
	close(fd);
}

/* ---- order: every request in every state ---- */

enum { NEW, CREATED, STARTED, ENDED, STATES };
static const char *const state_name[STATES] = { "new", "created", "started", "ended" };

static struct machine in_state(int state)
{
	struct machine m = { 0 };
	struct co_run run;

	switch (state) {
	case NEW:
		m.fd = machine_open();
		m.create = good_create();
		m.start = (struct co_start){ .size = sizeof(m.start) };
		return m;
	case CREATED:
		return machine_create();
	}
	m = machine_start();
	if (state == ENDED) {
		command(&m, CO_R_SHUTDOWN, 0, 0);
		run_once(m.fd, &run);
	}
	return m;
}

static void leave(struct machine *m)
{
	if (m->memory)
		machine_close(m);
	else
		close(m->fd);
}

static void test_order(void)
{
	static const struct {
		unsigned long cmd;
		const char *name;
		int want[STATES];
	} table[] = {
		{ CO_IOC_VERSION, "version", { 0, 0, 0, 0 } },
		{ CO_IOC_CREATE, "create", { 0, EBUSY, EBUSY, ENODEV } },
		{ CO_IOC_START, "start", { EBUSY, 0, EBUSY, ENODEV } },
		{ CO_IOC_RUN, "run", { EBUSY, EBUSY, 0, ENODEV } },
		{ CO_IOC_IRQ, "irq", { EBUSY, 0, 0, ENODEV } },
		{ CO_IOC_KICK, "kick", { EBUSY, 0, 0, ENODEV } },
		{ CO_IOC_STATS, "stats", { 0, 0, 0, 0 } },
		{ CO_IOC_POOL, "pool", { 0, 0, 0, 0 } },
		{ CO_IOC_CHUNK, "chunk", { EBUSY, EBUSY, EBUSY, ENODEV } },
		{ CO_IOC_BALLOON, "balloon", { EBUSY, 0, 0, ENODEV } },
	};
	union {
		struct co_version version;
		struct co_create create;
		struct co_start start;
		struct co_run run;
		struct co_irq irq;
		struct co_stats stats;
		struct co_pool pool;
		struct co_chunk_op chunk;
	} arg;
	unsigned int i;
	int state;

	for (state = NEW; state < STATES; state++)
		for (i = 0; i < COUNT(table); i++) {
			struct machine m = in_state(state);

			memset(&arg, 0, sizeof(arg));
			arg.version.size = _IOC_SIZE(table[i].cmd);
			if (table[i].cmd == CO_IOC_CREATE)
				arg.create = good_create();
			if (table[i].cmd == CO_IOC_START)
				arg.start = m.start;
			if (table[i].cmd == CO_IOC_POOL)
				arg.pool.op = CO_POOL_RESERVE;
			if (table[i].cmd == CO_IOC_CHUNK)
				arg.chunk.op = CO_CHUNK_GIVE;
			expect(request(m.fd, table[i].cmd, &arg), table[i].want[state],
			       "%s when %s", table[i].name, state_name[state]);
			leave(&m);
		}
}

/* ---- fields ---- */

static void test_create_fields(void)
{
	static const struct {
		const char *name;
		size_t offset, bytes;
		u64 value;
	} bad[] = {
#define F(f) offsetof(struct co_create, f), sizeof(((struct co_create *)0)->f)
		{ "unknown note flag", F(note_flags), 32 },
		{ "PAE without I386", F(note_flags), CO_NOTE_PAE },
		{ "I386 with an x86_64 area", F(note_flags), CO_NOTE_I386 },
		{ "all note flags", F(note_flags), 0xffffffff },
		{ "reserved", F(reserved), 1 },
		{ "no memory", F(mem_bytes), 0 },
		{ "too little memory", F(mem_bytes), CO_MEM_MIN - 1 },
		{ "too much memory", F(mem_bytes), CO_MEM_MAX + 1 },
		{ "all memory", F(mem_bytes), ~0ull },
		{ "no area", F(area_va), 0 },
		{ "unaligned area", F(area_va), AREA_VA + 8 },
		{ "area in the lower half", F(area_va), 0x400000 },
		{ "area not canonical", F(area_va), 0x8000000000000000ull },
		{ "area just not canonical", F(area_va), 0xfeffffffff800000ull },
		{ "area over the top", F(area_va), 0xffffffffffffa000ull },
		{ "area at the last page", F(area_va), 0xfffffffffffff000ull },
		{ "image larger than memory", F(image_bytes), MEM_BYTES + 1 },
		{ "image without end", F(image_bytes), ~0ull },
	}, bad_i386[] = {
		{ "5-level paging", F(note_flags), CO_NOTE_I386 | CO_NOTE_LA57 },
		{ "unknown flag", F(note_flags), CO_NOTE_I386 | 32 },
		{ "a balloon", F(note_flags), CO_NOTE_I386 | CO_NOTE_BALLOON },
		{ "reserved", F(reserved), 1 },
		{ "too little memory", F(mem_bytes), CO_MEM_MIN - 1 },
		{ "too much memory", F(mem_bytes), CO_MEM_MAX_I386 + 1 },
		{ "all memory", F(mem_bytes), ~0ull },
		{ "no area", F(area_va), 0 },
		{ "unaligned area", F(area_va), 0xff7f0008 },
		{ "area in user space", F(area_va), 0x7ffff000 },
		{ "area over the top", F(area_va), 0xffffa000 },
		{ "area beyond 4 GiB", F(area_va), 0x1ff7f0000 },
		{ "an x86_64 area", F(area_va), AREA_VA },
		{ "a contiguous image", F(image_bytes), 1 },
#undef F
	};
	struct co_create arg;
	unsigned int i;
	int fd = machine_open(), below;
	struct co_version v = { .size = sizeof(v) };

	expect(request(fd, CO_IOC_VERSION, &v), 0, "version");
	result(v.abi_version == CO_ABI_VERSION && v.release[0] &&
	       !v.release[sizeof(v.release) - 1], "version's answer", "%u %.56s",
	       v.abi_version, v.release);
	for (i = 0; i < COUNT(bad); i++) {
		arg = good_create();
		memcpy((char *)&arg + bad[i].offset, &bad[i].value, bad[i].bytes);
		expect(request(fd, CO_IOC_CREATE, &arg), EINVAL, "create: %s", bad[i].name);
	}
	for (i = 0; i < COUNT(bad_i386); i++) {
		arg = good_create_i386();
		memcpy((char *)&arg + bad_i386[i].offset, &bad_i386[i].value, bad_i386[i].bytes);
		expect(request(fd, CO_IOC_CREATE, &arg), EINVAL, "create i386: %s",
		       bad_i386[i].name);
	}
	below = machine_open();
	arg = good_create();
	arg.note_flags |= CO_NOTE_BELOW_4G;
	expect(request(below, CO_IOC_CREATE, &arg), 0, "create: below 4 GiB");
	for (i = 0; i < arg.nranges; i++)
		result(arg.range[i].start + arg.range[i].bytes <= 1ull << 32,
		       "create: is below 4 GiB", "%llx", (unsigned long long)arg.range[i].start);
	close(below);
	below = machine_open();
	arg = good_create_i386();
	arg.note_flags |= CO_NOTE_PAE;
	expect(request(below, CO_IOC_CREATE, &arg), 0, "create i386: PAE");
	for (i = 0; i < arg.nranges; i++)
		result(arg.range[i].start + arg.range[i].bytes <= 1ull << 32,
		       "create i386: PAE is below 4 GiB", "%llx",
		       (unsigned long long)arg.range[i].start);
	close(below);
	arg = good_create();
	arg.mem_bytes = CO_MEM_MAX;
	expect(request(fd, CO_IOC_CREATE, &arg), ENOMEM, "create: more than there is");
	arg = good_create();
	arg.mem_bytes = arg.image_bytes = CO_MEM_MAX;
	expect(request(fd, CO_IOC_CREATE, &arg), ENOMEM, "create: an image of that size");
	/* None of the failures may have left anything behind. */
	arg = good_create();
	arg.mem_bytes += 1;
	expect(request(fd, CO_IOC_CREATE, &arg), 0, "create: after failures");
	u64 sum = 0, previous = 0;
	bool sorted = true;

	for (i = 0; i < arg.nranges; i++) {
		sorted &= arg.range[i].start > previous || !i;
		sorted &= arg.range[i].start % CO_CHUNK_SIZE == 0 && arg.range[i].bytes;
		previous = arg.range[i].start + arg.range[i].bytes;
		sum += arg.range[i].bytes;
	}
	result(sum == MEM_BYTES + CO_CHUNK_SIZE, "create: rounded up to chunks",
	       "%llu bytes", (unsigned long long)sum);
	result(sorted, "create: ranges ascend, do not touch", "%u ranges", arg.nranges);
	result(arg.code_phys && arg.code_phys % PAGE == 0 && arg.area_phys &&
	       arg.area_phys % PAGE == 0, "create: addresses", "%llx %llx",
	       (unsigned long long)arg.code_phys, (unsigned long long)arg.area_phys);
	close(fd);
}

static void test_start_fields(void)
{
	struct machine m = machine_create();
	const struct co_range *last = &m.create.range[m.create.nranges - 1];
	u64 end = last->start + last->bytes;
	const struct {
		const char *name;
		u32 code_selector;
		u64 entry, boot_params, boot32, root;
	} bad[] = {
		{ "code selector", 0x10, m.start.entry, m.start.boot_params, 0, 0 },
		{ "boot32", 0, m.start.entry, m.start.boot_params, 0xc0001000, 0 },
		{ "root", 0, m.start.entry, m.start.boot_params, 0, m.create.range[0].start },
		{ "entry 0", 0, 0, m.start.boot_params, 0, 0 },
		{ "entry below", 0, m.create.range[0].start - 1, m.start.boot_params, 0, 0 },
		{ "entry above", 0, end, m.start.boot_params, 0, 0 },
		{ "entry in the area", 0, m.create.area_phys, m.start.boot_params, 0, 0 },
		{ "entry ~0", 0, ~0ull, m.start.boot_params, 0, 0 },
		{ "boot_params 0", 0, m.start.entry, 0, 0, 0 },
		{ "boot_params above", 0, m.start.entry, end, 0, 0 },
		{ "boot_params half in", 0, m.start.entry, end - PAGE / 2, 0, 0 },
		{ "boot_params around the end", 0, m.start.entry, ~0ull - 100, 0, 0 },
	};
	unsigned int i;

	for (i = 0; i < COUNT(bad); i++) {
		struct co_start arg = { sizeof(arg), bad[i].code_selector, bad[i].entry,
					bad[i].boot_params, bad[i].boot32, bad[i].root };

		expect(request(m.fd, CO_IOC_START, &arg), EINVAL, "start: %s", bad[i].name);
	}
	expect(request(m.fd, CO_IOC_START, &m.start), 0, "start: after failures");
	machine_close(&m);
}

static void test_start_fields_i386(void)
{
	struct machine m = machine_create_i386(0x60);
	const struct co_range *last = &m.create.range[m.create.nranges - 1];
	const u64 good[] = { m.start.entry, m.start.boot_params, m.start.boot32, m.start.root };
	const struct {
		const char *name;
		size_t offset;
		u64 value;
	} bad[] = {
#define F(f) offsetof(struct co_start, f)
		{ "entry 0", F(entry), 0 },
		{ "entry physical", F(entry), m.create.range[0].start % 0x40000000 },
		{ "entry beyond 4 GiB", F(entry), 1ull << 32 },
		{ "entry of 64 bits", F(entry), ~0ull },
		{ "boot_params 0", F(boot_params), 0 },
		{ "boot_params unaligned", F(boot_params), good[1] + 4 },
		{ "boot_params beyond 4 GiB", F(boot_params), good[1] | 1ull << 32 },
		{ "boot32 0", F(boot32), 0 },
		{ "boot32 unaligned", F(boot32), good[2] + 0x800 },
		{ "boot32 beyond 4 GiB", F(boot32), ~0xfffull },
		{ "root 0", F(root), 0 },
		{ "root unaligned", F(root), good[3] + 32 },
		{ "root virtual", F(root), 0xfffff000 },
		{ "root behind the memory", F(root), last->start + last->bytes },
		{ "root in the area", F(root), m.create.area_phys },
		{ "root beyond 4 GiB", F(root), good[3] | 1ull << 32 },
#undef F
	};
	static const u32 selectors[] = { 0, 8, 0x18, 0x61, 0x63, 0x68, 0x10060, ~0u };
	struct co_start arg;
	unsigned int i;

	for (i = 0; i < COUNT(bad); i++) {
		arg = m.start;
		memcpy((char *)&arg + bad[i].offset, &bad[i].value, sizeof(bad[i].value));
		expect(request(m.fd, CO_IOC_START, &arg), EINVAL, "start i386: %s", bad[i].name);
	}
	for (i = 0; i < COUNT(selectors); i++) {
		arg = m.start;
		arg.code_selector = selectors[i];
		expect(request(m.fd, CO_IOC_START, &arg), EINVAL, "start i386: selector %x",
		       selectors[i]);
	}
	result(m.create.code_phys + PAGE == m.create.area_phys && m.create.area_phys < 1ull << 32 &&
	       last->start + last->bytes <= 1ull << 32, "create i386: addresses", "%llx %llx",
	       (unsigned long long)m.create.code_phys, (unsigned long long)m.create.area_phys);
	expect(request(m.fd, CO_IOC_START, &m.start), 0, "start i386: after failures");
	machine_close(&m);
}

static void test_irq_and_pool_fields(void)
{
	struct machine m = machine_create();
	struct co_irq irq = { .size = sizeof(irq), .events = 4 };
	struct co_pool pool = { .size = sizeof(pool) };
	struct co_stats before = { .size = sizeof(before) }, after = before;
	int op;

	expect(request(m.fd, CO_IOC_IRQ, &irq), EINVAL, "irq: unknown event");
	irq.events = 0;
	irq.pending[1] = 1 << (CO_NR_VIRQ - 32);
	expect(request(m.fd, CO_IOC_IRQ, &irq), EINVAL, "irq: one too many");
	irq.pending[1] = 0;
	result(!m.comm->pending[0] && !m.comm->pending[1] && !m.comm->events,
	       "irq: refused ones leave no trace", "%x", m.comm->pending[0]);
	irq.events = CO_EVENT_POWER;
	irq.pending[1] = 0x80;
	expect(request(m.fd, CO_IOC_IRQ, &irq), 0, "irq: the last one, and power");
	result(m.comm->pending[0] == 1 << CO_VIRQ_EVENT && m.comm->pending[1] == 0x80 &&
	       m.comm->events == CO_EVENT_POWER, "irq: arrives", "%x %x",
	       m.comm->pending[0], m.comm->pending[1]);
	for (op = 0; op < 6; op++)
		if (op != CO_POOL_TRIM && op != CO_POOL_RESERVE) {
			pool.op = op;
			expect(request(m.fd, CO_IOC_POOL, &pool), EINVAL, "pool: op %d", op);
		}
	pool.op = CO_POOL_RESERVE;
	pool.chunks = ~0ull;
	expect(request(m.fd, CO_IOC_POOL, &pool), EINVAL, "pool: everything");
	pool.chunks = CO_MEM_MAX / CO_CHUNK_SIZE;
	expect(request(m.fd, CO_IOC_POOL, &pool), ENOMEM, "pool: more than there is");
	pool.op = CO_POOL_TRIM;
	expect(request(m.fd, CO_IOC_POOL, &pool), 0, "pool: trim");
	request(m.fd, CO_IOC_STATS, &before);
	result(before.pool_chunks == before.pool_chunks_used &&
	       before.pool_chunks == MEM_BYTES / CO_CHUNK_SIZE,
	       "pool: only what is used remains", "%llu",
	       (unsigned long long)before.pool_chunks);
	pool.op = CO_POOL_RESERVE;
	pool.chunks = before.pool_chunks + 3;
	expect(request(m.fd, CO_IOC_POOL, &pool), 0, "pool: reserve");
	request(m.fd, CO_IOC_STATS, &after);
	result(after.pool_chunks == before.pool_chunks + 3 && pool.chunks == after.pool_chunks &&
	       after.pool_chunks_used == before.pool_chunks_used, "pool: three more",
	       "%llu", (unsigned long long)after.pool_chunks);
	machine_close(&m);
}

int main(void)
{
	struct co_pool trim = { .size = sizeof(trim), .op = CO_POOL_TRIM };
	struct co_stats stats = { .size = sizeof(stats) };
	int fd = machine_open();

	request(fd, CO_IOC_STATS, &stats);
	result(!stats.pool_chunks_used, "no other guest", "%llu chunks used",
	       (unsigned long long)stats.pool_chunks_used);
	test_sizes();
	test_order();
	test_create_fields();
	test_start_fields();
	test_start_fields_i386();
	test_irq_and_pool_fields();
	test_chunks();
	test_chunks_i386(0x10);
	test_chunks_i386(0x60);
	test_mmap();
	test_mmap_i386();
	test_others();
	test_reasons(0);
	test_reasons(0x10);
	test_reasons(0x60);
	test_waiting(0);
	test_waiting(0x60);
	measure(0);
	measure(0x60);
	request(fd, CO_IOC_POOL, &trim);
	request(fd, CO_IOC_STATS, &stats);
	result(!stats.pool_chunks_used && !stats.pool_chunks, "everything is given back",
	       "%llu chunks", (unsigned long long)stats.pool_chunks);
	close(fd);
	printf("%d failures\n", failures());
	return failures() ? 1 : 0;
}

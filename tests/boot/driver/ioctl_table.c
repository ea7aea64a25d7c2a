/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every request to the driver, with every wrong size, field and order; mmap
 * misuse; other processes; and what a guest may and may not say when it leaves.
 *
 * Runs as root on a host with the driver loaded and no other guest. Prints one
 * line for each case (driver.h) and exits 0 when all are ok.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "driver.h"
#include "minikernel.h"

#define PAGE 4096ull

static int request(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) ? errno : 0;
}

static void expect(int got, int want, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void expect(int got, int want, const char *format, ...)
{
	char name[160];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	result(got == want, name, "got %d (%s), expected %d (%s)", got, strerror(got),
	       want, strerror(want));
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
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
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

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
		if (i < CO_NR_VERSION || i > CO_NR_POOL)
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
	};
	union {
		struct co_version version;
		struct co_create create;
		struct co_start start;
		struct co_run run;
		struct co_irq irq;
		struct co_stats stats;
		struct co_pool pool;
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
		{ "unknown note flag", F(note_flags), 2 },
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
#undef F
	};
	struct co_create arg;
	unsigned int i;
	int fd = machine_open();
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
	const struct { const char *name; u32 reserved; u64 entry, boot_params; } bad[] = {
		{ "reserved", 1, m.start.entry, m.start.boot_params },
		{ "entry 0", 0, 0, m.start.boot_params },
		{ "entry below", 0, m.create.range[0].start - 1, m.start.boot_params },
		{ "entry above", 0, end, m.start.boot_params },
		{ "entry in the area", 0, m.create.area_phys, m.start.boot_params },
		{ "entry ~0", 0, ~0ull, m.start.boot_params },
		{ "boot_params 0", 0, m.start.entry, 0 },
		{ "boot_params above", 0, m.start.entry, end },
		{ "boot_params half in", 0, m.start.entry, end - PAGE / 2 },
		{ "boot_params around the end", 0, m.start.entry, ~0ull - 100 },
	};
	unsigned int i;

	for (i = 0; i < COUNT(bad); i++) {
		struct co_start arg = { sizeof(arg), bad[i].reserved, bad[i].entry,
					bad[i].boot_params };

		expect(request(m.fd, CO_IOC_START, &arg), EINVAL, "start: %s", bad[i].name);
	}
	expect(request(m.fd, CO_IOC_START, &m.start), 0, "start: after failures");
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

/* ---- mmap ---- */

static void test_mmap(void)
{
	struct machine m = machine_create();
	const u64 start = m.create.range[0].start, bytes = m.create.range[0].bytes;
	const struct {
		const char *name;
		u64 offset, bytes;
		int prot, flags, want;
	} table[] = {
		{ "comm", CO_MMAP_COMM, PAGE, PROT_READ, MAP_SHARED, 0 },
		{ "comm writable", CO_MMAP_COMM, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, EINVAL },
		{ "comm private", CO_MMAP_COMM, PAGE, PROT_READ, MAP_PRIVATE, EINVAL },
		{ "comm and more", CO_MMAP_COMM, 2 * PAGE, PROT_READ, MAP_SHARED, EINVAL },
		{ "devices", CO_MMAP_DEVICES, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0 },
		{ "last device page", CO_MMAP_DEVICES + 3 * PAGE, PAGE, PROT_READ, MAP_SHARED, 0 },
		{ "devices and more", CO_MMAP_DEVICES, 5 * PAGE, PROT_READ, MAP_SHARED, EINVAL },
		{ "past the devices", CO_MMAP_DEVICES + 4 * PAGE, PAGE, PROT_READ, MAP_SHARED, EINVAL },
		{ "executable", start, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, EINVAL },
		{ "memory", start, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, 0 },
		{ "memory's last page", start + bytes - PAGE, PAGE, PROT_READ, MAP_SHARED, 0 },
		{ "memory private", start, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, EINVAL },
		{ "before memory", start - PAGE, PAGE, PROT_READ, MAP_SHARED, EINVAL },
		{ "into memory", start - PAGE, 2 * PAGE, PROT_READ, MAP_SHARED, EINVAL },
		{ "out of memory", start + bytes - PAGE, 2 * PAGE, PROT_READ, MAP_SHARED, EINVAL },
		{ "state page", m.create.area_phys, PAGE, PROT_READ, MAP_SHARED, EINVAL },
		{ "code page", m.create.code_phys, PAGE, PROT_READ, MAP_SHARED, EINVAL },
		{ "1 MiB", 1 << 20, PAGE, PROT_READ, MAP_SHARED, EINVAL },
		{ "top of the address space", 0x7ffffffffffff000ull, PAGE, PROT_READ, MAP_SHARED, EINVAL },
	};
	unsigned int i;
	void *p;

	for (i = 0; i < COUNT(table); i++) {
		p = mmap(NULL, table[i].bytes, table[i].prot, table[i].flags, m.fd,
			 (off_t)table[i].offset);
		expect(p == MAP_FAILED ? errno : 0, table[i].want, "mmap: %s", table[i].name);
		if (p != MAP_FAILED)
			munmap(p, table[i].bytes);
	}
	expect(mprotect((void *)m.comm, PAGE, PROT_READ | PROT_WRITE) ? errno : 0, EACCES,
	       "mmap: comm made writable later");
	expect(mprotect(m.memory, PAGE, PROT_READ | PROT_EXEC) ? errno : 0, EACCES,
	       "mmap: memory made executable later");
	p = mremap(m.memory, PAGE, m.memory_bytes + PAGE, MREMAP_MAYMOVE);
	result(p == MAP_FAILED, "mmap: grown by mremap", "worked");

	/* Memory outlives the descriptor as long as it is mapped. */
	struct co_stats stats = { .size = sizeof(stats) };
	int other = machine_open();

	m.memory[12345] = 42;
	close(m.fd);
	request(other, CO_IOC_STATS, &stats);
	result(stats.pool_chunks_used == MEM_BYTES / CO_CHUNK_SIZE && m.memory[12345] == 42,
	       "mmap: keeps the machine", "%llu chunks used",
	       (unsigned long long)stats.pool_chunks_used);
	munmap(m.memory, m.memory_bytes);
	munmap((void *)m.comm, PAGE);
	request(other, CO_IOC_STATS, &stats);
	result(!stats.pool_chunks_used && stats.pool_chunks, "mmap: the last one gives it back",
	       "%llu chunks used", (unsigned long long)stats.pool_chunks_used);
	close(other);
}

/* ---- other processes, other openers ---- */

static int in_child(void (*what)(struct machine *m), struct machine *m)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		what(m);
		_exit(failures() ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void child_requests(struct machine *m)
{
	struct co_stats stats = { .size = sizeof(stats) };
	struct co_run run;

	expect(request(m->fd, CO_IOC_STATS, &stats), EPERM, "child: stats");
	expect(request(m->fd, CO_IOC_KICK, NULL), EPERM, "child: kick");
	expect(run_once(m->fd, &run), EPERM, "child: run");
	expect(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, m->fd, CO_MMAP_COMM) == MAP_FAILED ?
	       errno : 0, EPERM, "child: mmap");
}

static void child_touches_memory(struct machine *m)
{
	m->memory[0] = 1;
}

static void child_without_capability(struct machine *m)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	(void)m;
	syscall(SYS_capget, &header, data);
	data[0].effective &= ~(1u << CAP_SYS_RAWIO);
	data[0].permitted &= ~(1u << CAP_SYS_RAWIO);
	syscall(SYS_capset, &header, data);
	int fd = open(CO_DEVICE_PATH, O_RDWR);

	expect(fd < 0 ? errno : 0, EPERM, "open without CAP_SYS_RAWIO");
}

static void test_others(void)
{
	struct machine m = machine_start(), second;
	struct co_run run;
	int status;

	status = in_child(child_requests, &m);
	result(WIFEXITED(status) && !WEXITSTATUS(status), "child: refused", "status %x", status);
	status = in_child(child_touches_memory, &m);
	result(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "child: has no mapping",
	       "status %x", status);
	status = in_child(child_without_capability, &m);
	result(WIFEXITED(status) && !WEXITSTATUS(status), "child: no capability", "status %x", status);

	second = machine_start();
	command(&second, CO_R_DOORBELL, 7, 8);
	command(&m, CO_R_DOORBELL, 5, 6);
	status = run_once(second.fd, &run);
	result(!status && run.arg[0] == 7 && run.arg[1] == 8, "second opener: its own machine",
	       "%d %llu", status, (unsigned long long)run.arg[0]);
	expect(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, second.fd,
		    (off_t)m.create.range[0].start) == MAP_FAILED ? errno : 0, EINVAL,
	       "second opener: not the first one's memory");
	machine_close(&second);
	status = run_once(m.fd, &run);
	result(!status && run.arg[0] == 5 && run.arg[1] == 6, "second opener: first one unharmed",
	       "%d %llu", status, (unsigned long long)run.arg[0]);
	machine_close(&m);
}

/* ---- what a guest says ---- */

static void test_reasons(void)
{
	static const struct { u32 reason; u64 arg0; u32 want; } ends[] = {
		{ CO_R_SHUTDOWN, 0, CO_R_SHUTDOWN }, { CO_R_RESTART, 0, CO_R_RESTART },
		{ CO_R_HALT, 0, CO_R_HALT }, { CO_R_PANIC, 0, CO_R_PANIC },
		{ CO_R_NONE, 0, CO_R_BAD }, { CO_R_KICKED, 0, CO_R_BAD },
		{ CO_R_BAD, 0, CO_R_BAD }, { 12, 0, CO_R_BAD }, { 0xffffffff, 0, CO_R_BAD },
		{ CO_R_IRQ, 0, CO_R_BAD }, { CO_R_IRQ, 2, CO_R_BAD }, { CO_R_IRQ, 3, CO_R_BAD },
		{ CO_R_IRQ, 8, CO_R_BAD }, { CO_R_IRQ, 14, CO_R_BAD }, { CO_R_IRQ, 15, CO_R_BAD },
		{ CO_R_IRQ, 18, CO_R_BAD }, { CO_R_IRQ, 0x1f, CO_R_BAD },
		{ CO_R_IRQ, 0x80, CO_R_BAD }, { CO_R_IRQ, 0x100, CO_R_BAD },
		{ CO_R_IRQ, 0x1000000fb, CO_R_BAD }, { CO_R_IRQ, ~0ull, CO_R_BAD },
	};
	struct co_stats stats = { .size = sizeof(stats) };
	struct machine m;
	struct co_run run;
	unsigned int i;
	int error;

	for (i = 0; i < COUNT(ends); i++) {
		m = machine_start();
		command(&m, ends[i].reason, ends[i].arg0, 0);
		error = run_once(m.fd, &run);
		result(!error && run.reason == ends[i].want, "guest ends", "reason %u arg %llx: %d %u",
		       ends[i].reason, (unsigned long long)ends[i].arg0, error, run.reason);
		expect(run_once(m.fd, &run), ENODEV, "guest ended: reason %u arg %llx",
		       ends[i].reason, (unsigned long long)ends[i].arg0);
		machine_close(&m);
	}
	m = machine_start();
	command(&m, CO_R_CONSOLE, 0, 0);
	error = run_once(m.fd, &run);
	result(!error && run.reason == CO_R_CONSOLE && m.comm->text_len == 16 &&
	       !memcmp((const char *)m.comm->text, "hello from mini\n", 16), "console text",
	       "%d %u", error, run.reason);
	command(&m, CO_R_DOORBELL, 31, CO_Q_STATUS);
	error = run_once(m.fd, &run);
	result(!error && run.reason == CO_R_DOORBELL && run.arg[0] == 31 &&
	       run.arg[1] == CO_Q_STATUS, "doorbell", "%d %u", error, run.reason);
	request(m.fd, CO_IOC_STATS, &stats);
	result(stats.doorbells == 1 && stats.switches >= 2, "counted", "%llu doorbells",
	       (unsigned long long)stats.doorbells);
	machine_close(&m);
}

/* ---- waiting and waking ---- */

static struct machine shared;
static double after_ms;

static void *kick_later(void *unused)
{
	sleep_ms((long)after_ms);
	request(shared.fd, CO_IOC_KICK, NULL);
	return unused;
}

static void *irq_later(void *unused)
{
	struct co_irq irq = { .size = sizeof(irq), .pending = { 1u << CO_VIRQ_DEVICE(3), 0 } };

	sleep_ms((long)after_ms);
	/* The guest idles: have it ring when it wakes. */
	shared.params->reason = CO_R_DOORBELL;
	request(shared.fd, CO_IOC_IRQ, &irq);
	return unused;
}

static void *run_too(void *out)
{
	struct co_run run;

	sleep_ms((long)after_ms / 2);
	*(int *)out = run_once(shared.fd, &run);
	return NULL;
}

static void on_signal(int sig)
{
	(void)sig;
}

/* RUN in this thread, while another one does something after 100 ms. */
static double timed_run(void *(*other)(void *), int *error, struct co_run *run)
{
	pthread_t thread;
	double t = now();

	after_ms = 100;
	pthread_create(&thread, NULL, other, NULL);
	*error = run_once(shared.fd, run);
	t = now() - t;
	pthread_join(thread, NULL);
	return t;
}

static void test_waiting(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct itimerval timer = { .it_value = { 0, 100000 } };
	struct co_stats before = { .size = sizeof(before) }, after = before;
	struct co_run run;
	pthread_t thread;
	int error, other = 0;
	double t;

	shared = machine_start();
	request(shared.fd, CO_IOC_KICK, NULL);
	error = run_once(shared.fd, &run);
	result(!error && run.reason == CO_R_KICKED, "kick: remembered", "%d %u", error, run.reason);
	error = run_once(shared.fd, &run);
	result(!error && run.reason == CO_R_DOORBELL, "kick: once", "%d %u", error, run.reason);

	command(&shared, CO_R_IDLE, 0, 0);
	t = timed_run(kick_later, &error, &run);
	result(!error && run.reason == CO_R_KICKED && t > 0.09 && t < 2, "kick: wakes an idle guest",
	       "%d %u %.3f s", error, run.reason, t);

	after_ms = 100;
	pthread_create(&thread, NULL, run_too, &other);
	t = timed_run(irq_later, &error, &run);
	pthread_join(thread, NULL);
	expect(other, EBUSY, "run: from a second thread");
	result(!error && run.reason == CO_R_DOORBELL && t > 0.09 && t < 2 &&
	       shared.params->taken & 1ull << CO_VIRQ_DEVICE(3), "irq: wakes an idle guest",
	       "%d %u %.3f s, taken %llx", error, run.reason, t,
	       (unsigned long long)shared.params->taken);

	sigaction(SIGALRM, &action, NULL);
	command(&shared, CO_R_IDLE, 0, 0);
	setitimer(ITIMER_REAL, &timer, NULL);
	expect(run_once(shared.fd, &run), EINTR, "signal: ends idling");

	/* A busy guest leaves only when it is interrupted. */
	shared.params->mode = MODE_SPIN;
	setitimer(ITIMER_REAL, &timer, NULL);
	expect(run_once(shared.fd, &run), EINTR, "signal: ends a busy guest's run");
	t = timed_run(kick_later, &error, &run);
	result(!error && run.reason == CO_R_KICKED && t > 0.09 && t < 2, "kick: ends a busy guest's run",
	       "%d %u %.3f s", error, run.reason, t);
	shared.params->reason = CO_R_IDLE;
	shared.params->mode = MODE_SPIN;
	t = timed_run(irq_later, &error, &run);
	result(!error && run.reason == CO_R_DOORBELL && t > 0.09 && t < 2, "irq: reaches a busy guest",
	       "%d %u %.3f s", error, run.reason, t);
	result(shared.params->irqs > 0, "interrupts were forwarded", "%u", shared.params->irqs);

	/* A deadline 50 ms ahead: idling ends with the timer's virtual interrupt. */
	command(&shared, CO_R_IDLE, 0, 0);
	shared.params->delay = (u64)shared.comm->tsc_khz * 50;
	shared.params->taken = 0;
	request(shared.fd, CO_IOC_STATS, &before);
	t = now();
	timer.it_value.tv_usec = 500000;
	setitimer(ITIMER_REAL, &timer, NULL);
	expect(run_once(shared.fd, &run), EINTR, "deadline: idle again and again");
	t = now() - t;
	request(shared.fd, CO_IOC_STATS, &after);
	/* the device's interrupt from above is taken on the first way in */
	shared.params->taken &= ~(1ull << CO_VIRQ_DEVICE(3));
	result(shared.params->taken == 1u << CO_VIRQ_TIMER && after.idles - before.idles >= 4 &&
	       after.idles - before.idles <= 12, "deadline: about ten times in 500 ms",
	       "%llu times in %.3f s, taken %llx", (unsigned long long)(after.idles - before.idles),
	       t, (unsigned long long)shared.params->taken);
	result(after.idle_ns - before.idle_ns > 200000000ull &&
	       after.idle_ns - before.idle_ns < 2000000000ull, "deadline: idle time is counted",
	       "%llu ns", (unsigned long long)(after.idle_ns - before.idle_ns));
	machine_close(&shared);
}

/* How many trivial round trips a second: a line for the records. */
static void measure(void)
{
	struct itimerval timer = { .it_value = { 1, 0 } };
	struct co_stats stats = { .size = sizeof(stats) };
	struct machine m = machine_start();
	struct co_run run;

	command(&m, CO_R_NOP, 0, 0);
	setitimer(ITIMER_REAL, &timer, NULL);
	run_once(m.fd, &run);
	request(m.fd, CO_IOC_STATS, &stats);
	printf("# %llu round trips in a second, %llu FPU switches\n",
	       (unsigned long long)stats.switches, (unsigned long long)stats.fpu_switches);
	result(stats.switches > 1000, "round trips", "%llu", (unsigned long long)stats.switches);
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
	test_irq_and_pool_fields();
	test_mmap();
	test_others();
	test_reasons();
	test_waiting();
	measure();
	request(fd, CO_IOC_POOL, &trim);
	request(fd, CO_IOC_STATS, &stats);
	result(!stats.pool_chunks_used && !stats.pool_chunks, "everything is given back",
	       "%llu chunks", (unsigned long long)stats.pool_chunks);
	close(fd);
	printf("%d failures\n", failures());
	return failures() ? 1 : 0;
}

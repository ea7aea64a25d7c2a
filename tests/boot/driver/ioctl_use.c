/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The second half of the table-driven test: a machine in use. mmap misuse, other
 * processes and openers, what a guest says when it leaves, waiting and waking.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ioctl_table.h"
#include "minikernel.h"

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

/* ---- mmap ---- */

void test_mmap(void)
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

/* An i386 guest's memory lies side by side, whatever the order of its pieces. */
void test_mmap_i386(void)
{
	struct machine m = machine_create_i386(0x60);
	const u64 at = CO_MMAP_I386, end = at + MEM_BYTES;
	const struct {
		const char *name;
		u64 offset, bytes;
		int prot, flags, want;
	} table[] = {
		{ "all", at, MEM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, 0 },
		{ "last page", end - PAGE, PAGE, PROT_READ, MAP_SHARED, 0 },
		{ "across chunks", at + CO_CHUNK_SIZE - PAGE, 2 * PAGE, PROT_READ, MAP_SHARED, 0 },
		{ "executable", at, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, EINVAL },
		{ "private", at, PAGE, PROT_READ, MAP_PRIVATE, EINVAL },
		{ "before", at - PAGE, PAGE, PROT_READ, MAP_SHARED, EINVAL },
		{ "around the start", at - PAGE, 2 * PAGE, PROT_READ, MAP_SHARED, EINVAL },
		{ "behind", end, PAGE, PROT_READ, MAP_SHARED, EINVAL },
		{ "around the end", end - PAGE, 2 * PAGE, PROT_READ, MAP_SHARED, EINVAL },
		{ "1 MiB", 1 << 20, PAGE, PROT_READ, MAP_SHARED, EINVAL },
		{ "below 1 GiB", CO_MMAP_I386 - CO_CHUNK_SIZE, PAGE, PROT_READ, MAP_SHARED, EINVAL },
	};
	struct machine other = machine_create();
	unsigned int i;
	u64 n;
	void *p;

	for (i = 0; i < COUNT(table); i++) {
		p = mmap(NULL, table[i].bytes, table[i].prot, table[i].flags, m.fd,
			 (off_t)table[i].offset);
		expect(p == MAP_FAILED ? errno : 0, table[i].want, "mmap i386: %s", table[i].name);
		if (p != MAP_FAILED)
			munmap(p, table[i].bytes);
	}
	if (other.create.range[other.create.nranges - 1].start < at)
		expect(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, other.fd, (off_t)at) == MAP_FAILED ?
		       errno : 0, EINVAL, "mmap i386: of an x86_64 guest");
	machine_close(&other);

	/* the same bytes through one mapping of all and through one of each chunk */
	for (n = 0; n < MEM_BYTES / CO_CHUNK_SIZE; n++)
		m.memory[n * CO_CHUNK_SIZE + CO_CHUNK_SIZE - 1] = (u8)(n + 1);
	for (n = 0; n < MEM_BYTES / CO_CHUNK_SIZE; n++) {
		u8 *chunk = mmap(NULL, CO_CHUNK_SIZE, PROT_READ, MAP_SHARED, m.fd,
				 (off_t)(at + n * CO_CHUNK_SIZE));

		result(chunk != MAP_FAILED && chunk[CO_CHUNK_SIZE - 1] == (u8)(n + 1),
		       "mmap i386: chunk by chunk", "chunk %llu", (unsigned long long)n);
		munmap(chunk, CO_CHUNK_SIZE);
	}
	machine_close(&m);
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
	expect(request(m->fd, CO_IOC_CHUNK, &(struct co_chunk_op){ sizeof(struct co_chunk_op), CO_CHUNK_GIVE, 0 }),
	       EPERM, "child: chunk");
	expect(request(m->fd, CO_IOC_BALLOON, &(struct co_balloon){ sizeof(struct co_balloon), 0 }), EPERM,
	       "child: balloon");
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

static int version(int fd)
{
	struct co_version version = { .size = sizeof(version) };

	return request(fd, CO_IOC_VERSION, &version);
}

static void child_asks_first(struct machine *m)
{
	expect(version(m->fd), 0, "child: first request");
}

/* An opener may hand the file on, until somebody has used it. */
static void test_passed_on(void)
{
	struct machine fresh = { .fd = machine_open() };
	int status;

	expect(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fresh.fd, CO_MMAP_COMM) == MAP_FAILED ?
	       errno : 0, EPERM, "mmap before any request");
	status = in_child(child_asks_first, &fresh);
	result(WIFEXITED(status) && !WEXITSTATUS(status), "passed on: works there", "status %x", status);
	expect(version(fresh.fd), EPERM, "passed on: no more the opener's");
	close(fresh.fd);
}

void test_others(void)
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
	test_passed_on();
}

/* ---- what a guest says ---- */

static struct machine start(u32 code_selector)
{
	return code_selector ? machine_start_i386(code_selector) : machine_start();
}

void test_reasons(u32 code_selector)
{
	static const struct { u32 reason; u64 arg0; u32 want; } ends[] = {
		{ CO_R_SHUTDOWN, 0, CO_R_SHUTDOWN }, { CO_R_RESTART, 0, CO_R_RESTART },
		{ CO_R_HALT, 0, CO_R_HALT }, { CO_R_PANIC, 0, CO_R_PANIC },
		{ CO_R_NONE, 0, CO_R_BAD }, { CO_R_KICKED, 0, CO_R_BAD },
		{ CO_R_BAD, 0, CO_R_BAD }, { 13, 0, CO_R_BAD }, { 0xffffffff, 0, CO_R_BAD },
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
		m = start(code_selector);
		command(&m, ends[i].reason, ends[i].arg0, 0);
		error = run_once(m.fd, &run);
		result(!error && run.reason == ends[i].want, "guest ends", "reason %u arg %llx: %d %u",
		       ends[i].reason, (unsigned long long)ends[i].arg0, error, run.reason);
		expect(run_once(m.fd, &run), ENODEV, "guest ended: reason %u arg %llx",
		       ends[i].reason, (unsigned long long)ends[i].arg0);
		machine_close(&m);
	}
	m = start(code_selector);
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

void test_waiting(u32 code_selector)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct itimerval timer = { .it_value = { 0, 100000 } };
	struct co_stats before = { .size = sizeof(before) }, after = before;
	struct co_run run;
	pthread_t thread;
	int error, other = 0;
	double t;

	shared = start(code_selector);
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
void measure(u32 code_selector)
{
	struct itimerval timer = { .it_value = { 1, 0 } };
	struct co_stats stats = { .size = sizeof(stats) };
	struct machine m = start(code_selector);
	struct co_run run;

	command(&m, CO_R_NOP, 0, 0);
	setitimer(ITIMER_REAL, &timer, NULL);
	run_once(m.fd, &run);
	request(m.fd, CO_IOC_STATS, &stats);
	printf("# %llu round trips in a second, %llu FPU switches, code selector %x\n",
	       (unsigned long long)stats.switches, (unsigned long long)stats.fpu_switches, code_selector);
	result(stats.switches > 1000, "round trips", "%llu", (unsigned long long)stats.switches);
	machine_close(&m);
}

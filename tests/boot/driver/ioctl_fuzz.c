/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fuzzer for the driver: a few machines, and calls with random requests, fields,
 * sizes, pointers and order, from three threads at once.
 *
 * Usage: ioctl_fuzz [SEED [CALLS]]. The seed is printed; the same seed makes the
 * same calls in the main thread. Any result of a call is fine: what counts is
 * that the host lives, gives everything back, and that a machine still runs.
 *
 * A guest in ring 0 can do anything to its host, so none of this is about guest
 * code: guests run the miniature kernel, which leaves with random words.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "driver.h"
#include "minikernel.h"

#define SLOTS 4
#define CALLS 120000ul

struct slot {
	int fd;			/* -1: closed */
	int started;
	struct machine m;	/* m.memory: NULL unless the machine was set up whole */
};

static struct slot slots[SLOTS];
static unsigned long calls, answers[200];
static u64 seed;
static volatile int done, done_running, intruded = -1;

/* xorshift64*; one generator for each thread */
static u64 next(u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717ull;
}

static u64 rnd(u64 below)
{
	return next(&seed) % below;
}

/* Numbers that break things: borders, powers of two, and anything. */
static u64 odd_number(void)
{
	static const u64 borders[] = {
		0, 1, 2, 7, 8, 40, 63, 64, 4095, 4096, CO_MEM_MIN, CO_MEM_MAX, 0x7fffffff,
		0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000,
		AREA_VA, ~0ull, ~0ull - 4095,
	};

	switch (rnd(4)) {
	case 0:
		return borders[rnd(sizeof(borders) / sizeof(borders[0]))];
	case 1:
		return 1ull << rnd(64);
	case 2:
		return borders[rnd(sizeof(borders) / sizeof(borders[0]))] + rnd(5) - 2;
	}
	return next(&seed);
}

static int call(int fd, unsigned long cmd, void *arg)
{
	int error = ioctl(fd, cmd, arg) ? errno : 0;

	__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&answers[error < 199 ? error : 199], 1, __ATOMIC_RELAXED);
	return error;
}

/* Spoil one 32-bit word of a request now and then. */
static void mutate(void *arg, size_t bytes)
{
	u32 value = odd_number();

	if (!rnd(3))
		memcpy((char *)arg + 4 * rnd(bytes / 4), &value, 4);
}

/* One that an i386 kernel may run on. */
static u32 any_selector(void)
{
	return rnd(2) ? 0x10 : 0x60;
}

static void reopen(struct slot *s)
{
	if (s->fd >= 0) {
		if (s->m.memory)
			machine_close(&s->m);
		else
			close(s->fd);
	}
	memset(s, 0, sizeof(*s));
	s->fd = -1;
	switch (rnd(8)) {
	case 0:
		break;
	case 1:
	case 2:
		s->m = rnd(2) ? machine_start() : machine_start_i386(any_selector());
		s->fd = s->m.fd;
		s->started = 1;
		break;
	case 3:
	case 4:
		s->m = rnd(2) ? machine_create() : machine_create_i386(any_selector());
		s->fd = s->m.fd;
		break;
	default:
		s->fd = machine_open();
	}
}

static void fuzz_create(struct slot *s)
{
	struct co_create arg = rnd(2) ? good_create() : good_create_i386();

	arg.mem_bytes += rnd(4) * CO_CHUNK_SIZE;
	mutate(&arg, 56);
	call(s->fd, CO_IOC_CREATE, &arg);
}

/* Only the right entry, or one that must be refused: see the top. */
static void fuzz_start(struct slot *s)
{
	struct co_start arg = s->m.start;

	if (s->m.memory && !rnd(2)) {
		if (!call(s->fd, CO_IOC_START, &arg))
			s->started = 1;
		return;
	}
	/* no kind of guest has an odd page directory */
	arg = (struct co_start){ sizeof(arg), rnd(2) ? any_selector() : odd_number(),
				 odd_number(), odd_number(), odd_number(), odd_number() | 1 };
	call(s->fd, CO_IOC_START, &arg);
}

static void fuzz_run(struct slot *s)
{
	struct co_run arg = { .size = sizeof(arg) };

	if (s->m.memory) {
		if (rnd(20))	/* mostly what does not end the machine */
			command(&s->m, rnd(2) ? CO_R_DOORBELL : rnd(4) ? CO_R_CONSOLE : CO_R_IDLE,
				odd_number(), odd_number());
		else if (rnd(3))
			command(&s->m, rnd(80), rnd(300), odd_number());
		else
			command(&s->m, odd_number(), odd_number(), odd_number());
		/* Vectors that the host would take for real are not the guest's
		 * to invent: they would be answered by whoever owns them. */
		if (s->m.params->reason == CO_R_IRQ && s->m.params->arg[0] >= 0x20 &&
		    s->m.params->arg[0] < 0x100)
			s->m.params->arg[0] = 0x80;
		s->m.params->delay = rnd(2) ? 0 : rnd(50000000);
		if (!rnd(32))
			s->m.params->mode = MODE_SPIN;
	}
	mutate(&arg, sizeof(arg));
	call(s->fd, CO_IOC_RUN, &arg);
}

static void fuzz_irq(struct slot *s)
{
	struct co_irq arg = { sizeof(arg), rnd(4), { rnd(1u << 30), rnd(256) } };

	mutate(&arg, sizeof(arg));
	call(s->fd, CO_IOC_IRQ, &arg);
}

/* What the guest asks, what it does not ask, and what is not its own. The first chunk holds the
 * miniature kernel; what it loses otherwise it never looks at. */
static void fuzz_chunk(struct slot *s)
{
	struct co_chunk_op arg = { sizeof(arg), 1 + rnd(2), odd_number() };
	struct co_balloon balloon = { sizeof(balloon), odd_number() };
	struct co_run run = { .size = sizeof(run) };

	if (s->m.memory && rnd(8))
		arg.phys = s->m.create.range[rnd(s->m.create.nranges)].start + rnd(5) * CO_CHUNK_SIZE;
	if (s->m.memory && rnd(8)) {
		command(&s->m, CO_R_CHUNK, arg.op, arg.phys);
		call(s->fd, CO_IOC_RUN, &run);
	}
	if (!rnd(4))
		mutate(&arg, sizeof(arg));
	call(s->fd, CO_IOC_CHUNK, &arg);
	mutate(&balloon, sizeof(balloon));
	call(s->fd, CO_IOC_BALLOON, &balloon);
}

static void fuzz_pool(struct slot *s)
{
	struct co_pool arg = { sizeof(arg), rnd(4), rnd(3) ? rnd(30) : odd_number() };

	mutate(&arg, sizeof(arg));
	call(s->fd, CO_IOC_POOL, &arg);
}

static void fuzz_mmap(struct slot *s)
{
	u64 offset = rnd(2) ? odd_number() : rnd(8) * 4096;
	u64 bytes = (1 + rnd(6)) * 4096;
	void *p;

	if (s->m.code_selector && rnd(2))
		offset = CO_MMAP_I386 + odd_number() % (2 * CO_MEM_MIN);
	else if (s->m.memory && rnd(2))
		offset = s->m.create.range[0].start + odd_number() % (2 * CO_MEM_MIN);
	p = mmap(NULL, bytes, rnd(8), rnd(3) ? MAP_SHARED : MAP_PRIVATE, s->fd,
		 (off_t)(offset & ~4095ull));
	__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
	if (p != MAP_FAILED) {
		mprotect(p, 4096, rnd(8));
		munmap(p, bytes);
	}
}

static void fuzz_anything(struct slot *s)
{
	static u64 buffer[2048];
	unsigned long cmd = rnd(3) ? _IOC(rnd(4), 'C', rnd(12), rnd(3000)) : odd_number();
	unsigned int i;
	void *arg = buffer;

	for (i = 0; i < 16; i++)
		buffer[rnd(260)] = odd_number();
	if (rnd(2)) {
		u32 size = _IOC_SIZE(cmd);

		memcpy(buffer, &size, sizeof(size));
	}
	if (_IOC_NR(cmd) == CO_NR_START || _IOC_NR(cmd) == CO_NR_CREATE)
		return;
	if (!rnd(4))
		arg = (void *)odd_number();
	/* RUN of a started guest is fuzz_run's; a wild pointer may hit our own memory */
	if (arg != buffer && (unsigned long)arg < 0x800000000000ul)
		arg = (void *)((unsigned long)arg | 0xffff000000000000ul);
	call(s->fd, cmd, arg);
}

/* Another thread: requests on the same machines, and a kick for each, so that
 * every RUN returns. It never blocks, and never closes a descriptor. */
static void *disturb(void *unused)
{
	u64 mine = 0x9e3779b97f4a7c15ull;
	struct co_irq irq = { .size = sizeof(irq) };
	struct co_stats stats = { .size = sizeof(stats) };
	int i, fd;

	while (!done) {
		for (i = 0; i <= SLOTS; i++) {
			fd = i < SLOTS ? slots[i].fd : intruded;
			if (fd < 0)
				continue;
			call(fd, CO_IOC_KICK, NULL);
			irq.pending[0] = (u32)next(&mine);
			irq.pending[1] = (u32)next(&mine) & 0xff;
			call(fd, CO_IOC_IRQ, &irq);
			if (next(&mine) % 8 == 0)
				call(fd, CO_IOC_STATS, &stats);
		}
		nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
	}
	return unused;
}

/*
 * And one that runs the same machines, on a descriptor of its own: the main thread
 * may close the machine's while the guest sleeps without a deadline, and then only
 * this one leads to it, for the kick that ends the sleep.
 */
static void *intrude(void *unused)
{
	struct co_run run = { .size = sizeof(run) };
	int i, fd;

	while (!done_running)
		for (i = 0; i < SLOTS; i++) {
			fd = slots[i].fd < 0 ? -1 : dup(slots[i].fd);
			if (fd >= 0) {
				intruded = fd;
				call(fd, CO_IOC_RUN, &run);
				intruded = -1;
				close(fd);
			}
			nanosleep(&(struct timespec){ 0, 3000000 }, NULL);
		}
	return unused;
}

static void check_afterwards(void)
{
	struct co_stats stats = { .size = sizeof(stats) };
	struct co_pool trim = { .size = sizeof(trim), .op = CO_POOL_TRIM };
	struct machine m;
	struct co_run run;
	int error, fd = machine_open();

	ioctl(fd, CO_IOC_STATS, &stats);
	result(!stats.pool_chunks_used, "no chunk is left in use", "%llu are",
	       (unsigned long long)stats.pool_chunks_used);
	m = machine_start();
	command(&m, CO_R_DOORBELL, 11, 12);
	error = run_once(m.fd, &run);
	result(!error && run.reason == CO_R_DOORBELL && run.arg[0] == 11 && run.arg[1] == 12,
	       "a machine still runs", "%d, reason %u", error, run.reason);
	machine_close(&m);
	result(!ioctl(fd, CO_IOC_POOL, &trim) && !trim.chunks, "the pool is given back",
	       "%llu chunks remain", (unsigned long long)trim.chunks);
	close(fd);
}

int main(int argc, char **argv)
{
	static void (*const deeds[])(struct slot *s) = {
		fuzz_run, fuzz_run, fuzz_run, fuzz_irq, fuzz_irq, fuzz_pool, fuzz_mmap, fuzz_chunk,
		fuzz_mmap, fuzz_anything, fuzz_anything, fuzz_create, fuzz_start,
	};
	unsigned long wanted = argc > 2 ? strtoul(argv[2], NULL, 0) : CALLS;
	struct slot *s;
	pthread_t others[2];
	int i;

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (u64)time(NULL);
	printf("# seed %llu, %lu calls\n", (unsigned long long)seed, wanted);
	fflush(stdout);
	seed = seed * 2 + 1;	/* zero would stay zero */
	for (i = 0; i < SLOTS; i++)
		slots[i].fd = -1;
	pthread_create(&others[0], NULL, disturb, NULL);
	pthread_create(&others[1], NULL, intrude, NULL);
	while (__atomic_load_n(&calls, __ATOMIC_RELAXED) < wanted) {
		s = &slots[rnd(SLOTS)];
		if (s->fd < 0 || !rnd(200))
			reopen(s);
		if (s->fd < 0)
			continue;
		deeds[rnd(sizeof(deeds) / sizeof(deeds[0]))](s);
	}
	/* the one that may wait in RUN first, while the kicks go on */
	done_running = 1;
	pthread_join(others[1], NULL);
	done = 1;
	pthread_join(others[0], NULL);
	for (i = 0; i < SLOTS; i++) {
		if (slots[i].fd >= 0 && slots[i].m.memory)
			machine_close(&slots[i].m);
		else if (slots[i].fd >= 0)
			close(slots[i].fd);
	}
	printf("# %lu calls:", calls);
	for (i = 0; i < 200; i++)
		if (answers[i])
			printf(" %s %lu", i ? strerrorname_np(i) : "ok", answers[i]);
	printf("\n");
	result(calls >= wanted && answers[0] && answers[EINVAL], "fuzz", "%lu calls", calls);
	check_afterwards();
	return failures() ? 1 : 0;
}

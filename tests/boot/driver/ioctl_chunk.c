// SPDX-License-Identifier: GPL-2.0-only
/*
 * CHUNK and BALLOON on a real host: what may go, that nobody reaches it then, and that the very same
 * memory comes back, zeroed.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "ioctl_table.h"
#include "minikernel.h"

static int chunk(const struct machine *m, u32 op, u64 phys)
{
	struct co_chunk_op arg = { sizeof(arg), op, phys };

	return request(m->fd, CO_IOC_CHUNK, &arg);
}

static void go_on(const struct machine *m)
{
	struct co_run run;

	run_once(m->fd, &run);
}

/* The guest asks, and is answered. */
static int ask(struct machine *m, u32 op, u64 phys)
{
	struct co_run run;
	int error;

	command(m, CO_R_CHUNK, op, phys);
	error = run_once(m->fd, &run);
	result(!error && run.reason == CO_R_CHUNK && run.arg[0] == op && run.arg[1] == phys,
	       "chunk: the guest asks", "%d %u", error, run.reason);
	return chunk(m, op, phys);
}

static sigjmp_buf back;

static void on_fault(int sig)
{
	siglongjmp(back, sig);
}

/* 0, or the signal that reading there raises. */
static int touch(const volatile u8 *at)
{
	struct sigaction action = { .sa_handler = on_fault };
	int sig;

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sig = sigsetjmp(back, 1);
	if (!sig)
		(void)*at;
	signal(SIGBUS, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
	return sig;
}

static int map(const struct machine *m, u64 phys, u64 bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ, MAP_SHARED, m->fd, (off_t)phys);

	if (p == MAP_FAILED)
		return errno;
	munmap(p, bytes);
	return 0;
}

static u64 pool_chunks(const struct machine *m)
{
	struct co_stats stats = { .size = sizeof(stats) };

	request(m->fd, CO_IOC_STATS, &stats);
	return stats.pool_chunks;
}

/* All of the machine's mapping from here to the chunk's end is zero, as it came back. */
static bool is_zero(const u8 *at)
{
	u64 i;

	for (i = 0; i < CO_CHUNK_SIZE; i++)
		if (at[i])
			return false;
	return true;
}

static void test_what_may_not_go(struct machine *m, u64 first, u64 last)
{
	const struct { const char *name; u32 op; u64 phys; } wrong[] = {
		{ "its kernel", CO_CHUNK_GIVE, first },
		{ "not all of a chunk", CO_CHUNK_GIVE, last + PAGE },
		{ "behind its memory", CO_CHUNK_GIVE, last + CO_CHUNK_SIZE },
		{ "the first megabyte", CO_CHUNK_GIVE, 0 },
		{ "the last address", CO_CHUNK_GIVE, ~0ull },
		{ "the shared area", CO_CHUNK_GIVE, m->create.area_phys },
		{ "what it has", CO_CHUNK_TAKE, last },
		{ "the host's", CO_CHUNK_TAKE, 16ull << 20 },
		{ "nobody's", CO_CHUNK_TAKE, ~0ull - CO_CHUNK_SIZE + 1 },
	};
	unsigned int i;

	for (i = 0; i < COUNT(wrong); i++)
		expect(ask(m, wrong[i].op, wrong[i].phys), EINVAL, "chunk: %s", wrong[i].name);
	expect(chunk(m, CO_CHUNK_GIVE, last), EBUSY, "chunk: not asked for");
	command(m, CO_R_CHUNK, CO_CHUNK_GIVE, last);
	go_on(m);
	expect(chunk(m, CO_CHUNK_TAKE, last), EINVAL, "chunk: the other way");
	expect(chunk(m, CO_CHUNK_GIVE, last - CO_CHUNK_SIZE), EINVAL, "chunk: another one");
	expect(chunk(m, 0, last), EINVAL, "chunk: op 0");
	expect(chunk(m, 3, last), EINVAL, "chunk: op 3");
	command(m, CO_R_CHUNK, 3, last);
	go_on(m);
	expect(chunk(m, CO_CHUNK_GIVE, last), EBUSY, "chunk: who asked for something else");
	command(m, CO_R_CHUNK, CO_CHUNK_GIVE, last);
	go_on(m);
	command(m, CO_R_DOORBELL, 0, 0);
	go_on(m);
	expect(chunk(m, CO_CHUNK_GIVE, last), EBUSY, "chunk: who went on");
}

static struct machine busy;

static void *answer_meanwhile(void *out)
{
	struct timespec moment = { 0, 100000000 };

	nanosleep(&moment, NULL);
	*(int *)out = chunk(&busy, CO_CHUNK_GIVE, busy.create.range[0].start + CO_CHUNK_SIZE);
	request(busy.fd, CO_IOC_KICK, NULL);
	return NULL;
}

static void test_while_it_runs(void)
{
	pthread_t thread;
	struct co_run run;
	int got = 0;

	busy = machine_start_in_a_piece();
	command(&busy, CO_R_CHUNK, CO_CHUNK_GIVE, busy.create.range[0].start + CO_CHUNK_SIZE);
	run_once(busy.fd, &run);
	busy.params->mode = MODE_SPIN;
	pthread_create(&thread, NULL, answer_meanwhile, &got);
	run_once(busy.fd, &run);
	pthread_join(thread, NULL);
	expect(got, EBUSY, "chunk: of a machine that runs");
	machine_close(&busy);
}

static void test_balloon(struct machine *m)
{
	struct co_balloon balloon = { sizeof(balloon), 3 };

	expect(request(m->fd, CO_IOC_BALLOON, &balloon), 0, "balloon: a wish");
	result(m->comm->balloon == 3 && m->comm->events & CO_EVENT_BALLOON &&
	       m->comm->pending[0] & 1 << CO_VIRQ_EVENT, "balloon: arrives", "%u %x", m->comm->balloon,
	       m->comm->events);
	balloon.chunks = CO_BALLOON_AUTO;
	expect(request(m->fd, CO_IOC_BALLOON, &balloon), 0, "balloon: auto");
	balloon.chunks = CO_MEM_MAX / CO_CHUNK_SIZE + 1;
	expect(request(m->fd, CO_IOC_BALLOON, &balloon), EINVAL, "balloon: more than there can be");
	balloon.chunks = CO_BALLOON_AUTO - 1;
	expect(request(m->fd, CO_IOC_BALLOON, &balloon), EINVAL, "balloon: nearly auto");
	result(m->comm->balloon == CO_BALLOON_AUTO, "balloon: refused ones leave no trace", "%u",
	       m->comm->balloon);
}

void test_chunks(void)
{
	struct machine m = machine_start_in_a_piece(), second;
	u64 first = m.create.range[0].start, chunks = pool_chunks(&m), last;
	u8 *at;

	last = first + m.create.range[0].bytes - CO_CHUNK_SIZE;
	result(m.create.nranges == 1 && last > first, "chunk: more than one, in a piece", "%u pieces",
	       m.create.nranges);
	at = m.memory + (last - first);
	memset(at, 0x5a, CO_CHUNK_SIZE);
	test_what_may_not_go(&m, first, last);
	expect(touch(at), 0, "chunk: is still there");

	/* This process has kept its mapping, which a daemon would not: it leads nowhere. */
	expect(ask(&m, CO_CHUNK_GIVE, last), 0, "chunk: goes");
	result(m.comm->chunk == CO_CHUNK_DONE, "chunk: the guest is told", "%u", m.comm->chunk);
	expect(touch(at), SIGBUS, "chunk: no mapping is left");
	expect(touch(at + CO_CHUNK_SIZE - 1), SIGBUS, "chunk: not of its end either");
	expect(touch(at - 1), 0, "chunk: what is before it stays");
	expect(map(&m, last, PAGE), EINVAL, "chunk: cannot be mapped");
	expect(map(&m, first, last - first + PAGE), EINVAL, "chunk: nor with the rest");
	expect(map(&m, first, last - first), 0, "chunk: the rest can");
	result(pool_chunks(&m) == chunks - 1, "chunk: the pool has one less", "%llu",
	       (unsigned long long)pool_chunks(&m));
	expect(chunk(&m, CO_CHUNK_GIVE, last), EBUSY, "chunk: answered twice");
	expect(ask(&m, CO_CHUNK_GIVE, last), EINVAL, "chunk: goes twice");

	/* Others have no part in it. */
	second = machine_start();
	expect(ask(&second, CO_CHUNK_TAKE, last), EINVAL, "chunk: another machine's");
	machine_close(&second);

	expect(ask(&m, CO_CHUNK_TAKE, last), 0, "chunk: comes back");
	expect(touch(at), SIGBUS, "chunk: and not into the old mapping");
	expect(map(&m, first, last - first + CO_CHUNK_SIZE), 0, "chunk: can be mapped with the rest");
	at = mmap(at, CO_CHUNK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, m.fd, (off_t)last);
	result(at != MAP_FAILED && is_zero(at), "chunk: is zeroed", "%p", (void *)at);
	expect(ask(&m, CO_CHUNK_TAKE, last), EINVAL, "chunk: comes twice");
	test_balloon(&m);

	/* What is given when the machine ends stays with the host. */
	expect(ask(&m, CO_CHUNK_GIVE, last), 0, "chunk: goes again");
	chunks = pool_chunks(&m);
	machine_close(&m);
	m.fd = machine_open();
	result(pool_chunks(&m) == chunks, "chunk: the end brings none back", "%llu",
	       (unsigned long long)pool_chunks(&m));
	close(m.fd);
	test_while_it_runs();
}

/* An i386 guest's memory stays where it is. */
void test_chunks_i386(u32 code_selector)
{
	struct machine m = machine_start_i386(code_selector);
	struct co_balloon balloon = { sizeof(balloon), 1 };

	expect(ask(&m, CO_CHUNK_GIVE, CO_CHUNK_SIZE), EOPNOTSUPP, "chunk: of an i386 guest");
	expect(request(m.fd, CO_IOC_BALLOON, &balloon), EOPNOTSUPP, "balloon: of an i386 guest");
	result(!m.comm->balloon && !m.comm->events, "balloon: leaves no trace", "%u", m.comm->balloon);
	machine_close(&m);
}

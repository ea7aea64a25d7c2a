/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Debug registers: a traced process has two watchpoints, which must strike whenever
 * it touches what is watched, and never else. Its tracer, and all others, touch the
 * same addresses and have no watchpoint: a register that stayed behind kills them.
 *
 * A debug register counts linear addresses, so a guest's watchpoint in the host's hands,
 * or the host's lack of one in the guest's, shows as a strike too much or too few.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "check_state.h"

#define STORES	24	/* of one traced process's life; every third time it reads, too */
#define READS	(STORES / 3)

/* DR7: enable slot n for this process; its condition, four bytes long. SDM volume 3, 18.2.4. */
#define ENABLE(n)	(1ul << 2 * (n))
#define ON_STORE(n)	(0xdul << (16 + 4 * (n)))
#define ON_ACCESS(n)	(0xful << (16 + 4 * (n)))

#define DEBUG_REGISTER(n) \
	(offsetof(struct user, u_debugreg) + (n) * sizeof(((struct user *)0)->u_debugreg[0]))

/* Watched: words 0 and 4. The others are touched in between. */
static volatile uint32_t spot[8] __attribute__((aligned(32)));

static inline void store(volatile uint32_t *where, uint32_t value)
{
	__asm__ volatile("movl %1, %0" : "=m"(*where) : "r"(value));
}

static inline uint32_t fetch(volatile uint32_t *where)
{
	uint32_t value;

	__asm__ volatile("movl %1, %0" : "=r"(value) : "m"(*where));
	return value;
}

/* The traced process. Ends with 0 when every word is what it made of it. */
static void victim(void)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);		/* the tracer sets the watchpoints meanwhile */
	for (uint32_t i = 1; i <= STORES; i++) {
		state_wait(i);
		store(&spot[1], i);
		store(&spot[0], i);
		store(&spot[5], fetch(&spot[0]));
		if (!(i % 3))
			store(&spot[6], fetch(&spot[4]));
	}
	_exit(fetch(&spot[0]) == STORES && fetch(&spot[1]) == STORES ? 0 : 9);
}

/* A debug register of a stopped process, or -1 with errno. */
static unsigned long peek(pid_t pid, int n)
{
	errno = 0;
	return (unsigned long)ptrace(PTRACE_PEEKUSER, pid, (void *)DEBUG_REGISTER(n), NULL);
}

static int poke(pid_t pid, int n, unsigned long value)
{
	return ptrace(PTRACE_POKEUSER, pid, (void *)DEBUG_REGISTER(n), (void *)value) ? -1 : 0;
}

struct watch {
	pid_t pid;
	int on_store, on_access;	/* slots, 0..3 */
	unsigned long control;
	int stores, reads;		/* strikes of each */
};

static int arm(struct watch *w)
{
	w->control = ENABLE(w->on_store) | ON_STORE(w->on_store) |
		     ENABLE(w->on_access) | ON_ACCESS(w->on_access);
	return poke(w->pid, w->on_store, (unsigned long)&spot[0]) ||
	       poke(w->pid, w->on_access, (unsigned long)&spot[4]) || poke(w->pid, 7, w->control);
}

/* One strike: whose was it, and are all the registers as they were set? */
static int strike(struct watch *w, int copy)
{
	unsigned long which = peek(w->pid, 6) & 0xf, at0, at4, control;

	if (which == 1ul << w->on_store)
		w->stores++;
	else if (which == 1ul << w->on_access)
		w->reads++;
	else
		return state_lost("watch", copy, "DR6 is %lx after %d stores and %d reads", which,
				  w->stores, w->reads);
	at0 = peek(w->pid, w->on_store);
	at4 = peek(w->pid, w->on_access);
	control = peek(w->pid, 7);
	if (at0 != (unsigned long)&spot[0] || at4 != (unsigned long)&spot[4] ||
	    control != w->control)
		return state_lost("watch", copy, "DR%d %lx DR%d %lx DR7 %lx", w->on_store, at0,
				  w->on_access, at4, control);
	/* what was done here is not to be seen there */
	store(&spot[0], (uint32_t)w->stores);
	store(&spot[4], fetch(&spot[4]) + 1);
	return poke(w->pid, 6, 0) ? state_lost("watch", copy, "DR6: %s", strerror(errno)) : 0;
}

/* A process's whole life with two watchpoints, in slots that change with `life`. */
static int one_life(int copy, long life)
{
	struct watch w = { .on_store = (int)(life + copy) % 4, .on_access = (int)(life + copy + 1) % 4 };
	int status, armed = 0, verdict = 0;

	fflush(stdout);
	w.pid = fork();
	if (w.pid < 0)
		return state_lost("watch", copy, "fork: %s", strerror(errno));
	if (!w.pid)
		victim();
	while (waitpid(w.pid, &status, 0) == w.pid && WIFSTOPPED(status)) {
		if (!armed++) {
			if (arm(&w))
				verdict = state_lost("watch", copy, "DR7 %lx: %s", w.control, strerror(errno));
		} else if (WSTOPSIG(status) == SIGTRAP) {
			verdict = strike(&w, copy);
		} else {
			verdict = state_lost("watch", copy, "signal %d", WSTOPSIG(status));
		}
		if (verdict) {
			kill(w.pid, SIGKILL);
			waitpid(w.pid, &status, 0);
			return verdict;
		}
		ptrace(PTRACE_CONT, w.pid, NULL, NULL);
	}
	if (status)
		return state_lost("watch", copy, "the watched process ended with %x", status);
	if (w.stores != STORES || w.reads != READS)
		return state_lost("watch", copy, "%d of %d stores, %d of %d reads struck", w.stores,
				  STORES, w.reads, READS);
	return STATE_KEPT;
}

int state_watch(int copy, double until, long *rounds)
{
	int verdict = STATE_KEPT;

	while (verdict == STATE_KEPT && check_now() < until) {
		verdict = one_life(copy, *rounds);
		*rounds += verdict == STATE_KEPT;
	}
	return verdict;
}

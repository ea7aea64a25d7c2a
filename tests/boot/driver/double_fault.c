/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that loses its stack: its double fault must find the guest's own handler, by
 * the guest's own task state segment (x86_64) or task gate (i386), never the host's; and
 * passages from in there must go on as ever, until the guest gives up.
 *
 * Usage: double_fault [CODE_SELECTOR]: an x86_64 guest, or an i386 one (0x10, 0x60). For
 * each way to lose the stack a guest of its own. Prints `ok` lines as in driver.h; exit
 * status 0 when all are.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "driver.h"
#include "minikernel.h"

#define NON_CANONICAL	0x8000000000000000ull

static const char *const ways[] = { [FAULT_PAGE] = "page", [FAULT_SEGMENT] = "segment" };

static volatile sig_atomic_t expired;

static void on_alarm(int sig)
{
	expired = sig;
}

/* Where the stack pointer was: in the handler's frame, or in the TSS of the task that
 * the double fault has ended. */
static u64 lost_sp(const struct machine *m)
{
	return m->code_selector ? fault_victim_esp(m) : m->params->fault_sp;
}

static u64 expected_sp(const struct machine *m, u32 way)
{
	if (way == FAULT_PAGE)
		return FAULT_PAGE_SP;
	return m->code_selector ? FAULT_LIMIT_SP : NON_CANONICAL;
}

/* Passages for a second, in the double fault's context; an i386 guest compares all its
 * registers around each one, the task register with them. */
static void soak(struct machine *m, const char *way)
{
	struct itimerval timer = { .it_value = { 1, 0 } };
	char name[64];
	struct co_run run;
	u64 before = m->params->rounds;
	int error;

	command(m, CO_R_NOP, 0, 0);
	m->params->checking = !!m->code_selector;
	expired = 0;
	setitimer(ITIMER_REAL, &timer, NULL);
	do
		error = run_once(m->fd, &run);
	while (error == EINTR && !expired);
	snprintf(name, sizeof(name), "%s: passages from a double fault", way);
	result(error == EINTR && m->params->rounds - before > 10, name, "%s, reason %u, %llu rounds",
	       strerror(error), run.reason, (unsigned long long)(m->params->rounds - before));
	if (!m->code_selector)
		return;
	snprintf(name, sizeof(name), "%s: registers", way);
	result(m->params->checks && !m->params->different, name,
	       "%u of %u passages changed one, first at offset %u of the snapshot",
	       m->params->different, m->params->checks, m->params->first);
}

static void one_guest(u32 code_selector, u32 way)
{
	struct machine m = code_selector ? machine_start_i386(code_selector) : machine_start();
	u32 task = code_selector ? SEL_FAULT_TSS : SEL_TSS;
	char name[64];
	struct co_run run;
	int error = run_once(m.fd, &run);

	snprintf(name, sizeof(name), "%s: the guest runs", ways[way]);
	result(!error && run.reason == CO_R_DOORBELL && !m.params->faults, name, "%d, reason %u",
	       error, run.reason);
	command(&m, CO_R_DOORBELL, 1, 2);
	m.params->fault = way;
	m.params->mode = MODE_FAULT;
	error = run_once(m.fd, &run);
	snprintf(name, sizeof(name), "%s: its double fault is its own", ways[way]);
	result(!error && run.reason == CO_R_DOORBELL && run.arg[0] == 1 && run.arg[1] == 2 &&
	       m.params->faults == 1 && m.params->fault_tr == task &&
	       lost_sp(&m) == expected_sp(&m, way), name,
	       "%d, reason %u %.8s, %u double faults, task register %x, stack pointer %llx", error,
	       run.reason, (const char *)m.comm->text, m.params->faults, m.params->fault_tr,
	       (unsigned long long)lost_sp(&m));
	soak(&m, ways[way]);
	memcpy((char *)m.params->text, "double fault \n\n\n", 16);
	command(&m, CO_R_PANIC, 0, 0);
	error = run_once(m.fd, &run);
	snprintf(name, sizeof(name), "%s: its panic is told", ways[way]);
	result(!error && run.reason == CO_R_PANIC && m.comm->text_len == 16 &&
	       !memcmp((const char *)m.comm->text, "double fault", 12) && m.params->faults == 1 &&
	       run_once(m.fd, &run) == ENODEV, name, "%d, reason %u, %u double faults", error,
	       run.reason, m.params->faults);
	machine_close(&m);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_alarm };
	u32 code_selector = argc > 1 ? (u32)strtoul(argv[1], NULL, 0) : 0;

	sigaction(SIGALRM, &action, NULL);
	one_guest(code_selector, FAULT_PAGE);
	one_guest(code_selector, FAULT_SEGMENT);
	return failures() ? 1 : 0;
}

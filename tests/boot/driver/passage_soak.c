/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Passages and nothing else, for a while: a machine whose guest leaves at once,
 * again and again, so that most of the CPU's time is spent between two worlds.
 * Somebody outside meanwhile injects NMIs or machine checks (QMP inject-nmi).
 *
 * Usage: passage_soak SECONDS [CODE_SELECTOR]. With a code selector (0x10, 0x60), the
 * guest is an i386 one, which besides compares all its registers around each passage.
 * Prints counts, and `ok` lines as in driver.h: the guest must still be in order
 * afterwards. Exit status 0 when it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <signal.h>
#include <errno.h>

#include "driver.h"
#include "minikernel.h"

static volatile sig_atomic_t expired;

static void on_alarm(int sig)
{
	expired = sig;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval timer = { .it_value = { argc > 1 ? atoi(argv[1]) : 5, 0 } };
	struct co_stats stats = { .size = sizeof(stats) };
	u32 code_selector = argc > 2 ? (u32)strtoul(argv[2], NULL, 0) : 0;
	struct machine m = code_selector ? machine_start_i386(code_selector) : machine_start();
	struct co_run run;
	int error;

	sigaction(SIGALRM, &action, NULL);
	command(&m, CO_R_NOP, 0, 0);
	m.params->checking = 1;
	printf("# soaking\n");
	fflush(stdout);
	setitimer(ITIMER_REAL, &timer, NULL);
	do
		error = run_once(m.fd, &run);
	while (error == EINTR && !expired);
	result(error == EINTR, "soak", "%s, reason %u %.8s", strerror(error), run.reason,
	       (const char *)m.comm->text);
	ioctl(m.fd, CO_IOC_STATS, &stats);
	printf("# %llu passages there and back, %llu NMIs and %llu machine checks in the guest, "
	       "%llu and %llu in the passage, %u NMIs seen by the guest\n",
	       (unsigned long long)stats.switches, (unsigned long long)stats.nmis,
	       (unsigned long long)stats.mces, (unsigned long long)stats.nmis_in_passage,
	       (unsigned long long)stats.mces_in_passage, m.params->nmis);
	if (code_selector)
		result(m.params->checks && !m.params->different, "registers",
		       "%u of %u passages changed one, first at offset %u of the snapshot: %x, %x",
		       m.params->different, m.params->checks, m.params->first,
		       *(u32 *)((u8 *)m.params + P_BEFORE + m.params->first % SNAP_BYTES),
		       *(u32 *)((u8 *)m.params + P_AFTER + m.params->first % SNAP_BYTES));
	command(&m, CO_R_DOORBELL, 1, 2);
	error = run_once(m.fd, &run);
	result(!error && run.reason == CO_R_DOORBELL && run.arg[0] == 1 && run.arg[1] == 2,
	       "the guest still answers", "%d, reason %u", error, run.reason);
	machine_close(&m);
	return failures() ? 1 : 0;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that is between changing user mode's descriptors and loading its segment
 * registers anew, as every kernel is in a task switch, when an NMI takes it to the host:
 * its registers hold selectors that can no longer be loaded. It comes back with null ones.
 *
 * Usage: stale_segment [CODE_SELECTOR]: an x86_64 guest, or an i386 one (0x10, 0x60). For
 * each kind of staleness a guest of its own. Prints `ok` lines as in driver.h; exit
 * status 0 when all are.
 */
#include <stdio.h>
#include <stdlib.h>

#include "driver.h"

#define PRESENT		(1ull << 47)
#define TYPE		(0x1full << 40)
#define DPL		(3ull << 45)
#define EXECUTE_ONLY	(0x18ull << 40)

static void leave_alone(u64 *descriptor)
{
	(void)descriptor;
}

static void empty(u64 *descriptor)
{
	*descriptor = 0;
}

static void not_present(u64 *descriptor)
{
	*descriptor &= ~PRESENT;
}

static void privileged(u64 *descriptor)
{
	*descriptor &= ~DPL;
}

static void unreadable(u64 *descriptor)
{
	*descriptor = (*descriptor & ~TYPE) | EXECUTE_ONLY;
}

static void a_system_s(u64 *descriptor)
{
	*descriptor &= ~(1ull << 44);
}

static const struct {
	const char *name;
	void (*spoil)(u64 *descriptor);
} kinds[] = {
	{ "intact", leave_alone },	/* the control: kept */
	{ "empty", empty },
	{ "not present", not_present },
	{ "privileged", privileged },
	{ "unreadable", unreadable },
	{ "a system's", a_system_s },
};

static void one_guest(u32 code_selector, const char *name, void (*spoil)(u64 *descriptor))
{
	struct machine m = code_selector ? machine_start_i386(code_selector) : machine_start();
	u32 fs = spoil == leave_alone ? SEL_FS : 0, gs = spoil == leave_alone ? SEL_GS : 0;
	volatile struct params *p = m.params;
	struct co_run run;
	int error = run_once(m.fd, &run);	/* up, and has loaded them */

	spoil(&m.gdt[SEL_FS / 8]);
	spoil(&m.ldt[SEL_GS / 8]);
	for (u64 i = 0; i < 3 && !error; i++) {
		command(&m, CO_R_DOORBELL, i, 0);
		error = run_once(m.fd, &run);
		if (run.reason != CO_R_DOORBELL || run.arg[0] != i)
			break;
	}
	result(!error && run.reason == CO_R_DOORBELL && run.arg[0] == 2 && p->fs_now == fs &&
	       p->gs_now == gs && (code_selector || (p->ds_now == fs && p->es_now == gs)), name,
	       "%d, reason %u, fs %x gs %x ds %x es %x, not %x and %x", error, run.reason, p->fs_now,
	       p->gs_now, p->ds_now, p->es_now, fs, gs);
	machine_close(&m);
}

int main(int argc, char **argv)
{
	u32 code_selector = argc > 1 ? (u32)strtoul(argv[1], NULL, 0) : 0;

	for (u32 i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		one_guest(code_selector, kinds[i].name, kinds[i].spoil);
	return failures() ? 1 : 0;
}

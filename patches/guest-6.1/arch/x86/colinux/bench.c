// SPDX-License-Identifier: GPL-2.0-only
/* /proc/colinux/bench: the price of a world switch, measured by reading it; and the place of status. */
#include <linux/init.h>
#include <linux/math64.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <asm/msr.h>
#include <asm/tsc.h>
#include "colinux.h"

#define CO_BENCH_ROUNDS		20000

static int co_bench_show(struct seq_file *m, void *unused)
{
	u64 ticks = rdtsc_ordered();
	int i;

	for (i = 0; i < CO_BENCH_ROUNDS; i++) {
		co_call(CO_R_NOP);
		cond_resched();
	}
	ticks = rdtsc_ordered() - ticks;
	seq_printf(m, "rounds %d\nns_per_round %llu\n", CO_BENCH_ROUNDS,
		   mul_u64_u64_div_u64(ticks, NSEC_PER_MSEC,
				       (u64)tsc_khz * CO_BENCH_ROUNDS));
	return 0;
}

static int __init co_bench_init(void)
{
	struct proc_dir_entry *dir;

	if (!co_active)
		return 0;
	dir = proc_mkdir("colinux", NULL);
	if (!dir || !proc_create_single("bench", 0400, dir, co_bench_show) ||
	    !proc_create_single("status", 0444, dir, co_status_show))
		return -ENOMEM;
	return 0;
}
device_initcall(co_bench_init);

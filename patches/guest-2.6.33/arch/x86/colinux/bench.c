// SPDX-License-Identifier: GPL-2.0-only
/* /proc/colinux/bench: the price of a world switch, measured by reading it; and the place of status. */
#include <linux/init.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <asm/msr.h>
#include <asm/tsc.h>
#include "colinux.h"

#define CO_BENCH_ROUNDS		20000

static int co_bench_show(struct seq_file *m, void *unused)
{
	u64 ticks = __native_read_tsc();
	int i;

	for (i = 0; i < CO_BENCH_ROUNDS; i++) {
		co_call(CO_R_NOP);
		cond_resched();
	}
	ticks = div_u64(__native_read_tsc() - ticks, CO_BENCH_ROUNDS);
	seq_printf(m, "rounds %d\nns_per_round %llu\n", CO_BENCH_ROUNDS,
		   div_u64(ticks * NSEC_PER_MSEC, co_comm->tsc_khz));
	return 0;
}

static int co_bench_open(struct inode *inode, struct file *file)
{
	return single_open(file, co_bench_show, NULL);
}

static const struct file_operations co_bench_fops = {
	.owner		= THIS_MODULE,
	.open		= co_bench_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= single_release,
};

static int co_status_open(struct inode *inode, struct file *file)
{
	return single_open(file, co_status_show, NULL);
}

static const struct file_operations co_status_fops = {
	.owner		= THIS_MODULE,
	.open		= co_status_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= single_release,
};

static int __init co_bench_init(void)
{
	struct proc_dir_entry *dir;

	if (!co_active)
		return 0;
	dir = proc_mkdir("colinux", NULL);
	if (!dir || !proc_create("bench", 0400, dir, &co_bench_fops) ||
	    !proc_create("status", 0444, dir, &co_status_fops))
		return -ENOMEM;
	return 0;
}
device_initcall(co_bench_init);

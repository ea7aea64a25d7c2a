// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/colinux/status: what a guest knows of its life beside its host. Lines of
 * `name value...`: the interface's version and the TSC's frequency, how often
 * the guest has left for the host since it started, by reason, how much memory it has given to
 * the host, and its devices.
 *
 * (The host's own account, with time and queues, is colinux-ctl's.)
 */
#include <linux/kernel.h>
#include <linux/seq_file.h>
#include "colinux.h"

static const char *const co_reasons[CO_EXITS] = {
	[CO_R_NONE] = "other", [CO_R_IRQ] = "irq", [CO_R_NMI] = "nmi", [CO_R_MCE] = "mce",
	[CO_R_IDLE] = "idle", [CO_R_NOP] = "nop", [CO_R_DOORBELL] = "doorbell",
	[CO_R_CONSOLE] = "console",
};

int co_status_show(struct seq_file *m, void *unused)
{
	unsigned int i, queue, queues;

	seq_printf(m, "abi %u\ntsc_khz %u\n", CO_ABI_VERSION, co_comm->tsc_khz);
	for (i = 0; i < CO_EXITS; i++)
		seq_printf(m, "exits_%s %lu\n", co_reasons[i], READ_ONCE(co_exits[i]));
	/* memory that is with the host */
	seq_printf(m, "given_kib %u\n", co_balloon_given() << (CO_CHUNK_SHIFT - 10));
	for (i = 0; i < CO_NR_VDEV; i++) {
		if (!co_vdevs[i].id)
			continue;
		for (queue = queues = 0; queue < CO_VQ_MAX; queue++)
			queues += co_vdevs[i].vq[queue].size != 0;
		/* the id and the status as in the virtio specification */
		seq_printf(m, "device %u id %u status 0x%x queues %u\n", i, co_vdevs[i].id,
			   READ_ONCE(co_vdevs[i].status), queues);
	}
	return 0;
}

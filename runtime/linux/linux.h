/* SPDX-License-Identifier: GPL-2.0-only */
/* The Linux glue's own side of a virtual machine, shared by its three files. */
#ifndef CO_LINUX_H
#define CO_LINUX_H

#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "../monitor/monitor.h"

struct co_linux_vm {
	struct co_vm vm;
	struct list_head link;		/* of all machines */
	struct mutex lock;		/* create, start, mmap, the wall clock */
	struct file *file;		/* its own; no reference */
	struct mm_struct *mm;		/* of who made the first request; a reference to compare with */
	wait_queue_head_t idle;		/* the vCPU's thread, in co_os_idle */
	struct hrtimer timer;		/* the guest's deadline */
	spinlock_t runner_lock;
	struct task_struct *runner;	/* the thread in RUN, or NULL */
};

static inline struct co_linux_vm *to_linux(struct co_vm *vm)
{
	return container_of(vm, struct co_linux_vm, vm);
}

/* os.c */
void co_linux_timer_init(struct co_linux_vm *l);

/* map.c */
int co_linux_mmap(struct file *file, struct vm_area_struct *vma);

#endif /* CO_LINUX_H */

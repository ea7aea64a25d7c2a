// SPDX-License-Identifier: GPL-2.0-only
/*
 * The Linux driver's outside: module, device file, requests.
 *
 * Nothing is decided in here. Each request is checked for its caller and its size,
 * copied in, handed to the monitor, copied out.
 */
#define pr_fmt(fmt) "colinux: " fmt

#include <linux/capability.h>
#include <linux/cpufeature.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/suspend.h>
#include <linux/uaccess.h>
#include <asm/tsc.h>

#include "linux.h"

module_param_named(scatter, co_pool_scatter, uint, 0600);
MODULE_PARM_DESC(scatter, "test: give guests memory in as many pieces as possible");
module_param_named(selfcheck, co_selfcheck, uint, 0600);
MODULE_PARM_DESC(selfcheck, "test: compare the host's registers and tables around each crossing");
module_param_named(selfcheck_crossings, co_selfcheck_crossings, uint, 0400);
module_param_named(selfcheck_differences, co_selfcheck_differences, uint, 0400);

static LIST_HEAD(machines);
static DEFINE_MUTEX(machines_lock);

static int to_errno(int error)
{
	switch (error) {
	case 0:
		return 0;
	case CO_E_INVAL:
		return -EINVAL;
	case CO_E_BUSY:
		return -EBUSY;
	case CO_E_NOMEM:
		return -ENOMEM;
	case CO_E_INTR:
		return -EINTR;
	case CO_E_GONE:
		return -ENODEV;
	case CO_E_HOST:
		return -EOPNOTSUPP;
	}
	return -EIO;
}

/* ---- requests: each gets a kernel copy of its argument ---- */

static int request_version(struct co_linux_vm *l, void *arg)
{
	struct co_version *v = arg;

	v->abi_version = CO_ABI_VERSION;
	strscpy_pad(v->release, CO_RELEASE, sizeof(v->release));
	return 0;
}

static int request_create(struct co_linux_vm *l, void *arg)
{
	int error;

	mutex_lock(&l->lock);
	error = co_vm_create(&l->vm, arg);
	mutex_unlock(&l->lock);
	return error;
}

static int request_start(struct co_linux_vm *l, void *arg)
{
	int error;

	mutex_lock(&l->lock);
	error = co_vm_start(&l->vm, arg);
	mutex_unlock(&l->lock);
	return error;
}

/* Only the thread that the monitor lets in becomes the runner: set by the
 * first, it stays until that one leaves. */
static int request_run(struct co_linux_vm *l, void *arg)
{
	bool first;
	int error;

	spin_lock(&l->runner_lock);
	first = !l->runner;
	if (first)
		l->runner = get_task_struct(current);
	spin_unlock(&l->runner_lock);
	if (!first)
		return CO_E_BUSY;
	error = co_vm_run(&l->vm, arg);
	spin_lock(&l->runner_lock);
	l->runner = NULL;
	spin_unlock(&l->runner_lock);
	put_task_struct(current);
	return error;
}

static int request_irq_bits(struct co_linux_vm *l, void *arg)
{
	return co_vm_irq(&l->vm, arg);
}

static int request_kick(struct co_linux_vm *l, void *arg)
{
	return co_vm_kick(&l->vm);
}

static int request_stats(struct co_linux_vm *l, void *arg)
{
	co_vm_stats(&l->vm, arg);
	return 0;
}

/*
 * The order is mmap's: the address space's lock, then the machine's. Without the former, a mapping
 * that is just being made might be missed, as it is in no list yet.
 */
static int request_chunk(struct co_linux_vm *l, void *arg)
{
	bool unmaps = ((struct co_chunk_op *)arg)->op == CO_CHUNK_GIVE;
	int error;

	if (unmaps)
		mmap_read_lock(current->mm);
	mutex_lock(&l->lock);
	error = co_vm_chunk(&l->vm, arg);
	mutex_unlock(&l->lock);
	if (unmaps)
		mmap_read_unlock(current->mm);
	return error;
}

static int request_balloon(struct co_linux_vm *l, void *arg)
{
	return co_vm_balloon(&l->vm, arg);
}

static int request_pool(struct co_linux_vm *l, void *arg)
{
	return co_pool_control(arg);
}

static const struct {
	unsigned int cmd;
	int (*serve)(struct co_linux_vm *l, void *arg);
} requests[] = {
	{ CO_IOC_RUN, request_run },
	{ CO_IOC_IRQ, request_irq_bits },
	{ CO_IOC_KICK, request_kick },
	{ CO_IOC_VERSION, request_version },
	{ CO_IOC_CREATE, request_create },
	{ CO_IOC_START, request_start },
	{ CO_IOC_STATS, request_stats },
	{ CO_IOC_POOL, request_pool },
	{ CO_IOC_CHUNK, request_chunk },
	{ CO_IOC_BALLOON, request_balloon },
};

#define SMALL 128	/* bytes: every argument but CREATE's */

/*
 * Whose machine is it? That of the process that makes the first request: a forked child
 * of its, or whoever gets the file later, is somebody else. Before that the file can be
 * passed on, by an opener that has the right to open it to a runner that has not.
 */
static bool co_linux_claim(struct co_linux_vm *l)
{
	if (!READ_ONCE(l->mm)) {
		mmgrab(current->mm);	/* the structure, not the memory: for comparing */
		if (cmpxchg(&l->mm, NULL, current->mm))
			mmdrop(current->mm);
	}
	return l->mm == current->mm;
}

static long co_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	struct co_linux_vm *l = file->private_data;
	void __user *from = (void __user *)user;
	u64 small[SMALL / sizeof(u64)];
	size_t bytes = _IOC_SIZE(cmd);
	void *arg = small;
	long error;
	u32 size;
	int i;

	for (i = 0; i < ARRAY_SIZE(requests); i++)
		if (requests[i].cmd == cmd)
			break;
	if (i == ARRAY_SIZE(requests))
		return -ENOTTY;
	if (!co_linux_claim(l))
		return -EPERM;
	if (!bytes)
		return to_errno(requests[i].serve(l, NULL));

	/* The size first: a caller with another header is told, whatever follows. */
	if (get_user(size, (u32 __user *)from))
		return -EFAULT;
	if (size != bytes)
		return -EINVAL;
	if (bytes > SMALL) {
		arg = kmalloc(bytes, GFP_KERNEL);
		if (!arg)
			return -ENOMEM;
	}
	error = -EFAULT;
	if (copy_from_user(arg, from, bytes))
		goto out;
	error = -EINVAL;
	if (*(u32 *)arg != bytes)	/* it changed since */
		goto out;
	error = to_errno(requests[i].serve(l, arg));
	/* POOL's answer is of use after a failure, too; others' is unchanged then. */
	if (_IOC_DIR(cmd) & _IOC_READ && (!error || cmd == CO_IOC_POOL))
		if (copy_to_user(from, arg, bytes))
			error = -EFAULT;
out:
	if (arg != small)
		kfree(arg);
	return error;
}

/* ---- the device file: one open is one machine ---- */

/* Root in the guest is root on the host: ask for what /dev/mem asks for. */
static int co_open(struct inode *inode, struct file *file)
{
	struct co_linux_vm *l;

	if (!capable(CAP_SYS_RAWIO))
		return -EPERM;
	l = kzalloc(sizeof(*l), GFP_KERNEL);
	if (!l)
		return -ENOMEM;
	mutex_init(&l->lock);
	init_waitqueue_head(&l->idle);
	spin_lock_init(&l->runner_lock);
	co_linux_timer_init(l);
	file->private_data = l;
	l->file = file;
	mutex_lock(&machines_lock);
	list_add(&l->link, &machines);
	mutex_unlock(&machines_lock);
	return nonseekable_open(inode, file);
}

/* Called once the last descriptor and the last mapping are gone. */
static int co_release(struct inode *inode, struct file *file)
{
	struct co_linux_vm *l = file->private_data;

	mutex_lock(&machines_lock);
	list_del(&l->link);
	mutex_unlock(&machines_lock);
	hrtimer_cancel(&l->timer);
	co_vm_destroy(&l->vm);
	if (l->mm)
		mmdrop(l->mm);
	kfree(l);
	return 0;
}

static const struct file_operations co_fops = {
	.owner = THIS_MODULE,		/* no unloading while a machine lives */
	.open = co_open,
	.release = co_release,
	.unlocked_ioctl = co_ioctl,
	.compat_ioctl = compat_ptr_ioctl, /* the structures have no pointers */
	.mmap = co_linux_mmap,
};

static struct miscdevice co_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "colinux",
	.fops = &co_fops,
	.mode = 0600,
};

/* ---- the module ---- */

/* After a sleep of the host, its guests' wall clocks are late. */
static int co_pm_event(struct notifier_block *nb, unsigned long event, void *data)
{
	struct co_linux_vm *l;

	if (event != PM_POST_SUSPEND && event != PM_POST_HIBERNATION)
		return NOTIFY_DONE;
	mutex_lock(&machines_lock);
	list_for_each_entry(l, &machines, link) {
		mutex_lock(&l->lock);
		co_vm_wall(&l->vm);
		mutex_unlock(&l->lock);
	}
	mutex_unlock(&machines_lock);
	return NOTIFY_OK;
}

static struct notifier_block co_pm = { .notifier_call = co_pm_event };

static int __init co_init(void)
{
	int error;

	if (boot_cpu_has(X86_FEATURE_XENPV)) {
		pr_err("this kernel is a Xen PV guest: it does not run in ring 0\n");
		return -ENODEV;
	}
	if (check_tsc_unstable())
		pr_warn("the TSC is not stable on this host: guests' clocks will be wrong\n");
	error = register_pm_notifier(&co_pm);
	if (error)
		return error;
	error = misc_register(&co_device);
	if (error)
		unregister_pm_notifier(&co_pm);
	return error;
}

static void __exit co_exit(void)
{
	misc_deregister(&co_device);
	unregister_pm_notifier(&co_pm);
	co_pool_destroy();
}

module_init(co_init);
module_exit(co_exit);
MODULE_DESCRIPTION("Cooperative Linux: a second kernel beside this one, in ring 0");
MODULE_VERSION(CO_RELEASE);
MODULE_LICENSE("GPL");

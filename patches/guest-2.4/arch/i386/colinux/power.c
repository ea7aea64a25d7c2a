// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ways this machine ends, and what the host may ask of it meanwhile.
 *
 * A panic leaves as soon as its text is printed, without the sync() that 2.4
 * would try: that could wait for ever, and the host must hear of it.
 */
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/kmod.h>
#include <linux/pm.h>
#include <linux/sched.h>
#include <linux/sysrq.h>
#include <linux/tqueue.h>
#include <asm/ptrace.h>
#include "colinux.h"

static void co_power_off(void)
{
	co_leave(CO_R_SHUTDOWN);
}

void co_halt(void)
{
	co_leave(CO_R_HALT);
}

void co_restart(void)
{
	co_leave(CO_R_RESTART);
}

void co_panic(const char *text)
{
	co_leave_panic("%s", text);
}

void co_oops(const char *what, struct pt_regs *regs, long error)
{
	co_leave_panic("%s: %04lx at %08lx in %s (pid %d)", what, error & 0xffff,
		       regs->eip, current->comm, current->pid);
}

void __init co_power_setup(void)
{
	/* without it the kernel turns a power-off into a halt */
	pm_power_off = co_power_off;
}

/* ---- what the host asks: co_comm.events ---- */

/*
 * The power button. A program is asked, for init has work to do before; where
 * there is none, what is in memory goes to the disks, and that is all.
 */
static void co_shut_down(void *unused)
{
	static char *programs[] = { "/sbin/poweroff", "/bin/poweroff" };
	static char *envp[] = { "HOME=/", "PATH=/sbin:/bin:/usr/sbin:/usr/bin", NULL };
	char *argv[] = { NULL, NULL };
	int i;

	for (i = 0; i < 2; i++) {
		argv[0] = programs[i];
		if (!call_usermodehelper(argv[0], argv, envp))
			return;
	}
	printk(KERN_WARNING "colinux: there is no %s: off at once\n", programs[0]);
	fsync_dev(NODEV);
	co_power_off();
}

static struct tq_struct co_wall_work = { .routine = co_sync_wall };
static struct tq_struct co_power_work = { .routine = co_shut_down };

static void co_event_interrupt(int irq, void *dev, struct pt_regs *regs)
{
	u32 events = xchg(&co_comm->events, 0);

	if (events & CO_EVENT_WALL)
		schedule_task(&co_wall_work);
	if (events & CO_EVENT_POWER) {
		printk(KERN_INFO "colinux: the host asks us to shut down\n");
		schedule_task(&co_power_work);
	}
}

/* SysRq-c, which 2.4 does not know: crash, as later kernels do. */
#ifdef CONFIG_MAGIC_SYSRQ
static void co_crash(int key, struct pt_regs *regs, struct kbd_struct *kbd, struct tty_struct *tty)
{
	*(volatile int *)NULL = 0;
}

static struct sysrq_key_op co_crash_op = {
	.handler	= co_crash,
	.help_msg	= "Crash",
	.action_msg	= "Crash",
};

static int __init co_crash_init(void)
{
	return register_sysrq_key('c', &co_crash_op);
}
__initcall(co_crash_init);
#endif

/*
 * For the boot tests: colinux.fault=double takes the kernel's stack away when it is
 * up. No exception can be delivered then but a double fault, as a task of its own.
 */
static int co_fault_double __initdata;

static int __init co_fault_setup(char *what)
{
	co_fault_double = !strcmp(what, "double");
	return 1;
}
__setup("colinux.fault=", co_fault_setup);

static void __init co_lose_stack(void)
{
	/* user mode's first addresses, of which a kernel thread has none */
	__asm__ __volatile__("movl %0, %%esp; pushl %0" : : "r" (PAGE_SIZE) : "memory");
}

static int __init co_events_init(void)
{
	int err = request_irq(CO_VIRQ_EVENT, co_event_interrupt, SA_INTERRUPT, "host-event", NULL);

	if (err)
		return err;
	/* one that came before anybody listened has left only its event bit */
	co_event_interrupt(0, NULL, NULL);
	if (co_fault_double)
		co_lose_stack();
	return 0;
}
__initcall(co_events_init);

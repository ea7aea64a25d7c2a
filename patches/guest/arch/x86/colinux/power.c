// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ways this machine ends, and what the host may ask of it meanwhile.
 *
 * A panic has its text carried to the host. Where panic() flushes the consoles
 * after its notifiers, it leaves at panic()'s very end, as the restart that
 * panic() wants: the notifier keeps the text and asks for that restart.
 */
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/kernel.h>
#include <linux/notifier.h>
#include <linux/pm.h>
#include <linux/reboot.h>
#include <linux/workqueue.h>
#include <asm/reboot.h>
#include "colinux.h"

static const char *co_panic_text;

static void co_power_off(void)
{
	co_leave(CO_R_SHUTDOWN);
}

static void co_halt(void)
{
	co_leave(CO_R_HALT);
}

static void co_restart(char *command)
{
	co_leave(CO_R_RESTART);
}

static void co_emergency_restart(void)
{
	if (co_panic_text)
		co_leave_panic(co_panic_text);
	co_leave(CO_R_RESTART);
}

static void co_shutdown(void)
{
	/* the native one would quiesce the host's interrupt controllers */
}

static int co_panic(struct notifier_block *nb, unsigned long event, void *text)
{
	/* a panic while the first one was being printed: enough */
	if (co_panic_text)
		co_leave_panic(co_panic_text);
	co_panic_text = text;
	co_console_panic();
	if (!CO_PANIC_FLUSHES_LAST)
		co_leave_panic(text);
	panic_timeout = -1;	/* "restart at once" */
	return NOTIFY_DONE;
}

/* the last of all notifiers: the others may add to the log */
static struct notifier_block co_panic_notifier = {
	.notifier_call = co_panic,
	.priority = INT_MIN,
};

void __init co_power_setup(void)
{
	/* without it the kernel turns a power-off into a halt */
	pm_power_off = co_power_off;
	machine_ops.power_off = co_power_off;
	machine_ops.halt = co_halt;
	machine_ops.restart = co_restart;
	machine_ops.emergency_restart = co_emergency_restart;
	machine_ops.shutdown = co_shutdown;
	atomic_notifier_chain_register(&panic_notifier_list, &co_panic_notifier);
}

/* ---- what the host asks: co_comm.events ---- */

static void co_sync_wall(struct work_struct *work)
{
	int err = co_time_sync_wall();

	if (err)
		pr_warn("colinux: the host's wall clock was refused (%d)\n", err);
}
static DECLARE_WORK(co_wall_work, co_sync_wall);

static irqreturn_t co_event_interrupt(int irq, void *dev)
{
	u32 events = xchg(&co_comm->events, 0);

	if (events & CO_EVENT_WALL)
		schedule_work(&co_wall_work);
	if (events & CO_EVENT_BALLOON)
		co_balloon_changed();
	if (events & CO_EVENT_POWER) {
		pr_info("colinux: the host asks us to shut down\n");
		orderly_poweroff(true);
	}
	return IRQ_HANDLED;
}

/*
 * For the boot tests: colinux.fault=double takes the kernel's stack away when it is
 * up. No exception can be delivered then but a double fault, on what it has of its own.
 */
static bool co_fault_double;

static int __init co_fault_setup(char *what)
{
	co_fault_double = !strcmp(what, "double");
	return 1;
}
__setup("colinux.fault=", co_fault_setup);

static void co_lose_stack(void)
{
	/* user mode's first addresses, of which a kernel thread has none */
	unsigned long nowhere = PAGE_SIZE;

#ifdef CONFIG_X86_64
	asm volatile("movq %0, %%rsp; pushq %0" : : "r" (nowhere) : "memory");
#else
	asm volatile("movl %0, %%esp; pushl %0" : : "r" (nowhere) : "memory");
#endif
}
STACK_FRAME_NON_STANDARD(co_lose_stack);

static int __init co_events_init(void)
{
	int err;

	if (!co_active)
		return 0;
	err = request_irq(co_irq(CO_VIRQ_EVENT), co_event_interrupt, 0,
			  "host-event", NULL);
	if (err)
		return err;
	/* one that came before anybody listened has left only its event bit */
	co_event_interrupt(0, NULL);
	if (co_fault_double)
		co_lose_stack();
	return 0;
}
late_initcall(co_events_init);

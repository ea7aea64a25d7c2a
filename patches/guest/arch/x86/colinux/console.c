// SPDX-License-Identifier: GPL-2.0-only
/*
 * The boot console: kernel messages as text in the shared page, until the first
 * virtio console (hvc0) takes over and printk unregisters us.
 */
#include <linux/console.h>
#include <linux/init.h>
#include "colinux.h"

static void co_console_write(struct console *con, const char *s, unsigned int n)
{
	while (n) {
		unsigned int part = min(n, CO_TEXT_SIZE);
		unsigned long flags;

		local_irq_save(flags);
		co_set_text(s, part);
		co_switch(CO_R_CONSOLE);
		local_irq_restore(flags);
		s += part;
		n -= part;
	}
}

static struct console co_console = {
	.name	= "coboot",
	.write	= co_console_write,
	.flags	= CON_PRINTBUFFER | CON_BOOT | CON_ANYTIME,
	.index	= -1,
};

void __init co_console_setup(void)
{
	register_console(&co_console);
}

/*
 * The last console may be gone by the time of a panic: its device was removed,
 * or the command line named one that never came. The whole log is printed again
 * then; better twice than never.
 */
void co_console_panic(void)
{
	if (console_drivers)
		return;
	/* a boot console is refused once there was a real one */
	co_console.flags = CON_PRINTBUFFER | CON_ANYTIME | CON_ENABLED;
	register_console(&co_console);
}

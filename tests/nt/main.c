// SPDX-License-Identifier: GPL-2.0-only
/* The harness as a module: loads the driver as NT's I/O manager would, and lets it go. */
#include <linux/kprobes.h>
#include <linux/uaccess.h>

#include "nt.h"
#include "symbols.h"		/* generated: where things are in the driver */

static unsigned int reserve_mib = 400;
module_param(reserve_mib, uint, 0400);
MODULE_PARM_DESC(reserve_mib, "memory that NT has to give, taken from Linux in whole chunks");

static bool selfcheck;
module_param(selfcheck, bool, 0400);
MODULE_PARM_DESC(selfcheck, "have the driver compare NT's registers and tables around each crossing");

/* A word of the driver's own. */
static u32 *word(u32 at)
{
	return nt_image_at(at);
}

static int get_word(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%u\n", *word((u32)(unsigned long)param->arg));
}

static const struct kernel_param_ops word_ops = { .get = get_word };
module_param_cb(selfcheck_crossings, &word_ops, (void *)NT_CO_SELFCHECK_CROSSINGS, 0400);
module_param_cb(selfcheck_differences, &word_ops, (void *)NT_CO_SELFCHECK_DIFFERENCES, 0400);

static int get_held(char *buffer, const struct kernel_param *param)
{
	return nt_memory_held(buffer);
}

static const struct kernel_param_ops held_ops = { .get = get_held };
module_param_cb(held, &held_ops, NULL, 0400);
MODULE_PARM_DESC(held, "what the driver has of NT's memory");

struct nt_driver_object nt_driver;

/* A probe knows the address of what is not exported. */
unsigned long nt_symbol(const char *name)
{
	struct kprobe probe = { .symbol_name = name };
	unsigned long address;

	if (register_kprobe(&probe))
		return 0;
	address = (unsigned long)probe.addr;
	unregister_kprobe(&probe);
	return address;
}

u32 nt_irql(void)
{
#ifdef CONFIG_X86_64
	unsigned long cr8;

	asm volatile("mov %%cr8, %0" : "=r"(cr8));	/* where 64-bit NT keeps it */
	return cr8;
#else
	extern u32 nt_level;

	return nt_level;
#endif
}

#ifdef CONFIG_X86_64
/* Linux holds back interrupts of class 1, which nobody sends (setup_local_APIC); to NT that
 * would be APC_LEVEL. */
static void set_level(void *level)
{
	asm volatile("mov %0, %%cr8" : : "r"(level));
}

static void set_levels(unsigned long level)
{
	on_each_cpu(set_level, (void *)level, 1);
}
#else
static void set_levels(unsigned long level)
{
}
#endif

#define LINUX_LEVEL	1

static int __init harness_init(void)
{
	NTAPI NTSTATUS (*start)(struct nt_driver_object *driver, struct nt_string *registry);
	static u16 path[] = { '\\', 'c', 0 };
	struct nt_string registry = { 4, 6, path };
	NTSTATUS status;
	int error;

	error = nt_pages_init(reserve_mib);
	if (error)
		return error;
	set_levels(PASSIVE_LEVEL);
	error = nt_image_load();
	if (error)
		goto memory;
	*word(NT_CO_SELFCHECK) = selfcheck;
	start = nt_image_entry();
	status = start(&nt_driver, &registry);
	error = -EIO;
	if (status) {
		pr_err("nt: DriverEntry returned %x\n", status);
		goto image;
	}
	error = nt_device_open();
	if (!error)
		return 0;
	nt_driver.unload(&nt_driver);
image:
	nt_image_free();
memory:
	nt_objects_exit();
	nt_system_exit();
	nt_memory_exit();
	nt_pages_exit();
	set_levels(LINUX_LEVEL);
	return error;
}

/* NT calls it when no handle is left; Linux holds the module until then. */
static void __exit harness_exit(void)
{
	nt_device_close();
	nt_driver.unload(&nt_driver);
	nt_objects_exit();
	nt_system_exit();
	nt_memory_exit();
	nt_pages_exit();
	nt_image_free();
	set_levels(LINUX_LEVEL);
	pr_info("nt: the driver has left, with nothing of ours\n");
}

module_init(harness_init);
module_exit(harness_exit);
MODULE_DESCRIPTION("test: colinux.sys inside a Linux kernel");
MODULE_LICENSE("GPL");

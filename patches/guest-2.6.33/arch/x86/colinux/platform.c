// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cooperative platform: what this machine is, and above all what it is not.
 *
 * The CPU is real and ours while we run, memory is real, and nothing else is:
 * no interrupt controller, no timer chip, no firmware, no bus. All of those
 * exist, but they are the host's, so every routine of the PC that would touch
 * one is replaced here through the kernel's own tables of such routines
 * (x86_init, x86_platform, machine_ops). The CPU's features: cpu.c. What differs
 * between 64 and 32 bits: platform.h.
 */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/pm.h>
#include <asm/bootparam.h>
#include <asm/iommu.h>
#include <asm/processor.h>
#include <asm/setup.h>
#include <asm/x86_init.h>
#include "colinux.h"
#include "platform.h"

bool co_active __ro_after_init;

static void __init co_arch_setup(void)
{
	/* not earlier: early_cpu_init() forgets it */
	co_cpu_setup();
	co_console_setup();
	pr_info("colinux: guest of a host, interface version %u, shared area at %lx\n",
		CO_ABI_VERSION, CO_AREA_VA);
}

asmlinkage void __init co_early_trap(struct pt_regs *regs, int trapnr)
{
	if (co_early_exception(regs, trapnr))
		return;
	co_early_panic(regs, trapnr);
	/* no guest: then nobody can be told */
	for (;;)
		cpu_relax();
}

void __init co_early_setup(void)
{
	/* for the boot tests: an exception before there is anything to meet it */
	if (strstr(boot_command_line, "colinux.fault=early"))
		*(volatile int *)NULL = 0;

	if (READ_ONCE(co_comm->abi_version) != CO_ABI_VERSION) {
		char text[96];

		snprintf(text, sizeof(text),
			 "colinux: this kernel speaks interface version %u, the host's driver version %u",
			 CO_ABI_VERSION, co_comm->abi_version);
		co_leave_panic(text);
	}
	if (!READ_ONCE(co_comm->tsc_khz))
		co_leave_panic("colinux: the host does not know its TSC's frequency");

	/* From here on an NMI switches; this hands over those that were only counted. */
	co_active = true;
	co_switch(CO_R_NOP);

	/* CONFIG_PANIC_ON_OOPS came later */
	panic_on_oops = 1;
	pm_idle = co_idle;
	/* virtio rings hold physical addresses: nothing to bounce, however high */
	no_iommu = 1;

	x86_init.resources.probe_roms = x86_init_noop;
	x86_init.resources.reserve_resources = x86_init_noop;
	x86_init.mpparse.find_smp_config = x86_init_noop;
	x86_init.mpparse.get_smp_config = x86_init_uint_noop;
	x86_init.irqs.pre_vector_init = x86_init_noop;
	x86_init.irqs.intr_init = co_init_irqs;
	x86_init.irqs.trap_init = co_trap_init;
	x86_init.oem.arch_setup = co_arch_setup;

	co_time_setup();
	co_power_setup();
	co_width_setup();
}

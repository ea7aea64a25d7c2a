// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cooperative platform: what this machine is, and above all what it is not.
 *
 * The CPU is real and ours while we run, memory is real, and nothing else is:
 * no interrupt controller, no timer chip, no firmware, no bus. All of those
 * exist, but they are the host's, so every routine of the PC that would touch
 * one is replaced here through the kernel's own tables of such routines
 * (x86_init, x86_platform, machine_ops). The CPU's features: cpu.c.
 */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/reboot.h>
#include <asm/bootparam.h>
#include <asm/cmdline.h>
#include <asm/i8259.h>
#include <asm/iommu.h>
#include <asm/setup.h>
#include <asm/x86_init.h>
#include "colinux.h"

bool co_active __ro_after_init;

/*
 * How the loader knows us and where it puts the shared area: a note of
 * CO_NOTE_TYPE by CO_NOTE_OWNER. Packed, because a note's descriptor is only
 * 4-byte aligned.
 */
static const struct {
	u32 owner_size, desc_size, type;
	char owner[CO_NOTE_OWNER_SIZE];
	struct co_note desc;
} __packed co_note __used __section(".note.colinux") __aligned(4) = {
	.owner_size = CO_NOTE_OWNER_SIZE,
	.desc_size = sizeof(struct co_note),
	.type = CO_NOTE_TYPE,
	.owner = CO_NOTE_OWNER,
	.desc = {
		.abi_version = CO_ABI_VERSION,
		.flags = CO_NOTE_BALLOON | (IS_ENABLED(CONFIG_X86_5LEVEL) ? CO_NOTE_LA57 : 0),
		.area_va = CO_AREA_VA,
		.area_pte = (u64)level1_fixmap_pgt +
			    (CO_FIXMAP_SLOT * sizeof(pte_t) - __START_KERNEL_map),
	},
};

bool __init co_area_mapped(void)
{
	return pte_flags(level1_fixmap_pgt[CO_FIXMAP_SLOT]) & _PAGE_PRESENT;
}

/*
 * The loader mapped the whole area writable and executable, in page tables that
 * were not ours yet. Not earlier than here: before early_cpu_init() the fixmap
 * code believes in four levels of page tables on a machine with five.
 */
static void __init co_tighten_area(void)
{
	u64 phys = boot_params.hdr.hardware_subarch_data;
	int i;

	BUILD_BUG_ON(FIX_CO_AREA - FIX_CO_AREA_END + 1 != CO_AREA_PAGES);
	BUILD_BUG_ON(CO_FIXMAP_SLOT + CO_AREA_PAGES > PTRS_PER_PTE * FIXMAP_PMD_NUM);

	for (i = 1; i < CO_AREA_PAGES; i++)
		__set_fixmap(FIX_CO_AREA - i, phys + (i - 1) * CO_PAGE_SIZE,
			     PAGE_KERNEL);
	__set_fixmap(FIX_CO_AREA, co_state->code_phys, PAGE_KERNEL_ROX);
}

static void __init co_arch_setup(void)
{
	co_tighten_area();
	co_console_setup();
	pr_info("colinux: guest of a host, interface version %u, shared area at %lx\n",
		CO_ABI_VERSION, CO_AREA_VA);
}

static unsigned char co_nmi_reason(void)
{
	return 0;	/* port 0x61 is the host's */
}

void __init co_early_setup(void)
{
	/* for the boot tests: an exception before there is anything to meet it */
	if (cmdline_find_option_bool(boot_command_line, "colinux.fault=early"))
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

	/* From here on an NMI switches. Hand over those that were only counted. */
	co_active = true;
	co_state->nmi_pending += co_bringup_nmis;
	co_state->mce_pending += co_bringup_mces;
	co_switch(CO_R_NOP);

	/* virtio rings hold real addresses: nothing to bounce, however high */
	no_iommu = 1;

	legacy_pic = &null_legacy_pic;
	x86_init.resources.probe_roms = x86_init_noop;
	x86_init.resources.reserve_resources = x86_init_noop;
	x86_init.mpparse.find_smp_config = x86_init_noop;
	x86_init.mpparse.get_smp_config = x86_init_uint_noop;
	x86_init.irqs.pre_vector_init = x86_init_noop;
	x86_init.irqs.intr_init = co_init_irqs;
	x86_init.irqs.intr_mode_select = x86_init_noop;
	x86_init.irqs.intr_mode_init = x86_init_noop;
	x86_init.oem.arch_setup = co_arch_setup;

	/* no first megabyte of a PC: no trampoline, no EBDA */
	x86_platform.realmode_reserve = x86_init_noop;
	x86_platform.realmode_init = x86_init_noop;
	x86_platform.nmi_init = x86_init_noop;
	x86_platform.get_nmi_reason = co_nmi_reason;
	x86_platform.legacy.rtc = 0;
	x86_platform.legacy.warm_reset = 0;
	x86_platform.legacy.no_vga = 1;
	x86_platform.legacy.reserve_bios_regions = 0;
	x86_platform.legacy.i8042 = X86_LEGACY_I8042_PLATFORM_ABSENT;
	x86_platform.legacy.devices.pnpbios = 0;

	co_cpu_setup();
	co_time_setup();
	co_power_setup();
}

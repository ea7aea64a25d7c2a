// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cooperative platform: what this machine is, and above all what it is not.
 *
 * The CPU is real and ours while we run, memory is real (if elsewhere: p2m.h),
 * and nothing else is: no interrupt controller, no timer chip, no firmware, no
 * bus. All of those exist, but they are the host's; so i8259.c and time.c are
 * not built, irq.c and time.c of this folder stand in their places, and no
 * driver of a PC's device is configured.
 */
#include <linux/init.h>
#include <linux/sched.h>
#include <asm/desc.h>
#include <asm/fixmap.h>
#include <asm/page.h>
#include <asm/pgtable.h>
#include <asm/processor.h>
#include "colinux.h"

extern void set_intr_gate(unsigned int n, void *addr);
extern struct desc_struct idt_table[];
extern void co_console_setup(void);
extern void co_double_fault(void);

unsigned long co_p2m[CO_LOW_CHUNKS];
unsigned long co_m2p[CO_REAL_CHUNKS];

/* Of the boot parameters that head.S keeps: the command line. */
static char *const co_command_line = (char *)empty_zero_page + 2048;

/*
 * Called by co_startup, before anything else in C. The CPU walks the loader's
 * page tables; from here on we can read and extend them. CR4.MCE is the host's:
 * flush_tlb_all() writes mmu_cr4_features back as a whole.
 */
asmlinkage void __init co_startup_memory(const struct co_boot32 *boot)
{
	unsigned long i;

	for (i = 0; i < CO_LOW_CHUNKS; i++)
		co_p2m[i] = CO_NO_CHUNK;
	for (i = 0; i < CO_REAL_CHUNKS; i++)
		co_m2p[i] = CO_NO_CHUNK;
	if (boot->magic != CO_BOOT32_MAGIC || boot->version != CO_ABI_VERSION)
		co_leave_panic("colinux: this kernel speaks interface version %u, the daemon version %u (magic %x)",
			       CO_ABI_VERSION, boot->version, boot->magic);
	for (i = 0; i < boot->nchunks && i < CO_LOW_CHUNKS; i++) {
		unsigned long real = boot->p2m[i] << PAGE_SHIFT;

		co_p2m[i] = real;
		co_m2p[real >> CO_CHUNK_SHIFT] = i << CO_CHUNK_SHIFT;
	}
	__asm__("movl %%cr4, %0" : "=r" (mmu_cr4_features));
}

/*
 * mk_pte_phys(): a mapping by address, which may be a device's or an address of
 * a PC's firmware. Nothing of the kind is ours to map: such an entry stays empty,
 * and its user faults instead of writing into the host's memory.
 */
pte_t co_mk_pte_phys(unsigned long phys, pgprot_t prot)
{
	if (!(pgprot_val(prot) & (_PAGE_PRESENT | _PAGE_PROTNONE)))
		return __pte((phys & PAGE_MASK) | pgprot_val(prot));
	if (phys >> CO_CHUNK_SHIFT >= CO_LOW_CHUNKS ||
	    co_p2m[phys >> CO_CHUNK_SHIFT] == CO_NO_CHUNK) {
		printk(KERN_ERR "colinux: physical address %08lx is not this machine's\n", phys);
		return __pte(0);
	}
	return __pte(phys_to_real(phys & PAGE_MASK) | pgprot_val(prot));
}

/* The loader mapped the passage writable; nobody here has to write it. */
static void __init co_tighten_area(void)
{
	pg0[CO_AREA_SLOT + CO_AREA_CODE] &= ~_PAGE_RW;
	__flush_tlb_single(CO_AREA_VA);
}

static void __init co_check_host(void)
{
	CO_CHECK(CO_AREA_VA == __fix_to_virt(FIX_CO_AREA), area_va);
	CO_CHECK(FIX_CO_AREA - FIX_CO_AREA_END + 1 == CO_AREA_PAGES, area_pages);
	CO_CHECK(((CO_AREA_VA >> PAGE_SHIFT) & (PTRS_PER_PTE - 1)) == CO_AREA_SLOT, area_slot);

	/* for the boot tests: an exception before there is anything to meet it */
	if (strstr(co_command_line, "colinux.fault=early"))
		*(volatile int *)NULL = 0;

	if (co_comm->abi_version != CO_ABI_VERSION)
		co_leave_panic("colinux: this kernel speaks interface version %u, the host's driver version %u",
			       CO_ABI_VERSION, co_comm->abi_version);
	if (!co_comm->tsc_khz)
		co_leave_panic("colinux: the host does not know its TSC's frequency");
	if (!cpu_has_tsc || !cpu_has_pse)
		co_leave_panic("colinux: this kernel needs a CPU with a TSC and 4 MiB pages");
}

static void __init co_set_gates(void)
{
	set_intr_gate(2, co_nmi);
	set_intr_gate(18, co_machine_check);
}

void __init co_setup(void)
{
	co_check_host();

	/* From here on an NMI switches. Hand over those that were only counted. */
	co_set_gates();
	co_state->nmi_pending += co_early_nmis;
	co_state->mce_pending += co_early_mces;
	co_switch(CO_R_NOP);

	co_tighten_area();
	co_console_setup();
	co_power_setup();
	printk(KERN_INFO "colinux: guest of a host, interface version %u, shared area at %08x\n",
	       CO_ABI_VERSION, CO_AREA_VA);
}

/* ---- the double fault: on a stack of its own, since ours may be the cause ---- */

/* The task's descriptor: a slot that 2.4 reserves for CPU 0 and does not use. */
#define CO_DF_ENTRY	(__FIRST_TSS_ENTRY + 2)

static unsigned long co_df_stack[512];
static struct tss_struct co_df_tss;

asmlinkage void co_double_fault_task(void)
{
	/* the task switch has saved the registers of the one that faulted */
	struct tss_struct *tss = &init_tss[0];
	struct task_struct *task = (void *)((tss->esp0 - 1) & ~(THREAD_SIZE - 1));

	co_leave_panic("double fault at %08lx, stack %08lx, in %s (pid %d)",
		       tss->eip, tss->esp, task->comm, task->pid);
}

static void __init co_set_double_fault_gate(void)
{
	struct desc_struct *desc = gdt_table + CO_DF_ENTRY;
	unsigned long base = (unsigned long)&co_df_tss;

	co_df_tss.__cr3 = phys_to_real(__pa(swapper_pg_dir));
	co_df_tss.eip = (unsigned long)co_double_fault;
	co_df_tss.eflags = 2;			/* the bit that is always one */
	co_df_tss.esp = co_df_tss.esp0 = (unsigned long)(co_df_stack + 512);
	co_df_tss.ss0 = co_df_tss.ss = __KERNEL_DS;
	co_df_tss.cs = __KERNEL_CS;
	co_df_tss.ds = co_df_tss.es = __KERNEL_DS;
	co_df_tss.bitmap = INVALID_IO_BITMAP_OFFSET;
	/* descriptor and task gate: SDM volume 3, 8.2.2 and 8.2.5 */
	desc->a = (base & 0xffff) << 16 | (sizeof(co_df_tss) - 1);
	desc->b = (base & 0xff000000) | 0x8900 | ((base >> 16) & 0xff);
	idt_table[8].a = (CO_DF_ENTRY << 3) << 16;
	idt_table[8].b = 0x8500;
}

void __init co_trap_init(void)
{
	co_set_gates();
	co_set_double_fault_gate();
}

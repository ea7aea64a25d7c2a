// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 64-bit machine: where the shared area is mapped, and memory that lies
 * where 2.6.33 does not expect any.
 */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/linkage.h>
#include <asm/bootparam.h>
#include <asm/desc.h>
#include <asm/page.h>
#include <asm/pgalloc.h>
#include <asm/sections.h>
#include <asm/setup.h>
#include <asm/tlbflush.h>
#include <asm/x86_init.h>
#include "colinux.h"
#include "platform.h"

/*
 * The page table of the shared area: head_64.S puts it into level2_fixmap_pgt,
 * the loader fills the first entries before the kernel runs. Data, not bss,
 * which would be cleared after that.
 */
pte_t co_area_pgt[PTRS_PER_PTE] __page_aligned_data;

/*
 * How the loader knows us and where it puts the shared area: a note of
 * CO_NOTE_TYPE by CO_NOTE_OWNER. Packed, because a note's descriptor is only
 * 4-byte aligned.
 */
static const struct {
	u32 owner_size, desc_size, type;
	char owner[CO_NOTE_OWNER_SIZE];
	struct co_note desc;
} __packed co_note __used __attribute__((section(".note.colinux"), aligned(4))) = {
	.owner_size = CO_NOTE_OWNER_SIZE,
	.desc_size = sizeof(struct co_note),
	.type = CO_NOTE_TYPE,
	.owner = CO_NOTE_OWNER,
	.desc = {
		.abi_version = CO_ABI_VERSION,
		/* it has 32 bits for the initrd's address, and needs some "low" memory */
		.flags = CO_NOTE_BELOW_4G,
		.area_va = CO_AREA_VA,
		.area_pte = (u64)co_area_pgt - __START_KERNEL_map,
	},
};

bool __init co_area_mapped(void)
{
	return pte_flags(co_area_pgt[0]) & _PAGE_PRESENT;
}

/*
 * The loader mapped the whole area writable and executable. Not earlier than
 * now: x86_configure_nx() has just said whether there is an NX bit.
 */
static void __init co_tighten_area(void)
{
	u64 phys = boot_params.hdr.hardware_subarch_data;
	int i;

	BUILD_BUG_ON(CO_AREA_VA != __START_KERNEL_map + PUD_SIZE + 505 * PMD_SIZE);

	set_pte(&co_area_pgt[0], pfn_pte(co_state->code_phys >> PAGE_SHIFT, PAGE_KERNEL_RX));
	for (i = 1; i < CO_AREA_PAGES; i++)
		set_pte(&co_area_pgt[i],
			pfn_pte((phys >> PAGE_SHIFT) + i - 1, PAGE_KERNEL));
	for (i = 0; i < CO_AREA_PAGES; i++)
		__flush_tlb_one(CO_PAGE_VA(i));
}

/* entry_64.S, and what it has to know */
void *const co_state_at = (void *)CO_PAGE_VA(CO_AREA_STATE);
asmlinkage void asm_co_nmi(void);
asmlinkage void asm_co_machine_check(void);

void __init co_trap_init(void)
{
	set_intr_gate_ist(2, &asm_co_nmi, NMI_STACK);
	set_intr_gate_ist(18, &asm_co_machine_check, MCE_STACK);
	co_tighten_area();
}

/*
 * head_64.S maps the first gigabyte at PAGE_OFFSET, and the first 2 MiB of the
 * image should that lie higher. But the boot parameters are read there, and
 * init_memory_mapping() finds and extends these very page tables there: so map
 * the parameters' two pages and the image, wherever they are.
 */
static pmd_t co_early_pmd[2][PTRS_PER_PMD] __page_aligned_bss;

static void __init co_map_large_page(unsigned long phys)
{
	static unsigned int used __initdata;
	pud_t *pud = level3_ident_pgt + pud_index(phys);
	pmd_t *pmd;

	if (pud_none(*pud)) {
		if (used == ARRAY_SIZE(co_early_pmd))
			co_leave_panic("colinux: kernel and boot parameters lie in too many places");
		set_pud(pud, __pud(__pa_symbol(co_early_pmd[used++]) | _KERNPG_TABLE));
	}
	/* the tables are all in the image, and mapped with it */
	pmd = (pmd_t *)((pud_val(*pud) & PTE_PFN_MASK) - phys_base + __START_KERNEL_map) +
	      pmd_index(phys);
	if (pmd_none(*pmd))
		set_pmd(pmd, __pmd((phys & PMD_MASK) | __PAGE_KERNEL_IDENT_LARGE_EXEC));
}

void __init co_map_early(unsigned long params)
{
	unsigned long at;

	if (!co_area_mapped())
		return;
	for (at = __pa_symbol(_text) & PMD_MASK; at < __pa_symbol(_end); at += PMD_SIZE)
		co_map_large_page(at);
	co_map_large_page(params);
	co_map_large_page(params + PAGE_SIZE);
}

/*
 * x86_init.mpparse.find_smp_config, the one hook between setup_arch()'s "the
 * first 512 MiB are mapped" and init_memory_mapping(), which looks for room for
 * its page tables there. We may have no memory there at all; and none must be
 * mapped, since it reaches those pages through the fixmap.
 */
static void __init co_allow_tables_anywhere(void)
{
	max_pfn_mapped = max_pfn;
}

void __init co_width_setup(void)
{
	x86_init.mpparse.find_smp_config = co_allow_tables_anywhere;
}

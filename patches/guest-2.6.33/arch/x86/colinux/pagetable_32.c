// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page tables of an i386 guest.
 *
 * An i386 kernel wants memory that begins at physical address 0 and has no
 * holes, and can use no more than the first 896 MiB. What the host gives us are
 * chunks of 4 MiB, anywhere. So the kernel's physical addresses are not real
 * ones: chunk i of them lies at the real address p2m[i]. Only the CPU must know
 * better, and all it reads are page tables and CR3. So the translation is here,
 * behind the kernel's own hooks for those (pv_mmu_ops), and nowhere else:
 *
 *	__pte(), __pmd(), __pgd(), write_cr3()		physical -> real
 *	pte_val(), pmd_val(), pgd_val(), read_cr3()	real -> physical
 *
 * An entry that is not present is not the CPU's: a swap entry, a file offset, or
 * a page that mprotect() has taken all access from. It is left as it is.
 *
 * A chunk is as large as the largest page and aligned to its size, so that the
 * kernel maps its memory with large pages as it would on a bare machine.
 *
 * With PAE an entry has 64 bits, of which the upper half holds NX, and there are page
 * directories (pmd) below the four entries of the root (pgd). The chunks lie below
 * 4 GiB all the same, where a host can leave its own mode.
 */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <asm/bootparam.h>
#include <asm/desc.h>
#include <asm/page.h>
#include <asm/paravirt.h>
#include <asm/pgtable.h>
#include <asm/processor.h>
#include <asm/sections.h>
#include <asm/setup.h>
#include <asm/tlbflush.h>
#include "colinux.h"
#include "platform.h"

#define CO_CHUNK_BYTES	(1ul << CO_CHUNK_SHIFT)
#define CO_CHUNKS	1024	/* of 4 GiB */
/* The bits of an entry that say which chunk. */
#define CO_CHUNK_MASK	(PTE_PFN_MASK & ~(pteval_t)(CO_CHUNK_BYTES - 1))

/* As head_32.S: a linear map of all memory fits into this much, after _end. */
#define CO_MAP_BEYOND	(((0ul - PAGE_OFFSET) >> PMD_SHIFT) * PAGE_SIZE)

/*
 * Real address of each physical chunk, physical address of each real one. A
 * chunk that is not ours has 0; one that is has _PAGE_PRESENT, as has every
 * entry that is translated, so that the bit need not be taken off.
 */
static u32 co_p2m[CO_CHUNKS] __read_mostly;
static u32 co_m2p[CO_CHUNKS] __read_mostly;

/* entry_32.S tells the loader: it maps the area here before we start. */
pte_t co_area_pgt[PTRS_PER_PTE] __page_aligned_bss;

#ifdef CONFIG_X86_PAE
/*
 * What the loader maps us with: the root, which is the CPU's for the four entries,
 * and the page directory of the last GiB, which becomes the kernel's own. The note
 * (entry_32.S) tells the loader.
 */
pmd_t co_root[2][PTRS_PER_PMD] __page_aligned_bss;
#else
#define co_root	swapper_pg_dir
#endif

static inline u32 co_chunk(const u32 *map, pteval_t value)
{
	pteval_t chunk = (value & PTE_PFN_MASK) >> CO_CHUNK_SHIFT;

	return chunk < CO_CHUNKS ? map[chunk] : 0;
}

/* Nothing but memory can be mapped, and no memory but ours: no entry at all. */
static pteval_t co_to_real(pteval_t value)
{
	u32 chunk;

	if (!(value & _PAGE_PRESENT))
		return value;
	chunk = co_chunk(co_p2m, value);
	if (WARN_ON_ONCE(!chunk))
		return 0;
	return chunk | (value & ~CO_CHUNK_MASK);
}

/* What is not ours (the shared area) has a page frame that nobody has. */
static pteval_t co_to_phys(pteval_t value)
{
	u32 chunk;

	if (!(value & _PAGE_PRESENT))
		return value;
	chunk = co_chunk(co_m2p, value);
	if (!chunk)
		return value | PTE_PFN_MASK;
	return chunk | (value & ~CO_CHUNK_MASK);
}

PV_CALLEE_SAVE_REGS_THUNK(co_to_real);
PV_CALLEE_SAVE_REGS_THUNK(co_to_phys);

static void co_write_cr3(unsigned long phys)
{
	native_write_cr3(co_to_real(phys | _PAGE_PRESENT) & ~_PAGE_PRESENT);
}

static unsigned long co_read_cr3(void)
{
	return co_to_phys(native_read_cr3() | _PAGE_PRESENT) & ~_PAGE_PRESENT;
}

/* The kernel patches its own instructions in at the calls, for CR3 regardless of
 * what they called. */
static unsigned co_patch(u8 type, u16 clobbers, void *insns,
					  unsigned long addr, unsigned len)
{
	switch (type) {
	case PARAVIRT_PATCH(pv_mmu_ops.read_cr3):
	case PARAVIRT_PATCH(pv_mmu_ops.write_cr3):
		return paravirt_patch_default(type, clobbers, insns, addr, len);
	default:
		return native_patch(type, clobbers, insns, addr, len);
	}
}

static void __init co_take_chunks(const struct co_boot32 *boot)
{
	u32 i;

	if (boot->magic != CO_BOOT32_MAGIC || boot->version != CO_ABI_VERSION ||
	    boot->nchunks > CO_P2M_MAX)
		co_leave_panic("colinux: this kernel and its loader speak different versions of the interface");
	for (i = 0; i < boot->nchunks; i++) {
		u32 real = boot->p2m[i] << PAGE_SHIFT;

		co_p2m[i] = real | _PAGE_PRESENT;
		co_m2p[real >> CO_CHUNK_SHIFT] = i << CO_CHUNK_SHIFT | _PAGE_PRESENT;
	}
	pv_mmu_ops.pte_val = PV_CALLEE_SAVE(co_to_phys);
	pv_mmu_ops.pgd_val = PV_CALLEE_SAVE(co_to_phys);
	pv_mmu_ops.make_pte = PV_CALLEE_SAVE(co_to_real);
	pv_mmu_ops.make_pgd = PV_CALLEE_SAVE(co_to_real);
#ifdef CONFIG_X86_PAE
	pv_mmu_ops.pmd_val = PV_CALLEE_SAVE(co_to_phys);
	pv_mmu_ops.make_pmd = PV_CALLEE_SAVE(co_to_real);
#endif
	pv_mmu_ops.read_cr3 = co_read_cr3;
	pv_mmu_ops.write_cr3 = co_write_cr3;
	pv_init_ops.patch = co_patch;
	pv_info.name = "a cooperative host";
}

/* What startup_32 copies. The loader's command line ends with a NUL. */
static void __init co_take_params(const struct boot_params *params)
{
	memcpy(&boot_params, params, sizeof(boot_params));
	if (boot_params.hdr.cmd_line_ptr)
		strlcpy(boot_command_line, __va(boot_params.hdr.cmd_line_ptr),
			COMMAND_LINE_SIZE);
}

#ifdef CONFIG_X86_PAE
/*
 * What startup_32 does before it turns paging on, and we have it on already: NX,
 * where the CPU has it. And the kernel's own root, which so far has what startup_32
 * would start from.
 */
static void __init co_take_directory(void)
{
	u64 efer;
	int i;

	BUILD_BUG_ON(PAGE_OFFSET >> PGDIR_SHIFT != PTRS_PER_PGD - 1);
	if (cpuid_eax(0x80000000) >= 0x80000001 &&
	    cpuid_edx(0x80000001) & (1 << (X86_FEATURE_NX % 32))) {
		rdmsrl(MSR_EFER, efer);
		wrmsrl(MSR_EFER, efer | EFER_NX);
	}
	for (i = 0; i < PTRS_PER_PGD - 1; i++)
		swapper_pg_dir[i] = native_make_pgd(0);
	swapper_pg_dir[i] = __pgd(__pa(co_root[1]) | _PAGE_PRESENT);
}

static inline pmd_t *co_pmd(unsigned long va)
{
	return &co_root[1][pmd_index(va)];
}
#else
static inline void co_take_directory(void) { }

static inline pmd_t *co_pmd(unsigned long va)
{
	return (pmd_t *)&swapper_pg_dir[pgd_index(va)];
}
#endif

/*
 * The loader mapped all our memory with large pages, but the kernel builds its
 * linear map itself, and takes any entry that it meets for a page table. So
 * leave what startup_32 would leave: the image and a bit more, in page tables
 * from the brk area; and the shared area.
 */
static void __init co_map_image(u32 nchunks)
{
	unsigned long end = (unsigned long)_end + CO_MAP_BEYOND;
	unsigned long last = nchunks * (CO_CHUNK_BYTES >> PAGE_SHIFT);
	unsigned long va, pfn = 0;

	co_take_directory();
	for (va = PAGE_OFFSET; va < CO_AREA_VA; va += PMD_SIZE) {
		pmd_t entry = __pmd(0);
		pte_t *table;
		int i;

		if (va < end && pfn < last) {
			table = extend_brk(PAGE_SIZE, PAGE_SIZE);
			for (i = 0; i < PTRS_PER_PTE; i++)
				table[i] = pfn_pte(pfn++, __pgprot(PTE_IDENT_ATTR));
			entry = __pmd(__pa(table) | PDE_IDENT_ATTR);
		}
		*co_pmd(va) = entry;
	}
	max_pfn_mapped = pfn;
	load_cr3(swapper_pg_dir);
}

/* From co_entry, on init's stack but without the kernel's segments yet. */
void __init asmregparm co_start(const struct co_boot32 *boot,
				const struct boot_params *params);
void __init asmregparm co_start(const struct co_boot32 *boot,
				const struct boot_params *params)
{
	u32 nchunks = boot->nchunks;

	co_take_chunks(boot);
	if (read_cr3() != __pa(co_root))
		co_leave_panic("colinux: the loader has put the page directory elsewhere");
	co_take_params(params);
	co_map_image(nchunks);
	co_early_idt();
	load_idt(&idt_descr);

	/* the CPU loads it from there, without asking anybody */
	doublefault_tss.x86_tss.__cr3 = native_read_cr3();

	/* the shared area is where the fixmap would end */
	reserve_top_address(-CO_AREA_VA);
}

bool __init co_area_mapped(void)
{
	return pte_flags(co_area_pgt[0]) & _PAGE_PRESENT;
}

/* The loader mapped the passage writable. The CPU's translation is not global. */
void __init co_tighten_area(void)
{
	set_pte(&co_area_pgt[CO_AREA_CODE],
		pte_wrprotect(co_area_pgt[CO_AREA_CODE]));
	__flush_tlb_one(CO_AREA_VA);
}

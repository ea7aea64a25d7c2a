// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is the host bit for bit the same after a crossing? (Tests switch this on.)
 *
 * Before each passage into the guest a picture is taken of all that the passage
 * or a guest could spoil: registers, MSRs, and the contents of the host's GDT
 * (with the TSS descriptor's busy bit), TSS and IDT (and the TSS of the double fault's
 * task, where its gate leads to one); afterwards, before any
 * interrupt is re-issued, a second one, and the two are compared.
 */
#include "monitor.h"
#include "cpu.h"

u32 co_selfcheck;
u32 co_selfcheck_crossings, co_selfcheck_differences;

#define TSS_BYTES	104u		/* the architectural part */

struct picture {
	u64 cr[4], dr[6];
	u64 selector[8];		/* cs ss ds es fs gs tr ldtr */
	u64 efer, fs_base, gs_base, msr[CO_MAX_MSR];
	u8 gdtr[16], idtr[16];
	u8 tss[TSS_BYTES], fault_tss[TSS_BYTES];
	u8 gdt[CO_PAGE_SIZE], idt[CO_PAGE_SIZE];
};

struct co_snapshot {
	struct picture before, after;
	u32 first;			/* offset of the first difference seen */
	u32 reported;
};

#define SNAPSHOT_PAGES ((u32)(CO_UP(sizeof(struct co_snapshot), CO_PAGE_SIZE) / CO_PAGE_SIZE))

int co_snapshot_create(struct co_vm *vm)
{
	u64 phys;

	if (!co_selfcheck)
		return 0;
	vm->snapshot = co_os_pages(SNAPSHOT_PAGES, 0, &phys);
	return vm->snapshot ? 0 : CO_E_NOMEM;
}

void co_snapshot_destroy(struct co_vm *vm)
{
	if (!vm->snapshot)
		return;
	if (vm->snapshot->reported)
		co_os_log("selfcheck: the host is not what it was, first at offset %u",
			  vm->snapshot->first);
	co_os_pages_free(vm->snapshot, SNAPSHOT_PAGES);
	vm->snapshot = NULL;
}

static const void *base_of(const u8 *dtr)
{
	const void *base;

	co_copy(&base, dtr + 2, sizeof(base));
	return base;
}

/* A table's contents, up to a page of it (an IDT is just that long). */
static void copy_table(u8 *to, const u8 *dtr)
{
	u32 bytes = (u32)dtr[0] + ((u32)dtr[1] << 8) + 1;

	co_copy(to, base_of(dtr), bytes < CO_PAGE_SIZE ? bytes : CO_PAGE_SIZE);
}

/* A TSS descriptor has 16 bytes in long mode, else 8. */
static const void *tss_base(const u8 *gdt, u64 selector)
{
	u64 lo, hi = 0;

	gdt += selector & ~7ull;
	co_copy(&lo, gdt, sizeof(lo));
#if !defined(__i386__)
	co_copy(&hi, gdt + 8, sizeof(hi));
#endif
	return co_pointer((lo >> 16 & 0xffffff) | (lo >> 32 & 0xff000000) | hi << 32);
}

#if defined(__i386__)
#define VECTOR_DOUBLE_FAULT	8
#define TASK_GATE		0x85	/* present; SDM volume 3, 8.2.5 */

static void copy_fault_tss(struct picture *p)
{
	const u8 *gate = p->idt + 8 * VECTOR_DOUBLE_FAULT;

	if (gate[5] == TASK_GATE)
		co_copy(p->fault_tss, tss_base(p->gdt, gate[2] | (u64)gate[3] << 8), TSS_BYTES);
}
#endif

static void take(struct picture *p, const struct co_state *st)
{
	u32 i;

	__asm__ volatile("sgdt %0" : "=m"(p->gdtr));
	__asm__ volatile("sidt %0" : "=m"(p->idtr));
	copy_table(p->gdt, p->gdtr);
	copy_table(p->idt, p->idtr);
	p->cr[0] = co_read_cr0();
	p->cr[1] = co_read_cr2();
	p->cr[2] = co_read_cr3();
	p->cr[3] = co_read_cr4();
	p->dr[0] = co_read_dr0();
	p->dr[1] = co_read_dr1();
	p->dr[2] = co_read_dr2();
	p->dr[3] = co_read_dr3();
	p->dr[4] = co_read_dr6();
	p->dr[5] = co_read_dr7();
	p->selector[0] = co_read_cs();
	p->selector[1] = co_read_ss();
	p->selector[2] = co_read_ds();
	p->selector[3] = co_read_es();
	p->selector[4] = co_read_fs();
	p->selector[5] = co_read_gs();
	p->selector[6] = co_read_tr();
	p->selector[7] = co_read_ldtr();
#if defined(__i386__)
	if (st->has_efer)
		p->efer = co_rdmsr(MSR_EFER);
#else
	p->efer = co_rdmsr(MSR_EFER);
	p->fs_base = co_rdmsr(MSR_FS_BASE);
	p->gs_base = co_rdmsr(MSR_GS_BASE);
#endif
	for (i = 0; i < st->nmsr && i < CO_MAX_MSR; i++)
		p->msr[i] = co_rdmsr(st->msr_index[i]);
	co_copy(p->tss, tss_base(p->gdt, p->selector[6]), TSS_BYTES);
#if defined(__i386__)
	copy_fault_tss(p);
#endif
}

void co_snapshot_before(struct co_vm *vm)
{
	take(&vm->snapshot->before, vm->st);
}

void co_snapshot_after(struct co_vm *vm)
{
	struct co_snapshot *s = vm->snapshot;
	const u8 *a = (const u8 *)&s->before, *b = (const u8 *)&s->after;
	u32 i;

	take(&s->after, vm->st);
	co_selfcheck_crossings++;
	for (i = 0; i < sizeof(s->before); i++)
		if (a[i] != b[i]) {
			co_selfcheck_differences++;
			if (!s->reported)
				s->first = i;
			s->reported = 1;
			return;
		}
}

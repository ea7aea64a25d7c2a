/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The world switch's own page: page 1 of the shared area.
 *
 * Two worlds, the host's and the guest's, each save their whole context in
 * here when they leave, and find it again when they come back; the code that
 * does so is passage.S or one of its sisters, page 0 of the area. Beside the two contexts lie what
 * the passage needs for itself: its descriptor tables and its stack, for an NMI
 * or a machine check that hits a CPU between two worlds, and the tables a guest
 * starts with until it has its own.
 *
 * The page is mapped in the host, in the guest at area_va + 4096, and at both
 * of these addresses in the intermediate page table, on which the passage goes
 * from one to the other. The driver fills in both worlds, tables included, at
 * CREATE, with the guest's at area_va: the guest only calls
 *
 *	passage(state, CO_W_GUEST, CO_W_HOST)	at area_va, SysV convention (x86_64)
 *	passage()				at area_va (i386; colinux_abi.h)
 *
 * as soon as its page tables map the area, and has nothing to set up here. It
 * looks at in_passage in its NMI and machine check handlers: when set, they came
 * while the guest was about to leave or had not quite come back; they must
 * only count themselves in nmi_pending or mce_pending and return (a nested
 * passage would overwrite the half-saved context).
 *
 * An i386 guest goes over an address that is the same in both worlds, beside a host
 * in another paging mode even through a stretch with paging off. There and in its own page tables every address has 32 bits, so
 * these guests have a copy of the code below 4 GiB, right in front of this page:
 * code at its *identity* address, this page after it, both mapped in the
 * intermediate tables as they lie in physical memory. A world of 32 bits keeps
 * its registers in the lower halves; the upper ones stay 0.
 *
 * Compiled by the guest's kernel (gcc 3.4 for Linux 2.4), by every host's
 * compiler and by the assembler, in 32 and 64 bits. C code includes the types' owner (colinux_types.h or a kernel's
 * own linux/types.h) and colinux_abi.h first.
 */
#ifndef CO_STATE_H
#define CO_STATE_H

/*
 * Offsets that passage.S uses. Each is checked against the structures below
 * whenever a C file includes this header; none may be typed without its check.
 */
#define CO_W_HOST	0x000	/* the worlds, from the page's start: the */
#define CO_W_GUEST	0x200	/* passage's second and third arguments */

#define W_RSP		0x00
#define W_CR0		0x08
#define W_CR2		0x10
#define W_CR3		0x18
#define W_CR4		0x20
#define W_EFER		0x28
#define W_FS_BASE	0x30
#define W_GS_BASE	0x38
#define W_VA_STATE	0x40
#define W_VA_CODE	0x48
#define W_GDTR		0x50
#define W_IDTR		0x60
#define W_PGDTR		0x70
#define W_PIDTR		0x80
#define W_LDTR		0x90
#define W_TR		0x92
#define W_CS		0x94
#define W_SS		0x96
#define W_DS		0x98
#define W_ES		0x9a
#define W_FS		0x9c
#define W_GS		0x9e
#define W_DR0		0xa0
#define W_DR1		0xa8
#define W_DR2		0xb0
#define W_DR3		0xb8
#define W_DR6		0xc0
#define W_DR7		0xc8
#define W_MSR		0xd0

#define S_IPT		0x400
#define S_CODE_PHYS	0x408
#define S_NMSR		0x410
#define S_IN_PASSAGE	0x414
#define S_NMI_PENDING	0x418
#define S_MCE_PENDING	0x41c
#define S_MSR_INDEX	0x420
#define S_IPT32		0x480
#define S_HOP		0x484
#define S_HAS_EFER	0x488
#define S_IGDTR		0x498
#define S_IIDTR		0x4a8
#define S_STACK_TOP	0x1000

#define CO_MAX_MSR	24	/* in the list; EFER and the two bases are extra */
#define CO_PASSAGE_GATES 19	/* vectors 0..18: NMI is 2, #MC is 18 */

/*
 * Selectors of the passage's two GDTs. Both worlds of 64 bits must run on
 * CO_SEL_CODE: Linux and NT do, and the driver refuses a host that does not. A
 * world of 32 bits runs on CO_SEL_CODE (Linux 2.4) or CO_SEL_CODE32 (2.6 and
 * later), each followed by its data segment. CO_SEL_CODE is 64-bit code in the
 * GDT for long mode, 32-bit code in the other; CO_SEL_CODE32 is 32-bit in both.
 */
#define CO_SEL_CODE	0x10
#define CO_SEL_DATA	0x18
#define CO_SEL_CODE32	0x60
#define CO_SEL_DATA32	0x68
#define CO_PASSAGE_SEGMENTS 14

/* Indices of co_state.gdt[], .idt[] */
#define CO_GDT_LONG	0	/* long mode */
#define CO_GDT_LEGACY	1
#define CO_IDT_HOST	0	/* at the host's addresses */
#define CO_IDT_GUEST	1
#define CO_IDT_IDENTITY	2	/* gates of both formats: where paging is switched off */

#if !defined(__ASSEMBLY__) && !defined(__ASSEMBLER__)

/* One world's context while the other one runs. */
struct co_world {
	u64 rsp, cr0, cr2, cr3, cr4;
	u64 efer, fs_base, gs_base;
	u64 va_state, va_code;	/* where this world maps the page and the code */
	u8 gdtr[16], idtr[16];	/* as SGDT stores them: limit, base, unused */
	u8 pgdtr[16], pidtr[16]; /* the passage's tables at this world's addresses */
	u16 ldtr, tr, cs, ss, ds, es, fs, gs;
	u64 dr0, dr1, dr2, dr3, dr6, dr7;
	u64 msr[CO_MAX_MSR];	/* of co_state.msr_index[] */
	u64 reserved[14];
};

struct co_state {
	struct co_world host, guest;
	u64 ipt;		/* physical: the intermediate page table */
	u64 code_phys;		/* physical: the passage's code */
	u32 nmsr;
	u32 in_passage;		/* set from a passage's first to its last step */
	u32 nmi_pending;	/* NMIs and machine checks that nobody handled */
	u32 mce_pending;	/* yet; the driver re-issues them on the host */
	u32 msr_index[CO_MAX_MSR];
	/* worlds in different paging modes only: */
	u32 ipt32;		/* physical: the 32-bit guest's intermediate table */
	u32 hop;		/* 32-bit host: paging goes off on the way */
	u32 has_efer;		/* 32-bit host: the CPU has that MSR */
	u32 unused[3];
	u8 igdtr[16], iidtr[16]; /* the passage's tables at identity addresses */
	u64 gdt[2][CO_PASSAGE_SEGMENTS];
	u64 idt[3][2 * CO_PASSAGE_GATES];
	u64 boot_idt[2 * CO_PASSAGE_GATES];	/* the guest's first one */
	u64 boot_stack[32];
	u64 stack_guard;	/* CO_STACK_GUARD, for ever */
	u64 stack[148];		/* the passage's; grows down from the page's end */
};

#define CO_STACK_GUARD	0x6b636174732d6f63ull

#if __GNUC__ >= 4
#define CO_OFFSET_OF(type, field) __builtin_offsetof(struct type, field)
#else
#define CO_OFFSET_OF(type, field) ((__SIZE_TYPE__)&((struct type *)0)->field)
#endif
#define CO_OFFSET(type, field, offset) \
	CO_CHECK(CO_OFFSET_OF(type, field) == (offset), type##_##field)
CO_OFFSET(co_world, rsp, W_RSP);
CO_OFFSET(co_world, cr0, W_CR0);
CO_OFFSET(co_world, cr2, W_CR2);
CO_OFFSET(co_world, cr3, W_CR3);
CO_OFFSET(co_world, cr4, W_CR4);
CO_OFFSET(co_world, efer, W_EFER);
CO_OFFSET(co_world, fs_base, W_FS_BASE);
CO_OFFSET(co_world, gs_base, W_GS_BASE);
CO_OFFSET(co_world, va_state, W_VA_STATE);
CO_OFFSET(co_world, va_code, W_VA_CODE);
CO_OFFSET(co_world, gdtr, W_GDTR);
CO_OFFSET(co_world, idtr, W_IDTR);
CO_OFFSET(co_world, pgdtr, W_PGDTR);
CO_OFFSET(co_world, pidtr, W_PIDTR);
CO_OFFSET(co_world, ldtr, W_LDTR);
CO_OFFSET(co_world, tr, W_TR);
CO_OFFSET(co_world, cs, W_CS);
CO_OFFSET(co_world, ss, W_SS);
CO_OFFSET(co_world, ds, W_DS);
CO_OFFSET(co_world, es, W_ES);
CO_OFFSET(co_world, fs, W_FS);
CO_OFFSET(co_world, gs, W_GS);
CO_OFFSET(co_world, dr0, W_DR0);
CO_OFFSET(co_world, dr1, W_DR1);
CO_OFFSET(co_world, dr2, W_DR2);
CO_OFFSET(co_world, dr3, W_DR3);
CO_OFFSET(co_world, dr6, W_DR6);
CO_OFFSET(co_world, dr7, W_DR7);
CO_OFFSET(co_world, msr, W_MSR);
CO_OFFSET(co_state, host, CO_W_HOST);
CO_OFFSET(co_state, guest, CO_W_GUEST);
CO_OFFSET(co_state, ipt, S_IPT);
CO_OFFSET(co_state, code_phys, S_CODE_PHYS);
CO_OFFSET(co_state, nmsr, S_NMSR);
CO_OFFSET(co_state, in_passage, S_IN_PASSAGE);
CO_OFFSET(co_state, nmi_pending, S_NMI_PENDING);
CO_OFFSET(co_state, mce_pending, S_MCE_PENDING);
CO_OFFSET(co_state, msr_index, S_MSR_INDEX);
CO_OFFSET(co_state, ipt32, S_IPT32);
CO_OFFSET(co_state, hop, S_HOP);
CO_OFFSET(co_state, has_efer, S_HAS_EFER);
CO_OFFSET(co_state, igdtr, S_IGDTR);
CO_OFFSET(co_state, iidtr, S_IIDTR);
CO_CHECK(sizeof(struct co_world) == CO_W_GUEST - CO_W_HOST, world_size);
CO_CHECK(sizeof(struct co_state) == CO_PAGE_SIZE, state_size);
CO_CHECK(S_STACK_TOP == CO_PAGE_SIZE, stack_top);

#endif /* C */
#endif /* CO_STATE_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The passage between a 32-bit host and a 32-bit guest, each with two-level or with PAE
 * page tables.
 *
 *	void co_passage32(void)			at the page's start: the guest's door out
 *	void co_passage32_enter(void *state)	the host's; arguments on the stack
 *
 * What a passage is, and why its steps come in this order, is told in passage.S; why
 * there are two intermediate tables and identity addresses, in passage6432.S. Both
 * ways are one macro here:
 *
 *	source's table			source's address
 *	source's intermediate table	source's address
 *	   jump
 *	source's intermediate table	identity
 *	   paging off, if the formats differ (co_state.hop), and on again
 *	target's intermediate table	identity
 *	   jump
 *	target's intermediate table	target's address
 *	target's table			target's address
 *
 * Where the formats agree, paging stays on, which is not only faster: in VMX
 * operation it could not go off. In either case the source's global translations are
 * dropped, by CR4.PGE.
 *
 * No world of 32 bits has stacks of their own for NMIs. So each side's handler always
 * finds its own stack, and the passage's takes any: it finds the state page by the IDT.
 */
	.code32
#include "passage32.h"

#define CR0_WP		(1 << 16)
#define CR0_PG		(1 << 31)
#define CR4_PGE		(1 << 7)
#define CR4_VMXE	(1 << 13)
#define MSR_EFER	0xc0000080

/* An address of this page, relative to its start. */
#define OFFSET(label)	(label - co_passage32)

/*
 * From one world to the other; ebx = state at the source's address, the caller's
 * registers are on the stack. `keep`: bits of this CPU's CR4 that the target gets,
 * whatever it had.
 */
	.macro cross from, from_table, to, to_table, keep
	/* From here an NMI handler of the guest must not come in a second time. */
	movl $1, S_IN_PASSAGE(%ebx)
	leal \from(%ebx), %esi
	save_world32
	cmpl $0, S_HAS_EFER(%ebx)
	je 14f
	movl $MSR_EFER, %ecx
	rdmsr
	movl %eax, W_EFER(%esi)
	movl %edx, 4+W_EFER(%esi)
14:
	/*
	 * IDT, GDT, stack: the passage's gates are on the source's code selector,
	 * which both GDTs have. Then a code segment that both sides' have.
	 */
	movl W_VA_CODE(%esi), %ebp
	lidt W_PIDTR(%esi)
	lgdt W_PGDTR(%esi)
	movl $CO_SEL_DATA32, %eax
	movl %eax, %ss
	leal S_STACK_TOP(%ebx), %esp
	movl %eax, %ds
	movl %eax, %es
	pushl $CO_SEL_CODE32
	leal OFFSET(15f)(%ebp), %eax
	pushl %eax
	lretl
15:
	movl %cr0, %eax			/* the target's TSS descriptor is about to */
	andl $~CR0_WP, %eax		/* be written, perhaps in a read-only GDT */
	movl %eax, %cr0
	movl \from_table(%ebx), %eax
	movl %eax, %cr3
	movl %cr4, %eax			/* drops the source's global translations */
	andl $~CR4_PGE, %eax
	movl %eax, %cr4
	andl $\keep, %eax
	movl \to+W_CR4(%ebx), %edi	/* what the target shall have */
	orl %eax, %edi

	movl S_CODE_PHYS(%ebx), %ebp
	leal OFFSET(16f)(%ebp), %eax
	jmp *%eax
16:	leal 4096(%ebp), %ebx		/* identity */
	leal S_STACK_TOP(%ebx), %esp
	lidt S_IIDTR(%ebx)
	lgdt S_IGDTR(%ebx)

	cmpl $0, S_HOP(%ebx)
	je 17f
	movl %cr0, %eax
	andl $~CR0_PG, %eax
	movl %eax, %cr0
17:	movl %edi, %eax			/* PAE changes only while paging is off */
	andl $~CR4_PGE, %eax
	movl %eax, %cr4
	movl \to_table(%ebx), %eax
	movl %eax, %cr3
	/* EFER before the target's CR3: NXE says whether its NX bits are legal. */
	cmpl $0, S_HAS_EFER(%ebx)
	je 18f
	movl \to+W_EFER(%ebx), %eax
	movl \to+4+W_EFER(%ebx), %edx
	cmpl \from+W_EFER(%ebx), %eax
	je 18f
	movl $MSR_EFER, %ecx
	wrmsr
18:	movl %cr0, %eax
	orl $CR0_PG, %eax
	movl %eax, %cr0

	movl \to+W_VA_CODE(%ebx), %ebp
	movl \to+W_VA_STATE(%ebx), %ebx
	leal OFFSET(19f)(%ebp), %eax
	jmp *%eax
19:	leal \to(%ebx), %esi
	leal S_STACK_TOP(%ebx), %esp
	lgdt W_PGDTR(%esi)
	lidt W_PIDTR(%esi)

	/* The target's CS, while the passage's GDT is in force: an NMI that comes
	 * right after the target's GDT is loaded must be able to iret. */
	movzwl W_CS(%esi), %eax
	pushl %eax
	leal OFFSET(20f)(%ebp), %eax
	pushl %eax
	lretl
20:
	movl W_CR3(%esi), %eax
	movl %eax, %cr3
	movl %edi, %cr4			/* PGE, at last */
	leal \from(%ebx), %edi
	load_world32
	.endm

	.section .text
	.balign 4096
	.globl co_passage32, co_passage32_enter, co_passage32_nmi, co_passage32_mce

co_passage32:
	push_caller32
	call 1f				/* where are we? the state is behind us */
1:	popl %ebx
	addl $(4096 - OFFSET(1b)), %ebx
	/* the host gets its own CR4, exactly */
	cross CO_W_GUEST, S_IPT32, CO_W_HOST, S_IPT, 0

co_passage32_enter:
	push_caller32
	movl 24(%esp), %ebx
	/* the guest keeps this CPU's VMXE: in VMX operation, clearing it faults */
	cross CO_W_HOST, S_IPT, CO_W_GUEST, S_IPT32, CR4_VMXE

co_passage32_nmi:
	count_and_return32 S_NMI_PENDING

co_passage32_mce:
	count_and_return32 S_MCE_PENDING

	/* One page, and nothing else in it; .org cannot go backwards. */
	.org co_passage32 + 4096, 0xcc
#ifdef __ELF__
	.section .note.GNU-stack,"",@progbits
#endif

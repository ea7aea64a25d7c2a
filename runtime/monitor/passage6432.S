/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The passage between a 64-bit host and a 32-bit guest, with two-level or with PAE page
 * tables.
 *
 *	void co_passage6432(void)	at the page's start: the guest's door out
 *	void co_passage6432_enter(void *state, u64 from, u64 to)	the host's
 *
 * What a passage is, and why its steps come in this order, is told in passage.S.
 * Here the two worlds do not even share a paging mode, and long mode can only be
 * entered and left with paging off. So the way goes over two intermediate tables,
 * one of each format, that both map the code and the state page at their
 * *identity* address, where virtual and physical address are the same:
 *
 *	host's table			host's address		64-bit code
 *	4- or 5-level intermediate	host's address
 *	   jump
 *	4- or 5-level intermediate	identity
 *	   far return			identity		32-bit code from here
 *	paging off
 *	2-level or PAE intermediate	identity
 *	   jump
 *	2-level or PAE intermediate	guest's address
 *	guest's table			guest's address
 *
 * and back the same way. All of the identity addresses lie below 4 GiB: there a
 * copy of this page stands right in front of the state page, as it does at the
 * guest's addresses (so that 32-bit code finds the state without being told).
 *
 * NMIs and machine checks: long mode reads 16-byte gates in the IDT, legacy mode
 * 8-byte gates, and the change comes in the middle of one instruction, with paging.
 * One IDT serves both (co_state.idt[CO_IDT_IDENTITY]): the long gates 2 and 18 lie
 * at bytes 32 and 288, the short ones at 16 and 144, where long mode would look for
 * vectors 1 and 9, which cannot come. The GDT in force with it has a 64-bit
 * CO_SEL_CODE for the long gates and for the way into 64-bit code, and a 32-bit
 * CO_SEL_CODE32 that means the same in both modes: the short gates', and the one that
 * the change itself runs on.
 *
 * Paging cannot be switched off in VMX operation (SDM volume 3, 24.8): the driver
 * looks at the host's CR4.VMXE before each passage. Sources besides passage.S's: SDM
 * volume 3, 10.8.5 (entering and leaving IA-32e mode), APM volume 2, 14.
 */
#include "passage64.h"
#include "passage32.h"

#define CR0_PG		(1 << 31)
#define EFER_LMA	(1 << 10)

/* An address of this page, relative to its start. */
#define OFFSET(label)	(label - co_passage6432)

	.section .text
	.balign 4096
	.globl co_passage6432, co_passage6432_enter
	.globl co_passage6432_nmi, co_passage6432_mce
	.globl co_passage6432_nmi32, co_passage6432_mce32

/* ---- from the guest to the host ---- */

	.code32
co_passage6432:
	push_caller32
	call 1f				/* where are we? the state is behind us */
1:	popl %ebp
	subl $OFFSET(1b), %ebp
	leal 4096(%ebp), %ebx
	/* From here an NMI handler of the guest must not come in a second time. */
	movl $1, S_IN_PASSAGE(%ebx)
	leal CO_W_GUEST(%ebx), %esi
	save_world32
	movl $MSR_EFER, %ecx
	rdmsr
	movl %eax, W_EFER(%esi)
	movl %edx, 4+W_EFER(%esi)

	/*
	 * IDT, GDT, stack: the passage's handlers run on any stack and on the
	 * guest's code selector, which both GDTs have; the guest's handlers
	 * need the guest's stack. Then a code segment that survives the change.
	 */
	lidt W_PIDTR(%esi)
	lgdt W_PGDTR(%esi)
	movl $CO_SEL_DATA32, %eax
	movl %eax, %ss
	leal S_STACK_TOP(%ebx), %esp
	movl %eax, %ds
	movl %eax, %es
	pushl $CO_SEL_CODE32
	leal OFFSET(2f)(%ebp), %eax
	pushl %eax
	lretl
2:
	movl %cr0, %eax			/* the host's TSS descriptor is about to */
	andl $~CR0_WP, %eax		/* be written, in a read-only GDT */
	movl %eax, %cr0
	movl S_IPT32(%ebx), %eax
	movl %eax, %cr3
	movl %cr4, %eax			/* drops the guest's global translations */
	andl $~CR4_PGE, %eax
	movl %eax, %cr4

	/* To identity. IDT before GDT: the gates so far are on the guest's code
	 * selector, which is no 32-bit code in the next GDT. */
	movl S_CODE_PHYS(%ebx), %ebp
	leal OFFSET(3f)(%ebp), %eax
	jmp *%eax
3:	leal 4096(%ebp), %ebx
	leal S_STACK_TOP(%ebx), %esp
	lidt S_IIDTR(%ebx)
	lgdt S_IGDTR(%ebx)

	movl %cr0, %eax
	andl $~CR0_PG, %eax
	movl %eax, %cr0

	/*
	 * Paging is off: everything may change. The host's CR4 but for what needs
	 * long mode (PCIDE), WP (CET), or comes last (PGE); LA57 must be right
	 * before paging comes on. LMA is the CPU's own to set.
	 */
	movl CO_W_HOST+W_CR4(%ebx), %eax
	andl $~(CR4_PGE | CR4_PCIDE | CR4_CET), %eax
	movl %eax, %cr4
	movl S_IPT(%ebx), %eax
	movl %eax, %cr3
	movl $MSR_EFER, %ecx
	movl CO_W_HOST+W_EFER(%ebx), %eax
	movl CO_W_HOST+4+W_EFER(%ebx), %edx
	andl $~EFER_LMA, %eax
	wrmsr
	movl %cr0, %eax
	orl $CR0_PG, %eax
	movl %eax, %cr0			/* and with it, long mode */

	pushl $CO_SEL_CODE
	leal OFFSET(4f)(%ebp), %eax
	pushl %eax
	lretl
	.code64
4:	movl %ebx, %ebx			/* the upper halves are undefined by now */
	movq CO_W_HOST+W_VA_STATE(%rbx), %r13
	movq CO_W_HOST+W_VA_CODE(%rbx), %rax
	leaq OFFSET(5f)(%rax), %rax
	jmp *%rax			/* CET is off: needs no endbr64 */
5:
	/* The host's addresses; from here on as in passage.S. The code segment is
	 * the host's already. */
	leaq CO_W_GUEST(%r13), %r8
	leaq CO_W_HOST(%r13), %r9
	leaq S_STACK_TOP(%r13), %rsp
	xorl %eax, %eax
	movl %eax, %ss
	lidt W_PIDTR(%r9)
	lgdt W_PGDTR(%r9)
	movq W_CR4(%r9), %r15
	off_ground
	load_world

/* ---- from the host to the guest ---- */

co_passage6432_enter:
	push_caller
	leaq CO_W_HOST(%rdi), %r8
	movl $1, S_IN_PASSAGE(%rdi)
	save_world
	movq S_IPT(%rdi), %rbx
	onto_ground

	/* To identity: IDT and GDT in either order, their selectors agree. */
	movq S_CODE_PHYS(%rdi), %rbp
	leaq OFFSET(6f)(%rbp), %rax
	jmp *%rax
6:	leaq 4096(%rbp), %rbx
	leaq S_STACK_TOP(%rbx), %rsp
	lidt S_IIDTR(%rbx)
	lgdt S_IGDTR(%rbx)
	/* In 32-bit code a stack segment must be one; the rest goes along. */
	movl $CO_SEL_DATA32, %eax
	movl %eax, %ss
	movl %eax, %ds
	movl %eax, %es
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	pushq $CO_SEL_CODE32
	leaq OFFSET(7f)(%rbp), %rax
	pushq %rax
	lretq
	.code32
7:
	movl %cr0, %eax
	andl $~CR0_PG, %eax
	movl %eax, %cr0			/* and with it, long mode is off */

	leal CO_W_GUEST(%ebx), %esi
	movl $MSR_EFER, %ecx
	movl W_EFER(%esi), %eax
	movl 4+W_EFER(%esi), %edx
	wrmsr
	movl W_CR4(%esi), %eax
	andl $~CR4_PGE, %eax
	movl %eax, %cr4
	movl S_IPT32(%ebx), %eax
	movl %eax, %cr3
	movl %cr0, %eax
	orl $CR0_PG, %eax
	movl %eax, %cr0

	/* To the guest's addresses. GDT before IDT, as on the way out. */
	movl W_VA_CODE(%esi), %ebp
	movl W_VA_STATE(%esi), %ebx
	leal OFFSET(8f)(%ebp), %eax
	jmp *%eax
8:	leal CO_W_GUEST(%ebx), %esi
	leal CO_W_HOST(%ebx), %edi
	leal S_STACK_TOP(%ebx), %esp
	lgdt W_PGDTR(%esi)
	lidt W_PIDTR(%esi)

	/* The guest's CS, while the passage's GDT is in force: an NMI that comes
	 * right after the guest's GDT is loaded must be able to iret. */
	movzwl W_CS(%esi), %eax
	pushl %eax
	leal OFFSET(9f)(%ebp), %eax
	pushl %eax
	lretl
9:
	movl W_CR3(%esi), %eax
	movl %eax, %cr3
	movl W_CR4(%esi), %eax		/* PGE, at last */
	movl %eax, %cr4
	load_world32

/* ---- NMIs and machine checks between the two ---- */

co_passage6432_nmi32:
	count_and_return32 S_NMI_PENDING

co_passage6432_mce32:
	count_and_return32 S_MCE_PENDING

	.code64
co_passage6432_nmi:
	count_and_return S_NMI_PENDING

co_passage6432_mce:
	count_and_return S_MCE_PENDING

	/* One page, and nothing else in it; .org cannot go backwards. */
	.org co_passage6432 + 4096, 0xcc
#ifdef __ELF__
	.section .note.GNU-stack,"",@progbits
#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The passage: one page of code that swaps one world for the other.
 *
 *	void passage(void *state, u64 from, u64 to)	SysV convention, 64 bits
 *
 * `state` is struct co_state at the caller's own address, `from` and `to` are
 * CO_W_HOST and CO_W_GUEST. The call saves the caller's world and returns from
 * the other world's last call; it returns to its own caller when that world
 * comes back. To its caller it is an ordinary function that takes a while.
 *
 * There is no address that means the same in both worlds, so the way goes over
 * a third page table, the intermediate one (co_state.ipt), which maps this page
 * and the state page at both worlds' addresses:
 *
 *	source's table, source's address
 *	intermediate table, source's address
 *	   jump
 *	intermediate table, target's address
 *	target's table, target's address
 *
 * An NMI or a machine check can hit any instruction here. What it then finds
 * must be one consistent set of IDT, GDT and stack: the source's until the
 * context is saved, the passage's own in between (it only counts), the target's
 * at the end. The order of every step below follows from that; see the comments.
 * (Intel SDM volume 3: 2.5 control registers, 4.10.4 invalidation, 6.8 NMIs.)
 *
 * The code is position independent and touches no data but through `state`.
 */
#include "co_state.h"

#define CR0_WP		(1 << 16)
#define CR4_PGE		(1 << 7)
#define CR4_VMXE	(1 << 13)
#define CR4_PCIDE	(1 << 17)
#define CR4_CET		(1 << 23)
#define MSR_EFER	0xc0000080
#define MSR_FS_BASE	0xc0000100
#define MSR_GS_BASE	0xc0000101

/* Save a 64-bit MSR at an address; clobbers rax, rcx, rdx. */
	.macro save_msr index, where
	movl $\index, %ecx
	rdmsr
	movl %eax, \where
	movl %edx, 4+\where
	.endm

	.macro load_msr index, where
	movl $\index, %ecx
	movl \where, %eax
	movl 4+\where, %edx
	wrmsr
	.endm

/* Load a debug register, unless the source's value, which it still holds, is
 * the same: a write is a serialising instruction. */
	.macro load_dr reg, where
	movq \where(%r9), %rax
	cmpq \where(%r8), %rax
	je .Lsame_\reg
	movq %rax, %\reg
.Lsame_\reg:
	.endm

	.section .text
	.balign 4096
	.globl co_passage, co_passage_nmi, co_passage_mce
	.globl co_boot_nmi, co_boot_mce, co_boot_entry, co_passage_end

co_passage:
	endbr64				/* the guest calls through a pointer */
	pushfq
	pushq $2			/* IF, DF, TF, NT, AC, RF: all off at once; */
	popfq				/* a trap flag would find no #DB gate later */
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15

	/*
	 * rdi = state, r8 = source, r9 = target, all at the source's addresses;
	 * rbp, r12 = the worlds' offsets, which outlive the jump.
	 */
	leaq (%rdi,%rsi), %r8
	leaq (%rdi,%rdx), %r9
	movq %rsi, %rbp
	movq %rdx, %r12

	/* From here an NMI handler of the guest must not come in a second time. */
	movl $1, S_IN_PASSAGE(%rdi)

	movq %rsp, W_RSP(%r8)
	movq %cr0, %rax
	movq %rax, W_CR0(%r8)
	movq %cr2, %rax			/* a page fault may be half handled: an */
	movq %rax, W_CR2(%r8)		/* NMI can come before its CR2 is read */
	movq %cr3, %rax
	movq %rax, W_CR3(%r8)
	movq %cr4, %rax
	movq %rax, W_CR4(%r8)
	sgdt W_GDTR(%r8)
	sidt W_IDTR(%r8)
	sldt W_LDTR(%r8)
	str W_TR(%r8)
	movw %cs, W_CS(%r8)
	movw %ss, W_SS(%r8)
	movw %ds, W_DS(%r8)
	movw %es, W_ES(%r8)
	movw %fs, W_FS(%r8)
	movw %gs, W_GS(%r8)

	movq %dr0, %rax
	movq %rax, W_DR0(%r8)
	movq %dr1, %rax
	movq %rax, W_DR1(%r8)
	movq %dr2, %rax
	movq %rax, W_DR2(%r8)
	movq %dr3, %rax
	movq %rax, W_DR3(%r8)
	movq %dr6, %rax
	movq %rax, W_DR6(%r8)
	movq %dr7, %rax
	movq %rax, W_DR7(%r8)
	testb $0xff, %al		/* any breakpoint on? the passage has no */
	jz 1f				/* #DB gate, and addresses change meaning */
	xorl %eax, %eax
	movq %rax, %dr7
1:
	save_msr MSR_EFER, W_EFER(%r8)
	save_msr MSR_FS_BASE, W_FS_BASE(%r8)
	save_msr MSR_GS_BASE, W_GS_BASE(%r8)
	movl S_NMSR(%rdi), %r10d
	leaq S_MSR_INDEX(%rdi), %r11
	leaq W_MSR(%r8), %rbx
2:	subl $1, %r10d
	js 3f
	movl (%r11), %ecx
	rdmsr
	movl %eax, (%rbx)
	movl %edx, 4(%rbx)
	addq $4, %r11
	addq $8, %rbx
	jmp 2b
3:
	/* What is needed of the target before its memory can be reached. */
	movq W_VA_STATE(%r9), %r13
	movq W_VA_CODE(%r9), %r14
	leaq (.Ltarget - co_passage)(%r14), %r14
	movq W_CR4(%r9), %r15
	testq %r12, %r12
	jz 14f				/* the host gets its own CR4, exactly */
	movq %cr4, %rax			/* the guest keeps this CPU's VMXE: inside */
	andl $CR4_VMXE, %eax		/* VMX operation, clearing it faults */
	orq %rax, %r15
14:	movq S_IPT(%rdi), %rbx

	/*
	 * Onto the passage's own stack and tables: stack, IDT, GDT, in this
	 * order. A host NMI handler on its own IDT brings its own stack (IST)
	 * and needs its own GDT. SS becomes null, which an iret to ring 0 takes
	 * under any GDT; CS has the same selector everywhere.
	 */
	leaq S_STACK_TOP(%rdi), %rsp
	xorl %eax, %eax
	movl %eax, %ss
	lidt W_PIDTR(%r8)
	lgdt W_PGDTR(%r8)

	/*
	 * CET goes off first, as CR4.CET needs CR0.WP. WP goes off because the
	 * target's TSS descriptor is about to be written, and a GDT may be
	 * mapped read-only (Linux's is).
	 */
	movq %cr4, %rdx
	testl $CR4_CET, %edx
	jz 4f
	andq $~CR4_CET, %rdx
	movq %rdx, %cr4
4:	movq %cr0, %rax
	andq $~CR0_WP, %rax
	movq %rax, %cr0

	/*
	 * The intermediate table has PCID 0, so that PCIDE may go off, and may
	 * later come on again. Whichever of PGE and PCIDE was on, turning it off
	 * drops the source's translations; else loading CR3 did.
	 */
	movq %rbx, %cr3
	andq $~(CR4_PGE | CR4_PCIDE), %rdx
	movq %rdx, %cr4
	jmp *%r14			/* CET is off: needs no endbr64 */

.Ltarget:
	/* The same page at the target's address; so the same for the data. */
	leaq (%r13,%rbp), %r8
	leaq (%r13,%r12), %r9
	leaq S_STACK_TOP(%r13), %rsp
	lidt W_PIDTR(%r9)
	lgdt W_PGDTR(%r9)

	/* The target's CS, while the passage's GDT is in force: an NMI that
	 * comes right after the target's GDT is loaded must be able to iret. */
	movzwl W_CS(%r9), %eax
	pushq %rax
	leaq 5f(%rip), %rax
	pushq %rax
	lretq
5:
	/* EFER before CR3: NXE says whether the target's NX bits are legal. */
	movq W_EFER(%r9), %rax
	cmpq W_EFER(%r8), %rax
	je 6f
	load_msr MSR_EFER, W_EFER(%r9)
6:
	/*
	 * CR4 in two steps around CR3: PGE is inverted in the first one, so that
	 * the second one changes it, and thereby drops every translation of
	 * every PCID, whatever the target's PGE is. The intermediate table's
	 * PCID is 0, as PCIDE 0 -> 1 demands. CET waits for WP.
	 */
	movq %r15, %rbx
	andq $~CR4_CET, %rbx
	movq %rbx, %rdx
	xorq $CR4_PGE, %rdx
	movq %rdx, %cr4
	movq W_CR3(%r9), %rax
	movq %rax, %cr3
	movq %rbx, %cr4

	lgdt W_GDTR(%r9)
	lldt W_LDTR(%r9)

	/*
	 * The task register. LTR wants an available TSS and marks it busy, so
	 * the busy mark is taken off first; afterwards the GDT is bit for bit
	 * what it was. A guest that has not executed LTR yet still has the
	 * host's selector here, for which its own GDT has nothing, or a TSS that
	 * is not busy (it is just about to load it itself): leave it alone.
	 */
	movzwl W_TR(%r9), %eax
	andl $~7, %eax
	jz 7f
	leal 15(%rax), %edx
	movzwl W_GDTR(%r9), %ecx
	cmpl %ecx, %edx
	ja 7f
	movq W_GDTR+2(%r9), %rbx
	movb 5(%rbx,%rax), %cl
	andb $0x9f, %cl			/* present, system, type; any DPL */
	cmpb $0x8b, %cl			/* a busy 64-bit TSS */
	jne 7f
	andb $~2, 5(%rbx,%rax)
	ltr W_TR(%r9)
7:
	movw W_SS(%r9), %ss
	movw W_DS(%r9), %ds
	movw W_ES(%r9), %es
	movw W_FS(%r9), %fs		/* spoil the bases, which follow */
	movw W_GS(%r9), %gs
	load_msr MSR_FS_BASE, W_FS_BASE(%r9)
	load_msr MSR_GS_BASE, W_GS_BASE(%r9)

	/* The other MSRs; those whose values agree need no (slow) write. */
	movl S_NMSR(%r13), %r10d
	leaq S_MSR_INDEX(%r13), %r11
	leaq W_MSR(%r9), %rbx
	leaq W_MSR(%r8), %rsi
8:	subl $1, %r10d
	js 10f
	movq (%rbx), %rax
	cmpq (%rsi), %rax
	je 9f
	movl (%r11), %ecx
	movl 4(%rbx), %edx
	wrmsr
9:	addq $4, %r11
	addq $8, %rbx
	addq $8, %rsi
	jmp 8b
10:
	load_dr dr0, W_DR0
	load_dr dr1, W_DR1
	load_dr dr2, W_DR2
	load_dr dr3, W_DR3
	load_dr dr6, W_DR6
	movq W_DR7(%r9), %rax		/* the source's was switched off where it */
	movq W_DR7(%r8), %rdx		/* had a breakpoint on */
	testb $0xff, %dl
	jnz 11f
	cmpq %rdx, %rax
	je 12f
11:	movq %rax, %dr7
12:
	movq W_CR2(%r9), %rax
	movq %rax, %cr2
	movq W_CR0(%r9), %rax		/* WP, then CET */
	movq %rax, %cr0
	testl $CR4_CET, %r15d
	jz 13f
	movq %r15, %cr4
13:
	/*
	 * The last look at the save area is the target's IDT: from then on an
	 * NMI is the target's, and the guest's handler makes a passage of its
	 * own, which overwrites that area. Then the stack (IST still carries it).
	 */
	movq W_RSP(%r9), %rbx
	movl $0, S_IN_PASSAGE(%r13)
	lidt W_IDTR(%r9)
	movq %rbx, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	popfq
	ret
	int3

/*
 * NMI and machine check between two worlds: count, and let the passage go on;
 * the driver re-issues them on the host's live IDT. They run on the passage's
 * stack, which ends with the state page.
 *
 * An iret ends the CPU's blocking of further NMIs. So does the host's handler's,
 * when an NMI is re-issued, while a guest's NMI handler, which made the passage,
 * has not executed its own: a second NMI may then nest in the guest's handler, or
 * here. Here it does no harm, as the handler is nothing but a counter; Linux, as
 * the guest, handles nested NMIs on its own. It also means that NMIs may or may
 * not be blocked on any way out of the guest: see reissue.S.
 */
co_passage_nmi:
	pushq %rax
	movq %rsp, %rax
	andq $~0xfff, %rax
	incl S_NMI_PENDING(%rax)
	popq %rax
	iretq

co_passage_mce:
	pushq %rax
	movq %rsp, %rax
	andq $~0xfff, %rax
	incl S_MCE_PENDING(%rax)
	popq %rax
	iretq

/*
 * The same until the guest has an IDT of its own. The stack may be anybody's
 * by then; but the IDT in force is co_state.boot_idt, which tells the page.
 */
	.macro boot_handler counter
	pushq %rax
	subq $16, %rsp
	sidt (%rsp)
	movq 2(%rsp), %rax
	andq $~0xfff, %rax
	incl \counter(%rax)
	addq $16, %rsp
	popq %rax
	iretq
	.endm
co_boot_nmi:
	boot_handler S_NMI_PENDING
co_boot_mce:
	boot_handler S_MCE_PENDING

/*
 * Where the first passage into a guest returns to, by the stack that the
 * driver prepared (co_state.boot_stack): r14 = entry, r15 = boot_params, both
 * physical addresses, mapped as they are in the intermediate table, which is
 * the guest's CR3 by now. RSI is the 64-bit boot protocol's only register.
 */
co_boot_entry:
	movq %r15, %rsi
	xorl %eax, %eax			/* nothing of the host's in registers */
	xorl %ebx, %ebx
	xorl %ecx, %ecx
	xorl %edx, %edx
	xorl %edi, %edi
	xorl %ebp, %ebp
	xorl %r8d, %r8d
	xorl %r9d, %r9d
	xorl %r10d, %r10d
	xorl %r11d, %r11d
	jmp *%r14
	int3
co_passage_end:

	/* One page, and nothing else in it; .org cannot go backwards. */
	.org co_passage + 4096, 0xcc
#ifdef __ELF__
	.section .note.GNU-stack,"",@progbits
#endif

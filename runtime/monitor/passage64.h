/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A 64-bit world's context, saved and loaded: what every passage with such a world
 * has in common. For the assembler; passage.S says what a passage is.
 *
 * Registers: rdi or r13 = struct co_state, r8 = the source's struct co_world,
 * r9 = the target's. Each macro says which others it clobbers.
 */
#include "co_state.h"
#include "passage_segment.h"

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

/* The caller's registers, on its stack. */
	.macro push_caller
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
	.endm

/* The source's world, but its stack's contents; r8, rdi. Clobbers rax, rbx, rcx,
 * rdx, r10, r11. Breakpoints are off afterwards. */
	.macro save_world
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
	.endm

/*
 * From the source's stack, tables and page table to the passage's own, and to
 * the intermediate page table, whose physical address is in rbx. rdi, r8.
 * Clobbers rax, rdx.
 */
	.macro onto_ground
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
	.endm

/*
 * From the intermediate page table to the target's; r9, r15 = the target's CR4,
 * all of which but CET is in force afterwards. Clobbers rax, rbx, rdx.
 */
	.macro off_ground
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
	.endm

/*
 * The target's world from its GDT on, and the return to its caller; its page
 * table, EFER, code segment, and CR4 but for CET are loaded. r8, r9, r13; r15 =
 * the target's CR4. CR0.WP is off.
 */
	.macro load_world
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
	load_segment ds, W_DS, r9
	load_segment es, W_ES, r9
	load_segment fs, W_FS, r9		/* spoil the bases, which follow */
	load_segment gs, W_GS, r9
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
	.endm

/*
 * A handler for an NMI or a machine check between two worlds; see passage.S. It
 * runs on the passage's stack, which ends with the state page.
 */
	.macro count_and_return counter
	pushq %rax
	movq %rsp, %rax
	andq $~0xfff, %rax
	incl \counter(%rax)
	popq %rax
	iretq
	.endm

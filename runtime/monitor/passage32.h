/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A 32-bit world's context, saved and loaded: passage64.h's sister. For the
 * assembler, in .code32.
 *
 * Registers: ebx = struct co_state, esi = the world that is saved or loaded,
 * edi = the other one. Each macro says which others it clobbers. What struct
 * co_world has as u64 is written in its lower half only, and the upper one is 0 from
 * the start: so each value can be compared with a 64-bit world's.
 *
 * All of this world's segments in use are flat, but fs and gs: those are user
 * mode's (thread-local storage in the GDT, or in an LDT).
 */
#include "co_state.h"
#include "passage_segment.h"

/* The caller's registers, on its stack. */
	.macro push_caller32
	pushfl
	pushl $2			/* IF, DF, TF, NT, AC: all off at once; */
	popfl				/* a trap flag would find no #DB gate later */
	pushl %ebp
	pushl %ebx
	pushl %esi
	pushl %edi
	.endm

	.macro save_dr32 reg, where
	movl %\reg, %eax
	movl %eax, \where(%esi)
	.endm

/* A write is a serialising instruction: only if the other world's value, which
 * the register still holds, is another. Clears the upper half, hence that look. */
	.macro load_dr32 reg, where
	movl \where(%esi), %eax
	cmpl \where(%edi), %eax
	jne .Lload32_\@
	cmpl $0, 4+\where(%edi)
	je .Lsame32_\@
.Lload32_\@:
	movl %eax, %\reg
.Lsame32_\@:
	.endm

/*
 * This world, but its stack's contents, and EFER, which not every CPU has. The
 * breakpoints are off afterwards. Clobbers eax, ecx, edx, edi.
 */
	.macro save_world32
	movl %esp, W_RSP(%esi)
	movl %cr0, %eax
	movl %eax, W_CR0(%esi)
	movl %cr2, %eax			/* a page fault may be half handled */
	movl %eax, W_CR2(%esi)
	movl %cr3, %eax
	movl %eax, W_CR3(%esi)
	movl %cr4, %eax
	movl %eax, W_CR4(%esi)
	sgdt W_GDTR(%esi)
	sidt W_IDTR(%esi)
	sldt W_LDTR(%esi)
	str W_TR(%esi)
	movw %cs, W_CS(%esi)
	movw %ss, W_SS(%esi)
	movw %ds, W_DS(%esi)
	movw %es, W_ES(%esi)
	movw %fs, W_FS(%esi)
	movw %gs, W_GS(%esi)
	save_dr32 dr0, W_DR0
	save_dr32 dr1, W_DR1
	save_dr32 dr2, W_DR2
	save_dr32 dr3, W_DR3
	save_dr32 dr6, W_DR6
	save_dr32 dr7, W_DR7
	testb $0xff, %al		/* any breakpoint on? the passage has no */
	jz 1f				/* #DB gate, and addresses change meaning */
	xorl %eax, %eax
	movl %eax, %dr7
1:
	xorl %edi, %edi
2:	cmpl S_NMSR(%ebx), %edi
	jae 3f
	movl S_MSR_INDEX(%ebx,%edi,4), %ecx
	rdmsr
	movl %eax, W_MSR(%esi,%edi,8)
	movl %edx, W_MSR+4(%esi,%edi,8)
	incl %edi
	jmp 2b
3:
	.endm

/*
 * This world from its GDT on, and the return to its caller; its page table and
 * code segment are in force. CR0.WP is off. ebx, esi, edi.
 */
	.macro load_world32
	lgdt W_GDTR(%esi)

	/* Before its first LLDT, a guest still has the host's selector here, for
	 * which its own GDT may have anything: an LDT, present, or none. */
	movzwl W_LDTR(%esi), %eax
	testl %eax, %eax
	jz 5f
	larl %eax, %ecx
	jnz 4f
	andl $0x9f00, %ecx
	cmpl $0x8200, %ecx
	je 5f
4:	xorl %eax, %eax
5:	lldt %ax

	/* The task register: as in passage64.h, with descriptors of 8 bytes. */
	movzwl W_TR(%esi), %eax
	andl $~7, %eax
	jz 6f
	leal 7(%eax), %edx
	movzwl W_GDTR(%esi), %ecx
	cmpl %ecx, %edx
	ja 6f
	movl W_GDTR+2(%esi), %edx
	movb 5(%edx,%eax), %cl
	andb $0x9f, %cl			/* present, system, type; any DPL */
	cmpb $0x8b, %cl			/* a busy 32-bit TSS */
	jne 6f
	andb $~2, 5(%edx,%eax)
	ltr W_TR(%esi)
6:
	movw W_SS(%esi), %ss
	movw W_DS(%esi), %ds
	movw W_ES(%esi), %es
	load_segment fs, W_FS, esi
	load_segment gs, W_GS, esi

	/* The MSRs; those whose values agree need no (slow) write. */
	xorl %ebp, %ebp
7:	cmpl S_NMSR(%ebx), %ebp
	jae 10f
	movl W_MSR(%esi,%ebp,8), %eax
	movl W_MSR+4(%esi,%ebp,8), %edx
	cmpl W_MSR(%edi,%ebp,8), %eax
	jne 8f
	cmpl W_MSR+4(%edi,%ebp,8), %edx
	je 9f
8:	movl S_MSR_INDEX(%ebx,%ebp,4), %ecx
	wrmsr
9:	incl %ebp
	jmp 7b
10:
	load_dr32 dr0, W_DR0
	load_dr32 dr1, W_DR1
	load_dr32 dr2, W_DR2
	load_dr32 dr3, W_DR3
	load_dr32 dr6, W_DR6
	movl W_DR7(%esi), %eax		/* the other's was switched off where it */
	movl W_DR7(%edi), %edx		/* had a breakpoint on */
	testb $0xff, %dl
	jnz 11f
	cmpl %edx, %eax
	je 12f
11:	movl %eax, %dr7
12:
	movl W_CR2(%esi), %eax
	movl %eax, %cr2
	movl W_CR0(%esi), %eax
	movl %eax, %cr0

	/*
	 * The stack before the IDT: without an IST, the target's NMI handler
	 * runs on whatever stack it finds, and must find the target's own, as it
	 * makes a passage of its own. The passage's handler takes any stack.
	 */
	movl W_RSP(%esi), %esp
	movl $0, S_IN_PASSAGE(%ebx)
	lidt W_IDTR(%esi)
	popl %edi
	popl %esi
	popl %ebx
	popl %ebp
	popfl
	ret
	int3
	.endm

/*
 * A handler for an NMI or a machine check between two worlds, or before the guest
 * has an IDT. It runs on any stack; but the IDT in force, through which it was
 * called, lies in the state page.
 */
	.macro count_and_return32 counter
	pushl %eax
	subl $8, %esp
	sidt (%esp)
	movl 2(%esp), %eax
	andl $~0xfff, %eax
	incl %ss:\counter(%eax)		/* ds may be user mode's */
	addl $8, %esp
	popl %eax
	iretl
	.endm

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * minikernel.S in 32 bits: the same commands, and besides it looks (P_CHECKING)
 * whether every register is after a passage what it was before.
 *
 * ebx = parameters, ebp = the shared area. Loaded by driver32.c.
 */
#include "minikernel.h"
#include "../../../runtime/monitor/co_state.h"

#define COMM		0x2000
#define STATE		0x1000
#define R_IRQ		1
#define R_NMI		2
#define R_MCE		3
#define R_PANIC		11
#define BOOT32_MAGIC	0x32334f43

	.section .rodata
	.balign 4096
	.globl mini32_start, mini32_end, mini32_gates, mini32_double_fault
	.code32

mini32_start:
	cmpl $BOOT32_MAGIC, (%ebx)	/* what EBX is for */
	jne .			/* the test's patience ends it */
	movl %esi, %ebx
	movl P_AREA_VA(%ebx), %ebp
	leal 4096(%ebx), %esp
	lgdt P_GDT(%ebx)
	lidt P_IDT(%ebx)
	movzwl P_CODE(%ebx), %eax
	pushl %eax
	call 1f
1:	addl $(2f - 1b), (%esp)
	lretl
2:	movw P_DATA(%ebx), %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	ltr P_TR(%ebx)
	lldt P_LDT(%ebx)
	movw P_FS(%ebx), %fs
	movw P_GS(%ebx), %gs

	/* SSE on, as a real kernel does: CR4.OSFXSR, OSXMMEXCPT; and PGE */
	movl %ebx, %esi
	movl $1, %eax
	cpuid
	movl %esi, %ebx
	andl $(1 << 25), %edx
	movl %edx, P_SSE(%ebx)
	movl %cr4, %eax
	orl $0x80, %eax
	testl %edx, %edx
	jz 3f
	orl $0x600, %eax
3:	movl %eax, %cr4

next:
	cli
	cmpl $MODE_FAULT, P_MODE(%ebx)
	je lose_stack
	cmpl $MODE_SPIN, P_MODE(%ebx)
	jne leave_now
	sti
2:	pause
	cmpl $MODE_SPIN, P_MODE(%ebx)	/* the test may call it off */
	jne leave_now
	movl COMM+COMM_PENDING(%ebp), %eax
	orl COMM+COMM_PENDING+4(%ebp), %eax
	jz 2b
	cli
leave_now:
	cli
	movl P_REASON(%ebx), %eax
	movl %eax, COMM+COMM_REASON(%ebp)
	leal P_ARG0(%ebx), %esi
	leal COMM+COMM_ARG0(%ebp), %edi
	movl $4, %ecx
	rep movsl
	movl $-1, %eax
	movl %eax, %edx
	movl P_DELAY(%ebx), %ecx
	orl P_DELAY+4(%ebx), %ecx
	jz 3f
	rdtsc
	addl P_DELAY(%ebx), %eax
	adcl P_DELAY+4(%ebx), %edx
3:	movl %eax, COMM+COMM_DEADLINE(%ebp)
	movl %edx, COMM+COMM_DEADLINE+4(%ebp)
	leal P_TEXT(%ebx), %esi
	leal COMM+COMM_TEXT(%ebp), %edi
	movl $16, %ecx
	movl %ecx, COMM+COMM_TEXT_LEN(%ebp)
	rep movsb
	cmpl $0, P_CHECKING(%ebx)
	jne checked
	call *%ebp
back_again:
	movw %fs, P_FS_NOW(%ebx)
	movw %gs, P_GS_NOW(%ebx)
	movw %ds, P_DS_NOW(%ebx)
	movw %es, P_ES_NOW(%ebx)
	xorl %eax, %eax			/* take what the host raised */
	xchgl %eax, COMM+COMM_PENDING(%ebp)
	orl %eax, P_TAKEN(%ebx)
	xorl %eax, %eax
	xchgl %eax, COMM+COMM_PENDING+4(%ebp)
	orl %eax, P_TAKEN+4(%ebx)
	addl $1, P_ROUNDS(%ebx)
	adcl $0, P_ROUNDS+4(%ebx)
	jmp next

/* No exception can be delivered on such a stack: the next one is a double fault. */
lose_stack:
	movl $FAULT_PAGE_SP, %esp
	cmpl $FAULT_PAGE, P_FAULT(%ebx)
	je 4f
	movl $SEL_SHORT, %eax
	movl %eax, %ss
	movl $FAULT_LIMIT_SP, %esp
4:	pushl %eax
	ud2

/* By a task gate: this is the double fault's task, ebx and ebp come from its TSS. The
 * victim's registers are in the other one. */
mini32_double_fault:
	str P_FAULT_TR(%ebx)
	movl $MODE_CALL, P_MODE(%ebx)
	incl P_FAULTS(%ebx)
	jmp next

/*
 * A passage with a mark in every register: a breakpoint that is on, a fault's CR2,
 * CR0.TS, flags, SYSENTER's MSRs, floating point.
 */
checked:
	clts				/* set by the round before */
	fninit
	pushl $0x0a7f			/* rounds towards zero: not the default */
	fldcw (%esp)
	addl $4, %esp
	cmpl $0, P_SSE(%ebx)
	je 3f
	movups P_TEXT(%ebx), %xmm0
3:
	movl $0x1000, %eax
	movl %eax, %dr0
	movl $0x2000, %eax
	movl %eax, %dr1
	movl $0xf0003000, %eax
	movl %eax, %dr2
	movl $0x4000, %eax
	movl %eax, %dr3
	movl $0x00000401, %eax		/* execution of address 0x1000 */
	movl %eax, %dr7
	movl $0x00c0ffee, %eax
	movl %eax, %cr2
	xorl %edx, %edx
	movl $0x174, %ecx
	movzwl P_CODE(%ebx), %eax
	wrmsr
	incl %ecx
	movl $0x87654321, %eax
	wrmsr
	incl %ecx
	movl $0x76543218, %eax
	wrmsr
	movl %cr0, %eax
	orl $8, %eax			/* TS */
	movl %eax, %cr0
	pushl $0x00240003		/* ID, AC, CF */
	popfl
	movl $0x51515151, %esi
	movl $0xd1d1d1d1, %edi
	pushl $P_BEFORE
	call snapshot
	addl $4, %esp
	pushl $0x00240003
	popfl
	call *%ebp
	pushl $P_AFTER
	call snapshot
	addl $4, %esp
	pushl $2
	popfl
	incl P_CHECKS(%ebx)
	leal P_BEFORE(%ebx), %esi
	leal P_AFTER(%ebx), %edi
	movl $(SNAP_BYTES / 4), %ecx
	repe cmpsl
	je 4f
	cmpl $0, P_DIFFERENT(%ebx)
	jne 3f
	leal -4-P_BEFORE(%esi), %eax
	subl %ebx, %eax
	movl %eax, P_FIRST(%ebx)
3:	incl P_DIFFERENT(%ebx)
4:	jmp back_again

/* snapshot(offset in the parameters): keeps all registers. */
snapshot:
	pushfl
	pushal
	movl 40(%esp), %edx
	addl %ebx, %edx
	movl %esp, %esi
	movl %edx, %edi
	movl $7, %ecx
	rep movsl			/* edi esi ebp esp ebx edx ecx */
	movl $0, (%edi)
	movl $0, 20(%edx)		/* edx and ecx are the passage's to spoil */
	movl $0, 24(%edx)
	movl %cr0, %eax
	movl %eax, SNAP_CR(%edx)
	clts				/* below: the floating point registers */
	movl %cr2, %eax
	movl %eax, SNAP_CR+4(%edx)
	movl %cr3, %eax
	movl %eax, SNAP_CR+8(%edx)
	movl %cr4, %eax
	movl %eax, SNAP_CR+12(%edx)
	movl %dr0, %eax
	movl %eax, SNAP_DR(%edx)
	movl %dr1, %eax
	movl %eax, SNAP_DR+4(%edx)
	movl %dr2, %eax
	movl %eax, SNAP_DR+8(%edx)
	movl %dr3, %eax
	movl %eax, SNAP_DR+12(%edx)
	movl %dr6, %eax
	movl %eax, SNAP_DR+16(%edx)
	movl %dr7, %eax
	movl %eax, SNAP_DR+20(%edx)
	movl %edx, %edi
	movl $0xc0000080, %ecx
	rdmsr
	movl %eax, SNAP_MSR(%edi)
	movl %edx, SNAP_MSR+4(%edi)
	movl $0x174, %ecx
5:	rdmsr
	movl %eax, SNAP_MSR+8-8*0x174(%edi,%ecx,8)
	movl %edx, SNAP_MSR+12-8*0x174(%edi,%ecx,8)
	incl %ecx
	cmpl $0x177, %ecx
	jne 5b
	movw %cs, SNAP_SEGMENT(%edi)
	movw %ds, SNAP_SEGMENT+4(%edi)
	movw %es, SNAP_SEGMENT+8(%edi)
	movw %ss, SNAP_SEGMENT+12(%edi)
	movw %fs, SNAP_SEGMENT+16(%edi)
	movw %gs, SNAP_SEGMENT+20(%edi)
	str SNAP_SEGMENT+24(%edi)
	sldt SNAP_SEGMENT+28(%edi)
	sgdt SNAP_GDTR(%edi)
	sidt SNAP_IDTR(%edi)
	movl %fs:0, %eax
	movl %eax, SNAP_BASE(%edi)
	movl %gs:0, %eax
	movl %eax, SNAP_BASE+4(%edi)
	movl 32(%esp), %eax
	movl %eax, SNAP_FLAGS(%edi)
	fnstcw SNAP_X87(%edi)
	cmpl $0, P_SSE(%ebx)
	je 6f
	movups %xmm0, SNAP_XMM(%edi)
6:
	movl SNAP_CR(%edi), %eax	/* TS again */
	movl %eax, %cr0
	popal
	popfl
	ret

/* One gate a vector, 16 bytes apart. The IDT lies one page after the parameters. */
	.balign 16
mini32_gates:
	.set vector, 0
	.rept 256
	.balign 16
	pushl $vector
	jmp gate
	.set vector, vector + 1
	.endr
	.balign 16

gate:
	pushal
	subl $8, %esp
	sidt (%esp)
	movl 2(%esp), %ebx
	addl $8, %esp
	subl $4096, %ebx
	movl P_AREA_VA(%ebx), %ebp
	movl 32(%esp), %ecx		/* vector */
	cmpl $2, %ecx
	je nmi
	cmpl $18, %ecx
	je mce
	cmpl $32, %ecx
	jb exception
	incl P_IRQS(%ebx)
	movl $R_IRQ, COMM+COMM_REASON(%ebp)
	movl %ecx, COMM+COMM_ARG0(%ebp)
	movl $0, COMM+COMM_ARG0+4(%ebp)
	call *%ebp
	jmp back

nmi:
	incl P_NMIS(%ebx)
	cmpl $0, STATE+S_IN_PASSAGE(%ebp)
	je 6f
	incl STATE+S_NMI_PENDING(%ebp)
	jmp back
6:	movl $R_NMI, %ecx
	jmp forward

mce:
	cmpl $0, STATE+S_IN_PASSAGE(%ebp)
	je 7f
	incl STATE+S_MCE_PENDING(%ebp)
	jmp back
7:	movl $R_MCE, %ecx
forward:
	/* the interrupted code may be about to leave with another reason */
	pushl COMM+COMM_ARG0(%ebp)
	pushl COMM+COMM_REASON(%ebp)
	movl %ecx, COMM+COMM_REASON(%ebp)
	call *%ebp
	popl COMM+COMM_REASON(%ebp)
	popl COMM+COMM_ARG0(%ebp)
back:
	popal
	addl $4, %esp
	iretl

exception:
	addl $0x30, %ecx		/* '0' + vector: enough of a message */
	movb %cl, COMM+COMM_TEXT(%ebp)
	movl $1, COMM+COMM_TEXT_LEN(%ebp)
	movl $R_PANIC, COMM+COMM_REASON(%ebp)
	call *%ebp
	jmp exception
mini32_end:
	.section .note.GNU-stack,"",@progbits

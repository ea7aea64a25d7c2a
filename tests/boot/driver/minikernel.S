/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest kernel in 250 lines, for tests of the driver alone: it does what its
 * parameter page says (minikernel.h), forwards interrupts, NMIs and machine
 * checks to the host as every guest must, and panics on any other exception.
 * Position independent; loaded anywhere into guest memory by driver.c.
 *
 * rbx = parameters, rbp = the shared area.
 */
#include "minikernel.h"
#include "../../../runtime/monitor/co_state.h"

#define COMM		0x2000
#define STATE		0x1000
#define R_IRQ		1
#define R_NMI		2
#define R_MCE		3
#define R_PANIC		11

	.section .rodata
	.balign 4096
	.globl mini_start, mini_end, mini_gates, mini_double_fault

	.code64				/* also where a 32-bit program carries it */
mini_start:
	movq %rsi, %rbx
	movq P_ROOT4(%rbx), %rax
	movq %cr4, %rcx
	btq $12, %rcx			/* LA57 */
	jnc 1f
	movq P_ROOT5(%rbx), %rax
1:	movq %rax, %cr3
	leaq 4096(%rbx), %rsp
	movq P_AREA_VA(%rbx), %rbp
	lgdt P_GDT(%rbx)		/* code and data where the passage has them */
	ltr P_TR(%rbx)
	lldt P_LDT(%rbx)
	movw P_FS(%rbx), %fs
	movw P_FS(%rbx), %ds
	movw P_GS(%rbx), %gs
	movw P_GS(%rbx), %es
	lidt P_IDT(%rbx)

	/* SSE on, as a real kernel does: CR4.OSFXSR, OSXMMEXCPT */
	movq %cr4, %rax
	orq $0x600, %rax
	movq %rax, %cr4

next:
	cli
	cmpl $MODE_FAULT, P_MODE(%rbx)
	je lose_stack
	cmpl $MODE_SPIN, P_MODE(%rbx)
	jne leave
	sti
2:	pause
	cmpl $MODE_SPIN, P_MODE(%rbx)	/* the test may call it off */
	jne leave
	movq COMM+COMM_PENDING(%rbp), %rax
	testq %rax, %rax
	jz 2b
	cli
leave:
	movl P_REASON(%rbx), %eax
	movl %eax, COMM+COMM_REASON(%rbp)
	movq P_ARG0(%rbx), %rax
	movq %rax, COMM+COMM_ARG0(%rbp)
	movq P_ARG1(%rbx), %rax
	movq %rax, COMM+COMM_ARG1(%rbp)
	movq $-1, %rcx
	cmpq $0, P_DELAY(%rbx)
	je 3f
	rdtsc
	shlq $32, %rdx
	leaq (%rdx,%rax), %rcx
	addq P_DELAY(%rbx), %rcx
3:	movq %rcx, COMM+COMM_DEADLINE(%rbp)
	leaq P_TEXT(%rbx), %rsi
	leaq COMM+COMM_TEXT(%rbp), %rdi
	movl $16, %ecx
	movl %ecx, COMM+COMM_TEXT_LEN(%rbp)
	rep movsb
	call to_host
	movw %fs, P_FS_NOW(%rbx)
	movw %gs, P_GS_NOW(%rbx)
	movw %ds, P_DS_NOW(%rbx)
	movw %es, P_ES_NOW(%rbx)
	xorl %eax, %eax			/* take what the host raised */
	xchgq %rax, COMM+COMM_PENDING(%rbp)
	orq %rax, P_TAKEN(%rbx)
	incq P_ROUNDS(%rbx)
	jmp next

/* No exception can be delivered on such a stack: the next one is a double fault. */
lose_stack:
	movq $FAULT_PAGE_SP, %rsp
	cmpl $FAULT_PAGE, P_FAULT(%rbx)
	je 4f
	movabsq $0x8000000000000000, %rsp
4:	pushq %rax
	ud2

/* By its own gate, on the stack that the TSS has for it: error code, RIP, CS, flags, RSP. */
	.balign 16
mini_double_fault:
	subq $16, %rsp
	sidt (%rsp)
	movq 2(%rsp), %rbx
	addq $16, %rsp
	subq $4096, %rbx
	movq P_AREA_VA(%rbx), %rbp
	movq 32(%rsp), %rax
	movq %rax, P_FAULT_SP(%rbx)
	str P_FAULT_TR(%rbx)
	movl $MODE_CALL, P_MODE(%rbx)
	incl P_FAULTS(%rbx)
	jmp next

to_host:
	leaq STATE(%rbp), %rdi
	movl $CO_W_GUEST, %esi
	movl $CO_W_HOST, %edx
	jmp *%rbp

/*
 * One gate a vector, 16 bytes apart. They cannot rely on any register, as an NMI
 * may hit the passage; but the IDT lies one page after the parameters.
 */
	.balign 16
mini_gates:
	.set vector, 0
	.rept 256
	.balign 16
	pushq $vector
	jmp gate
	.set vector, vector + 1
	.endr
	.balign 16

gate:
	pushq %rbx
	pushq %rbp
	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	subq $16, %rsp
	sidt (%rsp)
	movq 2(%rsp), %rbx
	addq $16, %rsp
	subq $4096, %rbx
	movq P_AREA_VA(%rbx), %rbp
	movq 88(%rsp), %rcx		/* vector */
	cmpl $2, %ecx
	je nmi
	cmpl $18, %ecx
	je mce
	cmpl $32, %ecx
	jb exception
	incl P_IRQS(%rbx)
	movl $R_IRQ, COMM+COMM_REASON(%rbp)
	movq %rcx, COMM+COMM_ARG0(%rbp)
	call to_host
	jmp back

nmi:
	incl P_NMIS(%rbx)
	call may_leave
	je 4f
	incl STATE+S_NMI_PENDING(%rbp)
	jmp back
4:	movl $R_NMI, %ecx
	jmp forward

mce:
	call may_leave
	je 5f
	incl STATE+S_MCE_PENDING(%rbp)
	jmp back
5:	movl $R_MCE, %ecx
forward:
	/* the interrupted code may be about to leave with another reason */
	pushq COMM+COMM_ARG0(%rbp)
	movl COMM+COMM_REASON(%rbp), %eax
	pushq %rax
	movl %ecx, COMM+COMM_REASON(%rbp)
	call to_host
	popq %rax
	movl %eax, COMM+COMM_REASON(%rbp)
	popq COMM+COMM_ARG0(%rbp)
back:
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rdi
	popq %rsi
	popq %rdx
	popq %rcx
	popq %rax
	popq %rbp
	popq %rbx
	addq $8, %rsp
	iretq

	/* ZF: a passage may be made now. Not inside one; nor while still on its
	 * stack, as there is no IST here: the new one would run over this frame. */
may_leave:
	cmpl $0, STATE+S_IN_PASSAGE(%rbp)
	jne 6f
	movq %rsp, %rax
	leaq STATE(%rbp), %rdx
	xorq %rdx, %rax
	shrq $12, %rax
	jnz 7f
	incl %eax			/* same page: ZF = 0 */
6:	ret
7:	xorl %eax, %eax			/* ZF = 1 */
	ret

exception:
	addl $0x30, %ecx		/* '0' + vector: enough of a message */
	movb %cl, COMM+COMM_TEXT(%rbp)
	movl $1, COMM+COMM_TEXT_LEN(%rbp)
	movl $R_PANIC, COMM+COMM_REASON(%rbp)
	call to_host
	jmp exception
mini_end:
	.section .note.GNU-stack,"",@progbits

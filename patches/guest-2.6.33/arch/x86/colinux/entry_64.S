/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IDT gates that must work where the kernel's own entry code does not: before
 * there is a task state segment, and at any instruction at all.
 */
#include <linux/linkage.h>
#include <asm/page.h>
#include <asm/colinux/co_state.h>

/*
 * Until trap_init() every exception ends here, on the interrupted stack:
 * co_early_gates[vector], 16 bytes each. Builds a struct pt_regs.
 */
	.section .init.text, "ax"
	.balign 16
ENTRY(co_early_gates)
	vector = 0
	.rept 32
	.balign 16
	/* vectors for which the CPU pushes an error code by itself */
	.if !((0x60227d00 >> vector) & 1)
	pushq $0
	.endif
	pushq $vector
	jmp co_early_common
	vector = vector + 1
	.endr
	.balign 16
END(co_early_gates)

co_early_common:
	cld
	xchgq %rdi, (%rsp)	/* the vector's place is pt_regs.di's */
	pushq %rsi
	pushq %rdx
	pushq %rcx
	pushq %rax
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movl %edi, %esi
	movq %rsp, %rdi
	call co_early_trap
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rax
	popq %rcx
	popq %rdx
	popq %rsi
	popq %rdi
	addq $8, %rsp		/* the error code */
	iretq

/*
 * NMI and machine check, each on its own stack of the IST. They can come between
 * any two instructions: in user mode, or before the entry code has done its
 * swapgs. So nothing here, and nothing in the C functions, touches %gs.
 *
 * Both leave for the host, whose handler's iret ends the CPU's blocking of
 * further NMIs. So the next one may come while this one is not finished, and it
 * finds the stack's top again. Linux 2.6.33 is not made for that; so the first
 * one moves its frame down and leaves the top for a second one, which sees by
 * its interrupted stack pointer that it is nested, is counted, and goes. The
 * driver re-issues what is counted.
 */
#define NEST	128		/* bytes at the stack's top for a nested one */

	.macro forward_gate name function counter stack_size
ENTRY(\name)
	pushq %rax
	pushq %rdx
	testb $3, 24(%rsp)	/* CS: from user mode it is no nested one */
	jnz 1f
	leaq 56(%rsp), %rdx	/* the stack's top, */
	subq 40(%rsp), %rdx	/* less the interrupted stack pointer */
	cmpq $\stack_size, %rdx
	ja 1f
	movq co_state_at, %rax
	incl \counter(%rax)
	popq %rdx
	popq %rax
	iretq
1:	popq %rdx
	popq %rax
	subq $(NEST - 40), %rsp
	.rept 5			/* SS, RSP, flags, CS, RIP: one word further each */
	pushq NEST - 8(%rsp)
	.endr
	cld			/* user space may have left DF set */
	pushq %rax		/* what a C function may clobber; */
	pushq %rcx		/* the passage keeps the rest */
	pushq %rdx
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	call \function
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rdi
	popq %rsi
	popq %rdx
	popq %rcx
	popq %rax
	iretq
END(\name)
	.endm

	.section .kprobes.text, "ax"
	forward_gate asm_co_nmi co_forward_nmi S_NMI_PENDING EXCEPTION_STKSZ
	forward_gate asm_co_machine_check co_forward_mce S_MCE_PENDING EXCEPTION_STKSZ

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IDT gates that must work where the kernel's own entry code does not: before
 * there is a task state segment, and at any instruction at all.
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/smap.h>
#include <asm/unwind_hints.h>

/*
 * The gates of the bring-up IDT: the host's NMIs and machine checks do not wait
 * until we are ready for them. The shared area is not reachable yet (we may run
 * at physical addresses, hence %rip-relative), so count them;
 * co_early_setup() hands the counts to the host, which re-issues them.
 * Their counters are initialised data: clear_bss() comes later than the first.
 */
	.data
	.balign 4
SYM_DATA(co_bringup_nmis, .long 0)
SYM_DATA(co_bringup_mces, .long 0)

	.text
SYM_CODE_START(co_bringup_nmi)
	UNWIND_HINT_IRET_REGS
	incl	co_bringup_nmis(%rip)
	iretq
SYM_CODE_END(co_bringup_nmi)

SYM_CODE_START(co_bringup_mce)
	UNWIND_HINT_IRET_REGS
	incl	co_bringup_mces(%rip)
	iretq
SYM_CODE_END(co_bringup_mce)

/*
 * The machine check gate, on the #MC stack of the IST. It can come between any
 * two instructions: in user mode, or before the entry code has done its swapgs.
 * So nothing here, and nothing in co_forward_mce(), touches %gs; and page
 * tables need no change, since the kernel is built without their isolation.
 */
	.section .entry.text, "ax"
SYM_CODE_START(asm_co_machine_check)
	UNWIND_HINT_IRET_REGS
	ASM_CLAC		/* user space may have left AC set */
	cld			/* and DF */
	pushq	%rax		/* what a C function may clobber; */
	pushq	%rcx		/* the passage keeps the rest */
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%rbp
	movq	%rsp, %rbp
	andq	$-16, %rsp	/* the ABI's alignment: IST entry pushes 5 words */
	call	co_forward_mce
	movq	%rbp, %rsp
	popq	%rbp
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rax
	iretq
SYM_CODE_END(asm_co_machine_check)

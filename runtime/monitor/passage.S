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
#include "passage64.h"

	.section .text
	.balign 4096
	.globl co_passage, co_passage_nmi, co_passage_mce
	.globl co_boot_nmi, co_boot_mce, co_boot_entry, co_passage_end

co_passage:
	push_caller

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

	save_world

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

	onto_ground
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
	off_ground
	load_world

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
	count_and_return S_NMI_PENDING

co_passage_mce:
	count_and_return S_MCE_PENDING

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

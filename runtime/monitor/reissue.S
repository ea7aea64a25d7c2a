/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Re-issue an interrupt that came while the guest ran, on the host's live IDT.
 *
 *	void co_reissue(u64 vector)		SysV convention
 *	void co_reissue_open(u64 vector)
 *
 * Called with interrupts off, right after the passage. The interrupt has been
 * taken from the interrupt controller already (it is in service there); what is
 * missing is that the host hears of it. `int n` does the same as the hardware: it
 * goes through the IDT, whichever gate, stack and handler the host has there.
 *
 * co_reissue leaves interrupts off: the handler sees a frame with IF = 0. Linux
 * takes that for an interrupt in a section with interrupts off, and returns
 * without preempting, which suits us.
 *
 * co_reissue_open is for NT, which must see IF = 1, as it may switch threads
 * right there. STI holds interrupts off for one more instruction, so that no
 * other one can come before `int n`: a thread switch in between would leave the
 * vector in service for ages.
 *
 * The jump goes to one of 256 stubs, as `int` takes only an immediate vector;
 * each begins with endbr64, for hosts with indirect branch tracking.
 */
	.section .text
	.globl co_reissue, co_reissue_open
	.balign 16
co_reissue:
	endbr64
	movzbl %dil, %edi
	leaq co_stubs(%rip), %rax
	leaq (%rax,%rdi,8), %rax
	jmp *%rax
	int3

	.balign 16
co_reissue_open:
	endbr64
	movzbl %dil, %edi
	shll $4, %edi
	leaq co_stubs_open(%rip), %rax
	addq %rdi, %rax
	jmp *%rax
	int3

	.balign 16
co_stubs:
	.set vector, 0
	.rept 256
	endbr64
	.byte 0xcd, vector		/* int $vector; spelt out, since `int $3` */
	ret				/* would become the one-byte breakpoint */
	.balign 8, 0xcc
	.set vector, vector + 1
	.endr
	.org co_stubs + 256 * 8		/* fails if a stub was longer */

	.balign 16
co_stubs_open:
	.set vector, 0
	.rept 256
	endbr64
	sti
	.byte 0xcd, vector
	cli
	ret
	.balign 16, 0xcc
	.set vector, vector + 1
	.endr
	.org co_stubs_open + 256 * 16
#ifdef __ELF__
	.section .note.GNU-stack,"",@progbits
#endif

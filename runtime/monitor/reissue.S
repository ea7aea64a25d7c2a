/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Re-issue an interrupt that came while the guest ran, on the host's live IDT.
 *
 *	void co_reissue(u64 vector)		SysV convention
 *	void co_reissue_open(u64 vector)
 *	void co_unblock_nmi(void)
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
 * NMIs are another matter. `int 2` does not block further NMIs as a real one does,
 * and a real one that hits the first instructions of the host's handler would
 * run over its stack (Linux and NT give NMIs a fixed one, by IST). It would be
 * safe only while NMIs are still blocked by the one that came in the guest;
 * but the guest, or the passage's handler, may have executed iret since. So a
 * host that can sends itself a real NMI; co_unblock_nmi (an iret to the next
 * instruction) then lets it in, where it belongs.
 *
 * The jump goes to one of 256 stubs, as `int` takes only an immediate vector;
 * each begins with endbr64, for hosts with indirect branch tracking.
 */
	.section .text
	.globl co_reissue, co_reissue_open, co_unblock_nmi
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
co_unblock_nmi:
	endbr64
	movl %ss, %eax
	movq %rsp, %rcx
	movl %cs, %edx
	pushq %rax
	pushq %rcx
	pushfq
	pushq %rdx
	leaq 1f(%rip), %rax
	pushq %rax
	iretq
1:	ret
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

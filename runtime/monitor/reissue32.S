/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reissue.S for 32-bit hosts; what it says holds here, too. Arguments are on the
 * stack. There is no IST: an NMI within an NMI just takes more of the same stack.
 *
 *	void co_reissue(u32 vector)
 *	void co_reissue_open(u32 vector)
 *	void co_unblock_nmi(void)
 */
	.section .text
	.globl co_reissue, co_reissue_open, co_unblock_nmi
	.balign 16
co_reissue:
	movzbl 4(%esp), %eax
	call 1f
1:	popl %ecx
	leal (co_stubs - 1b)(%ecx,%eax,4), %eax
	jmp *%eax
	int3

	.balign 16
co_reissue_open:
	movzbl 4(%esp), %eax
	call 2f
2:	popl %ecx
	leal (co_stubs_open - 2b)(%ecx,%eax,8), %eax
	jmp *%eax
	int3

	.balign 16
co_unblock_nmi:
	pushfl
	pushl %cs
	call 3f
3:	addl $(4f - 3b), (%esp)
	iretl
4:	ret
	int3

	.balign 16
co_stubs:
	.set vector, 0
	.rept 256
	.byte 0xcd, vector		/* int $vector; spelt out, since `int $3` */
	ret				/* would become the one-byte breakpoint */
	.balign 4, 0xcc
	.set vector, vector + 1
	.endr
	.org co_stubs + 256 * 4		/* fails if a stub was longer */

	.balign 16
co_stubs_open:
	.set vector, 0
	.rept 256
	sti
	.byte 0xcd, vector
	cli
	ret
	.balign 8, 0xcc
	.set vector, vector + 1
	.endr
	.org co_stubs_open + 256 * 8
#ifdef __ELF__
	.section .note.GNU-stack,"",@progbits
#endif

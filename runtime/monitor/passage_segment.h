/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a world of 32 and one of 64 bits share: the same instructions load both's
 * segments. For the assembler.
 */
#ifndef PASSAGE_SEGMENT_H
#define PASSAGE_SEGMENT_H

/*
 * A data segment register, if its descriptor can still be loaded; else null, for a
 * fault would find no gate. These are user mode's even while a kernel runs; it may be
 * between changing descriptors (of thread-local storage, or by another LDT) and loading
 * the selectors anew, when an NMI brings it here. `world` is the register with its
 * struct co_world. Clobbers eax, ecx.
 */
	.macro load_segment reg, where, world
	movzwl \where(%\world), %eax
	testl $~3, %eax
	jz .Lload_\@			/* null, of whatever privilege */
	larl %eax, %ecx			/* within its table, and for its privilege? */
	jnz .Lbad_\@
	testl $0x8000, %ecx		/* present? */
	jz .Lbad_\@
	verr %ax			/* data, or readable code? */
	jz .Lload_\@
.Lbad_\@:
	xorl %eax, %eax
.Lload_\@:
	movl %eax, %\reg
	.endm

#endif

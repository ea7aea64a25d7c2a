/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's first instruction, the note that tells the loader about it, and
 * the gates of the interrupt descriptor table that are not the kernel's own.
 */
#include <linux/config.h>
#include <linux/linkage.h>
#include <asm/segment.h>
#include <asm/page.h>
#include <asm/colinux/area.h>
#include <asm/colinux/colinux_abi.h>

/* An ELF note: sizes of name and descriptor, type, name, struct co_note. */
	.section .note.colinux, "a", @note
	.balign	4
	.long	CO_NOTE_OWNER_SIZE
	.long	2f - 1f
	.long	CO_NOTE_TYPE
	.asciz	CO_NOTE_OWNER
1:	.long	CO_ABI_VERSION
	.long	CO_NOTE_I386
	.long	CO_AREA_VA, 0
	.long	pg0 - __PAGE_OFFSET + 4 * CO_AREA_SLOT, 0
	.long	co_startup, 0
	.long	swapper_pg_dir - __PAGE_OFFSET, 0
	.long	__KERNEL_CS
	.long	__PAGE_OFFSET
2:

#define BOOT_PARAMS_DWORDS	(2048 / 4)
#define COMMAND_LINE_DWORDS	(2048 / 4)
#define CMD_LINE_PTR		0x228		/* in the boot parameters */

/*
 * Entered by the driver: paging is on, memory is mapped at PAGE_OFFSET, flat
 * segments, interrupts off, NMIs and machine checks are counted by the
 * passage's own IDT, and
 *
 *	%ebx = struct co_boot32, %esi = boot_params, %esp = a small stack.
 *
 * Does what head.S does between its startup_32 and checkCPUtype, for a PC's
 * memory that is not at the addresses of a PC.
 */
	.section .text.init, "ax"
ENTRY(co_startup)
	cld
	movl	$__KERNEL_DS, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %fs
	movl	%eax, %gs

	xorl	%eax, %eax
	movl	$__bss_start, %edi
	movl	$_end, %ecx
	subl	%edi, %ecx
	rep stosb

	/* Every exception gets a gate before anything can go wrong. */
	movl	$co_early_gates, %ebp
	movl	$idt_table, %edi
	movl	$32, %ecx
1:	movl	$(__KERNEL_CS << 16), %eax
	movw	%bp, %ax
	movl	%ebp, %edx
	movw	$0x8e00, %dx		/* interrupt gate, ring 0, present */
	movl	%eax, (%edi)
	movl	%edx, 4(%edi)
	addl	$8, %edi
	addl	$16, %ebp
	decl	%ecx
	jnz	1b
	/* its selectors are good in the passage's GDT as in ours, not loaded yet */
	lidt	idt - 2

	movl	$empty_zero_page, %edi
	movl	$BOOT_PARAMS_DWORDS, %ecx
	rep movsl
	xorl	%eax, %eax
	movl	$COMMAND_LINE_DWORDS, %ecx
	rep stosl
	movl	empty_zero_page + CMD_LINE_PTR, %esi
	testl	%esi, %esi
	jz	2f
	addl	$__PAGE_OFFSET, %esi
	movl	$empty_zero_page + 4 * BOOT_PARAMS_DWORDS, %edi
	movl	$COMMAND_LINE_DWORDS, %ecx
	rep movsl
2:
	lss	stack_start, %esp
	pushl	$0
	popfl
	pushl	%ebx
	call	co_startup_memory	/* p2m: before the first page-table macro */
	popl	%ebx
	jmp	checkCPUtype

/*
 * The exceptions of early boot. NMIs and machine checks are the host's: count
 * them, co_setup() hands the counts over. Any other is the end, and told to the
 * host: the area is mapped from the first instruction on.
 */
	.balign	16
co_early_gates:
	vector = 0
	.rept	32
	.balign	16
	.if	vector == 2
	incl	co_early_nmis
	iret
	.elseif	vector == 18
	incl	co_early_mces
	iret
	.else
	.if	vector != 8 && (vector < 10 || vector > 14) && vector != 17
	pushl	$0			/* the CPU pushes no error code */
	.endif
	pushl	$vector
	jmp	co_early_common
	.endif
	vector = vector + 1
	.endr
	.balign	16
co_early_common:
	pushl	%esp
	call	co_early_trap		/* does not return */

/* Initialised data, not BSS: the first one may come before that is cleared. */
	.data
	.balign	4
ENTRY(co_early_nmis)
	.long	0
ENTRY(co_early_mces)
	.long	0

/*
 * The lasting gates for the same two. Either may come between any two
 * instructions, on any stack that we or the passage may be on: so they touch
 * nothing but it, and ask for no `current'.
 */
#define FORWARD(name, function)			\
ENTRY(name)					;\
	pushl	%eax				;\
	pushl	%ecx				;\
	pushl	%edx				;\
	pushl	%ds				;\
	pushl	%es				;\
	movl	$__KERNEL_DS, %eax		;\
	movl	%eax, %ds			;\
	movl	%eax, %es			;\
	cld					;\
	call	function			;\
	popl	%es				;\
	popl	%ds				;\
	popl	%edx				;\
	popl	%ecx				;\
	popl	%eax				;\
	iret

	.text
FORWARD(co_nmi, co_forward_nmi)
FORWARD(co_machine_check, co_forward_mce)

/* A double fault's task begins here, on a stack of its own. */
ENTRY(co_double_fault)
	cld
	pushl	$0			/* a task gate has set NT */
	popfl
	clts
	call	co_double_fault_task	/* does not return */

	.section .note.GNU-stack, "", @progbits

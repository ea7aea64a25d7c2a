/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An i386 guest's first instructions, its note for the loader, and the IDT
 * gates that must work where the kernel's own entry code does not.
 */
#include <linux/linkage.h>
#include <linux/init.h>
#include <asm/asm-offsets.h>
#include <asm/page_types.h>
#include <asm/segment.h>
#include <asm/thread_info.h>
#include <asm/colinux/colinux_abi.h>
#include "series.h"

#define pa(x) ((x) - __PAGE_OFFSET)

#ifdef CONFIG_X86_PAE
#define CO_NOTE_FLAGS	(CO_NOTE_I386 | CO_NOTE_PAE)
#define CO_ROOT		co_root
#else
#define CO_NOTE_FLAGS	CO_NOTE_I386
#define CO_ROOT		swapper_pg_dir
#endif

/*
 * How the loader knows us: colinux_abi.h, struct co_note. Assembled, because C
 * has no initialiser for an address in a 64-bit field of a 32-bit object.
 */
	.section .note.colinux, "a", @note
	.balign 4
	.long CO_NOTE_OWNER_SIZE
	.long .Lnote_end - .Lnote
	.long CO_NOTE_TYPE
	.asciz CO_NOTE_OWNER
.Lnote:
	.long CO_ABI_VERSION
	.long CO_NOTE_FLAGS
	.long CO_AREA_VA, 0
	.long pa(co_area_pgt), 0
	.long co_entry, 0
	.long pa(CO_ROOT), 0
	.long __KERNEL_CS
	.long __PAGE_OFFSET
.Lnote_end:

/*
 * Entered from the passage, in the state that colinux_abi.h describes at struct
 * co_boot32: paging on, and everything that startup_32 does before it turns
 * paging on is the loader's work or co_start()'s. Our page directory and the
 * area's page table lie in .bss, which the loader has cleared before it filled
 * them: nobody clears it again. Head_32.S goes on after the IDT is made.
 */
	.section .init.text, "ax"
ENTRY(co_entry)
	cld
	movl $(init_thread_union + THREAD_SIZE), %esp
	xorl %ebp, %ebp
	movl %ebx, %eax			/* struct co_boot32 */
	movl %esi, %edx			/* struct boot_params */
	call co_start
	jmp checkCPUtype
ENDPROC(co_entry)

/*
 * Until trap_init() every exception ends here, on the interrupted stack:
 * co_early_gates[vector], 16 bytes each. Builds a struct pt_regs, with the vector
 * in the place of %gs, which nothing here changes.
 */
	.balign 16
ENTRY(co_early_gates)
	vector = 0
	.rept 32
	.balign 16
	/* vectors for which the CPU pushes an error code by itself */
	.if !((0x60227d00 >> vector) & 1)
	pushl $0
	.endif
	pushl $vector
	jmp co_early_common
	vector = vector + 1
	.endr
	.balign 16
END(co_early_gates)

co_early_common:
	cld
	pushl %fs
	pushl %es
	pushl %ds
	pushl %eax
	pushl %ebp
	pushl %edi
	pushl %esi
	pushl %edx
	pushl %ecx
	pushl %ebx
	movl %esp, %eax
	pushl PT_GS(%esp)		/* asmlinkage: arguments on the stack */
	pushl %eax
	call co_early_trap
	addl $8, %esp
	popl %ebx
	popl %ecx
	popl %edx
	popl %esi
	popl %edi
	popl %ebp
	popl %eax
	popl %ds
	popl %es
	popl %fs
	addl $8, %esp			/* the vector and the error code */
	iret

/*
 * The machine check gate. It can come between any two instructions: on the few
 * words of stack that SYSENTER starts with, or on the 16-bit stack segment of
 * the way back to a program that has one. There is no IST in 32 bits, so it
 * brings its own stack, and finds its way back by the old SS:ESP. Once the host
 * has handled it, another one may come while we are still on that stack: that
 * one stays where it is.
 */
#define CO_MCE_STACK	1024

	.section .kprobes.text, "ax"
ENTRY(asm_co_machine_check)
	pushl %eax
	pushl %ecx
	pushl %edx
	pushl %ds
	pushl %es
	pushl %fs
	cld				/* user space may have left DF set */
	movl $__KERNEL_PERCPU, %eax
	movl %eax, %fs
	movl $__KERNEL_DS, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %ss, %ecx
	movl %esp, %edx
	movl %esp, %eax
	subl $co_mce_stack, %eax
	cmpl $CO_MCE_STACK, %eax
	jb 1f
	movl %ds, %eax
	movl %eax, %ss			/* nothing comes between this and the next */
	movl $(co_mce_stack + CO_MCE_STACK), %esp
1:	pushl %ecx
	pushl %edx
	call co_forward_mce
	lss (%esp), %esp
	popl %fs
	popl %es
	popl %ds
	popl %edx
	popl %ecx
	popl %eax
	iret
ENDPROC(asm_co_machine_check)

	.section .bss
	.balign 16
co_mce_stack:
	.fill CO_MCE_STACK, 1, 0

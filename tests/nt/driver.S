/* SPDX-License-Identifier: GPL-2.0-only */
/* The driver that is tested: the very file that ships. */
	.section .rodata
	.globl nt_sys, nt_sys_end
	.balign 16
nt_sys:
	.incbin CO_SYS
nt_sys_end:
	.section .note.GNU-stack,"",@progbits

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two gates a cooperative guest has below FIRST_EXTERNAL_VECTOR. Assembled
 * into entry stubs by asm/idtentry.h, so: no C here.
 */
#ifndef _ASM_X86_COLINUX_VECTORS_H
#define _ASM_X86_COLINUX_VECTORS_H

/*
 * A software interrupt of our own, raised where the guest finds that the host
 * has left virtual interrupts for it. The number is the 8259's old spurious
 * vector: no host kernel uses it for anything (Windows takes 0x1f and 0x2f).
 */
#define CO_CALLBACK_VECTOR	0x0f

/* The one vector below 0x20 that a host uses: Windows x64's APC interrupt. */
#define CO_LOW_VECTOR		0x1f

#endif

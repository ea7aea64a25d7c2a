/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The miniature guest kernel's one page of parameters, shared with the test that
 * loads it: it lies where a real guest's boot_params do.
 */
#ifndef MINIKERNEL_H
#define MINIKERNEL_H

/* Offsets; checked in driver.c. */
#define P_ROOT4		0	/* page tables of 4 and of 5 levels */
#define P_ROOT5		8
#define P_AREA_VA	16
#define P_IDT		24	/* pseudo-descriptor: limit, base */
#define P_MODE		40
#define P_REASON	44
#define P_ARG0		48
#define P_ARG1		56
#define P_DELAY		64	/* TSC ticks until the deadline; 0: none */
#define P_ROUNDS	72	/* how often a command was carried out */
#define P_TAKEN		80	/* virtual interrupts seen, two words */
#define P_IRQS		88
#define P_NMIS		92
#define P_GDT		96	/* pseudo-descriptor */
#define P_CODE		112	/* selectors in that GDT, 16 bits each; these two are i386's */
#define P_DATA		114
#define P_TR		116
#define P_LDT		118
#define P_FS		120	/* x86_64: ds as well */
#define P_GS		122	/* in the LDT; x86_64: es as well */
/* the 32-bit one's only */
#define P_CHECKING	124	/* compare all registers around each call */
#define P_CHECKS	128	/* how often that was done */
#define P_DIFFERENT	132	/* and how often they were not the same */
#define P_FIRST		136	/* offset of the first difference seen */
#define P_SSE		140	/* the CPU has it */
/* both again */
#define P_FAULT		144	/* MODE_FAULT: FAULT_* */
#define P_FAULTS	148	/* double faults that were handled */
#define P_FAULT_SP	152	/* stack pointer of the last one's victim */
#define P_FAULT_TR	160	/* task register in its handler */
#define P_FS_NOW	162	/* after the last passage, and the next ones */
#define P_GS_NOW	164
#define P_DS_NOW	166
#define P_ES_NOW	168

#define P_TEXT		256
#define P_BEFORE	512	/* struct snapshot */
#define P_AFTER		768

/* Offsets in a snapshot; all of it is compared. */
#define SNAP_GENERAL	0	/* eax's place is unused; edi esi ebp esp ebx edx ecx */
#define SNAP_CR		32	/* 0, 2, 3, 4 */
#define SNAP_DR		48	/* 0, 1, 2, 3, 6, 7 */
#define SNAP_MSR	72	/* EFER, SYSENTER_CS, _ESP, _EIP */
#define SNAP_SEGMENT	104	/* cs ds es ss fs gs tr ldt */
#define SNAP_GDTR	136
#define SNAP_IDTR	144
#define SNAP_BASE	152	/* what lies at %fs:0 and %gs:0 */
#define SNAP_FLAGS	160
#define SNAP_X87	164	/* control word */
#define SNAP_XMM	168
#define SNAP_BYTES	184

#define MODE_CALL	0	/* leave with reason, arg, deadline; for ever */
#define MODE_SPIN	1	/* spin, interrupts on, until a virtual interrupt came;
				 * then leave like MODE_CALL */
#define MODE_FAULT	2	/* lose the stack, and take the next command in the
				 * double fault's handler, for ever */

#define FAULT_PAGE	0	/* nothing is mapped there: page faults */
#define FAULT_SEGMENT	1	/* outside of the stack segment, or not canonical */
#define FAULT_PAGE_SP	0x1000
#define FAULT_LIMIT_SP	0x2000	/* i386: the segment ends at 0xfff */
#define SEL_SHORT	0x98	/* i386: that segment */

#define COMM_REASON	4	/* in struct co_comm */
#define COMM_ARG0	8
#define COMM_ARG1	16
#define COMM_PENDING	24
#define COMM_DEADLINE	40
#define COMM_TEXT_LEN	72
#define COMM_TEXT	80

#endif

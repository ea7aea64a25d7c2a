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
#define P_TEXT		256

#define MODE_CALL	0	/* leave with reason, arg, deadline; for ever */
#define MODE_SPIN	1	/* spin, interrupts on, until a virtual interrupt came;
				 * then leave like MODE_CALL */

#define COMM_REASON	4	/* in struct co_comm */
#define COMM_ARG0	8
#define COMM_ARG1	16
#define COMM_PENDING	24
#define COMM_DEADLINE	40
#define COMM_TEXT_LEN	72
#define COMM_TEXT	80

#endif

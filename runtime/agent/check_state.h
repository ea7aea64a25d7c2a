/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * check_state.c's rooms: one function a kind of CPU state.
 *
 *	check_state.c		who holds what, who disturbs, what came of it
 *	check_state_segments.c	segment registers: TLS, LDT, flat and null ones, bases
 *	check_state_watch.c	debug registers
 *	check_state_entry.c	the instructions that enter the kernel
 *	check_state_modes.c	other modes of the CPU: virtual 8086, and 32 bits in 64
 *
 * A function of a kind runs in a process of its own, `copy` says in the how manyeth,
 * takes its state, waits with it, looks, and does so again until the time is up.
 */
#ifndef COLINUX_CHECK_STATE_H
#define COLINUX_CHECK_STATE_H

#define STATE_KEPT	0
#define STATE_ABSENT	1	/* this kernel has no such thing */
#define STATE_LOST	2	/* and a line `fault: ...` has said how */

typedef int state_hold(int copy, double until, long *rounds);

state_hold state_tls, state_ldt, state_segments, state_watch, state_int80;
#ifdef __x86_64__
state_hold state_bases, state_syscall, state_compat32, state_fast32;
#else
state_hold state_sysenter, state_vm86;
#endif

/* Prints `fault: KIND COPY: ...`; returns STATE_LOST. */
int state_lost(const char *kind, int copy, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Let others run: spin, so that the host's interrupts come in the midst of it, then
 * give the CPU away, every fourth time asleep. No C library: the caller's segment
 * registers may not be those that it needs.
 */
void state_wait(unsigned round);

/* The kernel, without the C library; what it returns. Arguments and numbers are the
 * architecture's own. */
static inline long state_call(long number, long a, long b, long c)
{
	long result;

#ifdef __x86_64__
	__asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
#else
	__asm__ volatile("int $0x80" : "=a"(result) : "0"(number), "b"(a), "c"(b), "d"(c)
			 : "memory");
#endif
	return result;
}

/* The same through the gate of 32-bit programs, which takes addresses of 32 bits. */
static inline long state_call32(long number, long a, long b, long c)
{
#ifdef __x86_64__
	int result;

	/* old kernels clear r8 to r11 */
	__asm__ volatile("int $0x80" : "=a"(result) : "0"((int)number), "b"(a), "c"(b), "d"(c)
			 : "r8", "r9", "r10", "r11", "memory");
	return result;
#else
	return state_call(number, a, b, c);
#endif
}

/* System calls of i386, and of that gate; and those that have other numbers at home. */
#define NR32_GETPID		20
#define NR32_SCHED_YIELD	158
#define NR32_NANOSLEEP		162
#define NR32_SET_THREAD_AREA	243
#ifdef __x86_64__
#define NR_SCHED_YIELD		24
#define NR_NANOSLEEP		35
#define NR_GETPID		39
#define NR_MODIFY_LDT		154
#define NR_ARCH_PRCTL		158
#else
#define NR_SCHED_YIELD		NR32_SCHED_YIELD
#define NR_NANOSLEEP		NR32_NANOSLEEP
#define NR_GETPID		NR32_GETPID
#define NR_MODIFY_LDT		123
#define NR_VM86OLD		113
#endif

/* Is there that gate? A 64-bit kernel may lack it. */
int state_has_gate32(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instructions that enter the kernel: where they lead to is in MSRs, of which the
 * host has values of its own, and in the IDT. Each is executed here, not at the C
 * library's choice: it must give the right answer, leave the other registers alone, and
 * come back when the call has slept while others ran.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "check_state.h"

#define CALLS	500

/* What is in the registers that a call has to keep. */
#define KEPT	5
static const unsigned long patterns[KEPT] = {
	0x5a5a0077, 0x5a5a0177, 0x5a5a0277, 0x5a5a0377, 0x5a5a0477
};

/* A call with its first argument, and the patterns in other registers, which it stores
 * in `kept` as it finds them afterwards; kept[KEPT] is for its own use. Returns what the
 * kernel did. */
typedef long enter(long number, long argument, unsigned long *kept);

#ifdef __x86_64__
static long __attribute__((noinline)) enter_syscall(long number, long argument, unsigned long *kept)
{
	__asm__ volatile(
		"mov $0x5a5a0077, %%esi; mov $0x5a5a0177, %%edx; mov $0x5a5a0277, %%r12d\n"
		"mov $0x5a5a0377, %%r15d\n"
		"syscall\n"
		"1: mov %%rsi, (%%rbx); mov %%rdx, 8(%%rbx); mov %%r12, 16(%%rbx)\n"
		"mov %%r15, 24(%%rbx)\n"
		/* by definition, RCX is where it returned to */
		"lea 1b(%%rip), %%rdx; sub %%rdx, %%rcx; add $0x5a5a0477, %%rcx\n"
		"mov %%rcx, 32(%%rbx)\n"
		: "+a"(number), "+D"(argument) : "b"(kept)
		: "rcx", "rdx", "rsi", "r11", "r12", "r15", "memory", "cc");
	return number;
}

static long __attribute__((noinline)) enter_int80(long number, long argument, unsigned long *kept)
{
	int result;

	__asm__ volatile(
		"mov $0x5a5a0077, %%ecx; mov $0x5a5a0177, %%edx; mov $0x5a5a0277, %%esi\n"
		"mov $0x5a5a0377, %%r12d; mov $0x5a5a0477, %%r15d\n"
		"int $0x80\n"
		"mov %%rcx, (%%rdi); mov %%rdx, 8(%%rdi); mov %%rsi, 16(%%rdi)\n"
		"mov %%r12, 24(%%rdi); mov %%r15, 32(%%rdi)\n"
		: "=a"(result), "+b"(argument) : "0"((int)number), "D"(kept)
		: "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r15", "memory", "cc");
	return result;
}
#else
static unsigned long vsyscall;		/* AT_SYSINFO */

#define ENTER(name, how)							\
static long __attribute__((noinline)) name(long number, long argument, unsigned long *kept) \
{										\
	__asm__ volatile(							\
		"push %%ebp\n"							\
		"movl $0x5a5a0077, %%ecx; movl $0x5a5a0177, %%edx\n"		\
		"movl $0x5a5a0277, %%edi; movl $0x5a5a0377, %%ebp\n"		\
		how "\n"							\
		"movl %%ecx, (%%esi); movl %%edx, 4(%%esi); movl %%edi, 8(%%esi)\n" \
		"movl %%ebp, 12(%%esi); movl $0x5a5a0477, 16(%%esi)\n"		\
		"pop %%ebp\n"							\
		: "+a"(number), "+b"(argument) : "S"(kept)		\
		: "ecx", "edx", "edi", "memory", "cc");				\
	return number;								\
}
ENTER(enter_int80, "int $0x80")
ENTER(enter_sysenter, "call *20(%%esi)")
#endif

/* The numbers of the calls that are made this way. */
struct numbers {
	long getpid, nanosleep;
};

static int kept_all(const unsigned long *kept)
{
	return !memcmp(kept, patterns, sizeof(patterns));
}

/* Calls at full speed, one that sleeps, and then others' turn. `nap`: see hold(). */
static int one_round(const char *kind, int copy, enter *how, const struct numbers *nr,
		     const void *nap)
{
	long want = getpid(), got = want;
	unsigned long kept[KEPT + 1] = { 0 };
	int i;

#ifndef __x86_64__
	kept[KEPT] = vsyscall;
#endif
	for (i = 0; i < CALLS && got == want; i++) {
		memset(kept, 0, sizeof(patterns));
		got = how(nr->getpid, 0, kept);
		if (!kept_all(kept))
			break;
	}
	if (i == CALLS) {
		want = 0;
		got = how(nr->nanosleep, (long)nap, kept);
	}
	if (got != want || !kept_all(kept))
		return state_lost(kind, copy, "call %d gave %ld, not %ld; registers %lx %lx %lx %lx %lx",
				  i, got, want, kept[0], kept[1], kept[2], kept[3], kept[4]);
	return STATE_KEPT;
}

static int hold(const char *kind, int copy, enter *how, const struct numbers *nr, const void *nap,
		double until, long *rounds)
{
	int verdict = STATE_KEPT;

	for (; verdict == STATE_KEPT && check_now() < until; ++*rounds) {
		verdict = one_round(kind, copy, how, nr, nap);
		state_wait((unsigned)*rounds);
	}
	return verdict;
}

int state_int80(int copy, double until, long *rounds)
{
	static const struct numbers nr = { NR32_GETPID, NR32_NANOSLEEP };
	int32_t *nap;	/* seconds, nanoseconds, within reach of 32-bit addresses */
#ifdef __x86_64__
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT;
#else
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
#endif

	if (!state_has_gate32())
		return STATE_ABSENT;
	nap = mmap(NULL, 4096, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (nap == MAP_FAILED)
		return state_lost("int80", copy, "no memory");
	nap[1] = 1000000;
	return hold("int80", copy, enter_int80, &nr, nap, until, rounds);
}

#ifdef __x86_64__
int state_syscall(int copy, double until, long *rounds)
{
	static const struct numbers nr = { NR_GETPID, NR_NANOSLEEP };
	static const int64_t nap[2] = { 0, 1000000 };

	return hold("syscall", copy, enter_syscall, &nr, nap, until, rounds);
}
#else
/* SYSENTER comes back to an address that the kernel knows: to the vDSO's. */
int state_sysenter(int copy, double until, long *rounds)
{
	static const struct numbers nr = { NR_GETPID, NR_NANOSLEEP };
	static const int32_t nap[2] = { 0, 1000000 };
	const unsigned char *code;
	int i;

	vsyscall = getauxval(AT_SYSINFO);
	code = (const unsigned char *)vsyscall;
	if (!code)
		return STATE_ABSENT;
	for (i = 0; i < 32 && (code[i] != 0x0f || code[i + 1] != 0x34); i++)
		;
	if (i == 32)	/* the vDSO has another way in: the CPU cannot, or the kernel will not */
		return STATE_ABSENT;
	return hold("sysenter", copy, enter_sysenter, &nr, nap, until, rounds);
}
#endif

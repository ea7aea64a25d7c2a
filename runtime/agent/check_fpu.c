/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Do the FPU, SSE and AVX registers survive preemption, world switches and
 * forks? Each holder process loads a pattern of its own into every register,
 * control words included, waits with the values in the registers (spinning,
 * and yielding by a raw system call, so that others run in between), stores
 * them and compares. Forkers meanwhile make processes that dirty the registers.
 *
 * The waiting is inside one asm block: no compiler, no library touches a
 * register between load and store.
 */
#include <signal.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#ifdef __x86_64__
#define NVEC 16
#else
#define NVEC 8
#endif

/* What one holder puts into the registers, and what it finds there later. */
struct image {
	int64_t x87[8];
	unsigned char vec[16][32];	/* ymm; the lower 16 bytes: xmm */
	uint32_t mxcsr;
	uint16_t fcw;
	uint16_t pad;
} __attribute__((aligned(32)));

enum level { LEVEL_X87, LEVEL_SSE, LEVEL_AVX };
static const char *const level_name[] = { "x87", "sse", "avx" };

static sigjmp_buf trial;

static void on_sigill(int sig)
{
	(void)sig;
	siglongjmp(trial, 1);
}

static void cpuid(uint32_t leaf, uint32_t *c, uint32_t *d)
{
	uint32_t a = leaf, b;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(*c), "=d"(*d) : "2"(0));
}

/* The most that both the CPU has and the kernel has switched on. */
static enum level probe(void)
{
	struct sigaction sa;
	volatile enum level level = LEVEL_X87;	/* lives across siglongjmp */
	uint32_t c, d;

	cpuid(1, &c, &d);
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_sigill;
	sigaction(SIGILL, &sa, NULL);
	if (!sigsetjmp(trial, 1)) {
		if (d & (1u << 25)) {
			/* a kernel that never set CR4.OSFXSR answers with SIGILL */
			__asm__ volatile("xorps %%xmm0, %%xmm0" ::: "memory");
			level = LEVEL_SSE;
		}
		if (level == LEVEL_SSE && (c & (1u << 27)) && (c & (1u << 28))) {
			uint32_t lo, hi;

			__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
			(void)hi;
			if ((lo & 6) == 6)	/* XCR0: SSE and AVX state */
				level = LEVEL_AVX;
		}
	}
	sa.sa_handler = SIG_DFL;
	sigaction(SIGILL, &sa, NULL);
	return level;
}

/*
 * Wait with the registers full: an inner loop as long as `inner`, then
 * sched_yield, `outer` times. The kernel keeps every register but the few that
 * the call itself uses; those are ours to lose.
 */
#ifdef __x86_64__
#define HOLD \
	"2: mov %[inner], %%r8\n" \
	"3: dec %%r8; jnz 3b\n" \
	"mov $24, %%eax; syscall\n" \
	"decq %[outer]; jnz 2b\n"
#define HOLD_CLOBBER "rax", "rcx", "r8", "r11"
#else
#define HOLD \
	"2: mov %[inner], %%ecx\n" \
	"3: dec %%ecx; jnz 3b\n" \
	"mov $158, %%eax; int $0x80\n" \
	"decl %[outer]; jnz 2b\n"
#define HOLD_CLOBBER "eax", "ecx"
#endif

#define EACH8(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7)
#ifdef __x86_64__
#define EACH(op) EACH8(op) op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#else
#define EACH(op) EACH8(op)
#endif
#define LD_X(n) "movups " #n "*32(%[in]), %%xmm" #n "\n"
#define ST_X(n) "movups %%xmm" #n ", " #n "*32(%[out])\n"
#define LD_Y(n) "vmovups " #n "*32(%[in]), %%ymm" #n "\n"
#define ST_Y(n) "vmovups %%ymm" #n ", " #n "*32(%[out])\n"

/*
 * noinline, and nothing but asm inside: by the calling convention every vector
 * and x87 register is dead across the call, so no clobber list has to name
 * registers that a 32-bit compiler may not know.
 */
static void __attribute__((noinline))
hold_x87(const struct image *in, struct image *out, unsigned long inner, unsigned long outer)
{
	static const uint16_t fcw_default = 0x37f;

	/* 64-bit integers are exact in the 80-bit registers; pushed 7..0, popped 0..7 */
	__asm__ volatile(
		"fninit; fldcw %[fcw_in]\n"
		"fildll 56(%[in]); fildll 48(%[in]); fildll 40(%[in]); fildll 32(%[in])\n"
		"fildll 24(%[in]); fildll 16(%[in]); fildll 8(%[in]); fildll 0(%[in])\n"
		HOLD
		"fnstcw %[fcw_out]\n"
		"fistpll 0(%[out]); fistpll 8(%[out]); fistpll 16(%[out]); fistpll 24(%[out])\n"
		"fistpll 32(%[out]); fistpll 40(%[out]); fistpll 48(%[out]); fistpll 56(%[out])\n"
		"fninit; fldcw %[fcw_default]\n"
		: [outer] "+m"(outer), [fcw_out] "=m"(out->fcw)
		: [in] "S"(in->x87), [out] "D"(out->x87), [inner] "m"(inner),
		  [fcw_in] "m"(in->fcw), [fcw_default] "m"(fcw_default)
		: "memory", "cc", HOLD_CLOBBER);
}

static void __attribute__((noinline))
hold_sse(const struct image *in, struct image *out, unsigned long inner, unsigned long outer)
{
	static const uint32_t mxcsr_default = 0x1f80;

	__asm__ volatile(
		"ldmxcsr %[mx_in]\n" EACH(LD_X) HOLD EACH(ST_X)
		"stmxcsr %[mx_out]\n ldmxcsr %[mx_default]\n"
		: [outer] "+m"(outer), [mx_out] "=m"(out->mxcsr)
		: [in] "S"(in->vec), [out] "D"(out->vec), [inner] "m"(inner),
		  [mx_in] "m"(in->mxcsr), [mx_default] "m"(mxcsr_default)
		: "memory", "cc", HOLD_CLOBBER);
}

static void __attribute__((noinline))
hold_avx(const struct image *in, struct image *out, unsigned long inner, unsigned long outer)
{
	static const uint32_t mxcsr_default = 0x1f80;

	__asm__ volatile(
		"vldmxcsr %[mx_in]\n" EACH(LD_Y) HOLD EACH(ST_Y)
		"vstmxcsr %[mx_out]\n vldmxcsr %[mx_default]\n vzeroupper\n"
		: [outer] "+m"(outer), [mx_out] "=m"(out->mxcsr)
		: [in] "S"(in->vec), [out] "D"(out->vec), [inner] "m"(inner),
		  [mx_in] "m"(in->mxcsr), [mx_default] "m"(mxcsr_default)
		: "memory", "cc", HOLD_CLOBBER);
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* A pattern that no other holder and no other round has. */
static void make_image(struct image *im, uint32_t seed)
{
	uint32_t s = seed;

	memset(im, 0, sizeof(*im));
	for (int i = 0; i < 8; i++)
		im->x87[i] = ((int64_t)next_random(&s) << 24) | next_random(&s);
	for (int i = 0; i < NVEC; i++)
		for (int j = 0; j < 32; j++)
			im->vec[i][j] = (unsigned char)next_random(&s);
	/* rounding mode in bits 10-11 and 13-14: a control word per holder, all exceptions masked */
	im->fcw = (uint16_t)(0x33f | 0x040 | ((seed & 3) << 10));
	im->mxcsr = 0x1f80 | ((seed & 3) << 13);
}

static int compare(const struct image *a, const struct image *b, enum level level, int vec)
{
	int bad = 0;

	if (!vec) {
		for (int i = 0; i < 8; i++)
			if (a->x87[i] != b->x87[i]) {
				printf("mismatch: st(%d) %llx, was %llx\n", i,
				       (long long)b->x87[i], (long long)a->x87[i]);
				bad++;
			}
		if (a->fcw != b->fcw) {
			printf("mismatch: x87 control word %x, was %x\n", b->fcw, a->fcw);
			bad++;
		}
		return bad;
	}
	for (int i = 0; i < NVEC; i++)
		if (memcmp(a->vec[i], b->vec[i], level == LEVEL_AVX ? 32 : 16)) {
			printf("mismatch: %cmm%d\n", level == LEVEL_AVX ? 'y' : 'x', i);
			bad++;
		}
	if ((a->mxcsr ^ b->mxcsr) & ~0x3fu) {	/* the sticky flags below may be set */
		printf("mismatch: mxcsr %x, was %x\n", b->mxcsr, a->mxcsr);
		bad++;
	}
	return bad;
}

/* One holder: exits with the number of mismatches (capped); rounds go to fd. */
static void holder(int n, double until, enum level level, int fd)
{
	struct image in, out;
	long rounds = 0;
	int bad = 0;

	while (check_now() < until && !bad) {
		unsigned long inner = 1000 + 997ul * (unsigned long)(n % 7);

		make_image(&in, (uint32_t)(n * 2654435761u) + (uint32_t)rounds);
		memset(&out, 0xee, sizeof(out));
		hold_x87(&in, &out, inner, 5);
		bad += compare(&in, &out, level, 0);
		if (level >= LEVEL_SSE) {
			(level == LEVEL_AVX ? hold_avx : hold_sse)(&in, &out, inner, 5);
			bad += compare(&in, &out, level, 1);
		}
		rounds++;
	}
	if (write(fd, &rounds, sizeof(rounds)) != sizeof(rounds))
		_exit(100);
	_exit(bad > 99 ? 99 : bad);
}

/* One forker: short-lived children with registers full of something else. */
static void forker(int n, double until, enum level level, int fd)
{
	struct image in, out;
	long forks = 0;

	while (check_now() < until) {
		pid_t pid = fork();
		int status;

		if (pid < 0)
			_exit(101);
		if (!pid) {
			make_image(&in, (uint32_t)(forks * 40503 + n));
			hold_x87(&in, &out, 100, 1);
			if (level >= LEVEL_SSE)
				(level == LEVEL_AVX ? hold_avx : hold_sse)(&in, &out, 100, 1);
			_exit(compare(&in, &out, level, 0) +
			      (level >= LEVEL_SSE ? compare(&in, &out, level, 1) : 0));
		}
		if (waitpid(pid, &status, 0) != pid || status)
			_exit(102);
		forks++;
	}
	if (write(fd, &forks, sizeof(forks)) != sizeof(forks))
		_exit(100);
	_exit(0);
}

static int finish(pid_t pid, const char *what, int n)
{
	int status;

	if (waitpid(pid, &status, 0) != pid) {
		check_unable("waitpid");
		return 1;
	}
	if (!status)
		return 0;
	if (WIFSIGNALED(status))
		printf("fault: %s %d died of signal %d\n", what, n, WTERMSIG(status));
	else
		printf("fault: %s %d ended with %d\n", what, n, WEXITSTATUS(status));
	return 1;
}

int check_fpu(int argc, char **argv)
{
	long seconds = check_number(argc, argv, 1, 3);
	long holders = check_number(argc, argv, 2, 4);
	long forkers = check_number(argc, argv, 3, 2);
	enum level level = probe();
	double until = check_now() + (double)seconds;
	long rounds = 0, forks = 0, v;
	int faults = 0, p[2], q[2];
	pid_t *pid;

	if (holders < 1 || holders + forkers > 1000 || pipe(p) || pipe(q))
		return check_unable("fpu: processes or pipes");
	pid = calloc((size_t)(holders + forkers), sizeof(*pid));
	if (!pid)
		return check_unable("fpu: memory");
	for (long i = 0; i < holders + forkers; i++) {
		fflush(stdout);
		pid[i] = fork();
		if (pid[i] < 0)
			return check_unable("fork");
		if (!pid[i] && i < holders)
			holder((int)i, until, level, p[1]);
		if (!pid[i])
			forker((int)i, until, level, q[1]);
	}
	close(p[1]);
	close(q[1]);
	for (long i = 0; i < holders + forkers; i++)
		faults += finish(pid[i], i < holders ? "holder" : "forker", (int)i);
	while (read(p[0], &v, sizeof(v)) == sizeof(v))
		rounds += v;
	while (read(q[0], &v, sizeof(v)) == sizeof(v))
		forks += v;
	printf("level=%s\nholders=%ld\nrounds=%ld\nforks=%ld\nfaults=%d\n",
	       level_name[level], holders, rounds, forks, faults);
	free(pid);
	/* no round at all would prove nothing */
	return faults || rounds < holders ? CHECK_FAULT : CHECK_OK;
}

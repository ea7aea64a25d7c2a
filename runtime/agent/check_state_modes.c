/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Other modes of the CPU that a process may be in when the host takes it away: virtual
 * 8086 mode on i386; on x86_64 a 32-bit program, with its thread pointer in the GDT and
 * its own ways into the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "check_state.h"

#ifdef __i386__
#include <asm/vm86.h>

/*
 * The program in virtual 8086 mode: counts at DS:0, looks at its segment registers
 * again and again, and ends by the interrupt DONE, or at once by WRONG.
 */
#define PROGRAM_AT	0x20000u	/* linear: below 1 MiB, above what may not be mapped */
#define PROGRAM_BYTES	0x10000u
#define DATA_OFFSET	0x1000u		/* of DS within it */
#define STACK_OFFSET	0x8000u
#define COUNT		30000u
#define VECTOR_DONE	0x60
#define VECTOR_WRONG	0x61

extern const char vm86_code[], vm86_end[];
__asm__(".section .rodata\n"
	".code16\n"
	"vm86_code:\n"
	"	movw $30000, %cx\n"
	"1:	incl 0\n"
	"	movw %ds, %ax; cmpw $0x2100, %ax; jne 2f\n"
	"	movw %es, %ax; cmpw $0x2222, %ax; jne 2f\n"
	"	movw %fs, %ax; cmpw $0x3333, %ax; jne 2f\n"
	"	movw %gs, %ax; cmpw $0x4444, %ax; jne 2f\n"
	"	movw %ss, %ax; cmpw $0x2800, %ax; jne 2f\n"
	"	loop 1b\n"
	"	int $0x60\n"
	"2:	int $0x61\n"
	"vm86_end:\n"
	".code32\n"
	".text\n");

static void set_up(struct vm86_struct *v, unsigned mark)
{
	memset(v, 0, sizeof(*v));
	v->regs.cs = PROGRAM_AT >> 4;
	v->regs.ds = (PROGRAM_AT + DATA_OFFSET) >> 4;	/* 2100 */
	v->regs.ss = (PROGRAM_AT + STACK_OFFSET) >> 4;	/* 2800 */
	v->regs.esp = 0x1000;
	v->regs.es = 0x2222;
	v->regs.fs = 0x3333;
	v->regs.gs = 0x4444;
	v->regs.esi = v->regs.edi = v->regs.ebp = (long)mark;
	v->cpu_type = CPU_586;
	/* both come back to us instead of going through a table at address 0 */
	v->int_revectored.__map[VECTOR_DONE >> 5] = 3u << (VECTOR_DONE & 31);
}

/* Linux 2.4 comes back with fs and gs null, and the C library's thread is found by gs. */
static long enter_vm86(struct vm86_struct *v)
{
	long why;

	__asm__ volatile("pushl %%fs; pushl %%gs; int $0x80; popl %%gs; popl %%fs"
			 : "=a"(why) : "0"(NR_VM86OLD), "b"(v) : "memory");
	return why;
}

int state_vm86(int copy, double until, long *rounds)
{
	uint8_t *memory = mmap((void *)PROGRAM_AT, PROGRAM_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	volatile uint32_t *count = (volatile uint32_t *)(memory + DATA_OFFSET);
	struct vm86_struct v;

	if (memory == MAP_FAILED)
		return state_lost("vm86", copy, "no memory at %x", PROGRAM_AT);
	memcpy(memory, vm86_code, (size_t)(vm86_end - vm86_code));
	for (; check_now() < until; ++*rounds) {
		long mark = (long)(0x86860000u | (unsigned)copy << 8 | (*rounds & 0xff)), why;

		set_up(&v, (unsigned)mark);
		*count = 0;
		why = enter_vm86(&v);
		if (why == -38)
			return STATE_ABSENT;
		if (why != (VM86_INTx | VECTOR_DONE << 8) || *count != COUNT ||
		    v.regs.esi != mark || v.regs.edi != mark || v.regs.ebp != mark ||
		    v.regs.ds != 0x2100 || v.regs.es != 0x2222 || v.regs.fs != 0x3333 ||
		    v.regs.gs != 0x4444 || v.regs.ss != 0x2800)
			return state_lost("vm86", copy, "ended with %lx after %u of %u, ds %x es %x fs %x "
					  "gs %x ss %x, esi %lx, it was %lx", why, *count, COUNT,
					  v.regs.ds, v.regs.es, v.regs.fs, v.regs.gs, v.regs.ss,
					  v.regs.esi, mark);
		state_wait((unsigned)*rounds);
	}
	return STATE_KEPT;
}

#else /* x86_64 */

/*
 * A 32-bit program, whole: this file's ELF header, segment and code. With no argument
 * it enters the kernel by int $0x80, with one by what the kernel offers (AT_SYSINFO: SYSCALL
 * on AMD's CPUs, SYSENTER on Intel's). Makes ROUNDS_32 calls and some that sleep, and
 * looks whether they answer, and at its registers and its thread pointer after each.
 * Exit status: 0, or the number of what was wrong; 77: nothing but int $0x80 is offered.
 */
#define ROUNDS_32	400
#define NOTHING_FAST	77

extern const char program32[], program32_end[];
__asm__(".section .rodata\n"
	".balign 16\n"
	".code32\n"
	".set base32, 0x08048000\n"
	"program32:\n"
	/* ELF header: 32 bits, little endian; executable, i386; SysV ABI, figure 4-3 */
	"	.byte 0x7f, 'E', 'L', 'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0\n"
	"	.word 2, 3\n"
	"	.long 1, base32 + 7f - program32, 52, 0, 0\n"
	"	.word 52, 32, 1, 0, 0, 0\n"
	/* one segment, all of the file, writable */
	"	.long 1, 0, base32, base32, program32_end - program32, program32_end - program32, 7, 4096\n"
	/* data: struct user_desc, the thread pointer's memory, a nap, where to enter */
	"3:	.long -1, base32 + 4f - program32, 0xfff, 0x51\n"
	"4:	.long 0x32323232\n"
	"5:	.long 0, 1000000\n"
	"6:	.long 0\n"
	"8:	int $0x80; ret\n"

	"7:	movl $(base32 + 8b - program32), base32 + 6b - program32\n"
	"	popl %eax\n"			/* argc */
	"	cmpl $1, %eax; je 12f\n"
	"	leal 4(%esp,%eax,4), %esi\n"	/* environment, after argv and its 0 */
	"9:	lodsl; testl %eax, %eax; jnz 9b\n"
	"10:	lodsl; movl %eax, %ebx; lodsl\n"	/* auxiliary vector: type, value */
	"	testl %ebx, %ebx; jz 77f\n"
	"	cmpl $32, %ebx; jne 10b\n"	/* AT_SYSINFO */
	"	movl %eax, base32 + 6b - program32\n"
	"	movl $32, %ecx\n"		/* does it really offer one? */
	"11:	cmpw $0x050f, (%eax); je 12f\n"	/* syscall */
	"	cmpw $0x340f, (%eax); je 12f\n"	/* sysenter */
	"	incl %eax; loop 11b\n"
	"	jmp 77f\n"

	"12:	movl $243, %eax\n"		/* set_thread_area */
	"	movl $(base32 + 3b - program32), %ebx\n"
	"	call *base32 + 6b - program32\n"
	"	movl $1, %ebx; testl %eax, %eax; jnz 99f\n"
	"	movl base32 + 3b - program32, %eax\n"
	"	leal 3(,%eax,8), %eax; movl %eax, %gs\n"
	"	movl %eax, %ebp\n"		/* kept in a register, too: gs's selector */
	"	movl $20, %eax; int $0x80\n"	/* getpid, by the plain way */
	"	movl %eax, %esi\n"
	"	movl $400, %edi\n"
	"13:	movl $20, %eax\n"
	"	movl $0x5a5a0177, %ecx; movl $0x5a5a0277, %edx\n"
	"	call *base32 + 6b - program32\n"
	"	movl $2, %ebx; cmpl %esi, %eax; jne 99f\n"
	"	movl $3, %ebx; cmpl $0x5a5a0277, %edx; jne 99f\n"
	"	incl %ebx; cmpl $0x5a5a0177, %ecx; jne 99f\n"
	"	movl $5, %ebx; movl %gs, %eax; cmpl %ebp, %eax; jne 99f\n"
	"	incl %ebx; cmpl $0x32323232, %gs:0; jne 99f\n"
	"	testl $63, %edi; jnz 14f\n"
	"	movl $162, %eax; movl $(base32 + 5b - program32), %ebx; xorl %ecx, %ecx\n"
	"	call *base32 + 6b - program32\n"	/* nanosleep */
	"	movl $7, %ebx; testl %eax, %eax; jnz 99f\n"
	"14:	decl %edi; jnz 13b\n"
	"	xorl %ebx, %ebx; jmp 99f\n"
	"77:	movl $77, %ebx\n"
	"99:	movl $1, %eax; int $0x80\n"	/* exit */
	"program32_end:\n"
	".code64\n"
	".text\n");

/* Put the program where it can be executed from. */
static int write_program(const char *path)
{
	ssize_t bytes = program32_end - program32;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0700), good;

	if (fd < 0)
		return -1;
	good = write(fd, program32, (size_t)bytes) == bytes;
	return close(fd) || !good ? -1 : 0;
}

/* Runs it once: its exit status, or 256 plus a signal, or -1: it cannot be executed. */
static int run_program(const char *path, const char *argument)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		execl(path, path, argument, (char *)NULL);
		_exit(errno == ENOEXEC ? 126 : 127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int hold_program(const char *kind, const char *argument, int copy, double until, long *rounds)
{
	char path[64];
	int verdict = STATE_KEPT, status;

	snprintf(path, sizeof(path), "/tmp/colinux-%s-%d", kind, (int)getpid());
	if (write_program(path))
		return state_lost(kind, copy, "%s: %s", path, strerror(errno));
	while (verdict == STATE_KEPT && check_now() < until) {
		status = run_program(path, argument);
		if (status == NOTHING_FAST || status == 126)
			verdict = STATE_ABSENT;
		else if (status)
			verdict = state_lost(kind, copy, "the 32-bit program ended with %d", status);
		else
			*rounds += ROUNDS_32;
	}
	unlink(path);
	return verdict;
}

int state_compat32(int copy, double until, long *rounds)
{
	return hold_program("compat32", NULL, copy, until, rounds);
}

int state_fast32(int copy, double until, long *rounds)
{
	return hold_program("fast32", "fast", copy, until, rounds);
}
#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * System calls that are not in the table end here, by SIGSYS (SECCOMP_RET_TRAP in
 * seccomp(2)). Those that name a path are made by the opener, without the caller's
 * knowledge: libraries look into files, too. A few that somebody may try, and can do
 * without, are refused. Any other one is the daemon's end.
 */
#include "sandbox_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <unistd.h>

#include "opener.h"
#include "os.h"

#define ARGUMENTS	6

/* A call's arguments; what it is to return: -errno is a failure. */
typedef long emulation(const unsigned long argument[ARGUMENTS]);

static long result_of(long returned)
{
	return returned < 0 ? -errno : returned;
}

/* Only from here, or with a whole path, is a path one that the opener knows. */
static bool is_openers(unsigned long directory, const char *path)
{
	return (int)directory == AT_FDCWD || path[0] == '/';
}

static long open_at(unsigned long directory, const char *path, u32 flags, u32 mode)
{
	return is_openers(directory, path) ? opener_open(path, flags, mode) : -EACCES;
}

static long emulate_open(const unsigned long argument[ARGUMENTS])
{
	return open_at(AT_FDCWD, (const char *)argument[0], argument[1], argument[2]);
}

static long emulate_openat(const unsigned long argument[ARGUMENTS])
{
	return open_at(argument[0], (const char *)argument[1], argument[2], argument[3]);
}

/* As root that is so of every file that the opener finds. */
static long emulate_access(const unsigned long argument[ARGUMENTS])
{
	int fd = opener_open((const char *)argument[0], O_PATH, 0);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

static long emulate_unlink(const unsigned long argument[ARGUMENTS])
{
	return opener_remove((const char *)argument[0]);
}

static long emulate_unlinkat(const unsigned long argument[ARGUMENTS])
{
	const char *path = (const char *)argument[1];

	return is_openers(argument[0], path) && !argument[2] ? opener_remove(path) : -EACCES;
}

/* fstatat() and statx(): the same call once more, with the opener's descriptor of the file. */
static long look(int number, const unsigned long argument[ARGUMENTS], u32 flags_at)
{
	const char *path = (const char *)argument[1];
	unsigned long flags = argument[flags_at] | AT_EMPTY_PATH;
	long result;
	int fd;

	if (!is_openers(argument[0], path))
		return -EACCES;
	fd = opener_open(path, O_PATH | (flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0), 0);
	if (fd < 0)
		return fd;
	result = result_of(syscall(number, fd, "", flags_at == 2 ? flags : argument[2],
				   flags_at == 3 ? flags : argument[3], argument[4]));
	close(fd);
	return result;
}

static long emulate_statx(const unsigned long argument[ARGUMENTS])
{
	return look(SYS_statx, argument, 2);
}

#ifdef SYS_newfstatat
#define SYS_fstatat	SYS_newfstatat
#else
#define SYS_fstatat	SYS_fstatat64
#endif

static long emulate_fstatat(const unsigned long argument[ARGUMENTS])
{
	return look(SYS_fstatat, argument, 3);
}

/* Of another family or kind than the table has. */
static long refuse(const unsigned long argument[ARGUMENTS])
{
	(void)argument;
	return -EACCES;
}

#ifdef SYS_socketcall
/*
 * i386: the arguments of socket() lie in memory, where no filter can look. The system call
 * of that name has them in registers; where it is not in the table, it comes back here.
 */
static long emulate_socketcall(const unsigned long argument[ARGUMENTS])
{
	const unsigned long *of_socket = (const unsigned long *)argument[1];

	if (argument[0] != 1)	/* SYS_SOCKET of socketcall(2) */
		return -EACCES;
	return result_of(syscall(SYS_socket, of_socket[0], of_socket[1], of_socket[2]));
}
#endif

static const struct {
	int number;
	emulation *make;
} caught[] = {
	{ SYS_open, emulate_open },
	{ SYS_openat, emulate_openat },
	{ SYS_access, emulate_access },
	{ SYS_unlink, emulate_unlink },
	{ SYS_unlinkat, emulate_unlinkat },
	{ SYS_fstatat, emulate_fstatat },
	{ SYS_statx, emulate_statx },
	{ SYS_socket, refuse },
	{ SYS_prlimit64, refuse },	/* to set a limit: it was set before */
	{ SYS_readlink, refuse },
#ifdef SYS_socketcall
	{ SYS_socketcall, emulate_socketcall },
#endif
};

/* --- the handler --- */

static char *decimal(char *at, unsigned int number)
{
	char digits[12];
	int count = 0;

	do
		digits[count++] = '0' + number % 10;
	while (number /= 10);
	while (count)
		*at++ = digits[--count];
	return at;
}

/* Whatever comes after this point could be somebody else's doing. */
static void __attribute__((noreturn)) end(int number)
{
	static const char before[] = "colinux-daemon: it has called the system by number ";
	static const char after[] = ", which its sandbox does not allow: the daemon has a fault, or is in "
				    "somebody else's hands. It ends here (sandbox=off would let it go on)\n";
	char text[sizeof(before) + 12 + sizeof(after)], *at = text;

	memcpy(at, before, sizeof(before) - 1);
	at = decimal(at + sizeof(before) - 1, number);
	memcpy(at, after, sizeof(after) - 1);
	at += sizeof(after) - 1;
	if (write(STDERR_FILENO, text, at - text) < 0)
		text[0] = '\0';	/* nobody reads it */
	os_terminal_restore();
	_exit(EXIT_OTHER);
}

static void on_trap(int signal, siginfo_t *info, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
#ifdef __x86_64__
	const unsigned long argument[ARGUMENTS] = {
		registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
		registers[REG_R10], registers[REG_R8], registers[REG_R9],
	};
	const int answer = REG_RAX;
#else
	const unsigned long argument[ARGUMENTS] = {
		registers[REG_EBX], registers[REG_ECX], registers[REG_EDX],
		registers[REG_ESI], registers[REG_EDI], registers[REG_EBP],
	};
	const int answer = REG_EAX;
#endif
	int saved = errno;
	size_t i;

	(void)signal;
	for (i = 0; i < sizeof(caught) / sizeof(*caught); i++)
		if (caught[i].number == info->si_syscall) {
			registers[answer] = caught[i].make(argument);
			errno = saved;
			return;
		}
	end(info->si_syscall);
}

int sandbox_trap_begin(struct error *error)
{
	/* NODEFER: what a handler calls can be caught in its turn */
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER };
	sigset_t ours;

	sigemptyset(&ours);
	sigaddset(&ours, SIGSYS);
	if (sigaction(SIGSYS, &action, NULL) || pthread_sigmask(SIG_UNBLOCK, &ours, NULL))
		return error_set(error, "sandbox: SIGSYS: %s", strerror(errno));
	return 0;
}

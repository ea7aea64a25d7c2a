// SPDX-License-Identifier: GPL-2.0-only
/*
 * The system calls that remain, and why: a table of groups. What is not in it is caught
 * (sandbox_trap_linux.c). libseccomp makes the kernel's filter of it: a name that an
 * architecture has not is left out there, and calls by another architecture's numbers
 * end the process.
 *
 * Conditions are on 32 bits: commands, flags and descriptors are of that size, and what a
 * program leaves in the register's other half is not looked at by Linux either.
 */
#include "sandbox_linux.h"

#ifdef CO_SECCOMP

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/net.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "colinux_ioctl.h"
#include "line_linux.h"

#define CONDITIONS_MAX	2u

struct row {
	int call;
	u32 conditions;
	struct scmp_arg_cmp condition[CONDITIONS_MAX];
	int answer;		/* 0: it is made; else this errno is its answer */
};

#define IS(arg, value)		{ arg, SCMP_CMP_MASKED_EQ, 0xffffffffu, (u32)(value) }
#define MASKED(arg, bits, value) { arg, SCMP_CMP_MASKED_EQ, bits, value }
#define WITHOUT(arg, bits)	MASKED(arg, bits, 0)
#define WITH(arg, bits)		MASKED(arg, bits, bits)

#define CALL(name)		{ .call = SCMP_SYS(name) }
#define CALL_IF(name, first)	{ .call = SCMP_SYS(name), .conditions = 1, .condition = { first } }
#define CALL_IF2(name, first, second) \
				{ .call = SCMP_SYS(name), .conditions = 2, .condition = { first, second } }
#define NOT_THERE(name)		{ .call = SCMP_SYS(name), .answer = ENOSYS }

/* A descriptor, and not AT_FDCWD: what a path without one means is the opener's business. */
#define DESCRIPTOR(arg)		WITHOUT(arg, 0x80000000u)

static const struct row program[] = {
	CALL(exit), CALL(exit_group), CALL(restart_syscall),
	CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(sigreturn), CALL(sigaltstack),
	CALL(getpid), CALL(gettid), CALL(getpgrp), CALL(getuid), CALL(geteuid), CALL(getgid), CALL(getegid),
	CALL(getuid32), CALL(geteuid32), CALL(getgid32), CALL(getegid32), CALL(uname), CALL(sysinfo),
	CALL(clock_gettime), CALL(clock_gettime64), CALL(gettimeofday), CALL(time),
	CALL(clock_nanosleep), CALL(clock_nanosleep_time64), CALL(nanosleep),
	CALL(getrandom),
	CALL(wait4),		/* for the opener's end: there is no other child */
	CALL_IF(prlimit64, IS(2, 0)), CALL(getrlimit), CALL(ugetrlimit),	/* only to ask */
};

static const struct row memory[] = {
	CALL(brk), CALL(munmap), CALL(mremap), CALL(madvise),
	CALL_IF(mprotect, WITHOUT(2, PROT_EXEC)),
#ifdef __x86_64__	/* elsewhere its arguments lie in memory: mmap2 */
	CALL_IF(mmap, WITHOUT(2, PROT_EXEC)),
#endif
	CALL_IF(mmap2, WITHOUT(2, PROT_EXEC)),
};

static const struct row threads[] = {
	CALL_IF(clone, WITH(0, CLONE_VM | CLONE_THREAD)),
	NOT_THERE(clone3),	/* its flags lie in memory; the C library then takes clone() */
	CALL(futex), CALL(futex_time64), CALL(set_robust_list), CALL(rseq), CALL(sched_yield),
	CALL(sched_getaffinity), CALL(getcpu),
	CALL_IF(prctl, IS(0, PR_SET_NAME)),
};

static const struct row descriptors[] = {
	CALL(read), CALL(write), CALL(writev), CALL(close), CALL(poll), CALL(ppoll), CALL(ppoll_time64),
	CALL(eventfd2), CALL(fstat), CALL(fstat64),
	/* of a descriptor, or nearly: a path is looked at only by who sets this flag as well */
	CALL_IF(newfstatat, WITH(3, AT_EMPTY_PATH)), CALL_IF(fstatat64, WITH(3, AT_EMPTY_PATH)),
	CALL_IF(statx, WITH(2, AT_EMPTY_PATH)),
	CALL_IF(fcntl, IS(1, F_DUPFD_CLOEXEC)), CALL_IF(fcntl64, IS(1, F_DUPFD_CLOEXEC)),
	CALL_IF(fcntl, IS(1, F_GETFD)), CALL_IF(fcntl64, IS(1, F_GETFD)),
	CALL_IF(fcntl, IS(1, F_SETFD)), CALL_IF(fcntl64, IS(1, F_SETFD)),
	CALL_IF(fcntl, IS(1, F_GETFL)), CALL_IF(fcntl64, IS(1, F_GETFL)),
	CALL_IF(fcntl, IS(1, F_SETFL)), CALL_IF(fcntl64, IS(1, F_SETFL)),
};

static const struct row disks[] = {
	CALL(preadv), CALL(pwritev), CALL(pread64), CALL(pwrite64), CALL(lseek), CALL(_llseek),
	CALL(fdatasync), CALL(fsync), CALL(fallocate), CALL(flock), CALL(ftruncate), CALL(ftruncate64),
	CALL_IF(ioctl, IS(1, BLKGETSIZE64)),
};

static const struct row driver[] = {
	CALL_IF(ioctl, IS(1, CO_IOC_VERSION)), CALL_IF(ioctl, IS(1, CO_IOC_CREATE)),
	CALL_IF(ioctl, IS(1, CO_IOC_START)), CALL_IF(ioctl, IS(1, CO_IOC_RUN)),
	CALL_IF(ioctl, IS(1, CO_IOC_IRQ)), CALL_IF(ioctl, IS(1, CO_IOC_KICK)),
	CALL_IF(ioctl, IS(1, CO_IOC_STATS)), CALL_IF(ioctl, IS(1, CO_IOC_CHUNK)),
	CALL_IF(ioctl, IS(1, CO_IOC_BALLOON)),
};

static const struct row terminals[] = {
	CALL_IF(ioctl, IS(1, TCGETS)), CALL_IF(ioctl, IS(1, TCSETS)), CALL_IF(ioctl, IS(1, TCSETSW)),
	CALL_IF(ioctl, IS(1, TIOCGWINSZ)), CALL_IF(ioctl, IS(1, TIOCGPGRP)),
	/* serial ports, each time that they are opened */
	CALL_IF(ioctl, IS(1, LINE_GET)), CALL_IF(ioctl, IS(1, LINE_SET)),
};

/* i386: the C library has most socket calls by this one; socket() itself is in the trap's hands. */
#define SOCKET_CALL(number)	CALL_IF(socketcall, IS(0, number))

/* The door, the opener, serial ports that are sockets: what they have is handed to us. */
static const struct row connections[] = {
	CALL(accept4), CALL(sendto), CALL(recvfrom), CALL(sendmsg), CALL(recvmsg), CALL(getsockopt),
	CALL(shutdown),
	SOCKET_CALL(SYS_ACCEPT4), SOCKET_CALL(SYS_SEND), SOCKET_CALL(SYS_SENDTO), SOCKET_CALL(SYS_RECV),
	SOCKET_CALL(SYS_RECVFROM), SOCKET_CALL(SYS_SENDMSG), SOCKET_CALL(SYS_RECVMSG),
	SOCKET_CALL(SYS_GETSOCKOPT), SOCKET_CALL(SYS_SHUTDOWN),
};

#define SOCKET_KIND		0xfu	/* beside SOCK_CLOEXEC and SOCK_NONBLOCK */

static const struct row network[] = {
	CALL_IF2(socket, IS(0, AF_INET), MASKED(1, SOCKET_KIND, SOCK_STREAM)),
	CALL_IF2(socket, IS(0, AF_INET), MASKED(1, SOCKET_KIND, SOCK_DGRAM)),
	CALL_IF2(socket, IS(0, AF_INET6), MASKED(1, SOCKET_KIND, SOCK_STREAM)),
	CALL_IF2(socket, IS(0, AF_INET6), MASKED(1, SOCKET_KIND, SOCK_DGRAM)),
	CALL(connect), CALL(bind), CALL(listen), CALL(accept), CALL(getsockname), CALL(getpeername),
	CALL(setsockopt),
	SOCKET_CALL(SYS_CONNECT), SOCKET_CALL(SYS_BIND), SOCKET_CALL(SYS_LISTEN), SOCKET_CALL(SYS_ACCEPT),
	SOCKET_CALL(SYS_GETSOCKNAME), SOCKET_CALL(SYS_GETPEERNAME), SOCKET_CALL(SYS_SETSOCKOPT),
	CALL_IF(ioctl, IS(1, FIONREAD)), CALL_IF(ioctl, IS(1, FIONBIO)),
	CALL_IF(ioctl, IS(1, SIOCGIFINDEX)),	/* name servers with an interface: fe80::1%eth0 */
};

static const struct row folders[] = {
	CALL_IF(openat, DESCRIPTOR(0)), CALL_IF(openat2, DESCRIPTOR(0)),
	CALL_IF(mkdirat, DESCRIPTOR(0)), CALL_IF(unlinkat, DESCRIPTOR(0)),
	CALL_IF(symlinkat, DESCRIPTOR(1)), CALL_IF(readlinkat, DESCRIPTOR(0)),
	CALL_IF2(linkat, DESCRIPTOR(0), DESCRIPTOR(2)), CALL_IF2(renameat, DESCRIPTOR(0), DESCRIPTOR(2)),
	CALL_IF2(mknodat, DESCRIPTOR(0), MASKED(2, S_IFMT, S_IFREG)),
	CALL_IF2(mknodat, DESCRIPTOR(0), MASKED(2, S_IFMT, S_IFIFO)),
	CALL_IF2(mknodat, DESCRIPTOR(0), MASKED(2, S_IFMT, S_IFSOCK)),
	CALL_IF2(fchownat, DESCRIPTOR(0), WITH(4, AT_EMPTY_PATH)), CALL_IF(fchmodat, DESCRIPTOR(0)),
	CALL_IF(utimensat, DESCRIPTOR(0)), CALL_IF(utimensat_time64, DESCRIPTOR(0)),
	CALL(getdents64), CALL(fstatfs), CALL(fstatfs64),
	CALL_IF(fcntl, IS(1, F_OFD_SETLK)), CALL_IF(fcntl64, IS(1, F_OFD_SETLK)),
	CALL_IF(fcntl, IS(1, F_OFD_GETLK)), CALL_IF(fcntl64, IS(1, F_OFD_GETLK)),
	CALL(capget), CALL(capset),	/* its thread takes less than it was given */
};

static const struct row folder_users[] = {
	CALL(setfsuid), CALL(setfsgid), CALL(setgroups),
	CALL(setfsuid32), CALL(setfsgid32), CALL(setgroups32),
};

static const struct row folder_attributes[] = {
	CALL(getxattr), CALL(setxattr), CALL(removexattr),
};

static bool always(const struct options *options)
{
	(void)options;
	return true;
}

static bool has_slirp(const struct options *options)
{
	return options_have_net(options, NET_SLIRP);
}

static bool has_folder(const struct options *options)
{
	u32 i;

	for (i = 0; i < OPTIONS_FOLDERS; i++)
		if (options->folder[i].path)
			return true;
	return false;
}

static bool has_folder_of(const struct options *options, enum folder_owner owner)
{
	u32 i;

	for (i = 0; i < OPTIONS_FOLDERS; i++)
		if (options->folder[i].path && options->folder[i].setting.owner == owner)
			return true;
	return false;
}

static bool has_folder_of_user(const struct options *options)
{
	return has_folder_of(options, FOLDER_USER);
}

static bool has_folder_of_attributes(const struct options *options)
{
	return has_folder_of(options, FOLDER_STORED);
}

#define ROWS(rows)	rows, sizeof(rows) / sizeof(*rows)

static const struct group {
	bool (*when)(const struct options *options);
	const struct row *rows;
	size_t count;
} groups[] = {
	/* every program's: signals, clocks, its end */
	{ always, ROWS(program) },
	/* allocating; the guest's memory, mapped at each start; nothing that could be run */
	{ always, ROWS(memory) },
	/* a guest that starts anew has new ones */
	{ always, ROWS(threads) },
	{ always, ROWS(descriptors) },
	{ always, ROWS(disks) },
	/* all requests but POOL, which is for tests */
	{ always, ROWS(driver) },
	/* its own, and serial ports, which may come back while the guest runs */
	{ always, ROWS(terminals) },
	{ always, ROWS(connections) },
	/* ethN=slirp: the guest's connections are the daemon's; no raw sockets, no Unix ones */
	{ has_slirp, ROWS(network) },
	/* cofsN=: one name at a time, from a directory that is open */
	{ has_folder, ROWS(folders) },
	/* owner=UID:GID */
	{ has_folder_of_user, ROWS(folder_users) },
	/* owner=xattr: there is no call for them with a directory before Linux 6.13 */
	{ has_folder_of_attributes, ROWS(folder_attributes) },
};

bool sandbox_calls_can(void)
{
	return seccomp_api_get() >= 2;	/* Linux 3.17: seccomp(2), for all threads at once */
}

static int add_rows(scmp_filter_ctx filter, const struct group *group)
{
	const struct row *row;
	int failure;

	for (row = group->rows; row < group->rows + group->count; row++) {
		failure = seccomp_rule_add_array(filter, row->answer ? SCMP_ACT_ERRNO(row->answer) :
						 SCMP_ACT_ALLOW, row->call, row->conditions, row->condition);
		/* EDOM: this architecture has no such call */
		if (failure && failure != -EDOM)
			return failure;
	}
	return 0;
}

static int set_up(scmp_filter_ctx filter, const struct options *options)
{
	int failure = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	size_t i;

	if (!failure)
		failure = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!failure)	/* a binary tree: RUN is made thousands of times a second */
		failure = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/*
	 * Before 5.16 Linux took who has a filter for somebody who runs others' programs, and
	 * switched speculative stores off for them; here only the guest would be slower.
	 */
	if (!failure && seccomp_api_get() >= 4)
		failure = seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
	for (i = 0; i < sizeof(groups) / sizeof(*groups) && !failure; i++)
		if (groups[i].when(options))
			failure = add_rows(filter, &groups[i]);
	/* signals to ourselves: abort(), Ctrl-Z */
	if (!failure)
		failure = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
					   SCMP_A0(SCMP_CMP_EQ, getpid()));
	return failure ? failure : seccomp_load(filter);
}

int sandbox_calls_filter(const struct options *options, struct error *error)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
	int failure = filter ? set_up(filter, options) : -ENOMEM;

	if (filter)
		seccomp_release(filter);
	return failure ? error_set(error, "sandbox: the filter of system calls: %s", strerror(-failure)) : 0;
}

#else	/* without libseccomp */

bool sandbox_calls_can(void)
{
	return false;
}

int sandbox_calls_filter(const struct options *options, struct error *error)
{
	(void)options;
	return error_set(error, "sandbox: this daemon was built without libseccomp");
}

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sandbox from inside: processes that enter it as the daemon does and then try what it
 * forbids, what it refuses, and what it must allow. Linked with the daemon's own code and
 * libseccomp, without sanitizers, which need more of the system than a daemon.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "check.h"
#include "opener.h"
#include "os.h"
#include "sandbox.h"
#include "sandbox_use.h"

struct options options;

void enter(const char *configuration)
{
	struct error error = { 0 };
	char text[1000];

	snprintf(text, sizeof(text), "kernel=kernel %s", configuration);
	options_init(&options);
	CHECK(!options_parse_text(&options, "text", text, strlen(text), &error));
	CHECK(!options_complete(&options, &error));
	if (sandbox_begin(&options, &error) || sandbox_enter(&options, &error))
		check_no_text(__FILE__, __LINE__, error.text, "no error");
	CHECK(!strcmp(sandbox_is(), "on"));
}

/* The status of a process that does this; what it has said. */
static int in_child(void (*what)(const void *arg), const void *arg, char said[1000])
{
	int status, out[2];
	ssize_t bytes, all = 0;
	pid_t pid;

	CHECK(!pipe(out));
	fflush(NULL);
	pid = fork();
	if (!pid) {
		dup2(out[1], STDERR_FILENO);
		close(out[0]);
		close(out[1]);
		what(arg);
		sandbox_end();
		_exit(0);
	}
	close(out[1]);
	while ((bytes = read(out[0], said + all, 999 - all)) > 0)
		all += bytes;
	said[all] = '\0';
	close(out[0]);
	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}

void good_in_child(void (*what)(const void *arg), const void *arg)
{
	char said[1000];
	int status = in_child(what, arg, said);

	if (status)
		fprintf(stderr, "status %x: %s", status, said);
	CHECK(!status);
}

/* --- what is the end of the daemon --- */

#define EVERYTHING \
	"cobd0=disk cofs0=folder cofs1=folder,owner=1000 cofs2=folder,owner=xattr eth0=slirp ttys0=port exec0=true"

struct attempt {
	const char *name;
	int number;
	unsigned long argument[6];
	bool poor_only;		/* a daemon with folders and networks may do it */
};

#define TRY(name, ...)		{ #name, SYS_##name, { __VA_ARGS__ }, false }
#define TRY_IF_POOR(name, ...)	{ #name, SYS_##name, { __VA_ARGS__ }, true }
#define TEXT(text)		(unsigned long)(text)

static const struct attempt attempts[] = {
	/* other programs, other processes */
	TRY(execve, TEXT("/bin/true")), TRY(execveat, AT_FDCWD, TEXT("/bin/true")), TRY(fork), TRY(vfork),
	TRY(clone, SIGCHLD), TRY(ptrace, 16, 1), TRY(process_vm_readv, 1), TRY(process_vm_writev, 1),
	TRY(kill, 1, 0), TRY(tkill, 1, 0), TRY(tgkill, 1, 1, 0), TRY(pidfd_open, 1), TRY(pidfd_getfd, 0, 0),
	TRY(rt_sigqueueinfo, 1), TRY(setpgid), TRY(setsid), TRY(kcmp, 1, 1),
	/* the host's kernel */
	TRY(init_module), TRY(finit_module, 0), TRY(delete_module, TEXT("colinux")), TRY(bpf, 0),
	TRY(perf_event_open), TRY(kexec_load), TRY(reboot), TRY(syslog, 3), TRY(iopl, 3), TRY(ioperm, 0, 1, 1),
	TRY(userfaultfd), TRY(io_uring_setup, 1), TRY(seccomp, 0), TRY(personality, 0x0400000),
	TRY(keyctl), TRY(add_key), TRY(request_key), TRY(acct), TRY(quotactl), TRY(modify_ldt),
	/* its view of the system, its rights */
	TRY(mount), TRY(umount2), TRY(pivot_root), TRY(chroot, TEXT("/")), TRY(unshare, CLONE_NEWNS), TRY(setns),
	TRY(setuid, 1000), TRY(setresuid, -1, -1, -1), TRY(setgid, 0), TRY(sethostname, TEXT("x"), 1),
	TRY(clock_settime), TRY(settimeofday), TRY(swapon), TRY(prctl, PR_SET_DUMPABLE, 1),
	TRY(prctl, PR_SET_SECCOMP, 1), TRY(sched_setaffinity), TRY(landlock_restrict_self, -1),
	TRY_IF_POOR(capset), TRY_IF_POOR(setfsuid, 1000), TRY_IF_POOR(setgroups, 0),
	/* memory that can be run */
	TRY(mprotect, 0x10000, 4096, PROT_READ | PROT_EXEC), TRY(memfd_create, TEXT("x")), TRY(shmat), TRY(shmget),
	TRY(remap_file_pages), TRY(pkey_mprotect),
#ifdef __x86_64__
	TRY(mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
#else
	TRY(mmap2, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), TRY(mmap, 0),
#endif
	/* files by their paths, and around them */
	TRY(mkdir, TEXT("x"), 0700), TRY(rename, TEXT("disk"), TEXT("x")), TRY(link, TEXT("disk"), TEXT("x")),
	TRY(symlink, TEXT("disk"), TEXT("x")), TRY(chmod, TEXT("disk"), 0777), TRY(chown, TEXT("disk"), 0, 0),
	TRY(truncate, TEXT("disk"), 0), TRY(mknod, TEXT("x"), S_IFREG), TRY(creat, TEXT("x"), 0600),
	TRY(chdir, TEXT("/")), TRY(fchdir, 0), TRY(open_by_handle_at), TRY(name_to_handle_at), TRY(inotify_init1),
	TRY(fanotify_init), TRY(mkdirat, AT_FDCWD, TEXT("x"), 0700), TRY(renameat, AT_FDCWD, TEXT("x"), AT_FDCWD, TEXT("y")),
	TRY(fchmodat, AT_FDCWD, TEXT("disk"), 0777), TRY(mknodat, 3, TEXT("x"), S_IFBLK | 0600),
	TRY(mknodat, 3, TEXT("x"), S_IFCHR | 0600), TRY(fchown, 0, 0, 0),
	TRY_IF_POOR(mkdirat, 3, TEXT("x"), 0700), TRY_IF_POOR(getdents64, 3),
	TRY_IF_POOR(setxattr, TEXT("disk"), TEXT("user.x"), TEXT("x"), 1, 0),
	/* commands of files and devices */
	TRY(ioctl, 0, TIOCSTI, TEXT("x")), TRY(ioctl, 0, TIOCSCTTY), TRY(ioctl, 0, TUNSETIFF), TRY(ioctl, 0, BLKDISCARD),
	TRY(ioctl, 0, CO_IOC_POOL), TRY(ioctl, 0, FS_IOC_SETFLAGS), TRY(fcntl, 0, F_SETOWN, 1), TRY(fcntl, 0, F_NOTIFY),
	TRY_IF_POOR(ioctl, 0, FIONREAD),
	/* connections of the daemon's own */
	TRY(socketpair, AF_UNIX, SOCK_STREAM, 0, 0),
#ifdef __x86_64__
	TRY_IF_POOR(connect, 3), TRY_IF_POOR(bind, 3), TRY_IF_POOR(listen, 3), TRY_IF_POOR(setsockopt, 3),
#endif
};

struct tried {
	const struct attempt *attempt;
	const char *configuration;
};

static void attempt(const void *arg)
{
	const struct tried *tried = arg;
	const unsigned long *a = tried->attempt->argument;

	enter(tried->configuration);
	syscall(tried->attempt->number, a[0], a[1], a[2], a[3], a[4], a[5]);
	_exit(77);
}

static void try_all(const char *configuration, bool poor)
{
	char said[1000], number[60];
	size_t i;

	for (i = 0; i < sizeof(attempts) / sizeof(*attempts); i++) {
		const struct tried tried = { &attempts[i], configuration };
		int status;

		if (attempts[i].poor_only && !poor)
			continue;
		status = in_child(attempt, &tried, said);
		if (status != EXIT_OTHER << 8)
			fprintf(stderr, "%s: status %x: %s\n", attempts[i].name, status, said);
		CHECK_EQUAL(status, EXIT_OTHER << 8);
		snprintf(number, sizeof(number), "has called the system by number %d, which", attempts[i].number);
		CHECK_TEXT(said, number);
	}
}

void make_files(void)
{
	check_file("disk", 1 << 20);
	check_file("kernel", 4096);
	check_file("other", 4096);
	CHECK(!mkdir("folder", 0755));
}

static void forbidden(void)
{
	make_files();
	try_all("", true);
}

static void forbidden_whatever_is_configured(void)
{
	make_files();
	try_all(EVERYTHING, false);
}

/* Another architecture's numbers would mean other calls. */
static void call_by_other_numbers(const void *arg)
{
	(void)arg;
	enter("");
#ifdef __x86_64__
	/* int 0x80 with i386's getpid(), which nobody has forbidden */
	__asm__ volatile ("int $0x80" : : "a"(20) : "memory");
#endif
	_exit(77);
}

static void other_architectures(void)
{
	char said[1000];
	int status;

	make_files();
	status = in_child(call_by_other_numbers, NULL, said);
#ifdef __x86_64__
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
#else
	CHECK_EQUAL(status, 77 << 8);
#endif
}

/* --- what is refused, and the daemon goes on --- */

void refused_for(long result)
{
	CHECK(result < 0);
	CHECK_EQUAL(errno, EACCES);
}

static void ask_for_too_much(const void *arg)
{
	struct rlimit limit;
	struct stat status;

	enter(arg);
	refused_for(open("/etc/passwd", O_RDONLY));
	refused_for(open("other", O_RDONLY));
	refused_for(open("folder/x", O_RDWR | O_CREAT, 0600));
	refused_for(open("kernel", O_RDWR));
	refused_for(open("disk", O_RDONLY | O_TRUNC));
	refused_for(open("./disk", O_RDONLY));
	refused_for(openat(3, "/etc/passwd", O_RDONLY));
	refused_for(stat("/etc/passwd", &status));
	refused_for(access("/etc/passwd", F_OK));
	refused_for(unlink("disk"));
	refused_for(unlinkat(AT_FDCWD, "disk", 0));
	refused_for(socket(AF_UNIX, SOCK_STREAM, 0));
	refused_for(socket(AF_NETLINK, SOCK_RAW, 0));
	refused_for(socket(AF_PACKET, SOCK_RAW, 0));
	refused_for(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	CHECK(!getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur--;
	refused_for(setrlimit(RLIMIT_NOFILE, &limit));
	CHECK_EQUAL(-opener_connect("/run/systemd/private"), EACCES);
}

static void refused(void)
{
	make_files();
	good_in_child(ask_for_too_much, "");
	good_in_child(ask_for_too_much, EVERYTHING);
	CHECK(!access("disk", F_OK));
}

/* --- capabilities, as proc(5) tells them --- */

static int ready[2];

static void wait_inside(const void *arg)
{
	char byte = 'x';

	enter(arg);
	CHECK(write(ready[1], &byte, 1) == 1);
	for (;;)
		poll(NULL, 0, 60000);
}

/* "CapEff" of a process that has entered, as a number. */
static unsigned long long field(pid_t pid, const char *name)
{
	char path[64], line[200];
	unsigned long long value = ~0ull;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "r");
	CHECK(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			value = strtoull(line + strlen(name) + 1, NULL, 16);
	fclose(file);
	return value;
}

static void has_only(const char *configuration, u64 used, u64 kept)
{
	char byte;
	pid_t pid;

	CHECK(!pipe(ready));
	pid = fork();
	if (!pid)
		wait_inside(configuration);
	CHECK(read(ready[0], &byte, 1) == 1);
	CHECK_EQUAL(field(pid, "Seccomp"), 2);
	CHECK_EQUAL(field(pid, "NoNewPrivs"), 1);
	CHECK_EQUAL(field(pid, "CapAmb"), 0);
	if (geteuid())
		used = kept = 0;
	else
		CHECK_EQUAL(field(pid, "CapBnd"), 0);
	CHECK_EQUAL(field(pid, "CapEff"), used);
	CHECK_EQUAL(field(pid, "CapPrm"), kept);
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, NULL, 0) == pid);
}

/* The numbers of <linux/capability.h>, by hand. */
static void capabilities(void)
{
	make_files();
	has_only("", 0, 0);
	has_only("cobd0=disk ttys0=port exec0=true eth0=slirp eth1=slirp,,tcp:2222:22", 0, 0);
	has_only("eth0=slirp,,tcp:222:22", 1 << 10, 1 << 10);
	has_only("eth0=slirp,,udp:2222:22/tcp:1022:22:3", 1 << 10, 1 << 10);
	has_only("cofs0=folder", 0, 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4);
	has_only("cofs0=folder,ro", 0, 1 << 2);
	has_only("cofs0=folder,owner=1000", 0, 1 << 6 | 1 << 7);
	has_only("cofs0=folder,owner=xattr", 0, 1 << 1 | 1 << 3);
}

const struct test tests[] = {
	{ "forbidden", forbidden },
	{ "forbidden_whatever_is_configured", forbidden_whatever_is_configured },
	{ "other_architectures", other_architectures },
	{ "refused", refused },
	{ "threads_and_memory", threads_and_memory },
	{ "disks", disks },
	{ "folders", folders },
	{ "folders_with_attributes", folders_with_attributes },
	{ "network", network },
	{ "ports", ports },
	{ "capabilities", capabilities },
	{}
};

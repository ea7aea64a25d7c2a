/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ways from root into ring 0 that a guest's kernel has to have closed: the
 * host's memory and devices lie behind them. Tries each of them, as root.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* Character devices of major 1; the images have no nodes for them. */
static const struct {
	const char *name;
	unsigned minor;
} memory_devices[] = { { "mem", 1 }, { "kmem", 2 }, { "port", 4 } };

static long open_doors, tried;

static void tell(const char *door, int is_open)
{
	tried++;
	if (!is_open)
		return;
	open_doors++;
	printf("fault: %s is open\n", door);
}

/* Can it be opened, to read or to write? */
static int opens(const char *path)
{
	static const int modes[] = { O_RDONLY, O_WRONLY };
	int found = 0;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		int fd = open(path, modes[i]);

		if (fd >= 0) {
			found = 1;
			close(fd);
		}
	}
	return found;
}

static int memory_device(const char *name, unsigned minor)
{
	char path[64];
	int found;

	snprintf(path, sizeof(path), "/tmp/colinux-door-%s", name);
	unlink(path);
	if (mknod(path, S_IFCHR | 0600, makedev(1, minor)))
		return -1;
	found = opens(path);
	unlink(path);
	return found;
}

static void read_port(void)
{
	(void)inb(0x80);	/* a PC's POST code: of no consequence */
}

static void disable_interrupts(void)
{
	__asm__ volatile("cli");
}

/* Does a process live through this? It must not: #GP, as SIGSEGV. */
static int survives(void (*instruction)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		instruction();
		_exit(0);
	}
	return pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) ||
	       WTERMSIG(status) != SIGSEGV;
}

int check_doors(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	if (geteuid()) {
		errno = EPERM;
		return check_unable("doors, but not as root");
	}
	for (size_t i = 0; i < sizeof(memory_devices) / sizeof(memory_devices[0]); i++) {
		int found = memory_device(memory_devices[i].name, memory_devices[i].minor);

		if (found < 0)
			return check_unable("mknod in /tmp");
		tell(memory_devices[i].name, found);
	}
	tell("/proc/kcore", opens("/proc/kcore"));
	tell("loading of modules", syscall(SYS_init_module, NULL, 0, "") == 0 || errno != ENOSYS);
	/* in a child: what it gains must not help the next try */
	tell("inb", survives(read_port));
	tell("cli", survives(disable_interrupts));
	tell("ioperm", !ioperm(0x80, 1, 1));
	tell("iopl", !iopl(3));
	printf("tried=%ld\nopen=%ld\n", tried, open_doors);
	return open_doors ? CHECK_FAULT : CHECK_OK;
}

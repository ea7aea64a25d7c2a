// SPDX-License-Identifier: GPL-2.0-only
/* os.h on Linux: programs that run beside the guest, and paths that are not Linux's. */
#include "os.h"
#include "opener.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGUMENTS_MAX	64u
#define END_MS		2000u

extern char **environ;

struct os_process {
	pid_t pid;	/* its process group's, too: it can have children */
	bool ended;
	bool openers;	/* in a sandbox no program can be started: it is the opener's child, */
	u32 number;	/* by this number */
};

/* Splits at blanks; argv has room for ARGUMENTS_MAX and a NULL. False: too many. */
static bool split(char *arguments, char **argv)
{
	u32 count = 1;
	char *save = NULL, *word = strtok_r(arguments, " \t", &save);

	for (; word; word = strtok_r(NULL, " \t", &save)) {
		if (count == ARGUMENTS_MAX)
			return false;
		argv[count++] = word;
	}
	argv[count] = NULL;
	return true;
}

/* Our own signal mask and handlers are not for others; neither is the guest's terminal. */
static int spawn(pid_t *pid, char **argv)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, every;
	int failure;

	sigemptyset(&none);
	sigfillset(&every);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
				 POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &every);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, 2, 1);
	failure = posix_spawnp(pid, argv[0], &files, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return failure;
}

struct os_process *os_process_start(const char *program, const char *arguments,
				    struct error *error)
{
	struct os_process *process = calloc(1, sizeof(*process));
	char *copy = strdup(arguments), *argv[ARGUMENTS_MAX + 1] = { (char *)program };
	int failure;

	if (!process || !copy)
		error_set(error, "out of memory");
	else if (!split(copy, argv))
		error_set(error, "%s: more than %u arguments", program, ARGUMENTS_MAX - 1);
	else if (opener_is_there()) {
		/* it splits the words for itself */
		failure = opener_start(program, arguments, error);
		if (failure >= 0) {
			process->openers = true;
			process->number = failure;
			free(copy);
			return process;
		}
	} else if ((failure = spawn(&process->pid, argv)))
		error_set(error, "%s: %s", program, strerror(failure));
	else {
		free(copy);
		return process;
	}
	free(copy);
	free(process);
	return NULL;
}

static bool has_ended(struct os_process *process)
{
	if (!process->ended)
		process->ended = waitpid(process->pid, NULL, WNOHANG) == process->pid;
	return process->ended;
}

void os_process_end(struct os_process *process)
{
	struct timespec pause = { .tv_nsec = 10 * 1000000 };
	u64 deadline = os_now_ms() + END_MS;

	if (!process)
		return;
	if (process->openers) {
		opener_stop(process->number);
		free(process);
		return;
	}
	/* The group outlives its first process if that left children behind. */
	kill(-process->pid, SIGTERM);
	while (!has_ended(process) && os_now_ms() < deadline)
		nanosleep(&pause, NULL);
	kill(-process->pid, SIGKILL);
	if (!process->ended)
		waitpid(process->pid, NULL, 0);
	free(process);
}

const char *os_path_hint(const char *path)
{
	bool drive = ((path[0] | 0x20) >= 'a' && (path[0] | 0x20) <= 'z') && path[1] == ':' &&
		     (path[2] == '\\' || path[2] == '/');

	if (!strncasecmp(path, "\\Device\\", 8))
		return "a device of Windows; here disks and partitions are /dev/sda, /dev/sda1";
	if (!strncasecmp(path, "COM", 3) && path[3] >= '1' && path[3] <= '9')
		return "a port of Windows; here serial ports are /dev/ttyS0, /dev/ttyUSB0";
	if (drive || !strncasecmp(path, "\\DosDevices\\", 12) || !strncmp(path, "\\\\", 2))
		return "a path of Windows; this daemon runs on Linux";
	return NULL;
}

// SPDX-License-Identifier: GPL-2.0-only
/* Finding running daemons and asking them, on Linux. */
#include "client.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "json_read.h"
#include "run_folder.h"

/* --- finding --- */

/* -1 and errno. */
static int connect_to(const char *folder, const char *name)
{
	struct timeval patience = { .tv_sec = CLIENT_PATIENCE_MS / 1000 };
	struct sockaddr_un address;
	struct error error;
	int fd, failure;

	if (run_folder_address(folder, name, &address, &error)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* for a queue of connections that nobody takes */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (fd < 0 || !connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	failure = errno;
	close(fd);
	errno = failure;
	return -1;
}

/* "linux.ctl" is the guest "linux"; false: it is none, or dead. */
static bool is_guest(const char *folder, const char *file, char name[CLIENT_NAME_SIZE])
{
	size_t bytes = strlen(file), suffix = strlen(RUN_SOCKET_SUFFIX);
	int fd;

	if (bytes <= suffix || bytes - suffix >= CLIENT_NAME_SIZE ||
	    strcmp(file + bytes - suffix, RUN_SOCKET_SUFFIX))
		return false;
	memcpy(name, file, bytes - suffix);
	name[bytes - suffix] = '\0';
	fd = connect_to(folder, name);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static int by_name(const void *one, const void *other)
{
	return strcmp(one, other);
}

int client_list(char (**names)[CLIENT_NAME_SIZE], struct error *error)
{
	char folder[RUN_FOLDER_SIZE];
	char (*more)[CLIENT_NAME_SIZE];
	struct dirent *entry;
	int count = 0;
	DIR *open;

	*names = NULL;
	if (run_folder(folder, false, error))
		return errno == ENOENT ? 0 : -1;
	open = opendir(folder);
	if (!open)
		return error_set(error, "%s: %s", folder, strerror(errno));
	while ((entry = readdir(open))) {
		more = realloc(*names, (count + 1) * sizeof(**names));
		if (!more) {
			closedir(open);
			free(*names);
			return error_set(error, "out of memory");
		}
		*names = more;
		count += is_guest(folder, entry->d_name, (*names)[count]);
	}
	closedir(open);
	if (count)
		qsort(*names, count, sizeof(**names), by_name);
	return count;
}

/* Which one is meant, or which there are. */
static int choose(const char *name, char chosen[CLIENT_NAME_SIZE], struct error *error)
{
	char (*names)[CLIENT_NAME_SIZE], text[1000] = "";
	int count = client_list(&names, error), i;
	size_t used = 0;

	if (count < 0)
		return -1;
	if (!name && count == 1)
		strcpy(chosen, names[0]);
	for (i = 0; i < count && used < sizeof(text) - CLIENT_NAME_SIZE - 2; i++)
		used += sprintf(text + used, " %s", names[i]);
	free(names);
	if (!count)
		return error_set(error, "no guest is running");
	if (name)
		return error_set(error, "no guest %.40s is running; there are:%s", name, text);
	return count == 1 ? 0 : error_set(error, "which one? There are:%s", text);
}

int client_connect(const char *name, char chosen[CLIENT_NAME_SIZE], struct error *error)
{
	char folder[RUN_FOLDER_SIZE];
	int fd = -1;

	if (!name) {
		if (choose(NULL, chosen, error))
			return -1;
		name = chosen;
	} else if (strlen(name) >= CLIENT_NAME_SIZE || strchr(name, '/')) {
		return error_set(error, "%.80s: is no guest's name", name);
	} else {
		strcpy(chosen, name);
	}
	if (!run_folder(folder, false, error))
		fd = connect_to(folder, name);
	else if (errno != ENOENT)
		return -1;
	if (fd >= 0)
		return fd;
	if (errno != ENOENT && errno != ECONNREFUSED)
		return error_set(error, "%s: %s", name, strerror(errno));
	return choose(name, chosen, error);
}

/* --- asking --- */

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

/* False: not within the time. */
static bool wait_for(int fd, short what, int ms, long long until)
{
	struct pollfd poll_fd = { .fd = fd, .events = what };
	long long left = until - now_ms();
	int ready;

	do {
		ready = poll(&poll_fd, 1, ms < 0 ? -1 : left > 0 ? (int)left : 0);
	} while (ready < 0 && errno == EINTR);
	return ready > 0;
}

static int send_line(int fd, const char *request, int ms, long long until, struct error *error)
{
	char line[300];
	size_t bytes = snprintf(line, sizeof(line), "%s\n", request), sent = 0;
	ssize_t now;

	while (sent < bytes) {
		if (!wait_for(fd, POLLOUT, ms, until))
			return error_set(error, "the guest's daemon does not answer");
		now = send(fd, line + sent, bytes - sent, MSG_NOSIGNAL);
		if (now < 0 && errno != EINTR)
			return error_set(error, "the guest's daemon: %s", strerror(errno));
		sent += now > 0 ? now : 0;
	}
	return 0;
}

int client_ask(int fd, const char *request, char reply[CLIENT_REPLY_MAX], int ms,
	       struct error *error)
{
	long long until = now_ms() + ms;
	size_t have = 0;
	ssize_t now;
	char byte;

	if (request && send_line(fd, request, ms, until, error))
		return -1;
	/* byte by byte: what follows the line is the next reader's */
	for (;;) {
		if (!wait_for(fd, POLLIN, ms, until))
			return error_set(error, "the guest's daemon does not answer");
		now = read(fd, &byte, 1);
		if (now < 0 && errno == EINTR)
			continue;
		if (now <= 0)
			return error_set(error, "the guest's daemon has closed the connection");
		if (byte == '\n')
			break;
		if (have + 1 >= CLIENT_REPLY_MAX)
			return error_set(error, "the guest's daemon answers too much");
		reply[have++] = byte;
	}
	reply[have] = '\0';
	return 0;
}

int client_refused(const char *reply, struct error *error)
{
	char text[300];

	if (json_true(json_find(reply, "ok")))
		return 0;
	json_string(json_find(reply, "error"), text, sizeof(text));
	return error_set(error, "%s", text[0] ? text : "the answer is none of a guest's daemon");
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * colinux-check folder DIR [READONLY [LACKS]]: a host folder, mounted at DIR, does what a
 * compiler, git and a shell expect of a file system; READONLY is the same folder,
 * mounted from a read-only device ("": it is not). Leaves one file for the host, DIR/from-guest.
 *
 * LACKS names, with commas between, what this Linux's file system has not. It must not be
 * there then, in the way that programs know how to deal with:
 *
 *	shared-maps	files cannot be mapped for writing
 *	moves		rename() to another directory says EXDEV, as between file systems
 *	link-counts	a file with two names says that it has one
 *	blocks		a file with holes says that it has none
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define MANY		3000
#define FAR		(5ll << 30)
#define BIG_BYTES	(3 << 20)

static long faults, tried;
static const char *folder, *read_only, *lacking = "";
static char text[BIG_BYTES], found[BIG_BYTES];

/* One thing that has to be so. */
static int is_so(int so, const char *what)
{
	tried++;
	if (so)
		return 1;
	faults++;
	printf("fault: %s (%s)\n", what, strerror(errno));
	return 0;
}

static int lacks(const char *what)
{
	size_t bytes = strlen(what);
	const char *at = lacking;

	while ((at = strstr(at, what))) {
		if ((at == lacking || at[-1] == ',') && (!at[bytes] || at[bytes] == ','))
			return 1;
		at += bytes;
	}
	return 0;
}

/* A name in the folder; a few of them can be in use at a time. */
static const char *in(const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, PATH_MAX, "%s/%s", folder, name);
	return path;
}

static int make(const char *name, const char *content)
{
	int fd = open(in(name), O_RDWR | O_CREAT | O_EXCL, 0644);

	if (fd >= 0 && write(fd, content, strlen(content)) != (ssize_t)strlen(content))
		return -1;
	return fd;
}

/* Does a file hold just this? */
static int holds(const char *name, const char *content)
{
	char buffer[200] = "";
	int fd = open(in(name), O_RDONLY);
	ssize_t bytes = fd < 0 ? -1 : read(fd, buffer, sizeof(buffer) - 1);

	if (fd >= 0)
		close(fd);
	return bytes == (ssize_t)strlen(content) && !memcmp(buffer, content, bytes);
}

static void contents(void)
{
	int fd = make("big", "");
	size_t i;
	char *map;

	for (i = 0; i < BIG_BYTES; i++)
		text[i] = i * 31 + i / 4096;
	is_so(fd >= 0 && write(fd, text, BIG_BYTES) == BIG_BYTES, "3 MiB are written");
	is_so(pread(fd, found, BIG_BYTES, 0) == BIG_BYTES && !memcmp(text, found, BIG_BYTES),
	      "3 MiB are read as they were written");
	is_so(!fsync(fd), "fsync");
	map = mmap(NULL, BIG_BYTES, PROT_READ, MAP_PRIVATE, fd, 0);
	is_so(map != MAP_FAILED && !memcmp(map, text, BIG_BYTES), "a private mapping shows the file");
	if (map != MAP_FAILED)
		munmap(map, BIG_BYTES);
	map = mmap(NULL, BIG_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (lacks("shared-maps")) {
		is_so(map == MAP_FAILED, "no shared mapping, where none could work");
	} else if (is_so(map != MAP_FAILED, "a shared mapping, as linkers make one")) {
		map[BIG_BYTES - 1] = 77;
		is_so(!msync(map, BIG_BYTES, MS_SYNC), "msync");
		munmap(map, BIG_BYTES);
		is_so(pread(fd, found, 1, BIG_BYTES - 1) == 1 && found[0] == 77, "what was mapped is written");
	}
	is_so(!ftruncate(fd, 10) && lseek(fd, 0, SEEK_END) == 10, "truncated to 10 bytes");
	close(fd);
	fd = open(in("big"), O_WRONLY | O_APPEND);
	is_so(write(fd, "x", 1) == 1 && lseek(fd, 0, SEEK_END) == 11, "appended");
	close(fd);
	unlink(in("big"));
}

/* More than 4 GiB, nearly all of it a hole. */
static void sparse(void)
{
	int fd = make("sparse", "");
	struct stat stat;

	is_so(fd >= 0 && pwrite(fd, "end", 3, FAR) == 3, "written behind 5 GiB");
	is_so(!fstat(fd, &stat) && stat.st_size == FAR + 3 && (stat.st_blocks < 4096) == !lacks("blocks"),
	      "5 GiB that take no room");
	is_so(pread(fd, found, 10, FAR - 2) == 5 && !memcmp(found, "\0\0end", 5), "read behind 5 GiB");
	close(fd);
	is_so(!unlink(in("sparse")), "removed");
}

static void names(void)
{
	struct stat one, two;
	int fd = make("one", "first");
	char target[20];

	close(fd);
	is_so(!mkdir(in("dir"), 0750) && !stat(in("dir"), &one) && (one.st_mode & 07777) == 0750, "mkdir");
	is_so(mkdir(in("dir"), 0750) && errno == EEXIST, "mkdir of what is there");
	if (lacks("moves")) {
		is_so(rename(in("one"), in("dir/two")) && errno == EXDEV, "rename to another directory says so");
		close(make("dir/two", "first"));
		unlink(in("one"));
	} else {
		is_so(!rename(in("one"), in("dir/two")) && access(in("one"), F_OK) && holds("dir/two", "first"),
		      "rename");
	}
	is_so(!link(in("dir/two"), in("three")) && !stat(in("dir/two"), &one) && !stat(in("three"), &two) &&
	      one.st_ino == two.st_ino && two.st_nlink == (lacks("link-counts") ? 1 : 2), "a hard link");
	is_so(!symlink("dir/two", in("soft")) && holds("soft", "first"), "a symbolic link");
	is_so(readlink(in("soft"), target, sizeof(target)) == 7 && !memcmp(target, "dir/two", 7), "readlink");
	close(make("four", "fourth"));
	is_so(!rename(in("four"), in("three")) && holds("three", "fourth") && holds("dir/two", "first"),
	      "rename in another's place");
	is_so(rmdir(in("dir")) && errno == ENOTEMPTY, "rmdir of what is not empty");
	is_so(!mkfifo(in("fifo"), 0600) && !stat(in("fifo"), &one) && S_ISFIFO(one.st_mode), "a FIFO");
	/* the guest's own tree, where nothing of the host's is */
	is_so(!symlink("../outside", in("up")) && open(in("up"), O_RDONLY) < 0 && errno == ENOENT,
	      "a link that leads out of the folder stays in the guest");
	unlink(in("up"));
	unlink(in("fifo"));
	unlink(in("soft"));
	unlink(in("three"));
	unlink(in("dir/two"));
	is_so(!rmdir(in("dir")), "rmdir");
}

static void unlinked(void)
{
	int fd = make("gone", "still here");
	struct stat stat;

	is_so(!unlink(in("gone")) && access(in("gone"), F_OK), "unlinked while it is open");
	is_so(pread(fd, found, 10, 0) == 10 && !memcmp(found, "still here", 10), "read when it has no name");
	is_so(pwrite(fd, "more", 4, 10) == 4 && !fstat(fd, &stat) && stat.st_size == 14,
	      "written when it has no name");
	close(fd);
}

static void attributes(void)
{
	struct timespec times[2] = { { 1000000000, 123456789 }, { 1234567890, 987654321 } };
	struct stat stat;
	int fd = make("file", "");

	/* Linux's 9p leaves s_time_gran at a second, and its VFS cuts what it is given to that */
	is_so(!futimens(fd, times) && !fstat(fd, &stat) && stat.st_mtim.tv_sec == 1234567890 &&
	      (stat.st_mtim.tv_nsec == 987654321 || !stat.st_mtim.tv_nsec) &&
	      stat.st_atim.tv_sec == 1000000000, "times that are given");
	is_so(!fchmod(fd, 0751) && !fstat(fd, &stat) && (stat.st_mode & 07777) == 0751, "chmod");
	is_so(!chown(in("file"), 12, 34) && !fstat(fd, &stat) && stat.st_uid == 12 && stat.st_gid == 34, "chown");
	close(fd);
	unlink(in("file"));
}

static int lock(int fd, int type, long start, long bytes)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = bytes };

	return fcntl(fd, F_SETLK, &lock);
}

/* In another process: 0 when it gets the lock. */
static int other_locks(int type, long start, long bytes)
{
	int status = -1, fd;
	pid_t child = fork();

	if (!child) {
		fd = open(in("locked"), O_RDWR);
		_exit(fd < 0 ? 2 : lock(fd, type, start, bytes) ? errno == EAGAIN || errno == EACCES : 0);
	}
	waitpid(child, &status, 0);
	return status;
}

static void locks(void)
{
	int fd = make("locked", "0123456789"), second = open(in("locked"), O_RDWR);

	is_so(!lock(fd, F_WRLCK, 2, 4), "a lock");
	is_so(WEXITSTATUS(other_locks(F_RDLCK, 5, 1)) == 1, "another process does not get it");
	is_so(other_locks(F_WRLCK, 6, 4) == 0, "but what is beside it");
	is_so(!lock(fd, F_UNLCK, 0, 0) && other_locks(F_WRLCK, 0, 0) == 0, "given back");
	is_so(!flock(fd, LOCK_EX) && flock(second, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK, "flock");
	is_so(!flock(fd, LOCK_UN) && !flock(second, LOCK_EX | LOCK_NB), "flock given back");
	close(second);
	close(fd);
	unlink(in("locked"));
}

static void many(void)
{
	static char seen[MANY];
	struct dirent *entry;
	int i, made = 0, count = 0, removed = 0;
	char name[40];
	DIR *dir;

	mkdir(in("many"), 0755);
	for (i = 0; i < MANY; i++) {
		int fd;

		snprintf(name, sizeof(name), "many/file-number-%d", i);
		fd = make(name, "");
		made += fd >= 0;
		close(fd);
	}
	is_so(made == MANY, "3000 files are made");
	dir = opendir(in("many"));
	while (dir && (entry = readdir(dir)))
		if (sscanf(entry->d_name, "file-number-%d", &i) == 1 && i >= 0 && i < MANY && !seen[i]++)
			count++;
	if (dir)
		closedir(dir);
	is_so(count == MANY, "each of them is listed once");
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "many/file-number-%d", i);
		removed += !unlink(in(name));
	}
	is_so(removed == MANY && !rmdir(in("many")), "and removed");
}

static int refused(int result)
{
	return result < 0 && errno == EROFS;
}

static void reading_only(void)
{
	char path[PATH_MAX], other[PATH_MAX];
	char buffer[20];
	int fd;

	snprintf(path, sizeof(path), "%s/from-guest", read_only);
	snprintf(other, sizeof(other), "%s/other", read_only);
	fd = open(path, O_RDONLY);
	is_so(fd >= 0 && read(fd, buffer, sizeof(buffer)) == 13, "read from the read-only folder");
	close(fd);
	is_so(refused(open(path, O_WRONLY)), "read-only: open to write");
	is_so(refused(open(other, O_WRONLY | O_CREAT, 0600)), "read-only: create");
	is_so(refused(unlink(path)), "read-only: unlink");
	is_so(refused(mkdir(other, 0700)), "read-only: mkdir");
	is_so(refused(rename(path, other)), "read-only: rename");
	is_so(refused(link(path, other)), "read-only: link");
	is_so(refused(chmod(path, 0)), "read-only: chmod");
	is_so(refused(truncate(path, 0)), "read-only: truncate");
}

int check_folder(int argc, char **argv)
{
	int fd;

	if (argc < 2) {
		fprintf(stderr, "colinux-check: folder: which?\n");
		return CHECK_USAGE;
	}
	folder = argv[1];
	read_only = argc > 2 && *argv[2] ? argv[2] : NULL;
	lacking = argc > 3 ? argv[3] : "";
	fd = make("from-guest", "made by guest");
	if (!is_so(fd >= 0, "a file is made"))
		return CHECK_FAULT;
	close(fd);
	contents();
	sparse();
	names();
	unlinked();
	attributes();
	locks();
	many();
	if (read_only)
		reading_only();
	printf("tried=%ld\nfaults=%ld\n", tried, faults);
	return faults ? CHECK_FAULT : CHECK_OK;
}

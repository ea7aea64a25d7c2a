// SPDX-License-Identifier: GPL-2.0-only
/* What a daemon must be able to do in its sandbox: its own code does it. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "check.h"
#include "disk.h"
#include "os.h"
#include "sandbox_use.h"

static struct os_mutex lock;
static u32 done;

static void count(void *arg)
{
	void *memory = malloc(8 << 20);

	(void)arg;
	CHECK(memory);
	memset(memory, 1, 8 << 20);
	free(memory);
	os_lock(&lock);
	done++;
	os_unlock(&lock);
}

static void use_threads(const void *arg)
{
	struct os_thread threads[20];
	struct error error;
	u8 random[16];
	u32 i;

	(void)arg;
	enter("");
	os_mutex_init(&lock);
	for (i = 0; i < 20; i++)
		CHECK(!os_thread_start(&threads[i], "a thread", count, NULL, &error));
	for (i = 0; i < 20; i++)
		while (!os_thread_join_ms(&threads[i], 1000))
			;
	CHECK_EQUAL(done, 20);
	CHECK(os_random(random, sizeof(random)));
}

void threads_and_memory(void)
{
	make_files();
	good_in_child(use_threads, NULL);
}

static void use_disk(struct disk *disk)
{
	char text[] = "what is written", found[sizeof(text)];
	struct os_iov out = { text, sizeof(text) }, in = { found, sizeof(text) };

	CHECK(disk_write(disk, &out, 1, 4096) == OS_OK);
	CHECK(disk_sync(disk) == OS_OK);
	CHECK(disk_read(disk, &in, 1, 4096) == OS_OK);
	CHECK(!strcmp(text, found));
	CHECK(disk_zero(disk, 8192, 4096) == OS_OK);
	CHECK(disk_discard(disk, 4096, 4096) != OS_FAILED);
	disk_close(disk);
}

static void use_disks(const void *arg)
{
	struct error error;
	u32 life;

	(void)arg;
	enter("cobd0=disk cobd1=other,cow=changes cobd2=other,ro");
	for (life = 0; life < 2; life++) {
		use_disk(disk_open("disk", NULL, false, &error));
		use_disk(disk_open("other", "changes", false, &error));
		CHECK(!disk_open("other", NULL, false, &error));
		CHECK_TEXT(error.text, "Permission denied");
	}
	os_remove_file("changes");	/* as a daemon does that could not make it whole */
}

void disks(void)
{
	make_files();
	check_file("other", 1 << 20);
	good_in_child(use_disks, NULL);
	CHECK(access("changes", F_OK));
}

static bool is_new(void *arg, const struct folder_entry *entry)
{
	*(bool *)arg |= !strcmp(entry->name, "new");
	return true;
}

/* Everything that a guest can ask of a folder, by the thread that serves it. */
static void use_folder(void *arg)
{
	struct folder *folder = arg;
	const struct folder_ops *ops = folder->ops;
	const struct folder_new new = { 0640, geteuid(), getegid(), 0, 0 };
	struct folder_change change = {
		.what = FOLDER_SET_MODE | FOLDER_SET_BYTES | FOLDER_SET_MTIME, .mode = 0600, .bytes = 3,
	};
	struct folder_node *root, *dir, *file, *again;
	struct folder_space space;
	struct folder_attr attr;
	char text[8] = "";
	bool listed = false;

	CHECK_EQUAL(ops->enter(folder), 0);
	CHECK_EQUAL(ops->root(folder, &root), 0);
	CHECK_EQUAL(ops->mkdir(folder, root, "dir", &(struct folder_new){ 0755, geteuid(), getegid(), 0, 0 }), 0);
	CHECK_EQUAL(ops->walk(folder, root, "dir", &dir), 0);
	CHECK_EQUAL(ops->create(folder, dir, "file", FOLDER_READ_WRITE | FOLDER_EXCLUSIVE, &new, &file), 0);
	CHECK_EQUAL(ops->write(folder, file, "hello", 5, 0), 5);
	CHECK_EQUAL(ops->lock(folder, file, FOLDER_LOCK_WRITE, 0, 10), 0);
	CHECK_EQUAL(ops->sync(folder, file, false), 0);
	CHECK_EQUAL(ops->change(folder, file, &change), 0);
	CHECK_EQUAL(ops->attr(folder, file, &attr), 0);
	CHECK_EQUAL(attr.bytes, 3);
	CHECK_EQUAL(attr.mode & 0777, 0600);
	CHECK_EQUAL(ops->again(folder, file, &again), 0);
	CHECK_EQUAL(ops->open(folder, again, FOLDER_READ), 0);
	CHECK_EQUAL(ops->read(folder, again, text, sizeof(text), 0), 3);
	CHECK(!strcmp(text, "hel"));
	/* from one directory to another, and by another name */
	CHECK_EQUAL(ops->link(folder, root, "new", file), 0);
	CHECK_EQUAL(ops->rename(folder, dir, "file", root, "moved"), 0);
	CHECK_EQUAL(ops->symlink(folder, root, "link", "/etc/passwd", &new), 0);
	CHECK_EQUAL(ops->mknod(folder, root, "fifo", &(struct folder_new){ S_IFIFO | 0600, geteuid(), getegid(), 0, 0 }), 0);
	CHECK_EQUAL(ops->open(folder, root, FOLDER_READ), 0);
	CHECK_EQUAL(ops->list(folder, root, 0, 4096, is_new, &listed), 0);
	CHECK(listed);
	CHECK_EQUAL(ops->space(folder, root, &space), 0);
	CHECK_EQUAL(ops->unlink(folder, root, "moved", false), 0);
	CHECK_EQUAL(ops->read(folder, again, text, sizeof(text), 0), 3);
	CHECK_EQUAL(ops->unlink(folder, root, "new", false), 0);
	CHECK_EQUAL(ops->unlink(folder, root, "link", false), 0);
	CHECK_EQUAL(ops->unlink(folder, root, "fifo", false), 0);
	CHECK_EQUAL(ops->unlink(folder, root, "dir", true), 0);
	ops->forget(folder, again);
	ops->forget(folder, file);
	ops->forget(folder, dir);
	ops->forget(folder, root);
}

/* What the table of system calls cannot see: a path behind a directory. */
static bool has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= 2;
}

static void use_folders(const void *arg)
{
	bool landlock = has_landlock();
	struct os_thread thread;
	struct folder *folder;
	struct error error;
	u32 life;
	int root;

	enter(arg);
	for (life = 0; life < 2; life++) {
		folder = folder_open("folder", &options.folder[0].setting, &error);
		if (!folder)
			check_no_text(__FILE__, __LINE__, error.text, "no error");
		CHECK(!os_thread_start(&thread, "cofs0", use_folder, folder, &error));
		os_thread_join(&thread);
		folder->ops->close(folder);
	}
	if (!landlock)
		return;
	root = open("folder", O_PATH | O_DIRECTORY);
	CHECK(root >= 0);
	refused_for(openat(root, "../disk", O_RDWR));
	refused_for(openat(root, "/etc/passwd", O_RDONLY));
	refused_for(openat(root, "../new", O_RDWR | O_CREAT, 0600));
	refused_for(unlinkat(root, "../disk", 0));
	refused_for(mkdirat(root, "../new", 0700));
}

void folders(void)
{
	make_files();
	CHECK(!chmod("folder", 0777));
	good_in_child(use_folders, "cofs0=folder");
	if (!geteuid())
		good_in_child(use_folders, "cofs0=folder,owner=1000");
	CHECK(!access("disk", F_OK));
}

/* The file system of the tests may have no such attributes: EOPNOTSUPP. */
void folders_with_attributes(void)
{
	make_files();
	if (setxattr("folder", "user.test", "x", 1, 0))
		puts("not here");
	else
		good_in_child(use_folders, "cofs0=folder,owner=xattr");
}

/* Streams and datagrams, as libslirp makes them; the host's name servers. */
static void use_network(const void *arg)
{
	const struct sockaddr_in *there = arg;
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t bytes = sizeof(here);
	int one = 1, fd, server;
	char text[4] = "";
	FILE *file;

	enter("eth0=slirp");
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(fd >= 0 && !connect(fd, (const struct sockaddr *)there, sizeof(*there)));
	CHECK(read(fd, text, 3) == 3 && !strcmp(text, "hi\n"));
	close(fd);
	server = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(server >= 0 && !setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	CHECK(!bind(server, (struct sockaddr *)&here, sizeof(here)) && !listen(server, 1));
	CHECK(!getsockname(server, (struct sockaddr *)&here, &bytes));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(!connect(fd, (struct sockaddr *)&here, sizeof(here)));
	CHECK(accept(server, NULL, NULL) >= 0);
	CHECK(socket(AF_INET, SOCK_DGRAM, 0) >= 0);
	CHECK(socket(AF_INET6, SOCK_DGRAM, 0) >= 0 || errno == EAFNOSUPPORT);
	file = fopen("/etc/resolv.conf", "r");
	CHECK(file || errno == ENOENT);
}

void network(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t bytes = sizeof(at);
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), link;
	pid_t pid;

	make_files();
	CHECK(!bind(server, (struct sockaddr *)&at, sizeof(at)) && !listen(server, 1));
	CHECK(!getsockname(server, (struct sockaddr *)&at, &bytes));
	pid = fork();
	if (!pid) {
		link = accept(server, NULL, NULL);
		_exit(write(link, "hi\n", 3) != 3);
	}
	good_in_child(use_network, &at);
	CHECK(waitpid(pid, NULL, 0) == pid);
}

/* A peer of a serial port that comes later, and once more. */
static void use_port(const void *arg)
{
	struct os_stream *stream;
	struct error error;
	char byte;
	u32 i;

	(void)arg;
	enter("ttys0=unix:port");
	stream = os_stream_open("unix:port", &error);
	CHECK(stream);
	for (i = 0; i < 2; i++) {
		while (!(os_stream_wait(stream, OS_STREAM_READABLE) & OS_STREAM_READABLE) ||
		       !os_stream_read(stream, &byte, 1))
			;
		CHECK_EQUAL(byte, 'a' + i);
	}
	os_stream_close(stream);
}

void ports(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "port" };
	char letter;
	pid_t pid;

	make_files();
	pid = fork();
	if (!pid) {
		for (letter = 'a'; letter < 'c'; letter++) {
			int server = socket(AF_UNIX, SOCK_STREAM, 0), link;

			usleep(700000);
			unlink("port");
			CHECK(!bind(server, (struct sockaddr *)&address, sizeof(address)) && !listen(server, 1));
			link = accept(server, NULL, NULL);
			CHECK(write(link, &letter, 1) == 1);
			close(link);
			close(server);
		}
		_exit(0);
	}
	good_in_child(use_port, NULL);
	CHECK(waitpid(pid, NULL, 0) == pid);
}

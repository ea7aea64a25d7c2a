// SPDX-License-Identifier: GPL-2.0-only
/* A client of 9P for tests: the folder it works in, on Linux, and what lies beside it; see p9_client.h. */
#include "p9_client.h"

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static struct stat secret;

u32 client_user(void)
{
	return geteuid();
}

u32 client_group(void)
{
	return getegid();
}

void client_begin(const struct folder_setting *setting)
{
	int fd;

	umask(077);	/* modes are the guest's, whatever the daemon's mask */
	if (access("shared", F_OK)) {
		CHECK(!mkdir("shared", 0755) && !chmod("shared", 0755));
		fd = open("secret", O_WRONLY | O_CREAT | O_EXCL, 0600);
		CHECK(write(fd, SECRET, strlen(SECRET)) == (ssize_t)strlen(SECRET));
		close(fd);
		CHECK(!lstat("secret", &secret));
	}
	client_open(setting);
}

void client_end(void)
{
	p9_server_free(client.server);
	client.folder->ops->close(client.folder);
}

static int remove_one(const char *path, const struct stat *stat, int flag, struct FTW *where)
{
	(void)stat;
	(void)flag;
	return where->level ? remove(path) : 0;
}

void client_sweep(void)
{
	CHECK(!nftw("shared", remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT));
	CHECK(!mkdir("shared/dir", 0755) && !symlink("..", "shared/up") && !symlink("../secret", "shared/out"));
	CHECK(!symlink("/", "shared/abs") && !mkfifo("shared/fifo", 0600));
}

void client_secret_is_kept(void)
{
	struct stat now;

	CHECK(!lstat("secret", &now));
	CHECK_EQUAL(now.st_ino, secret.st_ino);
	CHECK_EQUAL(now.st_size, secret.st_size);
	CHECK_EQUAL(now.st_mode, secret.st_mode);
	CHECK_EQUAL(now.st_nlink, 1);
	CHECK_EQUAL(now.st_mtim.tv_sec, secret.st_mtim.tv_sec);
	CHECK_EQUAL(now.st_mtim.tv_nsec, secret.st_mtim.tv_nsec);
	CHECK_EQUAL(now.st_ctim.tv_sec, secret.st_ctim.tv_sec);
}

static bool swapping;
static pthread_t swapper;

static void *swap(void *arg)
{
	(void)arg;
	while (__atomic_load_n(&swapping, __ATOMIC_SEQ_CST))
		CHECK(!renameat2(AT_FDCWD, "shared/other", AT_FDCWD, "shared/swapped", RENAME_EXCHANGE));
	return NULL;
}

void swap_begin(void)
{
	CHECK(!mkdir("outside", 0755) && !mkdir("shared/swapped", 0755) && !symlink("../outside", "shared/other"));
	check_file("outside/file", 5);
	check_file("shared/swapped/kept", 0);
	swapping = true;
	CHECK(!pthread_create(&swapper, NULL, swap, NULL));
}

void swap_end(void)
{
	__atomic_store_n(&swapping, false, __ATOMIC_SEQ_CST);
	pthread_join(swapper, NULL);
	CHECK(!unlink("outside/file") && !rmdir("outside"));	/* nothing came, nothing went */
}

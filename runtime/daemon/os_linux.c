// SPDX-License-Identifier: GPL-2.0-only
/* os.h on Linux: time, threads, files. */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <linux/fs.h>

#include "opener.h"

/* --- time and threads --- */

u64 os_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

static struct timespec in_ms(clockid_t clock, u32 ms)
{
	struct timespec at;

	clock_gettime(clock, &at);
	at.tv_sec += ms / 1000;
	at.tv_nsec += ms % 1000 * 1000000l;
	if (at.tv_nsec >= 1000000000l) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000l;
	}
	return at;
}

void os_mutex_init(struct os_mutex *mutex)
{
	pthread_mutex_init(&mutex->lock, NULL);
}

void os_lock(struct os_mutex *mutex)
{
	pthread_mutex_lock(&mutex->lock);
}

void os_unlock(struct os_mutex *mutex)
{
	pthread_mutex_unlock(&mutex->lock);
}

void os_cond_init(struct os_cond *cond)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&cond->cond, &attributes);
	pthread_condattr_destroy(&attributes);
}

void os_wait(struct os_cond *cond, struct os_mutex *mutex)
{
	pthread_cond_wait(&cond->cond, &mutex->lock);
}

bool os_wait_ms(struct os_cond *cond, struct os_mutex *mutex, u32 ms)
{
	struct timespec until = in_ms(CLOCK_MONOTONIC, ms);

	return pthread_cond_timedwait(&cond->cond, &mutex->lock, &until) != ETIMEDOUT;
}

void os_wake_all(struct os_cond *cond)
{
	pthread_cond_broadcast(&cond->cond);
}

struct thread_start {
	void (*body)(void *);
	void *arg;
	char name[16];		/* as Linux keeps it */
};

static void *thread_main(void *arg)
{
	struct thread_start start = *(struct thread_start *)arg;

	free(arg);
	/* its own is a thread's to set; another one's is a file in /proc */
	prctl(PR_SET_NAME, start.name);
	start.body(start.arg);
	return NULL;
}

int os_thread_start(struct os_thread *thread, const char *name, void (*body)(void *), void *arg,
		    struct error *error)
{
	struct thread_start *start = malloc(sizeof(*start));
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };
	sigset_t requests, before;
	int failure;
	size_t i;

	if (!start)
		return error_set(error, "out of memory");
	start->body = body;
	start->arg = arg;
	snprintf(start->name, sizeof(start->name), "%s", name);
	/* Requests are the main thread's: RUN is not to be interrupted by them. A
	 * fault of this thread's own must reach the handler that restores the
	 * terminal, a system call that was caught the one that makes it; blocked,
	 * it would kill the process on the spot. */
	sigfillset(&requests);
	for (i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		sigdelset(&requests, faults[i]);
	pthread_sigmask(SIG_SETMASK, &requests, &before);
	failure = pthread_create(&thread->id, NULL, thread_main, start);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failure) {
		free(start);
		return error_set(error, "starting the thread of %s: %s", name, strerror(failure));
	}
	return 0;
}

void os_thread_join(struct os_thread *thread)
{
	pthread_join(thread->id, NULL);
}

bool os_thread_join_ms(struct os_thread *thread, u32 ms)
{
	struct timespec until = in_ms(CLOCK_REALTIME, ms);

	return !pthread_timedjoin_np(thread->id, NULL, &until);
}

/* --- files --- */

struct os_file {
	int fd;
	u64 bytes;
	bool block_device, discards;
};

_Static_assert(sizeof(struct os_iov) == sizeof(struct iovec) &&
	       offsetof(struct os_iov, base) == offsetof(struct iovec, iov_base) &&
	       offsetof(struct os_iov, bytes) == offsetof(struct iovec, iov_len),
	       "os_iov is passed to preadv as it is");

/* The end of a file came early; there is no errno for it. */
static __thread bool file_ended;

const char *os_last_error(void)
{
	return file_ended ? "the file has become shorter" : strerror(errno);
}

static int file_measure(struct os_file *file, const char *path, struct error *error)
{
	struct stat status;
	u64 bytes = 0;

	if (fstat(file->fd, &status))
		return error_set(error, "%s: %s", path, strerror(errno));
	if (S_ISBLK(status.st_mode)) {
		if (ioctl(file->fd, BLKGETSIZE64, &bytes))
			return error_set(error, "%s: its size: %s", path, strerror(errno));
		file->block_device = true;
	} else if (S_ISREG(status.st_mode)) {
		bytes = status.st_size;
	} else {
		return error_set(error, "%s: is neither a file nor a block device", path);
	}
	file->bytes = bytes;
	return 0;
}

static int file_lock(struct os_file *file, const char *path, enum os_access access,
		     struct error *error)
{
	int how = access == OS_READ ? LOCK_SH : LOCK_EX;

	if (!flock(file->fd, how | LOCK_NB))
		return 0;
	if (errno == EWOULDBLOCK)
		return error_set(error, "%s: is in use, by another guest or twice by this one%s", path,
				 access == OS_READ ? "" : "; read-only (,ro) it could be shared");
	return error_set(error, "%s: locking it: %s", path, strerror(errno));
}

static void file_try_discard(struct os_file *file)
{
	/* Beyond the end nothing is lost by trying. */
	if (!file->block_device)
		file->discards = !fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					    (file->bytes + 4095) & ~4095ull, 4096);
}

struct os_file *os_file_open(const char *path, enum os_access access, bool lock,
			     struct error *error)
{
	struct os_file *file = calloc(1, sizeof(*file));
	int flags = O_CLOEXEC | O_NOCTTY | (access == OS_READ ? O_RDONLY : O_RDWR);
	struct stat status;

	if (!file) {
		error_set(error, "out of memory");
		return NULL;
	}
	/* O_EXCL on a block device: nobody has it mounted. A FIFO would wait
	 * for its other end: not with O_NONBLOCK, and fstat will refuse it. */
	if (!stat(path, &status) && S_ISBLK(status.st_mode) && lock && access != OS_READ)
		flags |= O_EXCL;
	file->fd = open(path, flags | O_NONBLOCK);
	if (file->fd < 0) {
		if (errno == EBUSY)
			error_set(error, "%s: is in use on the host (mounted, or another guest's)", path);
		else
			error_set(error, "%s: %s", path, strerror(errno));
		free(file);
		return NULL;
	}
	if (file_measure(file, path, error) || (lock && file_lock(file, path, access, error))) {
		os_file_close(file);
		return NULL;
	}
	if (access != OS_READ)
		file_try_discard(file);
	return file;
}

bool os_file_exists(const char *path)
{
	struct stat status;

	return !stat(path, &status);
}

struct os_file *os_file_create(const char *path, u64 bytes, struct error *error)
{
	struct os_file *file = calloc(1, sizeof(*file));

	if (!file) {
		error_set(error, "out of memory");
		return NULL;
	}
	file->bytes = bytes;
	file->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
	if (file->fd < 0) {
		error_set(error, "%s: %s", path, strerror(errno));
		free(file);
		return NULL;
	}
	if (!file_lock(file, path, OS_READ_WRITE, error)) {
		if (!ftruncate(file->fd, bytes)) {
			file_try_discard(file);
			return file;
		}
		error_set(error, "%s: %llu bytes: %s", path, (unsigned long long)bytes,
			  strerror(errno));
	}
	unlink(path);
	os_file_close(file);
	return NULL;
}

void os_file_close(struct os_file *file)
{
	close(file->fd);
	free(file);
}

u64 os_file_bytes(const struct os_file *file)
{
	return file->bytes;
}

bool os_file_discards(const struct os_file *file)
{
	return file->discards;
}

/* Drops what was done from the front of the array. */
static void iov_advance(struct os_iov **iov, u32 *count, size_t done)
{
	while (*count && done >= (*iov)->bytes) {
		done -= (*iov)->bytes;
		++*iov;
		--*count;
	}
	if (*count) {
		(*iov)->base = (u8 *)(*iov)->base + done;
		(*iov)->bytes -= done;
	}
}

static enum os_result transfer(struct os_file *file, struct os_iov *iov, u32 count, u64 offset,
			       ssize_t (*call)(int, const struct iovec *, int, off_t))
{
	file_ended = false;
	iov_advance(&iov, &count, 0);	/* empty pieces */
	while (count) {
		ssize_t done = call(file->fd, (const struct iovec *)iov, count < 512 ? count : 512, offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return OS_FAILED;
		if (!done) {
			file_ended = true;
			return OS_FAILED;
		}
		offset += done;
		iov_advance(&iov, &count, done);
	}
	return OS_OK;
}

enum os_result os_file_read(struct os_file *file, struct os_iov *iov, u32 count, u64 offset)
{
	return transfer(file, iov, count, offset, preadv);
}

enum os_result os_file_write(struct os_file *file, struct os_iov *iov, u32 count, u64 offset)
{
	return transfer(file, iov, count, offset, pwritev);
}

static enum os_result result_of(int failed)
{
	file_ended = false;
	if (!failed)
		return OS_OK;
	return errno == EOPNOTSUPP || errno == ENOSYS ? OS_UNSUPPORTED : OS_FAILED;
}

enum os_result os_file_sync(struct os_file *file)
{
	return result_of(fdatasync(file->fd));
}

enum os_result os_file_discard(struct os_file *file, u64 offset, u64 bytes)
{
	return result_of(fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes));
}

enum os_result os_file_zero(struct os_file *file, u64 offset, u64 bytes)
{
	static u8 zeros[1 << 16];
	enum os_result result;

	result = result_of(fallocate(file->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset, bytes));
	if (result != OS_UNSUPPORTED)
		return result;
	while (bytes) {
		struct os_iov iov = { zeros, bytes < sizeof(zeros) ? bytes : sizeof(zeros) };
		size_t piece = iov.bytes;

		if (os_file_write(file, &iov, 1, offset) != OS_OK)
			return OS_FAILED;
		offset += piece;
		bytes -= piece;
	}
	return OS_OK;
}

/* --- odds and ends --- */

char **os_arguments(int *argc, char **argv)
{
	(void)argc;
	return argv;
}

int os_change_folder(const char *path, struct error *error)
{
	return chdir(path) ? error_set(error, "-C %s: %s", path, strerror(errno)) : 0;
}

FILE *os_fopen(const char *path, const char *mode)
{
	return fopen(path, mode);
}

bool os_random(void *bytes, size_t nbytes)
{
	return getrandom(bytes, nbytes, 0) == (ssize_t)nbytes;
}

int os_write_pidfile(const char *path, struct error *error)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return error_set(error, "-p %s: %s", path, strerror(errno));
	fprintf(file, "%ld\n", (long)getpid());
	if (fclose(file))
		return error_set(error, "-p %s: %s", path, strerror(errno));
	opener_allow(path, OPENER_REMOVE);
	return 0;
}

void os_remove_file(const char *path)
{
	unlink(path);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything the daemon asks of its operating system. The other files include
 * no header of an OS; *_linux.c implements this for Linux, *_windows.c for
 * Windows. Built in reading order: time and threads, files, the driver's door,
 * byte streams (terminals, ports, sockets), requests from outside, programs,
 * what is installed in the system. A path is UTF-8 where its system has letters
 * and not bytes.
 */
#ifndef COLINUX_OS_H
#define COLINUX_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "colinux_types.h"
#include "colinux_ioctl.h"
#include "error.h"
#include "serial_line.h"

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
struct os_mutex { CRITICAL_SECTION lock; };
/* Windows has conditions from Vista on; this is one of ours, under the caller's mutex. */
struct os_cond { HANDLE released_event; u32 waiting, released, generation; };
struct os_thread { HANDLE handle; };
#else
#include <pthread.h>
struct os_mutex { pthread_mutex_t lock; };
struct os_cond { pthread_cond_t cond; };
struct os_thread { pthread_t id; };
#endif

/* --- time and threads --- */

/* Milliseconds of a clock that only goes forward. */
u64 os_now_ms(void);

void os_mutex_init(struct os_mutex *mutex);
void os_lock(struct os_mutex *mutex);
void os_unlock(struct os_mutex *mutex);

void os_cond_init(struct os_cond *cond);
void os_wait(struct os_cond *cond, struct os_mutex *mutex);
/* False when the time was over before a wake-up. */
bool os_wait_ms(struct os_cond *cond, struct os_mutex *mutex, u32 ms);
/* The mutex that they wait with is held. */
void os_wake_all(struct os_cond *cond);

int os_thread_start(struct os_thread *thread, const char *name, void (*body)(void *), void *arg,
		    struct error *error);
void os_thread_join(struct os_thread *thread);
/* False: it still runs after so many milliseconds. */
bool os_thread_join_ms(struct os_thread *thread, u32 ms);

/* --- files --- */

/* A piece of memory, laid out like struct iovec. */
struct os_iov {
	void *base;
	size_t bytes;
};

struct os_file;

enum os_access { OS_READ, OS_READ_WRITE };

/* What a failed file call means to a device. */
enum os_result {
	OS_OK = 0,
	OS_FAILED = -1,		/* see os_last_error() */
	OS_UNSUPPORTED = -2,	/* this file or file system cannot do that */
};

/*
 * Opens a file or block device. With lock, nobody else may open it that way:
 * one writer, or any number of readers, across processes. NULL: see error,
 * which names the path.
 */
struct os_file *os_file_open(const char *path, enum os_access access, bool lock,
			     struct error *error);
/* Makes a file of so many zero bytes, where there is none yet, opened and locked to write. */
struct os_file *os_file_create(const char *path, u64 bytes, struct error *error);
bool os_file_exists(const char *path);
void os_file_close(struct os_file *file);
u64 os_file_bytes(const struct os_file *file);
/* Can a range be given back to the file system? */
bool os_file_discards(const struct os_file *file);
/* Reads or writes all of it at the offset, or fails; the array is consumed. */
enum os_result os_file_read(struct os_file *file, struct os_iov *iov, u32 count, u64 offset);
enum os_result os_file_write(struct os_file *file, struct os_iov *iov, u32 count, u64 offset);
enum os_result os_file_sync(struct os_file *file);
/* The range reads as zeros afterwards; its blocks may be given back. */
enum os_result os_file_discard(struct os_file *file, u64 offset, u64 bytes);
/* The range reads as zeros afterwards; its blocks stay allocated. */
enum os_result os_file_zero(struct os_file *file, u64 offset, u64 bytes);
/* Why the calling thread's last call failed, in words. */
const char *os_last_error(void);
/* What a path of another operating system's is, and what to write here; NULL: it is none. */
const char *os_path_hint(const char *path);

/* --- the driver's door --- */

struct os_driver;

/* Failures of a driver call that mean something of their own. */
enum os_call {
	OS_CALL_OK = 0,
	OS_CALL_AGAIN = -1,	/* interrupted: call again */
	OS_CALL_ENDED = -2,	/* the guest has ended */
	OS_CALL_UNKNOWN = -3,	/* the driver does not know this request */
	OS_CALL_NO_MEMORY = -4,
	OS_CALL_CANNOT = -5,	/* this host cannot run this guest */
	OS_CALL_FAILED = -6,	/* anything else: see os_last_error() */
};

struct os_driver *os_driver_open(struct error *error);
void os_driver_close(struct os_driver *driver);
/* argument: the request's structure (NULL for KICK), its size field set. */
enum os_call os_driver_call(struct os_driver *driver, u32 request, void *argument);
/* Why the driver has just answered OS_CALL_CANNOT, in its own words. False: only the host
 * kernel's log has them. */
#define OS_REASON_SIZE	320u
bool os_driver_reason(struct os_driver *driver, char *text, size_t size);
/* Maps guest memory or the shared area (CO_MMAP_*); NULL: os_last_error(). */
void *os_driver_map(struct os_driver *driver, u64 offset, u64 bytes, bool writable);
void os_driver_unmap(struct os_driver *driver, void *address, u64 bytes);
/*
 * A part of a mapping of guest memory: hide puts memory of nobody's in its place, so that
 * pointers into it stay good; show maps the driver's again. Both while other threads use the
 * mapping. -1: as before; os_last_error(). Not every system can.
 */
bool os_driver_can_hide(void);
int os_driver_hide(struct os_driver *driver, void *address, u64 bytes);
int os_driver_show(struct os_driver *driver, void *address, u64 offset, u64 bytes);

/* --- byte streams --- */

/*
 * Where a console's bytes come from and go to. One thread uses a stream;
 * os_stream_wake() and os_stream_window() are for any thread. A stream whose
 * peer goes away (socket closed, port disconnected, pty hung up) waits for it
 * to come back, inside os_stream_wait(); what is written meanwhile is lost, as
 * on a serial line with nobody at the other end.
 */
struct os_stream;

enum {
	OS_STREAM_READABLE = 1,
	OS_STREAM_WRITABLE = 2,		/* also set while there is no peer: bytes go nowhere */
	OS_STREAM_WOKEN = 4,
};

/* stdin and stdout; a terminal on stdin is left as it is (os_terminal_raw). */
struct os_stream *os_stream_stdio(struct error *error);
/* Nobody: reads nothing, swallows what is written. */
struct os_stream *os_stream_null(struct error *error);
/* Linux: a character device, pty, FIFO, file, or socket ("unix:PATH" or its path).
 * Windows: a port (COM1), a file, or a named pipe (\\.\pipe\NAME) that is made. */
struct os_stream *os_stream_open(const char *path, struct error *error);
/* The same of a port whose line is to be set so, now and whenever it comes back. Where
 * there is something to be set, the path has to be a serial port's. */
struct os_stream *os_stream_open_line(const char *path, const struct serial_line *line,
				      struct error *error);
void os_stream_close(struct os_stream *stream);
/* Waits for any of the wanted (READABLE, WRITABLE) or a wake-up; returns what is so. */
u32 os_stream_wait(struct os_stream *stream, u32 wanted);
void os_stream_wake(struct os_stream *stream);
/* Both return how many bytes went through, 0 if none now. They never block. */
size_t os_stream_read(struct os_stream *stream, void *buffer, size_t bytes);
size_t os_stream_write(struct os_stream *stream, const void *buffer, size_t bytes);

/* --- the terminal --- */

/*
 * Puts the terminal on stdin, if there is one, into raw mode; returns whether
 * it did. os_terminal_restore() undoes it, as does every way out of the
 * process that still runs code of ours (exit, fatal signals).
 */
bool os_terminal_raw(void);
void os_terminal_restore(void);
/* Columns and rows of stdout's terminal; false: none. */
bool os_terminal_size(u16 *columns, u16 *rows);

/* --- requests from outside --- */

enum os_request {
	OS_REQUEST_NONE,	/* the time is over */
	OS_REQUEST_STOP,	/* Ctrl-C, SIGTERM, hang-up: please shut down */
	OS_REQUEST_KILL,	/* SIGQUIT: at once */
	OS_REQUEST_RESIZE,	/* the terminal's size changed */
	OS_REQUEST_ENDED,	/* the guest has ended; only ever posted */
	OS_REQUEST_SHUTDOWN,	/* as STOP, but a second one is not impatience; posted */
	OS_REQUEST_REBOOT,	/* shut down, then start anew; posted */
};

/* Before the first thread is started. */
int os_requests_begin(struct error *error);
/* Main thread: waits up to ms (forever: ~0u) for the next request. */
enum os_request os_requests_wait(u32 ms);
/* Any thread: makes os_requests_wait() return this request. */
void os_requests_post(enum os_request request);

/* --- programs --- */

struct os_process;

/*
 * Starts a program, found as a shell would find it, with arguments that are
 * separated by blanks. It reads nothing from our stdin and writes to our stderr.
 * NULL: see error.
 */
struct os_process *os_process_start(const char *program, const char *arguments,
				    struct error *error);
/* Asks it and its children to end, within two seconds; then ends them. */
void os_process_end(struct os_process *process);

/* --- what is installed in the system: on Linux nothing is, and each says what to do --- */

/* The driver that lies beside this program: known to the system and loaded; the reverse. */
int os_driver_install(struct error *error);
int os_driver_remove(struct error *error);

/*
 * A service that runs this program with these words, in the folder that is current
 * now, whenever the system starts. The system runs it as --run-service NAME, and
 * body() is called where its requests are answered; it returns the exit code, as
 * os_service_run() then does.
 */
int os_service_install(const char *name, int argc, char **argv, struct error *error);
int os_service_remove(const char *name, struct error *error);
int os_service_run(const char *name, int (*body)(void *), void *arg, struct error *error);

/* --- odds and ends --- */

/* The words of the command line, which main() was given as argv; first of all. */
char **os_arguments(int *argc, char **argv);
int os_change_folder(const char *path, struct error *error);
FILE *os_fopen(const char *path, const char *mode);

/* Random bytes fit for keys; false: there are none. */
bool os_random(void *bytes, size_t nbytes);
int os_write_pidfile(const char *path, struct error *error);
void os_remove_file(const char *path);

#endif

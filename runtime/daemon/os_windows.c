// SPDX-License-Identifier: GPL-2.0-only
/*
 * os.h on Windows: time, threads, odds and ends. Everything here is in Windows
 * 2000 already, or is looked up when the program runs.
 */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <string.h>

#include <wincrypt.h>

#include "text_windows.h"

/* --- time and threads --- */

/* The 32 bits of GetTickCount() go round in 49 days; somebody asks more often. */
static u64 longer_tick_count(void)
{
	static u64 last;
	u64 seen = __atomic_load_n(&last, __ATOMIC_SEQ_CST), now;

	do {
		now = seen + (u32)(GetTickCount() - (u32)seen);
		/* another thread may have seen a later tick: then this one went "back" */
		if (seen && now - seen > 1u << 31)
			return seen;
	} while (!__atomic_compare_exchange_n(&last, &seen, now, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_SEQ_CST));
	return now;
}

u64 os_now_ms(void)
{
	static ULONGLONG (WINAPI *tick_count_64)(void);
	static bool looked;

	if (!looked) {
		tick_count_64 = windows_newer(L"kernel32.dll", "GetTickCount64");
		looked = true;
	}
	return tick_count_64 ? tick_count_64() : longer_tick_count();
}

void os_mutex_init(struct os_mutex *mutex)
{
	InitializeCriticalSection(&mutex->lock);
}

void os_lock(struct os_mutex *mutex)
{
	EnterCriticalSection(&mutex->lock);
}

void os_unlock(struct os_mutex *mutex)
{
	LeaveCriticalSection(&mutex->lock);
}

void os_cond_init(struct os_cond *cond)
{
	memset(cond, 0, sizeof(*cond));
	cond->released_event = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (!cond->released_event)
		abort();
}

/*
 * The event is set from a wake-up until the last of those who waited then has gone;
 * whoever comes meanwhile is woken for nothing, which a condition may do.
 */
static bool wait(struct os_cond *cond, struct os_mutex *mutex, DWORD ms)
{
	u32 generation = cond->generation;
	bool woken;

	cond->waiting++;
	os_unlock(mutex);
	woken = WaitForSingleObject(cond->released_event, ms) == WAIT_OBJECT_0;
	os_lock(mutex);
	if (generation == cond->generation) {
		cond->waiting--;
		return woken;
	}
	if (!--cond->released)
		ResetEvent(cond->released_event);
	return true;
}

void os_wait(struct os_cond *cond, struct os_mutex *mutex)
{
	wait(cond, mutex, INFINITE);
}

bool os_wait_ms(struct os_cond *cond, struct os_mutex *mutex, u32 ms)
{
	return wait(cond, mutex, ms);
}

void os_wake_all(struct os_cond *cond)
{
	if (!cond->waiting)
		return;
	cond->released += cond->waiting;
	cond->waiting = 0;
	cond->generation++;
	SetEvent(cond->released_event);
}

struct thread_start {
	void (*body)(void *);
	void *arg;
};

static DWORD WINAPI thread_main(void *arg)
{
	struct thread_start start = *(struct thread_start *)arg;

	free(arg);
	start.body(start.arg);
	return 0;
}

int os_thread_start(struct os_thread *thread, const char *name, void (*body)(void *), void *arg,
		    struct error *error)
{
	struct thread_start *start = malloc(sizeof(*start));
	DWORD id;

	if (!start)
		return error_set(error, "out of memory");
	start->body = body;
	start->arg = arg;
	thread->handle = CreateThread(NULL, 0, thread_main, start, 0, &id);
	if (!thread->handle) {
		free(start);
		return error_set(error, "starting the thread of %s: %s", name, os_last_error());
	}
	return 0;
}

void os_thread_join(struct os_thread *thread)
{
	os_thread_join_ms(thread, INFINITE);
}

bool os_thread_join_ms(struct os_thread *thread, u32 ms)
{
	if (WaitForSingleObject(thread->handle, ms) == WAIT_TIMEOUT)
		return false;
	CloseHandle(thread->handle);
	return true;
}

/* --- odds and ends --- */

const char *os_last_error(void)
{
	return windows_error(GetLastError());
}

/* The C library's start-up code would open out *.img, and knows one code page only. */
int _dowildcard = 0;

typedef struct {
	int new_mode;
} startup_info;
int __cdecl __wgetmainargs(int *argc, wchar_t ***argv, wchar_t ***env, int wildcards,
			   startup_info *info);

char **os_arguments(int *argc, char **argv)
{
	startup_info info = { 0 };
	wchar_t **wide, **env;
	char **utf8;
	int count, i;

	/* what we print is bytes: the guest's, JSON, UTF-8 */
	_setmode(_fileno(stdout), _O_BINARY);
	_setmode(_fileno(stderr), _O_BINARY);
	if (__wgetmainargs(&count, &wide, &env, 0, &info))
		return argv;
	utf8 = calloc(count + 1, sizeof(*utf8));
	for (i = 0; utf8 && i < count; i++) {
		utf8[i] = utf8_of(wide[i]);
		if (!utf8[i])
			return argv;
	}
	if (!utf8)
		return argv;
	*argc = count;
	return utf8;
}

int os_change_folder(const char *path, struct error *error)
{
	wchar_t *wide = wide_of(path);
	BOOL done = wide && SetCurrentDirectoryW(wide);
	DWORD failure = GetLastError();

	free(wide);
	return done ? 0 : error_set(error, "-C %s: %s", path, windows_error(failure));
}

FILE *os_fopen(const char *path, const char *mode)
{
	wchar_t *wide = wide_of(path), wide_mode[8] = { 0 };
	DWORD attributes;
	FILE *file;
	size_t i;

	if (!wide) {
		errno = ENOMEM;
		return NULL;
	}
	for (i = 0; mode[i] && i < 7; i++)
		wide_mode[i] = mode[i];
	file = _wfopen(wide, wide_mode);
	if (!file && errno == EACCES) {
		/* the C library does not tell a folder from a file of somebody else's */
		attributes = GetFileAttributesW(wide);
		errno = attributes != INVALID_FILE_ATTRIBUTES && attributes & FILE_ATTRIBUTE_DIRECTORY ?
			EISDIR : EACCES;
	}
	free(wide);
	return file;
}

bool os_random(void *bytes, size_t nbytes)
{
	/* RtlGenRandom, in advapi32 from Windows XP on; 2000 has only CryptoAPI */
	BOOLEAN (WINAPI *generate)(void *, ULONG) = windows_newer(L"advapi32.dll", "SystemFunction036");
	HCRYPTPROV provider;
	BOOL done;

	if (generate)
		return generate(bytes, nbytes);
	if (!CryptAcquireContextW(&provider, NULL, NULL, PROV_RSA_FULL, CRYPT_VERIFYCONTEXT | CRYPT_SILENT))
		return false;
	done = CryptGenRandom(provider, nbytes, bytes);
	CryptReleaseContext(provider, 0);
	return done;
}

int os_write_pidfile(const char *path, struct error *error)
{
	FILE *file = os_fopen(path, "wb");

	if (!file)
		return error_set(error, "-p %s: %s", path, strerror(errno));
	fprintf(file, "%lu\n", GetCurrentProcessId());
	if (fclose(file))
		return error_set(error, "-p %s: %s", path, strerror(errno));
	return 0;
}

void os_remove_file(const char *path)
{
	wchar_t *wide = wide_of(path);

	if (wide)
		DeleteFileW(wide);
	free(wide);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A program for Windows that makes every request of colinux.sys that no daemon makes, and
 * those that it does make, where the driver is not in ring 0 of the CPU: under Wine.
 * Prints `ok NAME` or `not ok NAME detail`, one line each; exits 0 when all are ok.
 *
 * It asks by NtDeviceIoControlFile, so that what the driver answers is seen, and not
 * what user mode makes of it.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>
#include <winternl.h>

#include "colinux_types.h"
#include "colinux_nt.h"
#include "nt_malformed.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))
#define PENDING		0x103

static u32 bad;

static void result(bool good, const char *name, const char *format, ...)
{
	va_list args;

	bad += !good;
	printf("%s %s", good ? "ok" : "not ok", name);
	if (!good) {
		putchar(' ');
		va_start(args, format);
		vprintf(format, args);
		va_end(args);
	}
	putchar('\n');
}

static void expect(u32 got, u32 want, const char *what, u32 code)
{
	char name[100];

	snprintf(name, sizeof(name), "%s (code %x)", what, code);
	result(got == want, name, "is answered with %x, not %x", got, want);
}

static void die(const char *what)
{
	printf("not ok %s error %lu\n", what, GetLastError());
	exit(1);
}

/* ---- requests ---- */

static HANDLE try_open(const char *path)
{
	return CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
			   FILE_FLAG_OVERLAPPED, NULL);
}

static HANDLE device_open(void)
{
	HANDLE handle = try_open(CO_NT_OPEN_PATH);

	if (handle == INVALID_HANDLE_VALUE)
		die("opening " CO_NT_OPEN_PATH);
	return handle;
}

/* The status; *bytes: how many came back. */
static u32 ask_for(HANDLE handle, u32 code, void *in, u32 in_bytes, void *out, u32 out_bytes, u32 *bytes)
{
	HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
	IO_STATUS_BLOCK done = { 0 };
	NTSTATUS status;

	if (!event)
		die("an event");
	status = NtDeviceIoControlFile(handle, event, NULL, NULL, &done, code, in, in_bytes, out, out_bytes);
	if (status == PENDING) {
		WaitForSingleObject(event, INFINITE);
		status = done.Status;
	}
	CloseHandle(event);
	if (bytes)
		*bytes = (u32)done.Information;
	return (u32)status;
}

/* There is always room for what is said to be the output's: the system looks at that itself. */
static u32 ask(void *where, u32 code, void *buffer, u32 in, u32 out)
{
	static u8 room[8192];

	return ask_for(where, code, in ? buffer : NULL, in, out ? room : NULL, out, NULL);
}

/* As the daemon does it, with these bytes after the structure's size. */
static u32 well_formed(HANDLE handle, const struct nt_request *request, u8 fill)
{
	static u8 buffer[4096];

	memset(buffer, fill, sizeof(buffer));
	memcpy(buffer, &request->in, sizeof(request->in));
	return ask(handle, CO_NT_IOC(request->nr), buffer, request->in, request->out);
}

static bool is_for_anywhere(u32 nr)
{
	return nr == CO_NR_VERSION || nr == CO_NR_STATS || nr == CO_NR_LOG;
}

/* ---- what an emulation's driver answers ---- */

static void test_answers(HANDLE handle)
{
	struct co_version version = { .size = sizeof(version) };
	struct co_stats stats = { .size = sizeof(stats) };
	struct co_log log = { .size = sizeof(log) };
	static const struct co_stats nothing = { .size = sizeof(nothing) };
	u32 bytes = 0, status;

	memset(version.release, 0xff, sizeof(version.release));
	status = ask_for(handle, CO_NT_IOC(CO_NR_VERSION), &version, sizeof(version), &version,
			 sizeof(version), &bytes);
	expect(status, NT_SUCCESS_STATUS, "VERSION", CO_NR_VERSION);
	result(bytes == sizeof(version) && version.abi_version == CO_ABI_VERSION &&
	       !version.release[sizeof(version.release) - 1], "VERSION's answer", "%u bytes, ABI %u",
	       bytes, version.abi_version);
	printf("release %.55s\n", version.release);
	memset((char *)&stats + 8, 0xff, sizeof(stats) - 8);
	status = ask_for(handle, CO_NT_IOC(CO_NR_STATS), &stats, sizeof(stats), &stats, sizeof(stats), &bytes);
	expect(status, NT_SUCCESS_STATUS, "STATS", CO_NR_STATS);
	result(bytes == sizeof(stats) && !memcmp(&stats, &nothing, sizeof(stats)),
	       "STATS' answer: nothing has run", "%u bytes, %u chunks", bytes, (u32)stats.pool_chunks);
	status = ask_for(handle, CO_NT_IOC(CO_NR_LOG), &log, sizeof(log), &log, sizeof(log), &bytes);
	expect(status, NT_SUCCESS_STATUS, "LOG", CO_NR_LOG);
	result(bytes == sizeof(log) && log.lines == 1 && strstr(log.text, "no guest can run here"),
	       "LOG says why no guest can run", "%u: %.247s", log.lines, log.text);
}

/* Whatever else the structure holds: nothing of it is looked at. */
static void test_refused(HANDLE handle)
{
	static const u8 fills[] = { 0, 1, 0x7f, 0x80, 0xff };
	char name[60];
	u32 i, j;

	for (i = 0; i < NT_REQUESTS; i++)
		for (j = 0; j < COUNT(fills); j++) {
			if (is_for_anywhere(nt_requests[i].nr))
				continue;
			snprintf(name, sizeof(name), "%s outside of ring 0, filled with %x",
				 nt_requests[i].name, fills[j]);
			expect(well_formed(handle, &nt_requests[i], fills[j]), NT_NOT_SUPPORTED, name,
			       CO_NT_IOC(nt_requests[i].nr));
		}
}

/* Where user mode has no memory. The system finds out, or the driver is told a NULL. */
static void test_pointers(HANDLE handle)
{
	u32 size = sizeof(struct co_version), i;
	void *wrong[] = { NULL, (void *)(ULONG_PTR)0x1000, (void *)~(ULONG_PTR)0xfff, NULL };
	struct co_version version = { .size = size };
	char *edge = VirtualAlloc(NULL, 4096, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);

	/* the size in the last word that can be read, the rest behind it */
	wrong[3] = edge + 4096 - 4;
	memcpy(wrong[3], &size, 4);
	for (i = 0; i < COUNT(wrong); i++) {
		u32 status = ask_for(handle, CO_NT_IOC(CO_NR_VERSION), wrong[i], size, &version, size, NULL);

		result(status >= 0xc0000000u, "VERSION from memory that is not there", "%u: %x", i, status);
	}
	expect(ask_for(handle, CO_NT_IOC(CO_NR_VERSION), &version, size, &version, size, NULL),
	       NT_SUCCESS_STATUS, "VERSION afterwards", CO_NR_VERSION);
}

/* ---- other ways to a device ---- */

static void test_no_file(HANDLE handle)
{
	OVERLAPPED overlapped = { .hEvent = CreateEventW(NULL, TRUE, FALSE, NULL) };
	char buffer[64] = { 0 };
	DWORD done;

	result(!ReadFile(handle, buffer, sizeof(buffer), NULL, &overlapped) &&
	       !(GetLastError() == ERROR_IO_PENDING &&
		 GetOverlappedResult(handle, &overlapped, &done, TRUE)), "reading it", "is possible");
	result(!WriteFile(handle, buffer, sizeof(buffer), NULL, &overlapped) &&
	       !(GetLastError() == ERROR_IO_PENDING &&
		 GetOverlappedResult(handle, &overlapped, &done, TRUE)), "writing it", "is possible");
	CloseHandle(overlapped.hEvent);
}

static void test_names_below(void)
{
	static const char *const names[] = {
		/* a lone backslash behind it is not left there by the emulation */
		CO_NT_OPEN_PATH "\\x", CO_NT_OPEN_PATH "\\colinux\\x",
	};
	HANDLE handle;
	u32 i;

	for (i = 0; i < COUNT(names); i++) {
		handle = try_open(names[i]);
		result(handle == INVALID_HANDLE_VALUE, names[i], "can be opened");
		if (handle != INVALID_HANDLE_VALUE)
			CloseHandle(handle);
	}
}

/* On a handle without FILE_FLAG_OVERLAPPED, too, what cannot be is refused. */
static void test_synchronous(void)
{
	HANDLE handle = CreateFileA(CO_NT_OPEN_PATH, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
				    0, NULL);

	if (handle == INVALID_HANDLE_VALUE)
		die("opening it for synchronous requests");
	expect(well_formed(handle, &nt_requests[0], 0), NT_SUCCESS_STATUS, "VERSION, synchronous",
	       CO_NR_VERSION);
	expect(well_formed(handle, &nt_requests[1], 0), NT_NOT_SUPPORTED, "CREATE, synchronous", CO_NR_CREATE);
	CloseHandle(handle);
}

static void test_again_and_again(void)
{
	HANDLE handles[20];
	u32 i, wrong = 0;

	for (i = 0; i < 200; i++) {
		HANDLE handle = device_open();

		wrong += well_formed(handle, &nt_requests[0], 0) != NT_SUCCESS_STATUS;
		CloseHandle(handle);
	}
	result(!wrong, "opened and closed 200 times", "%u went wrong", wrong);
	for (i = 0; i < COUNT(handles); i++)
		handles[i] = device_open();
	for (i = 0; i < COUNT(handles); i++)
		wrong += well_formed(handles[i], &nt_requests[3], 0) != NT_NOT_SUPPORTED;
	for (i = 0; i < COUNT(handles); i++)
		CloseHandle(handles[i]);
	result(!wrong, "twenty handles at once", "%u went wrong", wrong);
}

/* ---- another process's handle ---- */

/* In the child: all that it asks for is refused, and that before anything else is said. */
static int not_the_owner(HANDLE handle)
{
	char name[60];
	u32 i;

	for (i = 0; i < NT_REQUESTS; i++) {
		snprintf(name, sizeof(name), "%s by who is not the owner", nt_requests[i].name);
		expect(well_formed(handle, &nt_requests[i], 0), NT_ACCESS_DENIED, name,
		       CO_NT_IOC(nt_requests[i].nr));
		snprintf(name, sizeof(name), "%s of a wrong length, not the owner's", nt_requests[i].name);
		expect(ask(handle, CO_NT_IOC(nt_requests[i].nr), NULL, 0, 8), NT_ACCESS_DENIED, name,
		       CO_NT_IOC(nt_requests[i].nr));
	}
	return bad ? 1 : 0;
}

static void test_owner(HANDLE handle, const char *program)
{
	STARTUPINFOA start = { .cb = sizeof(start) };
	PROCESS_INFORMATION made;
	char command[MAX_PATH + 40];
	DWORD code = ~0u;

	snprintf(command, sizeof(command), "\"%s\" inherited %llu", program,
		 (unsigned long long)(ULONG_PTR)handle);
	SetHandleInformation(handle, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
	fflush(stdout);
	if (!CreateProcessA(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &start, &made))
		die("starting ourselves");
	WaitForSingleObject(made.hProcess, INFINITE);
	GetExitCodeProcess(made.hProcess, &code);
	CloseHandle(made.hThread);
	CloseHandle(made.hProcess);
	result(!code, "another process, as a whole", "exit code %lu", code);
	expect(well_formed(handle, &nt_requests[0], 0), NT_SUCCESS_STATUS, "VERSION, the owner's again",
	       CO_NR_VERSION);
}

int main(int argc, char **argv)
{
	HANDLE handle;

	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	if (argc == 3 && !strcmp(argv[1], "inherited")) {
		bad = not_the_owner((HANDLE)(ULONG_PTR)strtoull(argv[2], NULL, 10));
		fflush(stdout);
		return bad;
	}
	handle = device_open();
	test_answers(handle);
	nt_wrong_lengths(ask, handle, expect);
	nt_wrong_codes(ask, handle, expect);
	test_refused(handle);
	test_pointers(handle);
	test_no_file(handle);
	test_owner(handle, argv[0]);
	CloseHandle(handle);
	test_names_below();
	test_synchronous();
	test_again_and_again();
	printf("%u failures\n", bad);
	return bad ? 1 : 0;
}

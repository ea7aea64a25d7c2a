// SPDX-License-Identifier: GPL-2.0-only
/* os.h on Windows: the console's modes, and requests from outside. */
#include "terminal_windows.h"

#include <stdlib.h>

#include "service_windows.h"
#include "text_windows.h"

/* Windows 10's, and newer than the headers' version of Windows that we ask for. */
#ifndef ENABLE_VIRTUAL_TERMINAL_INPUT
#define ENABLE_VIRTUAL_TERMINAL_INPUT		0x0200
#endif
#ifndef ENABLE_VIRTUAL_TERMINAL_PROCESSING
#define ENABLE_VIRTUAL_TERMINAL_PROCESSING	0x0004
#endif

const char *windows_console_pipe;

/* --- the terminal --- */

static struct {
	HANDLE in, out;
	DWORD in_mode, out_mode;	/* as we found them */
	bool raw, has_out, vt_in, vt_out;
} terminal;

bool os_terminal_raw(void)
{
	DWORD mode;

	terminal.in = GetStdHandle(STD_INPUT_HANDLE);
	terminal.out = GetStdHandle(STD_OUTPUT_HANDLE);
	if (!GetConsoleMode(terminal.in, &terminal.in_mode))
		return false;
	/* keys as they are pressed, Ctrl-C among them; and news of the window's size */
	mode = (terminal.in_mode & ~(ENABLE_PROCESSED_INPUT | ENABLE_LINE_INPUT | ENABLE_ECHO_INPUT)) |
	       ENABLE_WINDOW_INPUT;
	terminal.vt_in = SetConsoleMode(terminal.in, mode | ENABLE_VIRTUAL_TERMINAL_INPUT);
	if (!terminal.vt_in && !SetConsoleMode(terminal.in, mode))
		return false;
	terminal.has_out = GetConsoleMode(terminal.out, &terminal.out_mode);
	if (terminal.has_out)
		terminal.vt_out = SetConsoleMode(terminal.out, terminal.out_mode | ENABLE_PROCESSED_OUTPUT |
						 ENABLE_VIRTUAL_TERMINAL_PROCESSING);
	terminal.raw = true;
	atexit(os_terminal_restore);
	return true;
}

void os_terminal_restore(void)
{
	if (!terminal.raw)
		return;
	terminal.raw = false;
	SetConsoleMode(terminal.in, terminal.in_mode);
	if (terminal.has_out)
		SetConsoleMode(terminal.out, terminal.out_mode);
}

bool windows_terminal_writes_vt(void)
{
	return terminal.vt_out;
}

bool os_terminal_size(u16 *columns, u16 *rows)
{
	CONSOLE_SCREEN_BUFFER_INFO info;

	if (!GetConsoleScreenBufferInfo(GetStdHandle(STD_OUTPUT_HANDLE), &info))
		return false;
	*columns = info.srWindow.Right - info.srWindow.Left + 1;
	*rows = info.srWindow.Bottom - info.srWindow.Top + 1;
	return true;
}

/* --- requests from outside --- */

#define REQUESTS	16u

static struct {
	struct os_mutex lock;
	struct os_cond changed;
	enum os_request queue[REQUESTS];
	u32 count;
	bool begun;
} requests;

/* Set when main() has taken everything down: then Windows may end the process. */
static HANDLE all_done;

static void post(enum os_request request)
{
	os_lock(&requests.lock);
	/* a full queue holds requests enough */
	if (requests.count < REQUESTS)
		requests.queue[requests.count++] = request;
	os_wake_all(&requests.changed);
	os_unlock(&requests.lock);
}

void os_requests_post(enum os_request request)
{
	post(request);
}

void windows_stop_requested(void)
{
	if (requests.begun)
		post(OS_REQUEST_STOP);
}

/* In a thread of its own. Windows ends the process when this returns from CLOSE and what follows it. */
static BOOL WINAPI on_control(DWORD event)
{
	switch (event) {
	case CTRL_C_EVENT:
		post(OS_REQUEST_STOP);
		return TRUE;
	case CTRL_BREAK_EVENT:
		post(OS_REQUEST_KILL);
		return TRUE;
	case CTRL_LOGOFF_EVENT:
		/* A service is told of everybody's, and outlives them. */
		if (windows_console_pipe)
			return TRUE;
		__attribute__((fallthrough));
	case CTRL_CLOSE_EVENT:
	case CTRL_SHUTDOWN_EVENT:
		/* A service is asked by the service manager as well. */
		if (!windows_console_pipe)
			post(OS_REQUEST_STOP);
		WaitForSingleObject(all_done, INFINITE);
		return TRUE;
	}
	return FALSE;
}

/* Our own fault: the user gets the console back, and Windows' report. */
static LONG WINAPI on_fault(EXCEPTION_POINTERS *pointers)
{
	(void)pointers;
	os_terminal_restore();
	return EXCEPTION_CONTINUE_SEARCH;
}

static void tell_all_done(void)
{
	SetEvent(all_done);
}

int os_requests_begin(struct error *error)
{
	os_mutex_init(&requests.lock);
	os_cond_init(&requests.changed);
	requests.begun = true;
	all_done = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (!all_done || atexit(tell_all_done))
		return error_set(error, "an event: %s", os_last_error());
	SetUnhandledExceptionFilter(on_fault);
	/* a starter may have switched Ctrl-C off for us; where there is no console this fails, rightly */
	SetConsoleCtrlHandler(NULL, FALSE);
	SetConsoleCtrlHandler(on_control, TRUE);
	return 0;
}

enum os_request os_requests_wait(u32 ms)
{
	u64 deadline = os_now_ms() + ms, now;
	enum os_request request = OS_REQUEST_NONE;
	u32 i;

	os_lock(&requests.lock);
	while (!requests.count) {
		now = os_now_ms();
		if (ms != ~0u && now >= deadline)
			break;
		os_wait_ms(&requests.changed, &requests.lock,
			   ms == ~0u ? INFINITE : (u32)(deadline - now));
	}
	if (requests.count) {
		request = requests.queue[0];
		requests.count--;
		for (i = 0; i < requests.count; i++)
			requests.queue[i] = requests.queue[i + 1];
	}
	os_unlock(&requests.lock);
	return request;
}

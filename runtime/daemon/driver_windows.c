// SPDX-License-Identifier: GPL-2.0-only
/* The driver's door on Windows: \\.\colinux, and ioctls in place of mmap. */
#include "os.h"

#include <stdlib.h>
#include <string.h>

#include "colinux_nt.h"
#include "service_windows.h"
#include "text_windows.h"

struct os_driver {
	HANDLE handle;
};

static HANDLE open_device(void)
{
	return CreateFileA(CO_NT_OPEN_PATH, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
			   FILE_FLAG_OVERLAPPED, NULL);
}

static bool is_absent(DWORD failure)
{
	return failure == ERROR_FILE_NOT_FOUND || failure == ERROR_PATH_NOT_FOUND ||
	       failure == ERROR_BAD_NETPATH || failure == ERROR_INVALID_NAME;
}

struct os_driver *os_driver_open(struct error *error)
{
	struct os_driver *driver = malloc(sizeof(*driver));

	if (!driver) {
		error_set(error, "out of memory");
		return NULL;
	}
	driver->handle = open_device();
	/* installed, but not loaded: it is loaded when it is first wanted */
	if (driver->handle == INVALID_HANDLE_VALUE && is_absent(GetLastError())) {
		if (windows_driver_start(error)) {
			free(driver);
			return NULL;
		}
		driver->handle = open_device();
	}
	if (driver->handle != INVALID_HANDLE_VALUE)
		return driver;
	if (GetLastError() == ERROR_ACCESS_DENIED)
		error_set(error, "%s: %s; only administrators may run guests, because a guest runs in the host kernel's own privilege ring",
			  CO_NT_OPEN_PATH, os_last_error());
	else
		error_set(error, "%s: %s", CO_NT_OPEN_PATH, os_last_error());
	free(driver);
	return NULL;
}

void os_driver_close(struct os_driver *driver)
{
	CloseHandle(driver->handle);
	free(driver);
}

/* How long a request's structure is, and whether it is an answer, too. */
static DWORD request_bytes(u32 request, bool *answers)
{
	*answers = request != CO_NR_START && request != CO_NR_IRQ && request != CO_NR_UNMAP &&
		   request != CO_NR_KICK;
	switch (request) {
	case CO_NR_VERSION:
		return sizeof(struct co_version);
	case CO_NR_CREATE:
		return sizeof(struct co_create);
	case CO_NR_START:
		return sizeof(struct co_start);
	case CO_NR_RUN:
		return sizeof(struct co_run);
	case CO_NR_IRQ:
		return sizeof(struct co_irq);
	case CO_NR_STATS:
		return sizeof(struct co_stats);
	case CO_NR_POOL:
		return sizeof(struct co_pool);
	case CO_NR_MAP:
	case CO_NR_UNMAP:
		return sizeof(struct co_map);
	case CO_NR_LOG:
		return sizeof(struct co_log);
	default:
		return 0;
	}
}

static enum os_call result_of(DWORD failure)
{
	switch (failure) {
	case ERROR_OPERATION_ABORTED:
		return OS_CALL_AGAIN;
	case ERROR_DEVICE_NOT_CONNECTED:
		return OS_CALL_ENDED;
	case ERROR_INVALID_FUNCTION:
		return OS_CALL_UNKNOWN;
	case ERROR_NO_SYSTEM_RESOURCES:
	case ERROR_NOT_ENOUGH_MEMORY:
		return OS_CALL_NO_MEMORY;
	case ERROR_NOT_SUPPORTED:
		return OS_CALL_CANNOT;
	default:
		return OS_CALL_FAILED;
	}
}

enum os_call os_driver_call(struct os_driver *driver, u32 request, void *argument)
{
	/* Requests of several threads are under way at once: each has an event of its own. */
	static __thread HANDLE event;
	OVERLAPPED overlapped = { 0 };
	DWORD bytes, got;
	bool answers;

	if (!event)
		event = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (!event)
		return OS_CALL_FAILED;
	overlapped.hEvent = event;
	bytes = request_bytes(request, &answers);
	if (DeviceIoControl(driver->handle, CO_NT_IOC(request), bytes ? argument : NULL, bytes,
			    answers ? argument : NULL, answers ? bytes : 0, &got, &overlapped))
		return OS_CALL_OK;
	if (GetLastError() == ERROR_IO_PENDING &&
	    GetOverlappedResult(driver->handle, &overlapped, &got, TRUE))
		return OS_CALL_OK;
	return result_of(GetLastError());
}

/* Nobody who runs a guest sees what the kernel's debugger is told. */
bool os_driver_reason(struct os_driver *driver, char *text, size_t size)
{
	struct co_log log = { .size = sizeof(log) };

	if (os_driver_call(driver, CO_NR_LOG, &log) != OS_CALL_OK || !log.lines)
		return false;
	snprintf(text, size, "the driver says: %.*s", (int)sizeof(log.text) - 1, log.text);
	return true;
}

void *os_driver_map(struct os_driver *driver, u64 offset, u64 bytes, bool writable)
{
	struct co_map map = {
		.size = sizeof(map), .writable = writable, .offset = offset, .bytes = bytes,
	};

	if (os_driver_call(driver, CO_NR_MAP, &map) != OS_CALL_OK)
		return NULL;
	return (void *)(ULONG_PTR)map.address;
}

void os_driver_unmap(struct os_driver *driver, void *address, u64 bytes)
{
	struct co_map map = { .size = sizeof(map), .bytes = bytes, .address = (ULONG_PTR)address };

	os_driver_call(driver, CO_NR_UNMAP, &map);
}

/* A view of the section of physical memory goes as a whole; and colinux.sys gives NT nothing while a guest runs. */
bool os_driver_can_hide(void)
{
	return false;
}

int os_driver_hide(struct os_driver *driver, void *address, u64 bytes)
{
	(void)driver, (void)address, (void)bytes;
	SetLastError(ERROR_NOT_SUPPORTED);
	return -1;
}

int os_driver_show(struct os_driver *driver, void *address, u64 offset, u64 bytes)
{
	(void)driver, (void)address, (void)offset, (void)bytes;
	SetLastError(ERROR_NOT_SUPPORTED);
	return -1;
}

// SPDX-License-Identifier: GPL-2.0-only
/* An adapter of TAP-Windows as a device: see tap_windows.h. */
#include "tap_windows.h"

#include <stdlib.h>
#include <winioctl.h>

#include "text_windows.h"

#define TAP_CONTROL(number)	CTL_CODE(FILE_DEVICE_UNKNOWN, number, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define TAP_GET_VERSION		TAP_CONTROL(2)	/* major, minor, is it one for debugging */
#define TAP_GET_MTU		TAP_CONTROL(3)
#define TAP_SET_MEDIA_STATUS	TAP_CONTROL(6)	/* 1: the cable is plugged in */

/* The first one that knows all of these. */
#define OLDEST_MAJOR	8u
#define OLDEST_MINOR	1u

#define USUAL_MTU	1500u

/*
 * A request, to its end. From version 9.21 on the driver wants a buffer for its answer
 * and one for what it is told, whichever of them has a meaning.
 */
static bool control(HANDLE handle, DWORD code, void *buffer, DWORD bytes, DWORD *answered)
{
	OVERLAPPED overlapped = { .hEvent = CreateEventW(NULL, TRUE, FALSE, NULL) };
	DWORD failure = ERROR_SUCCESS;

	if (!overlapped.hEvent)
		return false;
	if ((!DeviceIoControl(handle, code, buffer, bytes, buffer, bytes, NULL, &overlapped) &&
	     GetLastError() != ERROR_IO_PENDING) ||
	    !GetOverlappedResult(handle, &overlapped, answered, TRUE))
		failure = GetLastError();
	CloseHandle(overlapped.hEvent);
	SetLastError(failure);
	return !failure;
}

static bool plug(HANDLE handle, u32 in)
{
	DWORD answered;

	return control(handle, TAP_SET_MEDIA_STATUS, &in, sizeof(in), &answered);
}

static HANDLE open_handle(const struct tap_adapter *adapter)
{
	wchar_t path[TAP_ID_SIZE + 20];

	_snwprintf(path, sizeof(path) / sizeof(*path), L"\\\\.\\Global\\%ls.tap", adapter->id);
	return CreateFileW(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
			   FILE_ATTRIBUTE_SYSTEM | FILE_FLAG_OVERLAPPED, NULL);
}

static int blame_opening(DWORD failure, struct error *error)
{
	switch (failure) {
	case ERROR_GEN_FAILURE:		/* the driver's own answer */
	case ERROR_SHARING_VIOLATION:
	case ERROR_BUSY:
		return error_set(error, "another guest or program has it: it serves one at a time");
	case ERROR_FILE_NOT_FOUND:
	case ERROR_PATH_NOT_FOUND:
	case ERROR_INVALID_NAME:
	case ERROR_BAD_NETPATH:
		return error_set(error, "it is disabled, or its driver does not run: enable it among the network connections");
	case ERROR_ACCESS_DENIED:
		return error_set(error, "%s; this needs an administrator", windows_error(failure));
	default:
		return error_set(error, "%s", windows_error(failure));
	}
}

static int ask_version(struct tap_device *device, struct error *error)
{
	u32 version[3] = { 0 };
	DWORD answered = 0;

	if (!control(device->handle, TAP_GET_VERSION, version, sizeof(version), &answered))
		return error_set(error, "its driver does not say which version it is (%s): it is too old, or not TAP-Windows; install a newer one",
				 os_last_error());
	if (answered < 2 * sizeof(*version))
		version[0] = version[1] = 0;
	if (version[0] < OLDEST_MAJOR || (version[0] == OLDEST_MAJOR && version[1] < OLDEST_MINOR))
		return error_set(error, "its driver's version is %u.%u, and %u.%u is the oldest that will do: install a newer TAP-Windows",
				 version[0], version[1], OLDEST_MAJOR, OLDEST_MINOR);
	device->version[0] = version[0];
	device->version[1] = version[1];
	return 0;
}

int tap_device_open(struct tap_device *device, const struct tap_adapter *adapter, struct error *error)
{
	DWORD answered = 0;

	device->handle = open_handle(adapter);
	if (device->handle == INVALID_HANDLE_VALUE)
		return blame_opening(GetLastError(), error);
	if (ask_version(device, error))
		goto failed;
	device->mtu = 0;
	if (!control(device->handle, TAP_GET_MTU, &device->mtu, sizeof(device->mtu), &answered) ||
	    answered < sizeof(device->mtu))
		device->mtu = USUAL_MTU;
	if (plug(device->handle, 1))
		return 0;
	error_set(error, "its driver refuses to be plugged in: %s", os_last_error());
failed:
	CloseHandle(device->handle);
	device->handle = INVALID_HANDLE_VALUE;
	return -1;
}

void tap_device_close(struct tap_device *device)
{
	plug(device->handle, 0);
	CloseHandle(device->handle);
	device->handle = INVALID_HANDLE_VALUE;
}

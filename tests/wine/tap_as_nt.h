/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's wire to TAP-Windows, its very sources, with what Wine does not do as an NT does. */
#ifndef TAP_AS_NT_H
#define TAP_AS_NT_H

#include "../unit/daemon/check.h"
#include "os.h"
#include "tap_hand.h"
#include "wire.h"

/*
 * Wine opens a device whatever its driver answers, and tells nobody. So this is what
 * an NT does then, at the one place where an adapter is opened.
 */
static HANDLE open_as_nt(const wchar_t *path, DWORD access, DWORD share, SECURITY_ATTRIBUTES *security,
			 DWORD how, DWORD flags, HANDLE template)
{
	OVERLAPPED overlapped = { .hEvent = CreateEventW(NULL, TRUE, FALSE, NULL) };
	HANDLE handle = CreateFileW(path, access, share, security, how, flags, template);
	DWORD done, failure = ERROR_SUCCESS;

	if (handle != INVALID_HANDLE_VALUE &&
	    !DeviceIoControl(handle, HAND_OPENED, NULL, 0, NULL, 0, NULL, &overlapped) &&
	    (GetLastError() != ERROR_IO_PENDING || !GetOverlappedResult(handle, &overlapped, &done, TRUE)))
		failure = GetLastError();
	CloseHandle(overlapped.hEvent);
	if (!failure)
		return handle;
	CloseHandle(handle);
	SetLastError(failure);
	return INVALID_HANDLE_VALUE;
}

#define CreateFileW open_as_nt
#include "tap_device_windows.c"
#undef CreateFileW

/*
 * And Wine takes a frame when it is written, where an NT's driver looks into the writer's memory for as
 * long as the request lasts. So it is compared with what was in there at the beginning.
 */
static struct {
	const OVERLAPPED *overlapped;
	const u8 *memory;
	u32 bytes;
	u8 frame[WIRE_FRAME_MAX];
} requests[64];

static BOOL write_as_nt(HANDLE handle, const void *frame, DWORD bytes, DWORD *done, OVERLAPPED *overlapped)
{
	u32 i;

	for (i = 0; requests[i].overlapped && requests[i].overlapped != overlapped; i++)
		CHECK(i < 63);
	requests[i].overlapped = overlapped;
	requests[i].memory = frame;
	requests[i].bytes = bytes;
	memcpy(requests[i].frame, frame, bytes);
	return WriteFile(handle, frame, bytes, done, overlapped);
}

/* Returns how many are under way. */
static u32 check_memory(void)
{
	u32 i, under_way = 0;

	for (i = 0; i < 64 && requests[i].overlapped; i++)
		if (!HasOverlappedIoCompleted(requests[i].overlapped)) {
			under_way++;
			CHECK(!memcmp(requests[i].memory, requests[i].frame, requests[i].bytes));
		}
	return under_way;
}

#define WriteFile write_as_nt
#include "wire_tap_windows.c"
#undef WriteFile

#endif

// SPDX-License-Identifier: GPL-2.0-only
/* Overlapped requests, see io_request_windows.h. */
#include "io_request_windows.h"

#include <string.h>

#include "text_windows.h"

bool io_request_new(struct io_request *request)
{
	memset(request, 0, sizeof(*request));
	request->overlapped.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
	return request->overlapped.hEvent;
}

void io_request_end(struct io_request *request, HANDLE file)
{
	BOOL (WINAPI *cancel)(HANDLE, OVERLAPPED *) = windows_newer(L"kernel32.dll", "CancelIoEx");
	DWORD done;

	if (request->pending) {
		/* Another thread's: Windows before Vista has cancelled it when that thread ended. */
		if (cancel)
			cancel(file, &request->overlapped);
		else
			CancelIo(file);
		GetOverlappedResult(file, &request->overlapped, &done, TRUE);
	}
	if (request->overlapped.hEvent)
		CloseHandle(request->overlapped.hEvent);
	memset(request, 0, sizeof(*request));
}

bool io_request_begun(struct io_request *request, BOOL begun)
{
	request->pending = begun || GetLastError() == ERROR_IO_PENDING;
	return request->pending;
}

enum io_outcome io_request_look(struct io_request *request, HANDLE file, u32 *bytes)
{
	DWORD done = 0;

	if (!GetOverlappedResult(file, &request->overlapped, &done, FALSE)) {
		if (GetLastError() == ERROR_IO_INCOMPLETE)
			return IO_UNDER_WAY;
		request->pending = false;
		return IO_FAILED;
	}
	request->pending = false;
	*bytes = done;
	return IO_FINISHED;
}

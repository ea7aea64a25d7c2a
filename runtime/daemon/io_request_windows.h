/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An overlapped request of a file's, a pipe's or a device's, with an event of its own: begun, looked
 * at while other things are waited for as well, given up.
 */
#ifndef COLINUX_IO_REQUEST_WINDOWS_H
#define COLINUX_IO_REQUEST_WINDOWS_H

#include "os.h"

struct io_request {
	OVERLAPPED overlapped;
	bool pending;
};

/* False: no memory. */
bool io_request_new(struct io_request *request);
/* Gives it up, be it none. The system has no more to do with it afterwards. */
void io_request_end(struct io_request *request, HANDLE file);
/* What ReadFile() and the like have said of its beginning. False: it has failed, see GetLastError(). */
bool io_request_begun(struct io_request *request, BOOL begun);

enum io_outcome { IO_UNDER_WAY, IO_FINISHED, IO_FAILED };
/* Of a pending one; it is pending no more when it is not IO_UNDER_WAY. IO_FAILED: see GetLastError(). */
enum io_outcome io_request_look(struct io_request *request, HANDLE file, u32 *bytes);

#endif

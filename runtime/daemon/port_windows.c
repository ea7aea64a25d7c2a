// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a path of ttysN= is on Windows: a named pipe that we make and somebody else
 * opens (\\.\pipe\NAME), a serial port (COM1), or a file, which takes output only.
 * Peers of a pipe come and go; what is written while nobody is there is lost, as
 * on a serial line with nobody at the other end.
 */
#include "stream_windows.h"

#include <sddl.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "text_windows.h"

#define PIPE_BYTES	4096u
#define AGAIN_MS	50u
/* For administrators of this computer; with D;NU nobody comes over the network. */
#define PIPE_SDDL	L"D:P(D;;GA;;;NU)(A;;GA;;;BA)(A;;GA;;;SY)"

enum port_kind { PORT_FILE, PORT_SERIAL, PORT_PIPE };

struct port {
	struct stream_back back;
	enum port_kind kind;
	char *path;
	HANDLE handle;
	HANDLE read_done, write_done;	/* of the requests under way; each half has its own */
	/* a pipe's peer: */
	struct os_mutex lock;
	bool connected;
};

/* --- requests that can be given up --- */

/*
 * Waits for an overlapped request, or for `stop`. False: it failed or was given up;
 * either way the system has no more to do with its buffer.
 */
static bool finish(struct port *port, BOOL begun, OVERLAPPED *overlapped, DWORD *done)
{
	HANDLE handles[2] = { port->back.stop, overlapped->hEvent };

	if (!begun && GetLastError() != ERROR_IO_PENDING)
		return false;
	if (WaitForMultipleObjects(2, handles, FALSE, INFINITE) == WAIT_OBJECT_0)
		CancelIo(port->handle);		/* this thread's own requests: the one */
	return GetOverlappedResult(port->handle, overlapped, done, TRUE);
}

static bool is_stopping(const struct port *port)
{
	return WaitForSingleObject(port->back.stop, 0) == WAIT_OBJECT_0;
}

static bool is_connected(struct port *port)
{
	bool connected;

	os_lock(&port->lock);
	connected = port->connected;
	os_unlock(&port->lock);
	return connected;
}

static void set_connected(struct port *port, bool connected)
{
	os_lock(&port->lock);
	port->connected = connected;
	os_unlock(&port->lock);
}

/* Reader: until somebody has opened the pipe; false: stopping. */
static bool wait_for_peer(struct port *port)
{
	OVERLAPPED overlapped = { .hEvent = port->read_done };
	DWORD done;

	while (!is_stopping(port)) {
		BOOL begun = ConnectNamedPipe(port->handle, &overlapped);

		if ((!begun && GetLastError() == ERROR_PIPE_CONNECTED) ||
		    finish(port, begun, &overlapped, &done)) {
			log_info("%s: connected", port->path);
			set_connected(port, true);
			return true;
		}
		/* a peer that came and went meanwhile; were it another failure, not without end */
		DisconnectNamedPipe(port->handle);
		WaitForSingleObject(port->back.stop, AGAIN_MS);
	}
	return false;
}

static size_t port_read(struct stream_back *back, u8 *bytes, size_t room)
{
	struct port *port = (struct port *)back;
	DWORD done;

	while (!is_stopping(port)) {
		OVERLAPPED overlapped = { .hEvent = port->read_done };
		BOOL begun;

		if (port->kind == PORT_PIPE && !is_connected(port) && !wait_for_peer(port))
			return 0;
		done = 0;
		begun = ReadFile(port->handle, bytes, room, NULL, &overlapped);
		if (finish(port, begun, &overlapped, &done) && done)
			return done;
		if (is_stopping(port))
			return 0;
		if (port->kind == PORT_PIPE) {
			log_info("%s: the other end is gone", port->path);
			set_connected(port, false);
			DisconnectNamedPipe(port->handle);
		} else if (GetLastError() != ERROR_SUCCESS && !done) {
			/* a port that was unplugged; one that is silent never comes here */
			return 0;
		}
	}
	return 0;
}

static bool port_write(struct stream_back *back, const u8 *bytes, size_t count)
{
	struct port *port = (struct port *)back;

	while (count && !is_stopping(port)) {
		OVERLAPPED overlapped = { .hEvent = port->write_done };
		DWORD done = 0;
		BOOL begun;

		if (port->kind == PORT_PIPE && !is_connected(port))
			return true;
		if (port->kind == PORT_FILE)	/* at the end, wherever that is: MSDN, WriteFile */
			overlapped.Offset = overlapped.OffsetHigh = 0xffffffff;
		begun = WriteFile(port->handle, bytes, count, NULL, &overlapped);
		if (!finish(port, begun, &overlapped, &done))
			return port->kind == PORT_PIPE;	/* the reader sees to a peer that is gone */
		bytes += done;
		count -= done;
	}
	return true;
}

static void port_close(struct stream_back *back)
{
	struct port *port = (struct port *)back;

	if (port->handle != INVALID_HANDLE_VALUE)
		CloseHandle(port->handle);
	if (port->read_done)
		CloseHandle(port->read_done);
	if (port->write_done)
		CloseHandle(port->write_done);
	free(port->path);
	stream_back_free(back);
}

static const struct stream_ops port_ops = { .read = port_read, .write = port_write, .close = port_close };
static const struct stream_ops file_ops = { .write = port_write, .close = port_close };

/* --- opening --- */

static bool is_pipe(const char *path)
{
	return !_strnicmp(path, "\\\\.\\pipe\\", 9) && path[9];
}

/* COM1, COM12:, \\.\COM3: the number's digits, else NULL. */
static const char *serial_number(const char *path)
{
	const char *digits;
	size_t count;

	if (!strncmp(path, "\\\\.\\", 4))
		path += 4;
	if (_strnicmp(path, "COM", 3))
		return NULL;
	digits = path + 3;
	count = strspn(digits, "0123456789");
	return count && count < 4 && (!digits[count] || !strcmp(digits + count, ":")) ? digits : NULL;
}

static HANDLE make_pipe(const wchar_t *path)
{
	SECURITY_ATTRIBUTES security = { .nLength = sizeof(security) };
	HANDLE handle;

	if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(PIPE_SDDL, SDDL_REVISION_1,
								  &security.lpSecurityDescriptor, NULL))
		return INVALID_HANDLE_VALUE;
	/* the first of its name, or somebody else would get what is meant for us */
	handle = CreateNamedPipeW(path, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
				  PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT, 1, PIPE_BYTES, PIPE_BYTES,
				  0, &security);
	LocalFree(security.lpSecurityDescriptor);
	return handle;
}

/* By MSDN, DCB. What is not asked for stays as Windows has it. */
static void set_line(DCB *line, const struct serial_line *wanted)
{
	static const char parities[] = { 'n', 'o', 'e', 'm', 's' };	/* in the order of NOPARITY, ... */

	if (wanted->baud)
		line->BaudRate = wanted->baud;
	if (wanted->data_bits)
		line->ByteSize = wanted->data_bits;
	if (wanted->parity) {
		line->Parity = (const char *)memchr(parities, wanted->parity, sizeof(parities)) - parities;
		line->fParity = line->Parity != NOPARITY;
	}
	if (wanted->stop_bits)
		line->StopBits = wanted->stop_bits == 2 ? TWOSTOPBITS : ONESTOPBIT;
	if (!wanted->flow)
		return;
	line->fOutxCtsFlow = wanted->flow == FLOW_RTSCTS;
	line->fRtsControl = wanted->flow == FLOW_RTSCTS ? RTS_CONTROL_HANDSHAKE : RTS_CONTROL_ENABLE;
	line->fInX = line->fOutX = wanted->flow == FLOW_XONXOFF;
}

/* Raw, and a read returns as soon as there is anything (MSDN, COMMTIMEOUTS). */
static bool set_up_serial(HANDLE handle, const struct serial_line *wanted)
{
	COMMTIMEOUTS timeouts = {
		.ReadIntervalTimeout = MAXDWORD, .ReadTotalTimeoutMultiplier = MAXDWORD,
		.ReadTotalTimeoutConstant = MAXDWORD - 1,
	};
	DCB line = { .DCBlength = sizeof(line) };

	if (!GetCommState(handle, &line))
		return false;
	line.fBinary = TRUE;
	line.fNull = line.fErrorChar = line.fInX = line.fOutX = line.fAbortOnError = FALSE;
	set_line(&line, wanted);
	return SetCommState(handle, &line) && SetCommTimeouts(handle, &timeouts);
}

static HANDLE open_handle(struct port *port, const wchar_t *path, const struct serial_line *line)
{
	wchar_t name[16];
	HANDLE handle;
	DWORD failure;

	if (port->kind == PORT_PIPE)
		return make_pipe(path);
	if (port->kind == PORT_FILE)
		return CreateFileW(path, FILE_APPEND_DATA | SYNCHRONIZE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
				   OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
	/* COM10 and above have this name only, the others too */
	_snwprintf(name, 16, L"\\\\.\\COM%d", atoi(serial_number(port->path)));
	handle = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
			     FILE_FLAG_OVERLAPPED, NULL);
	if (handle != INVALID_HANDLE_VALUE && !set_up_serial(handle, line)) {
		failure = GetLastError();
		CloseHandle(handle);
		SetLastError(failure);
		return INVALID_HANDLE_VALUE;
	}
	return handle;
}

struct stream_back *port_open(const char *path, const struct serial_line *line, struct error *error)
{
	enum port_kind kind = is_pipe(path) ? PORT_PIPE : serial_number(path) ? PORT_SERIAL : PORT_FILE;
	struct port *port = stream_back_new(sizeof(*port), kind == PORT_FILE ? &file_ops : &port_ops, error);
	wchar_t *wide = wide_of(path);

	if (!port) {
		free(wide);
		return NULL;
	}
	port->kind = kind;
	port->handle = INVALID_HANDLE_VALUE;
	os_mutex_init(&port->lock);
	port->path = strdup(path);
	port->read_done = CreateEventW(NULL, TRUE, FALSE, NULL);
	port->write_done = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (!wide || !port->path || !port->read_done || !port->write_done) {
		error_set(error, "out of memory");
		goto failed;
	}
	if (kind != PORT_SERIAL && serial_line_any(line)) {
		error_set(error, "%s: only a serial port has a line to be set", path);
		goto failed;
	}
	port->handle = open_handle(port, wide, line);
	if (port->handle != INVALID_HANDLE_VALUE) {
		free(wide);
		return &port->back;
	}
	if (kind == PORT_PIPE && (GetLastError() == ERROR_ACCESS_DENIED || GetLastError() == ERROR_PIPE_BUSY))
		error_set(error, "%s: there is a pipe of that name already, another guest's or another program's",
			  path);
	else
		error_set(error, "%s: %s", path, os_last_error());
failed:
	free(wide);
	port_close(&port->back);
	return NULL;
}

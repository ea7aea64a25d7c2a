/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A program for Windows that makes named pipes sockets of the host's, for tests that speak
 * to a guest's control door themselves. It listens at a port of 127.0.0.1, which it prints;
 * the first line of a connection says what is wanted, "ok" or "error N" (GetLastError())
 * answers, and then bytes go to and fro until either end is closed:
 *
 *	connect NAME	the pipe that is there, as colinux-ctl opens it
 *	stranger NAME	whether that pipe's descriptor lets somebody in who is no administrator and not the user
 *	intrude NAME	that somebody opens the event of that name
 *	serve NAME	a pipe of that name is made, and somebody connects: "come" is said then
 *	squat NAME	the same, with an owner who is no administrator and not the user
 *	hold NAME	an event of that name, for all sessions, until the connection is closed
 */
#define _WIN32_WINNT 0x0600
#include <winsock2.h>
#include <windows.h>
#include <sddl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS	60000u
#define LOOK_MS		200u

struct way {
	SOCKET socket;
	HANDLE pipe;
	volatile LONG broken;	/* the pipe takes nothing more */
	volatile LONG read;	/* nothing more is read from it */
};

static void die(const char *what)
{
	fprintf(stderr, "%s: error %lu\n", what, GetLastError());
	exit(1);
}

/* Sockets do not block by themselves. False: not within LOOK_MS. */
static bool wait_for(SOCKET socket, bool writes)
{
	struct timeval time = { .tv_usec = LOOK_MS * 1000 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(socket, &set);
	return select(0, writes ? NULL : &set, writes ? &set : NULL, NULL, &time) > 0;
}

/* A host that does not read keeps us while the pipe is whole. */
static bool send_all(struct way *way, const char *bytes, int count)
{
	int now;

	for (; count; bytes += now, count -= now) {
		while (!wait_for(way->socket, true))
			if (way->broken)
				return false;
		now = send(way->socket, bytes, count, 0);
		if (now < 0 && WSAGetLastError() == WSAEWOULDBLOCK)
			now = 0;
		else if (now <= 0)
			return false;
	}
	return true;
}

/* At least one byte; 0: there will be none. */
static int receive(struct way *way, char *bytes, int room)
{
	int now;

	do {
		while (!wait_for(way->socket, false))
			if (way->broken)
				return 0;
		now = recv(way->socket, bytes, room, 0);
	} while (now < 0 && WSAGetLastError() == WSAEWOULDBLOCK);
	return now > 0 ? now : 0;
}

/* Both directions have requests of their own: true when some bytes went through. */
static bool transfer(HANDLE pipe, bool writes, char *bytes, DWORD count, DWORD *done)
{
	OVERLAPPED overlapped = { .hEvent = CreateEventW(NULL, TRUE, FALSE, NULL) };
	BOOL begun = writes ? WriteFile(pipe, bytes, count, NULL, &overlapped) :
		     ReadFile(pipe, bytes, count, NULL, &overlapped);
	bool result = (begun || GetLastError() == ERROR_IO_PENDING) &&
		      GetOverlappedResult(pipe, &overlapped, done, TRUE);

	CloseHandle(overlapped.hEvent);
	return result;
}

static DWORD WINAPI to_pipe(void *arg)
{
	struct way *way = arg;
	char bytes[4096];
	DWORD done;
	int count, at;

	while ((count = receive(way, bytes, sizeof(bytes))) > 0)
		for (at = 0; at < count; at += done)
			if (!transfer(way->pipe, true, bytes + at, count - at, &done)) {
				way->broken = true;
				return 0;
			}
	/* the host's end is closed: so is ours, whatever still comes; the next read may just be beginning */
	while (!way->read) {
		CancelIoEx(way->pipe, NULL);
		Sleep(20);
	}
	return 0;
}

static void both_ways(struct way *way)
{
	HANDLE other = CreateThread(NULL, 0, to_pipe, way, 0, NULL);
	char bytes[4096];
	DWORD done;

	while (transfer(way->pipe, false, bytes, sizeof(bytes), &done))
		if (!send_all(way, bytes, done))
			break;
	way->read = way->broken = true;
	while (WaitForSingleObject(other, 20) == WAIT_TIMEOUT)
		CancelIoEx(way->pipe, NULL);
	CloseHandle(other);
}

/* --- what is wanted --- */

static HANDLE open_pipe(const wchar_t *path)
{
	DWORD until = GetTickCount() + PATIENCE_MS;
	HANDLE pipe;

	for (;;) {
		pipe = CreateFileW(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
				   FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_ANONYMOUS, NULL);
		if (pipe != INVALID_HANDLE_VALUE || GetLastError() != ERROR_PIPE_BUSY || GetTickCount() > until)
			return pipe;
		WaitNamedPipeW(path, 1000);
	}
}

/* A token without the groups and the user that the door is open to, for who acts in place of another. */
static HANDLE strangers_token(void)
{
	char user[1024], owner[1024], administrators[SECURITY_MAX_SID_SIZE];
	SID_AND_ATTRIBUTES without[3] = { 0 };
	HANDLE token, less, stranger;
	DWORD bytes = sizeof(administrators);

	if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ALL_ACCESS, &token) ||
	    !GetTokenInformation(token, TokenUser, user, sizeof(user), &(DWORD){ 0 }) ||
	    !GetTokenInformation(token, TokenOwner, owner, sizeof(owner), &(DWORD){ 0 }) ||
	    !CreateWellKnownSid(WinBuiltinAdministratorsSid, NULL, administrators, &bytes))
		die("our own token");
	without[0].Sid = ((TOKEN_USER *)user)->User.Sid;
	without[1].Sid = ((TOKEN_OWNER *)owner)->Owner;
	without[2].Sid = administrators;
	if (!CreateRestrictedToken(token, 0, 3, without, 0, NULL, 0, NULL, &less) ||
	    !DuplicateToken(less, SecurityImpersonation, &stranger))
		die("a stranger's token");
	CloseHandle(token);
	CloseHandle(less);
	return stranger;
}

/*
 * What Windows asks when a pipe is opened. Wine opens any; but it keeps the descriptor, and
 * knows how to read one.
 */
static DWORD ask_for_stranger(HANDLE pipe)
{
	GENERIC_MAPPING mapping = {
		FILE_GENERIC_READ, FILE_GENERIC_WRITE, FILE_GENERIC_EXECUTE, FILE_ALL_ACCESS,
	};
	DWORD wanted = GENERIC_READ | GENERIC_WRITE, granted, bytes, used = sizeof(PRIVILEGE_SET) + 1024;
	char descriptor[2048], privileges[sizeof(PRIVILEGE_SET) + 1024];
	HANDLE token = strangers_token();
	BOOL may;

	MapGenericMask(&wanted, &mapping);
	if (!GetKernelObjectSecurity(pipe, OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION |
				     DACL_SECURITY_INFORMATION, descriptor, sizeof(descriptor), &bytes) ||
	    !AccessCheck(descriptor, token, wanted, &mapping, (PRIVILEGE_SET *)privileges, &used, &granted, &may))
		die("a pipe's descriptor");
	CloseHandle(token);
	return may ? ERROR_SUCCESS : ERROR_ACCESS_DENIED;
}

/* And when an event is: that one Wine refuses, too. */
static DWORD open_event_as_stranger(const char *name)
{
	HANDLE token = strangers_token(), event;
	char path[100];
	DWORD failure;

	snprintf(path, sizeof(path), "Global\\%s", name);
	if (!ImpersonateLoggedOnUser(token))
		die("becoming a stranger");
	event = OpenEventA(EVENT_ALL_ACCESS, FALSE, path);
	failure = event ? ERROR_SUCCESS : GetLastError();
	RevertToSelf();
	if (event)
		CloseHandle(event);
	CloseHandle(token);
	return failure;
}

/* --- what is made --- */

static void make_descriptor(SECURITY_ATTRIBUTES *security, const wchar_t *words)
{
	security->nLength = sizeof(*security);
	if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(words, SDDL_REVISION_1,
								  &security->lpSecurityDescriptor, NULL))
		die("a descriptor");
}

static HANDLE make_pipe(const wchar_t *path, bool foreign)
{
	SECURITY_ATTRIBUTES security = { 0 };
	HANDLE pipe;

	/* everybody may; the foreign owner is the guests' account */
	make_descriptor(&security, foreign ? L"O:BGD:(A;;GA;;;WD)" : L"D:(A;;GA;;;WD)");
	pipe = CreateNamedPipeW(path, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
				PIPE_TYPE_BYTE, 1, 4096, 4096, 0, &security);
	LocalFree(security.lpSecurityDescriptor);
	return pipe;
}

static bool wait_for_somebody(HANDLE pipe)
{
	OVERLAPPED overlapped = { .hEvent = CreateEventW(NULL, TRUE, FALSE, NULL) };
	bool come = ConnectNamedPipe(pipe, &overlapped) || GetLastError() == ERROR_PIPE_CONNECTED ||
		    GetLastError() == ERROR_NO_DATA;	/* has come, and gone already */
	DWORD done;

	if (!come && GetLastError() == ERROR_IO_PENDING)
		come = GetOverlappedResult(pipe, &overlapped, &done, TRUE);
	CloseHandle(overlapped.hEvent);
	return come;
}

/* Says how it went. */
static bool answer(struct way *way, DWORD failure)
{
	char line[40];

	snprintf(line, sizeof(line), failure ? "error %lu\n" : "ok\n", failure);
	return send_all(way, line, strlen(line)) && !failure;
}

static void hold_event(struct way *way, const char *name)
{
	SECURITY_ATTRIBUTES security = { 0 };
	char path[100], byte;
	HANDLE event;

	snprintf(path, sizeof(path), "Global\\%s", name);
	make_descriptor(&security, L"D:(A;;GA;;;WD)");
	event = CreateEventA(&security, TRUE, FALSE, path);
	if (answer(way, event ? ERROR_SUCCESS : GetLastError()))
		while (receive(way, &byte, 1))
			;
	if (event)
		CloseHandle(event);
	LocalFree(security.lpSecurityDescriptor);
}

static void serve_pipe(struct way *way, const char *word, const char *name)
{
	bool makes = !strcmp(word, "serve") || !strcmp(word, "squat"), asks = !strcmp(word, "stranger");
	wchar_t path[100];

	_snwprintf(path, 100, L"\\\\.\\pipe\\%hs", name);
	way->pipe = makes ? make_pipe(path, word[1] == 'q') : open_pipe(path);
	if (way->pipe == INVALID_HANDLE_VALUE) {
		answer(way, GetLastError());
		return;
	}
	if (answer(way, asks ? ask_for_stranger(way->pipe) : ERROR_SUCCESS) && !asks &&
	    (!makes || (wait_for_somebody(way->pipe) && send_all(way, "come\n", 5))))
		both_ways(way);
	CloseHandle(way->pipe);
}

static DWORD WINAPI serve(void *arg)
{
	struct way way = { .socket = *(SOCKET *)arg };
	char line[100] = "", word[16] = "", name[64] = "";
	size_t used = 0;
	u_long yes = 1;
	int now;

	free(arg);
	ioctlsocket(way.socket, FIONBIO, &yes);
	/* nothing comes behind it before we have answered */
	while (used < sizeof(line) - 1 && !memchr(line, '\n', used)) {
		now = receive(&way, line + used, sizeof(line) - 1 - used);
		if (!now)
			break;
		used += now;
	}
	sscanf(line, "%15s %63s", word, name);
	if (!strcmp(word, "hold"))
		hold_event(&way, name);
	else if (!strcmp(word, "intrude"))
		answer(&way, open_event_as_stranger(name));
	else
		serve_pipe(&way, word, name);
	closesocket(way.socket);
	return 0;
}

int main(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int bytes = sizeof(address), room = 4096;
	SOCKET listener, *one;
	HANDLE thread;
	WSADATA data;

	if (WSAStartup(MAKEWORD(2, 2), &data))
		die("sockets");
	listener = socket(AF_INET, SOCK_STREAM, 0);
	/* of the host's buffers, which those of connections are made as: no more than a pipe has */
	setsockopt(listener, SOL_SOCKET, SO_SNDBUF, (char *)&room, sizeof(room));
	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, (char *)&room, sizeof(room));
	if (listener == INVALID_SOCKET || bind(listener, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(listener, 100) || getsockname(listener, (struct sockaddr *)&address, &bytes))
		die("a port");
	printf("port %u\n", ntohs(address.sin_port));
	fflush(stdout);
	for (;;) {
		one = malloc(sizeof(*one));
		*one = accept(listener, NULL, NULL);
		if (*one == INVALID_SOCKET)
			die("accept");
		thread = CreateThread(NULL, 0, serve, one, 0, NULL);
		if (!thread)
			die("a thread");
		CloseHandle(thread);
	}
}

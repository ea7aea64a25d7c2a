// SPDX-License-Identifier: GPL-2.0-only
/* Where running guests are found, on Windows, and whom they trust. */
#include "run_pipe_windows.h"

#include <sddl.h>
#include <stdlib.h>
#include <string.h>
#include <winternl.h>

#include "text_windows.h"

#define PREFIX		L"colinux-ctl-"
#define PIPES		L"\\\\.\\pipe\\" PREFIX
#define EVENTS		L"Global\\" PREFIX
#define SID_BYTES	1024u	/* of what Windows says of a user or an object: a SID has 68 bytes at most */
#define ADMINISTRATORS	L"S-1-5-32-544"
#define LOCAL_SYSTEM	L"S-1-5-18"

bool run_pipe_path(wchar_t path[RUN_PIPE_SIZE], const char *name)
{
	wchar_t *wide = wide_of(name);
	bool fits = wide && wcslen(wide) < RUN_PIPE_SIZE - wcslen(PIPES);

	if (fits) {
		wcscpy(path, PIPES);
		wcscpy(path + wcslen(path), wide);
	}
	free(wide);
	return fits;
}

/* --- names --- */

HANDLE run_pipe_take_name(const char *name, PSECURITY_DESCRIPTOR security, bool *taken,
			  struct error *error)
{
	SECURITY_ATTRIBUTES attributes = {
		.nLength = sizeof(attributes), .lpSecurityDescriptor = security,
	};
	wchar_t path[RUN_PIPE_SIZE], event[RUN_PIPE_SIZE] = EVENTS;
	HANDLE handle;

	*taken = false;
	if (!run_pipe_path(path, name)) {
		error_set(error, "%s: is too long for a pipe's name", name);
		return NULL;
	}
	/* both have the same words behind what is in front */
	wcscpy(event + wcslen(event), path + wcslen(PIPES));
	SetLastError(ERROR_SUCCESS);
	handle = CreateEventW(&attributes, TRUE, FALSE, event);
	*taken = GetLastError() == ERROR_ALREADY_EXISTS ||
		 (!handle && (GetLastError() == ERROR_ACCESS_DENIED || GetLastError() == ERROR_INVALID_HANDLE));
	if (!handle)
		error_set(error, "an event for colinux-ctl: %s", os_last_error());
	if (!handle || !*taken)
		return handle;
	CloseHandle(handle);
	return NULL;
}

/* The folder of events and other objects, and how it is listed: as Microsoft documents NtQueryDirectoryObject. */
#define DIRECTORY_QUERY		0x0001
#define NO_MORE_ENTRIES		((NTSTATUS)0x8000001a)

struct object_entry {
	UNICODE_STRING name, type;
	wchar_t text[512];	/* of both */
};

NTSTATUS NTAPI NtOpenDirectoryObject(HANDLE *folder, ACCESS_MASK access, OBJECT_ATTRIBUTES *attributes);
NTSTATUS NTAPI NtQueryDirectoryObject(HANDLE folder, void *entries, ULONG bytes, BOOLEAN one,
				      BOOLEAN from_start, ULONG *context, ULONG *used);

int run_pipe_names(void (*found)(void *arg, const char *name), void *arg, struct error *error)
{
	size_t prefix = wcslen(PREFIX) * sizeof(wchar_t);
	OBJECT_ATTRIBUTES attributes;
	struct object_entry entry;
	ULONG context = 0, used;
	UNICODE_STRING path;
	NTSTATUS status;
	HANDLE folder;
	char *name;

	RtlInitUnicodeString(&path, L"\\BaseNamedObjects");
	InitializeObjectAttributes(&attributes, &path, OBJ_CASE_INSENSITIVE, NULL, NULL);
	status = NtOpenDirectoryObject(&folder, DIRECTORY_QUERY, &attributes);
	if (status < 0)
		return error_set(error, "the list of guests: %s", windows_error(RtlNtStatusToDosError(status)));
	/* one after the other; each has its end marked */
	while ((status = NtQueryDirectoryObject(folder, &entry, sizeof(entry), TRUE, !context, &context, &used)) >= 0) {
		if (entry.name.Length <= prefix || memcmp(entry.name.Buffer, PREFIX, prefix))
			continue;
		name = utf8_of(entry.name.Buffer + prefix / sizeof(wchar_t));
		if (name)
			found(arg, name);
		free(name);
	}
	NtClose(folder);
	return status == NO_MORE_ENTRIES ? 0 :
	       error_set(error, "the list of guests: %s", windows_error(RtlNtStatusToDosError(status)));
}

/* --- whom to trust --- */

/* A SID of this process's token as text: LocalFree() it. NULL: GetLastError(). */
static wchar_t *own_sid(TOKEN_INFORMATION_CLASS which)
{
	union {
		TOKEN_USER user;
		TOKEN_OWNER owner;
		u8 bytes[SID_BYTES];
	} about;
	wchar_t *text = NULL;
	HANDLE token;
	DWORD bytes;

	if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
		return NULL;
	if (GetTokenInformation(token, which, &about, sizeof(about), &bytes) &&
	    !ConvertSidToStringSidW(which == TokenUser ? about.user.User.Sid : about.owner.Owner, &text))
		text = NULL;
	CloseHandle(token);
	return text;
}

/*
 * An administrator who works without his rights (from Windows Vista on) is not among the
 * owners: a guest's console leads into ring 0, and nobody gets there without being asked.
 */
PSECURITY_DESCRIPTOR run_pipe_security(bool local, struct error *error)
{
	wchar_t words[300], *owner = own_sid(TokenOwner);
	PSECURITY_DESCRIPTOR security = NULL;

	if (owner && wcslen(owner) < 200) {
		wcscpy(words, local ? L"D:P(D;;GA;;;NU)" : L"D:P");
		wcscpy(words + wcslen(words), L"(A;;GA;;;BA)(A;;GA;;;SY)(A;;GA;;;");
		wcscpy(words + wcslen(words), owner);
		wcscpy(words + wcslen(words), L")");
		if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(words, SDDL_REVISION_1, &security, NULL))
			security = NULL;
	}
	if (!security)
		error_set(error, "who may open a pipe for colinux-ctl: %s", os_last_error());
	if (owner)
		LocalFree(owner);
	return security;
}

bool run_pipe_is_trusted(HANDLE pipe)
{
	union {
		SECURITY_DESCRIPTOR_RELATIVE head;
		u8 bytes[SID_BYTES];
	} about;
	wchar_t *owner = NULL, *own;
	BOOL is_default;
	PSID sid = NULL;
	bool trusted;
	DWORD bytes;
	int i;

	if (!GetKernelObjectSecurity(pipe, OWNER_SECURITY_INFORMATION, &about, sizeof(about), &bytes) ||
	    !GetSecurityDescriptorOwner(&about, &sid, &is_default) || !sid ||
	    !ConvertSidToStringSidW(sid, &owner))
		return false;
	trusted = !wcscmp(owner, ADMINISTRATORS) || !wcscmp(owner, LOCAL_SYSTEM);
	for (i = 0; i < 2 && !trusted; i++) {
		own = own_sid(i ? TokenOwner : TokenUser);
		trusted = own && !wcscmp(owner, own);
		if (own)
			LocalFree(own);
	}
	LocalFree(owner);
	return trusted;
}

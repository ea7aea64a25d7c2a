// SPDX-License-Identifier: GPL-2.0-only
/*
 * os.h on Windows: what is installed. The driver is a service that is started
 * when it is first wanted, not when the system is: one that does harm then does it
 * once. A guest is a service of its own.
 */
#include "service_windows.h"

#include <stdlib.h>
#include <string.h>

#include "colinux_nt.h"
#include "log.h"
#include "text_windows.h"

/* Vista's, and of the first service pack of XP: newer than what the headers are asked for. */
#ifndef ERROR_INVALID_IMAGE_HASH
#define ERROR_INVALID_IMAGE_HASH	577
#endif
#ifndef ERROR_DRIVER_BLOCKED
#define ERROR_DRIVER_BLOCKED		1275
#endif

#define STOP_TRIES	100u
#define STOP_PAUSE_MS	100u

/* In a service's command line, its words in quotes. */
#define COMMAND_MAX	32000u

static const wchar_t driver_name[] = L"colinux", driver_file[] = L"colinux.sys";

static int open_manager(DWORD access, SC_HANDLE *manager, struct error *error)
{
	*manager = OpenSCManagerW(NULL, NULL, access);
	if (*manager)
		return 0;
	if (GetLastError() == ERROR_ACCESS_DENIED)
		return error_set(error, "the service manager: %s; this needs an administrator", os_last_error());
	return error_set(error, "the service manager: %s", os_last_error());
}

/* --- the driver --- */

/* Why Windows does not load it, and what to do about that. */
static int load_error(DWORD failure, struct error *error)
{
	switch (failure) {
	case ERROR_INVALID_IMAGE_HASH:
	case ERROR_DRIVER_BLOCKED:
		return error_set(error, "loading the driver: %s; 64-bit Windows loads it in test mode only: bcdedit /set testsigning on (Secure Boot and memory integrity off), and start Windows anew",
				 windows_error(failure));
	case ERROR_BAD_EXE_FORMAT:
		return error_set(error, "loading the driver: %s; it is one for another Windows: 32 and 64 bits have each their own",
				 windows_error(failure));
	case ERROR_FILE_NOT_FOUND:
	case ERROR_PATH_NOT_FOUND:
		return error_set_code(error, EXIT_NO_DRIVER,
				      "loading the driver: its file is gone; --remove-driver, then --install-driver where %s lies beside colinux-daemon.exe",
				      CO_NT_DRIVER_FILE);
	default:
		return error_set(error, "loading the driver: %s", windows_error(failure));
	}
}

int windows_driver_start(struct error *error)
{
	SC_HANDLE manager, service;
	DWORD failure = 0;

	if (open_manager(SC_MANAGER_CONNECT, &manager, error))
		return -1;
	service = OpenServiceW(manager, driver_name, SERVICE_START);
	if (!service || !StartServiceW(service, 0, NULL))
		failure = GetLastError();
	CloseServiceHandle(manager);
	if (service)
		CloseServiceHandle(service);
	else if (failure == ERROR_SERVICE_DOES_NOT_EXIST)
		return error_set_code(error, EXIT_NO_DRIVER,
				      "the driver is not installed; an administrator does it with colinux-daemon --install-driver");
	if (!failure || failure == ERROR_SERVICE_ALREADY_RUNNING)
		return 0;
	return load_error(failure, error);
}

int os_driver_install(struct error *error)
{
	static wchar_t path[WIDE_PATH + 16], quoted[WIDE_PATH + 32];
	SC_HANDLE manager, service;
	size_t folder;
	DWORD failure;

	if (!windows_program(path, &folder))
		return error_set(error, "this program's own folder is not known");
	wcscpy(path + folder, driver_file);
	if (GetFileAttributesW(path) == INVALID_FILE_ATTRIBUTES)
		return error_set_code(error, EXIT_NO_DRIVER, "%s is not in the folder of colinux-daemon.exe",
				      CO_NT_DRIVER_FILE);
	/* the path that the kernel opens, which knows no drives of a user's */
	_snwprintf(quoted, sizeof(quoted) / sizeof(*quoted), L"\\??\\%ls", path);
	if (open_manager(SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE, &manager, error))
		return -1;
	service = CreateServiceW(manager, driver_name, L"Cooperative Linux driver", SERVICE_START | DELETE,
				 SERVICE_KERNEL_DRIVER, SERVICE_DEMAND_START, SERVICE_ERROR_NORMAL,
				 quoted, NULL, NULL, NULL, NULL, NULL);
	failure = GetLastError();
	CloseServiceHandle(manager);
	if (!service && failure == ERROR_SERVICE_EXISTS)
		return error_set(error, "the driver is installed already; --remove-driver first, to install another one");
	if (!service && failure == ERROR_SERVICE_MARKED_FOR_DELETE)
		return error_set(error, "the driver was removed while something used it: end that, or start Windows anew");
	if (!service)
		return error_set(error, "installing the driver: %s", windows_error(failure));
	if (!StartServiceW(service, 0, NULL)) {
		failure = GetLastError();
		/* what cannot be loaded is not left behind */
		DeleteService(service);
		CloseServiceHandle(service);
		return load_error(failure, error);
	}
	CloseServiceHandle(service);
	printf("the driver is installed and loaded\n");
	return 0;
}

/* Stops a service and waits until it has; false: it still runs. */
static bool stop_service(SC_HANDLE service)
{
	SERVICE_STATUS status;
	u32 i;

	ControlService(service, SERVICE_CONTROL_STOP, &status);
	for (i = 0; i < STOP_TRIES; i++) {
		if (!QueryServiceStatus(service, &status) || status.dwCurrentState == SERVICE_STOPPED)
			return true;
		Sleep(STOP_PAUSE_MS);
	}
	return false;
}

/* Was it made by --install-service? Windows' own services are not to be lost by a slip. */
static bool runs_guest(SC_HANDLE service)
{
	static union {
		QUERY_SERVICE_CONFIGW config;
		BYTE bytes[8192];	/* never more: QueryServiceConfig */
	} about;
	DWORD needed;

	return QueryServiceConfigW(service, &about.config, sizeof(about), &needed) &&
	       wcsstr(about.config.lpBinaryPathName, L" \"--run-service\" ");
}

enum service_kind { OF_DRIVER, OF_GUEST };

static int remove_service(const wchar_t *wide, const char *what, enum service_kind kind, struct error *error)
{
	SC_HANDLE manager, service;
	bool stopped, deleted;
	DWORD failure;

	if (open_manager(SC_MANAGER_CONNECT, &manager, error))
		return -1;
	service = OpenServiceW(manager, wide, SERVICE_STOP | SERVICE_QUERY_STATUS | SERVICE_QUERY_CONFIG | DELETE);
	failure = GetLastError();
	CloseServiceHandle(manager);
	if (!service && failure == ERROR_SERVICE_DOES_NOT_EXIST)
		return error_set_code(error, kind == OF_DRIVER ? EXIT_NO_DRIVER : EXIT_OTHER, "%s is not installed", what);
	if (!service)
		return error_set(error, "removing %s: %s", what, windows_error(failure));
	if (kind == OF_GUEST && !runs_guest(service)) {
		CloseServiceHandle(service);
		return error_set(error, "%s runs no guest of ours (--install-service has not made it): it stays", what);
	}
	stopped = stop_service(service);
	deleted = DeleteService(service);
	failure = GetLastError();
	CloseServiceHandle(service);
	if (!deleted)
		return error_set(error, "removing %s: %s", what, windows_error(failure));
	if (!stopped)
		return error_set(error, "%s is still in use; it is gone when that ends, or when Windows starts anew", what);
	printf("%s is removed\n", what);
	return 0;
}

int os_driver_remove(struct error *error)
{
	return remove_service(driver_name, "the driver", OF_DRIVER, error);
}

/* --- a guest as a service --- */

/*
 * Adds one word as the C library's start-up takes it apart again: in quotes, with a
 * backslash before each quote, and backslashes before a quote doubled.
 */
static bool add_word(wchar_t *command, size_t *used, const wchar_t *word)
{
	size_t slashes = 0;

	if (*used + 2 * wcslen(word) + 4 > COMMAND_MAX)
		return false;
	if (*used)
		command[(*used)++] = L' ';
	command[(*used)++] = L'"';
	for (;; word++) {
		if (*word == L'\\') {
			slashes++;
		} else {
			if (*word == L'"' || !*word)
				for (; slashes; slashes--)
					command[(*used)++] = L'\\';
			slashes = 0;
			if (!*word)
				break;
			if (*word == L'"')
				command[(*used)++] = L'\\';
		}
		command[(*used)++] = *word;
	}
	command[(*used)++] = L'"';
	command[*used] = L'\0';
	return true;
}

static bool add_utf8(wchar_t *command, size_t *used, const char *word)
{
	wchar_t *wide = wide_of(word);
	bool added = wide && add_word(command, used, wide);

	free(wide);
	return added;
}

static int service_command(wchar_t *command, const char *name, int argc, char **argv, struct error *error)
{
	static wchar_t path[WIDE_PATH];
	size_t used = 0, folder;
	bool added;
	int i;

	added = windows_program(path, &folder) && add_word(command, &used, path);
	added = added && add_utf8(command, &used, "--run-service") && add_utf8(command, &used, name);
	added = added && add_utf8(command, &used, "-C") &&
		GetCurrentDirectoryW(WIDE_PATH, path) && add_word(command, &used, path);
	for (i = 0; added && i < argc; i++)
		added = add_utf8(command, &used, argv[i]);
	return added ? 0 : error_set(error, "the command line is too long for a service");
}

int os_service_install(const char *name, int argc, char **argv, struct error *error)
{
	static wchar_t command[COMMAND_MAX + 1];
	wchar_t *wide = wide_of(name);
	SC_HANDLE manager, service = NULL;
	DWORD failure = ERROR_NOT_ENOUGH_MEMORY;

	if (service_command(command, name, argc, argv, error) ||
	    open_manager(SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE, &manager, error)) {
		free(wide);
		return -1;
	}
	if (wide) {
		service = CreateServiceW(manager, wide, wide, SERVICE_QUERY_STATUS, SERVICE_WIN32_OWN_PROCESS,
					 SERVICE_AUTO_START, SERVICE_ERROR_NORMAL, command,
					 NULL, NULL, NULL, NULL, NULL);
		failure = GetLastError();
	}
	free(wide);
	CloseServiceHandle(manager);
	/* the latter: its name is what the list of services calls another one */
	if (!service && (failure == ERROR_SERVICE_EXISTS || failure == ERROR_DUPLICATE_SERVICE_NAME))
		return error_set(error, "there is a service %s already; --remove-service first, or give another name",
				 name);
	if (!service)
		return error_set(error, "installing the service %s: %s", name, windows_error(failure));
	CloseServiceHandle(service);
	printf("the service %s is installed; it starts with Windows, or with: net start \"%s\"\n", name, name);
	return 0;
}

int os_service_remove(const char *name, struct error *error)
{
	wchar_t *wide = wide_of(name);
	char what[300];
	int result;

	if (!wide)
		return error_set(error, "out of memory");
	snprintf(what, sizeof(what), "the service %.280s", name);
	result = remove_service(wide, what, OF_GUEST, error);
	free(wide);
	return result;
}

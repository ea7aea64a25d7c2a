// SPDX-License-Identifier: GPL-2.0-only
/*
 * os.h on Windows: a guest that the service manager starts. It has no console:
 * messages go to a file beside its configuration, and hvc0 is a named pipe.
 */
#include "service_windows.h"

#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "text_windows.h"

#define LOG_FILE	"colinux-daemon.log"
/* To the service manager, so that it waits: until the guest has shut down. */
#define STOP_HINT_MS	60000u

static struct {
	int (*body)(void *);
	void *arg;
	int exit_code;
	wchar_t *name;
	SERVICE_STATUS_HANDLE handle;
	SERVICE_STATUS status;
} service;

static void tell_manager(DWORD state, DWORD hint_ms)
{
	service.status.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
	service.status.dwCurrentState = state;
	service.status.dwControlsAccepted =
		state == SERVICE_RUNNING ? SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN : 0;
	service.status.dwWaitHint = hint_ms;
	SetServiceStatus(service.handle, &service.status);
}

static void WINAPI on_control(DWORD control)
{
	if (control == SERVICE_CONTROL_STOP || control == SERVICE_CONTROL_SHUTDOWN) {
		tell_manager(SERVICE_STOP_PENDING, STOP_HINT_MS);
		windows_stop_requested();
		return;
	}
	SetServiceStatus(service.handle, &service.status);
}

/* A service has no stderr, and freopen() does not make one where there is no descriptor. */
static void open_log(void)
{
	int file = _open(LOG_FILE, _O_WRONLY | _O_CREAT | _O_APPEND | _O_BINARY, _S_IREAD | _S_IWRITE);

	if (file < 0)
		return;
	if (file != 2) {
		_dup2(file, 2);
		_close(file);
	}
	stderr->_file = 2;
}

static void WINAPI service_main(DWORD argc, wchar_t **argv)
{
	(void)argc, (void)argv;
	service.handle = RegisterServiceCtrlHandlerW(service.name, on_control);
	if (!service.handle)
		return;
	tell_manager(SERVICE_RUNNING, 0);
	/* the folder is the one that -C named by now */
	open_log();
	service.exit_code = service.body(service.arg);
	fflush(stderr);
	if (service.exit_code) {
		service.status.dwWin32ExitCode = ERROR_SERVICE_SPECIFIC_ERROR;
		service.status.dwServiceSpecificExitCode = service.exit_code;
	}
	tell_manager(SERVICE_STOPPED, 0);
}

int os_service_run(const char *name, int (*body)(void *), void *arg, struct error *error)
{
	static char pipe[300];
	SERVICE_TABLE_ENTRYW table[2] = { { 0 } };
	DWORD failure;

	service.name = wide_of(name);
	if (!service.name)
		return error_set(error, "out of memory");
	service.body = body;
	service.arg = arg;
	snprintf(pipe, sizeof(pipe), "\\\\.\\pipe\\%.280s", name);
	windows_console_pipe = pipe;
	table[0].lpServiceName = service.name;
	table[0].lpServiceProc = service_main;
	if (StartServiceCtrlDispatcherW(table))
		return service.exit_code;
	failure = GetLastError();
	if (failure == ERROR_FAILED_SERVICE_CONTROLLER_CONNECT)
		return error_set(error, "--run-service is for Windows' service manager: net start \"%s\"", name);
	return error_set(error, "the service manager: %s", windows_error(failure));
}

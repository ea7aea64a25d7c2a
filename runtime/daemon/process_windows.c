// SPDX-License-Identifier: GPL-2.0-only
/* os.h on Windows: programs that run beside the guest, and paths that are not Windows'. */
#include "os.h"

#include <stdlib.h>
#include <string.h>

#include "text_windows.h"

#define COMMAND_MAX	4096u	/* CreateProcess takes 32767 */

/* The process and, through a job, all that it starts. */
struct os_process {
	HANDLE job, process;
};

/* It ends with the job's last handle, whatever becomes of us. */
static HANDLE new_job(void)
{
	JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {
		.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
	};
	HANDLE job = CreateJobObjectA(NULL, NULL);

	if (job && !SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits,
					    sizeof(limits))) {
		CloseHandle(job);
		return NULL;
	}
	return job;
}

struct os_process *os_process_start(const char *program, const char *arguments,
				    struct error *error)
{
	struct os_process *process = calloc(1, sizeof(*process));
	STARTUPINFOW start = { .cb = sizeof(start) };
	char command[COMMAND_MAX];
	wchar_t *wide = NULL;
	PROCESS_INFORMATION made;

	if (!process) {
		error_set(error, "out of memory");
		return NULL;
	}
	if ((size_t)snprintf(command, sizeof(command), "\"%s\" %s", program, arguments) >= sizeof(command)) {
		error_set(error, "%s: its arguments are too long", program);
		goto failed;
	}
	wide = wide_of(command);
	process->job = new_job();
	/* Suspended, so that it starts nothing before it is in the job. */
	if (!process->job || !wide ||
	    !CreateProcessW(NULL, wide, NULL, NULL, FALSE, CREATE_SUSPENDED, NULL, NULL, &start, &made)) {
		error_set(error, "%s: %s", program, os_last_error());
		goto failed;
	}
	process->process = made.hProcess;
	if (!AssignProcessToJobObject(process->job, made.hProcess)) {
		error_set(error, "%s: cannot be put into a job: %s", program, os_last_error());
		TerminateProcess(made.hProcess, 1);
		CloseHandle(made.hThread);
		CloseHandle(made.hProcess);
		goto failed;
	}
	ResumeThread(made.hThread);
	CloseHandle(made.hThread);
	free(wide);
	return process;
failed:
	free(wide);
	if (process->job)
		CloseHandle(process->job);
	free(process);
	return NULL;
}

void os_process_end(struct os_process *process)
{
	if (!process)
		return;
	/* A program with windows cannot be asked from here; all of them end alike. */
	TerminateJobObject(process->job, 0);
	CloseHandle(process->process);
	CloseHandle(process->job);
	free(process);
}

const char *os_path_hint(const char *path)
{
	if (!strncmp(path, "/dev/", 5))
		return "a device of Linux; here disks are \\Device\\Harddisk0\\Partition1, serial ports COM1";
	return NULL;
}

// SPDX-License-Identifier: GPL-2.0-only
/* sandbox.h on Linux: the order in which things are given up. */
#include "sandbox_linux.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

#include "log.h"
#include "opener.h"
#include "option_keys.h"

static const char why_not[] =
	"this daemon was built without libseccomp, or the host's Linux has no seccomp (3.17 has it)";
static bool wanted;
static const char *state = "off";

const char *sandbox_would_be(const struct options *options)
{
	if (options->sandbox == SANDBOX_NOT_WANTED)
		return "off";
	return sandbox_calls_can() ? "on" : "unavailable";
}

const char *sandbox_is(void)
{
	return state;
}

int sandbox_begin(const struct options *options, struct error *error)
{
	state = sandbox_would_be(options);
	wanted = !strcmp(state, "on");
	if (wanted)
		return opener_begin(options, error);
	if (options->sandbox == SANDBOX_INSISTED) {
		error_set(error, "%s", why_not);
		return option_blame(option_find(options, "sandbox"), error);
	}
	log_note("no sandbox: %s", options->sandbox == SANDBOX_NOT_WANTED ? "as it was asked for" : why_not);
	return 0;
}

int sandbox_enter(const struct options *options, struct error *error)
{
	int failure;

	if (!wanted)
		return 0;
	opener_seal();
	stream_keep_stdio();
	folder_keep_proc();
	/*
	 * No program that we would run, were it possible, could give rights back. Core files stay:
	 * they are for who looks for the fault, guest memory is not in them (driver_linux.c), and
	 * only root can trace a process of root's.
	 */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return error_set(error, "sandbox: no new privileges: %s", strerror(errno));
	failure = sandbox_files_confine(options);
	if (failure)
		log_info("sandbox: Landlock: %s; files are confined by the table of system calls alone",
			 strerror(-failure));
	failure = sandbox_caps_drop(options);
	if (failure)
		return error_set(error, "sandbox: capabilities: %s", strerror(-failure));
	if (sandbox_trap_begin(error) || sandbox_calls_filter(options, error))
		return -1;
	log_note("sandbox: on; capabilities that remain: 0x%llx", (unsigned long long)sandbox_caps(options));
	return 0;
}

void sandbox_end(void)
{
	opener_end();
}

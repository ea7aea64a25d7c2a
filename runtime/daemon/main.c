// SPDX-License-Identifier: GPL-2.0-only
/* colinux-daemon: reads what the user wants, does it, says how it ended. */
#include <stdio.h>
#include <string.h>

#include "loader.h"
#include "log.h"
#include "machine.h"
#include "manual.h"
#include "options.h"
#include "print_text.h"
#include "would_run.h"

#ifndef CO_RELEASE
#define CO_RELEASE "development"
#endif

static int status_driver(struct error *error)
{
	struct vm vm;

	if (vm_open(&vm, error))
		return -1;
	printf("driver %s, ABI %u\n", vm.driver_release, CO_ABI_VERSION);
	vm_close(&vm);
	return 0;
}

static int boot(const struct options *options, struct error *error)
{
	static struct machine machine;
	int result;

	if (os_requests_begin(error))
		return -1;
	if (options->pidfile.text && os_write_pidfile(options->pidfile.text, error))
		return -1;
	result = machine_start(&machine, options, error);
	if (!result) {
		result = machine_wait(&machine);
		*error = machine.end;
		machine_log_stats(&machine, options->stats ? LOG_WARN : LOG_NOTE);
	}
	machine_close(&machine);
	if (options->pidfile.text)
		os_remove_file(options->pidfile.text);
	return result;
}

static int run(const struct options *options, struct error *error)
{
	log_set_level(options->verbosity);
	if (options->help)
		return manual_print(stdout) ? error_set(error, "writing to stdout failed") : 0;
	if (options->version) {
		printf("colinux-daemon %s, ABI %u\n", CO_RELEASE, CO_ABI_VERSION);
		return 0;
	}
	if (options->status_driver)
		return status_driver(error);
	if (options->print_toml)
		return print_toml(stdout, options, error);
	if (options->print_json)
		return print_json(stdout, options, error);
	if (options->check)
		return would_run(options, error);
	return boot(options, error);
}

/* A message of its own for each thing that is wrong with the configuration. */
static void print_faults(const struct error *error)
{
	const char *line = error->text, *end;

	for (; *line; line = *end ? end + 1 : end) {
		end = line + strcspn(line, "\n");
		log_warn("%.*s", (int)(end - line), line);
	}
}

int main(int argc, char **argv)
{
	static struct options options;
	struct error error = { .exit_code = EXIT_OTHER };
	bool understood, booted;
	int result = -1;

	understood = !options_parse(&options, argc, argv, &error);
	booted = understood && !options.check;
	if (understood)
		result = run(&options, &error);
	options_free(&options);
	if (!result && (fflush(stdout) || ferror(stdout)))
		result = error_set(&error, "writing to stdout failed");
	if (!result)
		return EXIT_OK;
	if (booted && error.text[0])
		log_warn("%s", error.text);	/* a guest's last words may have lines */
	else
		print_faults(&error);
	return error.exit_code;
}

// SPDX-License-Identifier: GPL-2.0-only
/* colinux-daemon: reads what the user wants, does it, says how it ended. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "loader.h"
#include "log.h"
#include "machine.h"
#include "manual.h"
#include "option_keys.h"
#include "options.h"
#include "os.h"
#include "print_text.h"
#include "sandbox.h"
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

/* One life of the guest; EXIT_AGAIN: the user wants another one. */
static int live(struct machine *machine, const struct options *options, struct control *control,
		bool again, struct error *error)
{
	int result = machine_start(machine, options, error);

	if (!result) {
		/* before its first instruction: what it does may have somebody knock at once */
		control_set_machine(control, machine);
		if (again)
			control_restarted(control);
		result = vcpu_start(machine, error);
		if (!result) {
			result = machine_wait(machine);
			*error = machine->end;
		}
		control_set_machine(control, NULL);
		machine_log_stats(machine, options->stats ? LOG_WARN : LOG_NOTE);
	}
	machine_close(machine);
	return result;
}

/* The door for colinux-ctl. Only who has given the guest a name insists on it. */
static int open_door(const struct options *options, struct control **control, struct error *error)
{
	const struct option_given *given = option_find(options, "name");

	*control = control_open(options, error);
	if (*control)
		return 0;
	if (given)
		return option_blame(given, error);
	log_warn("colinux-ctl will not find this guest: %s", error->text);
	memset(error, 0, sizeof(*error));
	error->exit_code = EXIT_OTHER;
	return 0;
}

/* What has to be done before the sandbox; the first thread is one of those behind it. */
static int prepare(const struct options *options, struct control **control, struct error *error)
{
	machine_prepare(options);
	if (open_door(options, control, error))
		return -1;
	if (!sandbox_enter(options, error) && !control_start(*control, error))
		return 0;
	control_close(*control, EXIT_OTHER, error->text);
	return -1;
}

static int boot(const struct options *options, struct error *error)
{
	static struct machine machine;
	struct control *control;
	bool again = false;
	int result;

	if (os_requests_begin(error) || sandbox_begin(options, error))
		return -1;
	if (options->pidfile.text && os_write_pidfile(options->pidfile.text, error)) {
		sandbox_end();
		return -1;
	}
	result = prepare(options, &control, error);
	if (!result) {
		while ((result = live(&machine, options, control, again, error)) == EXIT_AGAIN) {
			again = true;
			if (error->text[0])
				log_warn("%s", error->text);
			log_note("the guest is started anew");
			memset(error, 0, sizeof(*error));
			error->exit_code = EXIT_OTHER;
		}
		control_close(control, result ? error->exit_code : EXIT_OK, error->text);
	}
	if (options->pidfile.text)
		os_remove_file(options->pidfile.text);
	sandbox_end();
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
	if (options->install_driver)
		return os_driver_install(error);
	if (options->remove_driver)
		return os_driver_remove(error);
	if (options->service == SERVICE_REMOVE)
		return os_service_remove(options->service_name, error);
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

/* The daemon's whole work, once its words are understood, or are not. */
struct work {
	struct options options;
	bool understood;
	struct error error;
};

/* Does it, says what went wrong; returns the exit code. A service's is run where its manager wants it. */
static int do_work(void *arg)
{
	struct work *work = arg;
	struct error *error = &work->error;
	bool booted = work->understood && !work->options.check;
	int result = -1;

	if (work->understood)
		result = run(&work->options, error);
	if (!result && (fflush(stdout) || ferror(stdout)))
		result = error_set(error, "writing to stdout failed");
	if (!result)
		return EXIT_OK;
	if (booted && error->text[0])
		log_warn("%s", error->text);	/* a guest's last words may have lines */
	else
		print_faults(error);
	return error->exit_code;
}

/* The service's own command: ours without the words that ask for it. */
static int install_service(const struct options *options, int argc, char **argv, struct error *error)
{
	char **words = calloc(argc, sizeof(*words));
	int count = 0, at, result;

	if (!words)
		return error_set(error, "out of memory");
	for (at = 1; at < argc; at++)
		if (at < options->service_word || at >= options->service_word + options->service_words)
			words[count++] = argv[at];
	result = os_service_install(options->service_name, count, words, error);
	free(words);
	return result;
}

int main(int argc, char **argv)
{
	static struct work work = { .error.exit_code = EXIT_OTHER };
	struct error error = { .exit_code = EXIT_OTHER };
	int result;

	argv = os_arguments(&argc, argv);
	work.understood = !options_parse(&work.options, argc, argv, &work.error);
	if (work.options.service == SERVICE_RUN) {
		/* what is wrong with its words goes where the service's messages go */
		result = os_service_run(work.options.service_name, do_work, &work, &error);
	} else if (work.options.service == SERVICE_INSTALL && work.understood) {
		result = install_service(&work.options, argc, argv, &error);
	} else {
		result = do_work(&work);
	}
	options_free(&work.options);
	if (result < 0) {
		print_faults(&error);
		return error.exit_code;
	}
	return result;
}

// SPDX-License-Identifier: GPL-2.0-only
/* colinux-daemon: reads what the user wants, does it, says how it ended. */
#include <stdio.h>
#include <string.h>

#include "loader.h"
#include "log.h"
#include "machine.h"
#include "manual.h"
#include "options.h"

#ifndef CO_RELEASE
#define CO_RELEASE "development"
#endif

static int check_file(const char *name, const char *path, enum os_access access, bool lock,
		      struct error *error)
{
	struct os_file *file = os_file_open(path, access, lock, error);
	u64 bytes;

	if (!file)
		return -1;
	bytes = os_file_bytes(file);
	os_file_close(file);
	printf("%s: %s, %llu KiB\n", name, path, (unsigned long long)bytes >> 10);
	return 0;
}

/* --check: everything that can be wrong without a driver. */
static int check(const struct options *options, struct error *error)
{
	struct kernel_image image;
	char name[16];
	u32 i;

	if (kernel_image_open(&image, options->kernel.text, error))
		return -1;
	printf("kernel: %s, ABI %u, %llu KiB in memory, entry 0x%llx, shared area at 0x%llx\n",
	       image.path, image.note.abi_version,
	       (unsigned long long)kernel_image_bytes(&image) >> 10,
	       (unsigned long long)image.entry, (unsigned long long)image.note.area_va);
	kernel_image_close(&image);
	if (options->initrd.text &&
	    check_file("initrd", options->initrd.text, OS_READ, false, error))
		return -1;
	for (i = 0; i < OPTIONS_DISKS; i++) {
		snprintf(name, sizeof(name), "cobd%u", i);
		if (options->disk[i].text &&
		    check_file(name, options->disk[i].text,
			       options->disk_read_only[i] ? OS_READ : OS_READ_WRITE, true, error))
			return -1;
	}
	for (i = 0; i < OPTIONS_SERIALS; i++)
		if (options->serial[i].text)
			printf("ttys%u: %s\n", i, options->serial[i].text);
	printf("memory: %u MiB\ncommand line: %s\n", options->mem_mib, options->cmdline);
	return 0;
}

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
		return fputs(manual_text, stdout) < 0;
	if (options->version) {
		printf("colinux-daemon %s, ABI %u\n", CO_RELEASE, CO_ABI_VERSION);
		return 0;
	}
	if (options->status_driver)
		return status_driver(error);
	if (options->check)
		return check(options, error);
	return boot(options, error);
}

int main(int argc, char **argv)
{
	static struct options options;
	struct error error = { .exit_code = EXIT_OTHER };
	int result;

	result = options_parse(&options, argc, argv, &error);
	if (!result)
		result = run(&options, &error);
	options_free(&options);
	if (!result && fflush(stdout))
		result = error_set(&error, "writing to stdout failed");
	if (!result)
		return EXIT_OK;
	if (error.text[0])
		log_warn("%s", error.text);
	return error.exit_code;
}

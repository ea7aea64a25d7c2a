// SPDX-License-Identifier: GPL-2.0-only
/*
 * coLinux's configuration language: words, each a switch, a key=value of ours,
 * or a word for the guest kernel's command line. Here are the words of the
 * daemon's command line, where the shell has split them, and what has to be true
 * of all words together; conf_file.c reads files, option_keys.c has the keys.
 */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "colinux_ioctl.h"
#include "conf_file.h"
#include "guest_names.h"
#include "option_near.h"
#include "option_parse.h"
#include "os.h"

#define DEFAULT_MEM_MIB		128
#define DEFAULT_SHUTDOWN_S	30
#define DEFAULT_SERVICE		"Cooperative Linux"
#define SERVICE_NAME_MAX	80u

/* --- the command line --- */

static const struct switch_row {
	const char *name;
	size_t flag;		/* offset in struct options */
} switches[] = {
	{ "-h", offsetof(struct options, help) },
	{ "--help", offsetof(struct options, help) },
	{ "--version", offsetof(struct options, version) },
	{ "--check", offsetof(struct options, check) },
	{ "--print-toml", offsetof(struct options, print_toml) },
	{ "--print-json", offsetof(struct options, print_json) },
	{ "--status-driver", offsetof(struct options, status_driver) },
	{ "--install-driver", offsetof(struct options, install_driver) },
	{ "--remove-driver", offsetof(struct options, remove_driver) },
	{ "--stats", offsetof(struct options, stats) },
	{ "-d", offsetof(struct options, no_console) },
	{ "-k", offsetof(struct options, no_early_messages) },
	{ "--no-reboot", offsetof(struct options, no_reboot) },
};

static const struct service_row {
	const char *name;
	enum option_service service;
} service_switches[] = {
	{ "--install-service", SERVICE_INSTALL },
	{ "--remove-service", SERVICE_REMOVE },
	{ "--run-service", SERVICE_RUN },
};

#define SERVICE_ROWS (sizeof(service_switches) / sizeof(*service_switches))

static int unknown_switch(const char *word, const char *place, struct error *error)
{
	size_t i;

	if (!strncmp(word, "-t", 2))
		return error_set(error, "%s: -t: there is one kind of console, the terminal; leave it out",
				 place);
	for (i = 0; i < sizeof(switches) / sizeof(*switches); i++)
		if (switches[i].name[1] == '-' && spelling_distance(word, switches[i].name, 2) <= 2)
			return error_set(error, "%s: unknown switch %.40s; did you mean %s?", place, word,
					 switches[i].name);
	for (i = 0; i < SERVICE_ROWS; i++)
		if (spelling_distance(word, service_switches[i].name, 2) <= 2)
			return error_set(error, "%s: unknown switch %.40s; did you mean %s?", place, word,
					 service_switches[i].name);
	return error_set(error, "%s: unknown switch %.40s; see --help", place, word);
}

static int keep_pidfile(struct options *options, const char *path, const char *place,
			struct error *error)
{
	struct option_value *pidfile = &options->pidfile;

	if (pidfile->text)
		return error_set(error, "%s: -p is given twice; the first one is at %s", place,
				 pidfile->place);
	snprintf(pidfile->place, sizeof(pidfile->place), "%s", place);
	pidfile->text = strdup(path);
	return pidfile->text ? 0 : error_set(error, "out of memory");
}

/* A word that can only be the name that --install-service and its like may have behind them. */
static bool is_service_name(const char *word)
{
	return word[0] && word[0] != '-' && word[0] != '@' && !strchr(word, '=');
}

static int keep_service(struct options *options, enum option_service service, char **argv, int argc,
			int *at, const char *place, struct error *error)
{
	if (options->service)
		return error_set(error, "%s: %s: there is a switch about a service already", place, argv[*at]);
	options->service = service;
	options->service_name = DEFAULT_SERVICE;
	options->service_word = *at;
	options->service_words = 1;
	if (*at + 1 < argc && is_service_name(argv[*at + 1])) {
		options->service_name = argv[++*at];
		options->service_words = 2;
	}
	if (strlen(options->service_name) > SERVICE_NAME_MAX || strpbrk(options->service_name, "/\\"))
		return error_set(error, "%s: a service's name has at most %u characters, none of them / or \\",
				 place, SERVICE_NAME_MAX);
	return 0;
}

static int parse_switch(struct options *options, char **argv, int argc, int *at,
			struct error *error)
{
	const char *word = argv[*at], *value;
	char place[OPTIONS_PLACE_SIZE];
	size_t i;

	for (i = 0; i < sizeof(switches) / sizeof(*switches); i++)
		if (!strcmp(word, switches[i].name)) {
			*(bool *)((char *)options + switches[i].flag) = true;
			return 0;
		}
	snprintf(place, sizeof(place), "argument %d", *at);
	for (i = 0; i < SERVICE_ROWS; i++)
		if (!strcmp(word, service_switches[i].name))
			return keep_service(options, service_switches[i].service, argv, argc, at, place, error);
	if (strncmp(word, "-v", 2) && strncmp(word, "-p", 2) && strncmp(word, "-C", 2))
		return unknown_switch(word, place, error);
	value = word + 2;
	if (!*value) {
		if (*at + 1 >= argc)
			return error_set(error, "%s: %s needs a value", place, word);
		value = argv[++*at];
	}
	if (word[1] == 'C')
		return os_change_folder(value, error);
	if (word[1] == 'p')
		return keep_pidfile(options, value, place, error);
	if (value[0] < '0' || value[0] > '3' || value[1])
		return error_set(error, "%s: -v %.40s: expected a level from 0 to 3", place, value);
	options->verbosity = value[0] - '0';
	return 0;
}

static int parse_argument(struct options *options, char **argv, int argc, int *at,
			  struct error *error)
{
	char place[OPTIONS_PLACE_SIZE], *word = argv[*at];

	if (word[0] == '-' && strcmp(word, "--") && !options->passing_through)
		return parse_switch(options, argv, argc, at, error);
	snprintf(place, sizeof(place), "argument %d", *at);
	return option_word(options, word, place, error);
}

static int parse_arguments(struct options *options, int argc, char **argv, struct error *error)
{
	struct error one;
	int at, result = 0;

	for (at = 1; at < argc; at++) {
		if (argv[at][0] == '@' && !options->passing_through) {
			if (conf_file_parse(options, argv[at] + 1, error))
				result = -1;
		} else if (argv[at][0] && parse_argument(options, argv, argc, &at, &one)) {
			result = error_add(error, &one);
		}
	}
	return result;
}

/* --- all of it together --- */

/* Keys of coLinux's that this daemon has no device for. */
static int refuse_absent(const struct options *options, struct error *error)
{
	const struct option_given *given;
	struct error one;
	int result = 0;

	for (given = options->given; given; given = given->next)
		if (given->row->absent) {
			error_set(&one, "%s", given->row->absent);
			option_blame(given, &one);
			result = error_add(error, &one);
		}
	return result;
}

static int count_devices(const struct options *options, struct error *error)
{
	const struct option_given *given;
	u32 devices = 1, i;	/* the console */

	for (given = options->given; given; given = given->next)
		devices += given->row->is_device;
	for (i = 0; i < OPTIONS_DISKS; i++)
		devices += options->disk[i].given != NULL;
	if (devices > CO_NR_VDEV)
		return error_set(error, "%u devices are too many: a guest has room for %u, one of them its console",
				 devices, CO_NR_VDEV);
	return 0;
}

/* colinux-daemon linux.conf, without the @: the file's name would be a word for the guest. */
static bool forgot_at(const struct options *options, char name[256])
{
	size_t length = strcspn(options->cmdline, " ");
	FILE *file;

	if (options->file || !length || length >= 256 || memchr(options->cmdline, '=', length))
		return false;
	memcpy(name, options->cmdline, length);
	name[length] = '\0';
	file = os_fopen(name, "rb");
	if (file)
		fclose(file);
	return file;
}

int options_complete(struct options *options, struct error *error)
{
	bool printing = options->print_toml || options->print_json;
	bool faulty = error->text[0];
	char cmdline[OPTIONS_CMDLINE_SIZE], name[256];
	struct error one;
	int result = 0;

	if (options->help || options->version || options->status_driver || options->install_driver ||
	    options->remove_driver || options->service == SERVICE_REMOVE)
		return 0;
	/* an old file can be converted, whatever it asks for */
	if (!printing && (refuse_absent(options, error) | option_nets_complete(options, error)))
		result = -1;
	if (option_disks_complete(options, error))
		result = -1;
	if (count_devices(options, &one))
		result = error_add(error, &one);
	/* what these find may be but an echo of another fault */
	if (faulty || result)
		return result;
	if (guest_cmdline(options, GUEST_VIRTIO, cmdline, &one))
		result = error_add(error, &one);
	if (!options->kernel.text) {
		if (forgot_at(options, name))
			error_set(&one, "no kernel= is given; did you mean @%s?", name);
		else
			error_set(&one, "no kernel= is given; see --help");
		result = error_add(error, &one);
	}
	return result;
}

void options_init(struct options *options)
{
	memset(options, 0, sizeof(*options));
	options->last_given = &options->given;
	options->mem_mib = DEFAULT_MEM_MIB;
	options->shutdown_seconds = DEFAULT_SHUTDOWN_S;
}

int options_parse(struct options *options, int argc, char **argv, struct error *error)
{
	int result;

	options_init(options);
	result = parse_arguments(options, argc, argv, error);
	return options_complete(options, error) ? -1 : result;
}

void options_free(struct options *options)
{
	struct option_given *given;
	u32 i;

	free(options->pidfile.text);
	free(options->kernel.text);
	free(options->initrd.text);
	free(options->root.text);
	for (i = 0; i < OPTIONS_DISKS; i++)
		option_image_free(&options->disk[i].image);
	for (i = 0; i < options->naliases; i++)
		option_image_free(&options->alias[i].image);
	for (i = 0; i < OPTIONS_FOLDERS; i++)
		free(options->folder[i].path);
	for (i = 0; i < OPTIONS_SERIALS; i++)
		free(options->serial[i].text);
	for (i = 0; i < OPTIONS_NETS; i++)
		free(options->net[i].tap);
	for (i = 0; i < OPTIONS_PROGRAMS; i++) {
		free(options->program[i].path);
		free(options->program[i].arguments);
	}
	while ((given = options->given)) {
		options->given = given->next;
		free(given->key);
		free(given);
	}
	options_init(options);
}

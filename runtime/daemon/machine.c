// SPDX-License-Identifier: GPL-2.0-only
/* A guest with all its devices: set up in one order, taken down in the other. */
#include "machine.h"

#include <stdio.h>
#include <string.h>

#include "guest_names.h"
#include "loader.h"
#include "log.h"
#include "option_keys.h"

/* How long the last words of a guest may take to get to the terminal. */
#define DRAIN_MS	2000u

/* Names of devices, for messages and serial numbers; they live as long as the program. */
static char disk_names[OPTIONS_DISKS][8], serial_names[OPTIONS_SERIALS][8];
static char console_names[OPTIONS_CONSOLES][8];

/* --- set-up --- */

static int open_consoles(struct machine *machine, struct error *error)
{
	const struct options *options = machine->options;
	struct os_stream *stream;
	u32 i;

	/* -d: a guest has its console all the same, with nobody at it */
	if (options->no_console)
		stream = os_stream_null(error);
	else
		stream = os_stream_stdio(error);
	if (!stream)
		return -1;
	machine->interactive = !options->no_console && os_terminal_raw();
	machine->console = console_open("console", stream, machine->interactive, error);
	if (!machine->console)
		return -1;
	if (options->console[0].columns)
		console_set_size(machine->console, options->console[0].columns, options->console[0].rows);
	for (i = 0; i < OPTIONS_SERIALS; i++) {
		if (!options->serial[i].text)
			continue;
		snprintf(serial_names[i], sizeof(serial_names[i]), "ttys%u", i);
		stream = os_stream_open_line(options->serial[i].text, &options->line[i], error);
		if (!stream)
			return option_blame_file(option_find(options, serial_names[i]),
						 options->serial[i].text, error);
		machine->serial[i] = console_open(serial_names[i], stream, false, error);
		if (!machine->serial[i])
			return -1;
	}
	return 0;
}

/* coconN: with nobody there but those who attach. */
static int open_further_consoles(struct machine *machine, struct error *error)
{
	const struct options *options = machine->options;
	struct os_stream *stream;
	u32 i;

	for (i = 1; i < OPTIONS_CONSOLES; i++) {
		const struct option_size *size = &options->console[i];

		if (!size->columns)
			continue;
		snprintf(console_names[i], sizeof(console_names[i]), "cocon%u", i);
		stream = os_stream_null(error);
		if (!stream)
			return -1;
		machine->further[i] = console_open(console_names[i], stream, false, error);
		if (!machine->further[i])
			return -1;
		console_set_size(machine->further[i], size->columns, size->rows);
	}
	return 0;
}

static int open_disks(struct machine *machine, struct error *error)
{
	const struct options *options = machine->options;
	u32 i;

	for (i = 0; i < OPTIONS_DISKS; i++) {
		const struct option_disk *disk = &options->disk[i];

		if (!disk->image.path)
			continue;
		snprintf(disk_names[i], sizeof(disk_names[i]), "cobd%u", i);
		machine->disk[i] = block_open(disk_names[i], disk->image.path, disk->image.overlay,
					      disk->image.read_only, error);
		if (!machine->disk[i])
			return option_blame_file(disk->given, disk->image.path, error);
	}
	return 0;
}

static int load(struct machine *machine, struct co_start *start, struct error *error)
{
	const struct options *options = machine->options;
	char cmdline[OPTIONS_CMDLINE_SIZE];
	struct load_request request = {
		.initrd_path = options->initrd.text,
		.cmdline = cmdline,
		.mem_bytes = (u64)options->mem_mib << 20,
	};
	struct kernel_image image;
	int result = -1;

	if (kernel_image_open(&image, options->kernel.text, error))
		return option_blame_file(option_find(options, "kernel"), options->kernel.text, error);
	request.image = &image;
	if (guest_cmdline(options, guest_kind(&image), cmdline, error))
		goto close_image;
	if (options->initrd.text) {
		request.initrd = os_file_open(options->initrd.text, OS_READ, false, error);
		if (!request.initrd) {
			option_blame_file(option_find(options, "initrd"), options->initrd.text, error);
			goto close_image;
		}
	}
	if (!vm_open(&machine->vm, error))
		result = loader_load(&machine->vm, &request, start, error);
	if (request.initrd)
		os_file_close(request.initrd);
close_image:
	kernel_image_close(&image);
	return result;
}

static int attach_console(struct machine *machine, struct console *console, u32 *n,
			  struct error *error)
{
	if (!console)
		return 0;
	machine->device[*n] = console_device(console);
	return console_attach(console, &machine->vm, (*n)++, error);
}

/*
 * The console, then disks, folders, serial ports, further consoles and networks, each in
 * the order of their numbers; random numbers last, where there is a place left.
 */
static int attach_devices(struct machine *machine, struct error *error)
{
	struct vm *vm = &machine->vm;
	u32 i, n = 0;

	if (attach_console(machine, machine->console, &n, error))
		return -1;
	for (i = 0; i < OPTIONS_DISKS; i++)
		if (machine->disk[i]) {
			machine->device[n] = block_device(machine->disk[i]);
			if (block_attach(machine->disk[i], vm, n++, error))
				return -1;
		}
	if (attach_folders(machine, &n, error))
		return -1;
	for (i = 0; i < OPTIONS_SERIALS; i++)
		if (attach_console(machine, machine->serial[i], &n, error))
			return -1;
	for (i = 0; i < OPTIONS_CONSOLES; i++)
		if (attach_console(machine, machine->further[i], &n, error))
			return -1;
	for (i = 0; i < OPTIONS_NETS; i++)
		if (machine->net[i]) {
			machine->device[n] = net_device(machine->net[i]);
			if (net_attach(machine->net[i], vm, n++, error))
				return -1;
		}
	if (n < CO_NR_VDEV) {
		machine->rng = rng_open(error);
		if (!machine->rng)
			return -1;
		machine->device[n] = rng_device(machine->rng);
		rng_attach(machine->rng, vm, n++);
	}
	machine->ndevices = n;
	return 0;
}

static int start_balloon(struct machine *machine, struct error *error)
{
	balloon_open(&machine->balloon, &machine->vm);
	if (!machine->options->balloon_auto || !balloon_keep(&machine->balloon, BALLOON_AUTO, error))
		return 0;
	return option_blame(option_find(machine->options, "balloon"), error);
}

static int start_programs(struct machine *machine, struct error *error)
{
	u32 i;

	for (i = 0; i < OPTIONS_PROGRAMS; i++) {
		const struct option_program *program = &machine->options->program[i];

		if (!program->path)
			continue;
		machine->program[i] = os_process_start(program->path, program->arguments, error);
		if (!machine->program[i])
			return option_blame_file(program->given, program->path, error);
		log_note("exec%u: %s was started", i, program->path);
	}
	return 0;
}

void machine_prepare(const struct options *options)
{
	prepare_nets(options);
}

int machine_start(struct machine *machine, const struct options *options, struct error *error)
{
	struct co_start start;

	memset(machine, 0, sizeof(*machine));
	machine->options = options;
	machine->started_ms = os_now_ms();
	/* what can be wrong with files first, before memory is asked for */
	if (open_disks(machine, error) || open_folders(machine, error) || open_nets(machine, error) ||
	    load(machine, &start, error) || start_balloon(machine, error) || open_consoles(machine, error) ||
	    open_further_consoles(machine, error) || attach_devices(machine, error) ||
	    vm_start(&machine->vm, &start, error) || start_programs(machine, error))
		return -1;
	log_note("driver %s, guest of %u MiB starts", machine->vm.driver_release, options->mem_mib);
	if (machine->interactive)
		log_note("Ctrl-] three times ends the guest");
	return 0;
}

/* --- its life --- */

/* Asks the guest to shut down; returns until when it may take its time, 0: no time at all. */
static u64 ask_to_shut_down(struct machine *machine, bool again_ends)
{
	u32 timeout = machine->options->shutdown_seconds;

	if (!timeout)
		return 0;
	log_warn("asking the guest to shut down; %sin %u seconds, it is ended at once",
		 again_ends ? "again, or " : "", timeout);
	vm_post_events(&machine->vm, CO_EVENT_POWER);
	__atomic_store_n(&machine->asked, true, __ATOMIC_SEQ_CST);
	return os_now_ms() + timeout * 1000ull;
}

/*
 * Is there to be another life? Asked for from outside, or by the guest itself, as
 * a computer's reboot comes back to the same computer. But not where it was to
 * shut down, and does this instead.
 */
static bool comes_again(struct machine *machine)
{
	if (__atomic_load_n(&machine->restart, __ATOMIC_SEQ_CST))
		return true;
	return machine->end.exit_code == EXIT_GUEST_RESTART && !machine->options->no_reboot &&
	       !__atomic_load_n(&machine->asked, __ATOMIC_SEQ_CST);
}

/* The guest's thread has ended, or is made to. otherwise: what to say if it had no words of its own. */
static int end_with(struct machine *machine, const char *otherwise)
{
	vcpu_end(machine);
	if (otherwise && !machine->end.text[0] && machine->end.exit_code == EXIT_OTHER)
		error_set(&machine->end, "%s", otherwise);
	return comes_again(machine) ? EXIT_AGAIN : machine->end.exit_code;
}

int machine_wait(struct machine *machine)
{
	u64 deadline = 0, now;
	char late[100];
	u32 wait;

	for (;;) {
		enum os_request request;

		now = os_now_ms();
		wait = !deadline ? ~0u : now < deadline ? (u32)(deadline - now) : 0;
		request = os_requests_wait(wait);
		switch (request) {
		case OS_REQUEST_ENDED:
			/* the one before a restart may have left it in the queue */
			if (!__atomic_load_n(&machine->has_ended, __ATOMIC_SEQ_CST))
				break;
			return end_with(machine, NULL);
		case OS_REQUEST_RESIZE:
			console_resize(machine->console);
			break;
		case OS_REQUEST_REBOOT:
		case OS_REQUEST_SHUTDOWN:
		case OS_REQUEST_STOP:
			/* what was said last is what is wanted */
			__atomic_store_n(&machine->restart, request == OS_REQUEST_REBOOT, __ATOMIC_SEQ_CST);
			if (deadline && request != OS_REQUEST_STOP)
				break;
			if (!deadline) {
				deadline = ask_to_shut_down(machine, request == OS_REQUEST_STOP);
				if (deadline)
					break;
			}
			return end_with(machine, "the guest was ended without its own shutdown");
		case OS_REQUEST_KILL:
			__atomic_store_n(&machine->restart, false, __ATOMIC_SEQ_CST);
			return end_with(machine, "the guest was ended without its own shutdown");
		case OS_REQUEST_NONE:
			snprintf(late, sizeof(late), "the guest did not shut down within %u seconds; it was ended",
				 machine->options->shutdown_seconds);
			return end_with(machine, late);
		}
	}
}

/* --- take-down --- */

void machine_close(struct machine *machine)
{
	u32 i;

	vcpu_end(machine);
	for (i = 0; i < OPTIONS_PROGRAMS; i++)
		os_process_end(machine->program[i]);
	rng_close(machine->rng);
	for (i = 0; i < OPTIONS_NETS; i++)
		net_close(machine->net[i]);
	for (i = 0; i < OPTIONS_CONSOLES; i++)
		console_close(machine->further[i], 0);
	for (i = 0; i < OPTIONS_SERIALS; i++)
		console_close(machine->serial[i], DRAIN_MS / 4);
	close_folders(machine);
	for (i = 0; i < OPTIONS_DISKS; i++)
		block_close(machine->disk[i]);
	console_close(machine->console, DRAIN_MS);
	os_terminal_restore();
	vm_close(&machine->vm);
}

void machine_log_stats(struct machine *machine, int level)
{
	struct co_stats stats;
	u32 i;

	for (i = 0; i < machine->ndevices; i++) {
		const struct device *device = machine->device[i];

		log_at(level, "stats: %s: %llu doorbells, %llu interrupts", device->name,
		       (unsigned long long)device->doorbells,
		       (unsigned long long)device->interrupts);
	}
	for (i = 0; i < OPTIONS_DISKS; i++) {
		const struct block_stats *disk;

		if (!machine->disk[i])
			continue;
		disk = block_stats(machine->disk[i]);
		log_at(level, "stats: %s: %llu reads (%llu KiB), %llu writes (%llu KiB), %llu flushes, %llu others, %llu errors",
		       disk_names[i], (unsigned long long)disk->reads,
		       (unsigned long long)disk->bytes_read >> 10, (unsigned long long)disk->writes,
		       (unsigned long long)disk->bytes_written >> 10,
		       (unsigned long long)disk->flushes, (unsigned long long)disk->others,
		       (unsigned long long)disk->errors);
	}
	log_folder_stats(machine, level);
	log_net_stats(machine, level);
	if (!vm_stats(&machine->vm, &stats))
		return;
	log_at(level, "stats: guest: %llu switches, %llu irqs, %llu nmis, %llu idles, %llu doorbells, %llu FPU switches, %llu ms running, %llu ms idle",
	       (unsigned long long)stats.switches, (unsigned long long)stats.irqs,
	       (unsigned long long)stats.nmis, (unsigned long long)stats.idles,
	       (unsigned long long)stats.doorbells, (unsigned long long)stats.fpu_switches,
	       (unsigned long long)stats.guest_ns / 1000000,
	       (unsigned long long)stats.idle_ns / 1000000);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vCPU thread: the guest is a coroutine of it. It runs the guest until the
 * guest wants something, does that, and runs it again.
 */
#include "machine.h"

#include <string.h>

#include "log.h"

/* Between two tries to get a guest out of RUN: one kick may come just before. */
#define KICK_AGAIN_MS	50u

static void doorbell(struct machine *machine, const struct co_run *run)
{
	/* both words are the guest's */
	if (run->arg[0] >= machine->ndevices) {
		log_debug("a doorbell for device %llu, which does not exist",
			  (unsigned long long)run->arg[0]);
		return;
	}
	if (run->arg[1] == CO_Q_STATUS)
		device_status_written(machine->device[run->arg[0]]);
	else if (run->arg[1] < CO_VQ_MAX)
		device_kicked(machine->device[run->arg[0]], run->arg[1]);
}

static void early_text(struct machine *machine)
{
	char text[CO_TEXT_SIZE];
	u32 bytes = vm_text(&machine->vm, text);

	if (!machine->options->no_early_messages)
		console_put(machine->console, text, bytes);
}

static void end_panic(struct machine *machine)
{
	char text[CO_TEXT_SIZE], shown[900];
	u32 bytes = vm_text(&machine->vm, text);

	error_set_code(&machine->end, EXIT_GUEST_PANIC, "guest panic: %s",
		       log_printable(shown, sizeof(shown), text, bytes, 1));
}

/* True: the guest has ended, machine->end says how. */
static bool serve(struct machine *machine, const struct co_run *run)
{
	struct error *end = &machine->end;

	switch (run->reason) {
	case CO_R_DOORBELL:
		doorbell(machine, run);
		return false;
	case CO_R_CONSOLE:
		early_text(machine);
		return false;
	case CO_R_CHUNK:
		return balloon_asked(&machine->balloon, machine->device, machine->ndevices, run->arg[0],
				     run->arg[1], end);
	case CO_R_SHUTDOWN:
	case CO_R_HALT:
		log_note("the guest %s", run->reason == CO_R_HALT ? "halted" : "powered off");
		end->exit_code = EXIT_OK;
		return true;
	case CO_R_RESTART:
		log_note("the guest restarts");
		end->exit_code = EXIT_GUEST_RESTART;
		return true;
	case CO_R_PANIC:
		end_panic(machine);
		return true;
	case CO_R_BAD:
		error_set(end, "the guest left for a reason that the driver does not know; it cannot go on");
		return true;
	default:
		/* KICKED, or a time slice's end: the loop looks at `stopping` */
		return false;
	}
}

static void vcpu_thread(void *arg)
{
	struct machine *machine = arg;
	struct co_run run;
	bool ended = false;

	while (!ended && !__atomic_load_n(&machine->stopping, __ATOMIC_SEQ_CST)) {
		__atomic_store_n(&machine->runs, machine->runs + 1, __ATOMIC_RELAXED);
		switch (vm_run(&machine->vm, &run)) {
		case OS_CALL_OK:
			ended = serve(machine, &run);
			break;
		case OS_CALL_AGAIN:
			break;
		case OS_CALL_ENDED:
			error_set(&machine->end, "the driver has ended the guest; the host kernel's log says why");
			ended = true;
			break;
		case OS_CALL_CANNOT:
			error_set(&machine->end, "this host cannot run the guest any more; the host kernel's log says why");
			ended = true;
			break;
		default:
			error_set(&machine->end, "running the guest: %s", os_last_error());
			ended = true;
		}
	}
	__atomic_store_n(&machine->has_ended, true, __ATOMIC_SEQ_CST);
	os_requests_post(OS_REQUEST_ENDED);
}

int vcpu_start(struct machine *machine, struct error *error)
{
	machine->end.exit_code = EXIT_OTHER;
	if (os_thread_start(&machine->vcpu, "vcpu", vcpu_thread, machine, error))
		return -1;
	machine->has_vcpu = true;
	return 0;
}

void vcpu_end(struct machine *machine)
{
	u32 i;

	if (!machine->has_vcpu)
		return;
	__atomic_store_n(&machine->stopping, true, __ATOMIC_SEQ_CST);
	/* it may be waiting for a terminal that takes no output */
	console_abandon(machine->console);
	for (i = 0; i < OPTIONS_SERIALS; i++)
		if (machine->serial[i])
			console_abandon(machine->serial[i]);
	for (i = 0; i < OPTIONS_CONSOLES; i++)
		if (machine->further[i])
			console_abandon(machine->further[i]);
	while (!os_thread_join_ms(&machine->vcpu, KICK_AGAIN_MS))
		vm_kick(&machine->vm);
	machine->has_vcpu = false;
}

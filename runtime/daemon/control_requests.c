// SPDX-License-Identifier: GPL-2.0-only
/* What the control door answers. Lines come from any program of the user's. */
#include "control_parts.h"

#include <stdio.h>
#include <string.h>

#include "os_link.h"
#include "sandbox.h"

#ifndef CO_RELEASE
#define CO_RELEASE "development"
#endif

/* --- status --- */

static const char *state_of(const struct machine *machine)
{
	if (!machine)
		return "starting";
	if (!__atomic_load_n(&machine->asked, __ATOMIC_SEQ_CST))
		return "running";
	return __atomic_load_n(&machine->restart, __ATOMIC_SEQ_CST) ? "restarting" : "stopping";
}

static void answer_status(const struct control_view *view, struct json_text *json)
{
	const struct machine *machine = view->machine;
	u32 i;

	json_member_string(json, "name", view->name);
	json_member_number(json, "pid", os_process_number());
	json_member_string(json, "daemon", CO_RELEASE);
	json_member_number(json, "protocol", CONTROL_PROTOCOL);
	json_member_string(json, "state", state_of(machine));
	json_member_string(json, "sandbox", sandbox_is());
	if (!machine)
		return;
	json_member_string(json, "driver", machine->vm.driver_release);
	json_member_number(json, "uptime_ms", view->now_ms - machine->started_ms);
	json_member_number(json, "memory_mib", machine->options->mem_mib);
	balloon_tell(&machine->balloon, json);
	json_member_string(json, "kernel", machine->options->kernel.text);
	json_member_open(json, "consoles", '[');
	for (i = 0; i < machine->ndevices; i++)
		if (console_of(machine->device[i])) {
			json_next(json);
			json_add_string(json, machine->device[i]->name);
		}
	json_add(json, "]");
}

/* --- stats --- */

static u64 load(const u64 *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* What the driver counts; "null" in its place: the guest is gone. */
static void answer_guest(struct machine *machine, struct json_text *json)
{
	struct co_stats stats;

	if (!vm_stats(&machine->vm, &stats)) {
		json_add(json, ",\"guest\":null");
		return;
	}
	json_member_open(json, "guest", '{');
	json_member_number(json, "switches", stats.switches);
	json_member_number(json, "interrupts", stats.irqs);
	json_member_number(json, "nmis", stats.nmis);
	json_member_number(json, "machine_checks", stats.mces);
	json_member_number(json, "idles", stats.idles);
	json_member_number(json, "doorbells", stats.doorbells);
	json_member_number(json, "fpu_switches", stats.fpu_switches);
	json_member_number(json, "runs", load(&machine->runs));
	json_member_number(json, "interrupts_raised", load(&machine->vm.interrupts_raised));
	json_member_number(json, "running_ms", stats.guest_ns / 1000000);
	json_member_number(json, "idle_ms", stats.idle_ns / 1000000);
	json_add(json, ",\"idle_share\":%.4f",
		 stats.idle_ns ? (double)stats.idle_ns / ((double)stats.idle_ns + stats.guest_ns) : 0.0);
	json_add(json, "}");
	json_member_open(json, "pool", '{');
	json_member_number(json, "chunk_bytes", CO_CHUNK_SIZE);
	json_member_number(json, "chunks", stats.pool_chunks);
	json_member_number(json, "chunks_used", stats.pool_chunks_used);
	json_add(json, "}");
}

static const char *type_of(const struct device *device)
{
	switch (device->ops->id) {
	case 1:
		return "network";
	case 2:
		return "disk";
	case 3:
		return "console";
	case 4:
		return "entropy";
	case 5:
		return "balloon";
	case 9:
		return "folder";
	default:
		return "other";
	}
}

static void answer_disk(const struct block_stats *disk, struct json_text *json)
{
	json_member_number(json, "reads", load(&disk->reads));
	json_member_number(json, "writes", load(&disk->writes));
	json_member_number(json, "flushes", load(&disk->flushes));
	json_member_number(json, "errors", load(&disk->errors));
	json_member_number(json, "bytes_read", load(&disk->bytes_read));
	json_member_number(json, "bytes_written", load(&disk->bytes_written));
}

/* Fields that change under us are numbers and flags: each is looked at once. */
static void answer_device(const struct machine *machine, const struct device *device,
			  struct json_text *json)
{
	u32 i;

	json_next(json);
	json_add(json, "{");
	json_member_string(json, "name", device->name);
	json_member_string(json, "type", type_of(device));
	json_member_string(json, "state", device_is_broken(device) ? "broken" :
			   device->running ? "running" : "waiting");
	json_member_number(json, "doorbells", load(&device->doorbells));
	json_member_number(json, "interrupts", load(&device->interrupts));
	json_member_number(json, "complaints", __atomic_load_n(&device->complaints, __ATOMIC_RELAXED));
	for (i = 0; i < OPTIONS_DISKS; i++)
		if (machine->disk[i] && block_device(machine->disk[i]) == device)
			answer_disk(block_stats(machine->disk[i]), json);
	json_member_open(json, "queues", '[');
	for (i = 0; i < device->ops->nqueues; i++) {
		json_next(json);
		json_add(json, "{");
		json_member_number(json, "size", device->ring[i].size);
		json_member_number(json, "taken", load(&device->ring[i].taken));
		json_member_number(json, "returned", load(&device->ring[i].returned));
		json_add(json, "}");
	}
	json_add(json, "]}");
}

static void answer_stats(const struct control_view *view, struct json_text *json)
{
	u32 i;

	answer_status(view, json);
	if (!view->machine)
		return;
	answer_guest(view->machine, json);
	json_member_open(json, "devices", '[');
	for (i = 0; i < view->machine->ndevices; i++)
		answer_device(view->machine, view->machine->device[i], json);
	json_add(json, "]");
}

/* --- console --- */

void control_refuse(struct json_text *json, const char *why)
{
	json_begin(json, json->text, json->size);
	json_add(json, "{\"ok\":false");
	json_member_string(json, "error", why);
	json_add(json, "}");
}

/* "NAME [COLUMNSxROWS] [new]"; false: it is something else. */
static bool parse_attach(const char *line, size_t bytes, struct attachment *attachment)
{
	char text[64], size[16] = "", mode[8] = "", end;
	unsigned int columns, rows;
	int words;

	if (bytes >= sizeof(text))
		return false;
	memcpy(text, line, bytes);
	text[bytes] = '\0';
	memset(attachment, 0, sizeof(*attachment));
	words = sscanf(text, "%11s %15s %7s %c", attachment->name, size, mode, &end);
	if (words == 2 && !strcmp(size, "new"))
		strcpy(mode, size);
	else if (words >= 2 && (sscanf(size, "%5ux%5u%c", &columns, &rows, &end) != 2 ||
				columns > 0xffff || rows > 0xffff))
		return false;
	else if (words >= 2)
		attachment->columns = columns, attachment->rows = rows;
	attachment->from_now = !strcmp(mode, "new");
	return words >= 1 && words <= 3 && (!mode[0] || attachment->from_now);
}

static enum control_then attach(struct control_view *view, const char *line, size_t bytes,
				struct json_text *json)
{
	struct attachment *attachment = &view->attachment;
	struct console *console;

	if (!parse_attach(line, bytes, attachment)) {
		control_refuse(json, "expected console NAME [COLUMNSxROWS] [new]");
		return CONTROL_GO_ON;
	}
	console = attachment_console(view->machine, attachment->name);
	if (!console) {
		control_refuse(json, view->machine ? "the guest has no such console; status lists them" :
		       "the guest is just being started or ended");
		return CONTROL_GO_ON;
	}
	if (attachment->columns)
		console_sized(console, attachment->columns, attachment->rows);
	json_add(json, "{\"ok\":true}");
	return CONTROL_ATTACH;
}

/* --- the table --- */

static const struct request {
	const char *word;
	void (*answer)(const struct control_view *view, struct json_text *json);
	enum os_request post;		/* NONE: nothing is to happen */
	enum control_then then;
} requests[] = {
	{ "status", answer_status, OS_REQUEST_NONE, CONTROL_GO_ON },
	{ "stats", answer_stats, OS_REQUEST_NONE, CONTROL_GO_ON },
	{ "stop", NULL, OS_REQUEST_SHUTDOWN, CONTROL_WAIT },
	{ "reboot", NULL, OS_REQUEST_REBOOT, CONTROL_WAIT },
	{ "kill", NULL, OS_REQUEST_KILL, CONTROL_WAIT },
	{ "wait", NULL, OS_REQUEST_NONE, CONTROL_WAIT },
};

static const struct request *find(const char *line, size_t bytes)
{
	size_t i;

	for (i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		if (strlen(requests[i].word) == bytes && !memcmp(requests[i].word, line, bytes))
			return &requests[i];
	return NULL;
}

static bool is_text(const char *line, size_t bytes)
{
	size_t i;

	for (i = 0; i < bytes; i++)
		if (line[i] < 0x20 || line[i] > 0x7e)
			return false;
	return true;
}

/* Requests of more than one word. */
static const struct {
	const char *word;
	void (*answer)(const struct control_view *view, const char *words, size_t bytes,
		       struct json_text *json);
} worded[] = {
	{ "redirect", control_redirect },
	{ "balloon", control_balloon },
};

/* Answers it if it is one of them. */
static bool answer_words(const struct control_view *view, const char *line, size_t bytes,
			 struct json_text *json)
{
	size_t i, length;

	for (i = 0; i < sizeof(worded) / sizeof(*worded); i++) {
		length = strlen(worded[i].word);
		if (bytes < length || memcmp(line, worded[i].word, length) ||
		    (bytes > length && line[length] != ' '))
			continue;
		worded[i].answer(view, line + length, bytes - length, json);
		if (json->full)
			control_refuse(json, "the answer is too long");
		return true;
	}
	return false;
}

enum control_then control_answer(struct control_view *view, const char *line, size_t bytes,
				 struct json_text *json)
{
	const struct request *request;

	if (bytes >= CONTROL_REQUEST_MAX || !is_text(line, bytes)) {
		control_refuse(json, "a request is a short line of plain text");
		return CONTROL_HANG_UP;
	}
	if (bytes > 8 && !memcmp(line, "console ", 8))
		return attach(view, line + 8, bytes - 8, json);
	if (answer_words(view, line, bytes, json))
		return CONTROL_GO_ON;
	request = find(line, bytes);
	if (!request) {
		control_refuse(json, "unknown request; known are status, stats, stop, reboot, kill, wait, console, redirect and balloon");
		return CONTROL_GO_ON;
	}
	/* a guest that is being set up is not in the main thread's hands yet */
	if (request->post != OS_REQUEST_NONE && !view->machine) {
		control_refuse(json, "the guest is just being started or ended");
		return CONTROL_GO_ON;
	}
	json_add(json, "{\"ok\":true");
	if (request->answer)
		request->answer(view, json);
	json_add(json, "}");
	if (json->full) {
		control_refuse(json, "the answer is too long");
		return CONTROL_GO_ON;
	}
	if (request->post != OS_REQUEST_NONE)
		os_requests_post(request->post);
	return request->then;
}

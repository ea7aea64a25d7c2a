// SPDX-License-Identifier: GPL-2.0-only
/* A daemon's answers for people. */
#include "ctl_print.h"

#include <stdio.h>

#include "json_read.h"

#define SHOWN	256

static const char *text(const char *object, const char *name, char out[SHOWN])
{
	char *at;

	json_string(json_find(object, name), out, SHOWN);
	for (at = out; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = '?';
	return out;
}

static double number(const char *object, const char *name)
{
	return json_number(json_find(object, name));
}

/* "3:07:05", "2d 3:07:05". */
static const char *duration(double ms, char out[SHOWN])
{
	unsigned long long seconds = ms / 1000;
	int used = 0;

	if (seconds >= 86400)
		used = snprintf(out, SHOWN, "%llud ", seconds / 86400);
	snprintf(out + used, SHOWN - used, "%llu:%02llu:%02llu", seconds / 3600 % 24,
		 seconds / 60 % 60, seconds % 60);
	return out;
}

void print_list_line(const char *reply)
{
	char name[SHOWN], state[SHOWN], up[SHOWN];

	if (!reply) {
		printf("%-20s %8s %-10s %10s %14s\n", "NAME", "PID", "STATE", "MEMORY", "UP");
		return;
	}
	printf("%-20s %8.0f %-10s %6.0f MiB %14s\n", text(reply, "name", name), number(reply, "pid"),
	       text(reply, "state", state), number(reply, "memory_mib"),
	       duration(number(reply, "uptime_ms"), up));
}

void print_status(const char *reply)
{
	char one[SHOWN], other[SHOWN];
	const char *balloon;

	printf("%s: %s", text(reply, "name", one), text(reply, "state", other));
	if (json_find(reply, "uptime_ms"))
		printf(", up %s", duration(number(reply, "uptime_ms"), one));
	printf("\n  process   %.0f, colinux-daemon %s\n", number(reply, "pid"), text(reply, "daemon", one));
	if (!json_find(reply, "kernel"))
		return;
	printf("  sandbox   %s\n", text(reply, "sandbox", one));
	printf("  driver    %s\n", text(reply, "driver", one));
	printf("  kernel    %s\n", text(reply, "kernel", one));
	printf("  memory    %.0f MiB", number(reply, "memory_mib"));
	balloon = json_find(reply, "balloon");
	if (json_find(balloon, "given_mib") && number(balloon, "given_mib") > 0)
		printf(", %.0f of it with the host", number(balloon, "given_mib"));
	putchar('\n');
}

static void print_guest(const char *guest)
{
	printf("  switches %.0f, interrupts %.0f, NMIs %.0f, machine checks %.0f, doorbells %.0f\n",
	       number(guest, "switches"), number(guest, "interrupts"), number(guest, "nmis"),
	       number(guest, "machine_checks"), number(guest, "doorbells"));
	printf("  running %.1f s, idle %.1f s (%.1f %%)\n", number(guest, "running_ms") / 1000,
	       number(guest, "idle_ms") / 1000, 100 * number(guest, "idle_share"));
}

static void print_device(const char *device)
{
	char name[SHOWN], type[SHOWN], state[SHOWN];
	const char *queue;

	printf("  %-10s %-8s %-8s %10.0f %10.0f ", text(device, "name", name),
	       text(device, "type", type), text(device, "state", state), number(device, "doorbells"),
	       number(device, "interrupts"));
	for (queue = json_first(json_find(device, "queues")); queue; queue = json_after(queue))
		printf(" %.0f/%.0f", number(queue, "taken"), number(queue, "returned"));
	if (json_find(device, "reads"))
		printf("  (read %.1f MiB, written %.1f MiB, errors %.0f)",
		       number(device, "bytes_read") / 1048576, number(device, "bytes_written") / 1048576,
		       number(device, "errors"));
	putchar('\n');
}

void print_stats(const char *reply)
{
	const char *guest = json_find(reply, "guest"), *device;

	print_status(reply);
	if (guest)
		print_guest(guest);
	device = json_first(json_find(reply, "devices"));
	if (device)
		printf("  %-10s %-8s %-8s %10s %10s  %s\n", "DEVICE", "TYPE", "STATE", "DOORBELLS",
		       "INTERRUPTS", "QUEUES: CHAINS TAKEN/RETURNED");
	for (; device; device = json_after(device))
		print_device(device);
}

void print_redirects(const char *reply)
{
	const char *interface = json_first(json_find(reply, "interfaces")), *one;
	char name[SHOWN], shown[SHOWN];

	if (!interface)
		puts("it has no slirp network");
	for (; interface; interface = json_after(interface)) {
		one = json_first(json_find(interface, "redirections"));
		text(interface, "name", name);
		if (!one)
			printf("%s: none\n", name);
		for (; one; one = json_after(one))
			printf("%s: %s\n", name, text(one, "text", shown));
	}
}

void print_balloon(const char *reply)
{
	const char *balloon = json_find(reply, "balloon");

	printf("it keeps %.0f MiB of %.0f", number(balloon, "actual_mib"),
	       number(balloon, "actual_mib") + number(balloon, "given_mib"));
	if (json_true(json_find(balloon, "broken")))
		puts("; its driver broke the rules, nothing more comes or goes");
	else if (json_true(json_find(balloon, "auto")))
		puts(", and chooses itself");
	else
		printf(", asked for are %.0f\n", number(balloon, "target_mib"));
}

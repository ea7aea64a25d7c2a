// SPDX-License-Identifier: GPL-2.0-only
/*
 * --print-json: a configuration as other programs read it. "keys" is what was
 * written, each key with its place; the rest is what the daemon makes of it. Files
 * need not be there; a kernel that is tells how the guest calls its disks.
 */
#include "print_text.h"

#include "guest_names.h"
#include "option_keys.h"

static void print_member(FILE *out, const char *name, const char *text)
{
	fprintf(out, ", \"%s\": ", name);
	print_quoted(out, text);
}

static void print_keys(FILE *out, const struct options *options)
{
	const struct option_given *given;

	fputs("  \"keys\": [", out);
	for (given = options->given; given; given = given->next) {
		fputs(given == options->given ? "\n    {\"key\": " : ",\n    {\"key\": ", out);
		print_quoted(out, given->key);
		print_member(out, "value", given->text);
		print_member(out, "at", given->place);
		if (given->row->absent)
			print_member(out, "unsupported", given->row->absent);
		putc('}', out);
	}
	fputs(options->given ? "\n  ],\n" : "],\n", out);
}

static void print_path(FILE *out, const char *name, const char *path)
{
	fprintf(out, "  \"%s\": ", name);
	if (path)
		print_quoted(out, path);
	else
		fputs("null", out);
	fputs(",\n", out);
}

static void print_disk(FILE *out, const struct options *options, u32 number, enum guest_kind kind)
{
	const struct option_disk *disk = &options->disk[number];
	char device[GUEST_NAME_SIZE];
	const char *before = "";
	u32 i;

	guest_disk_name(options, number, kind, device);
	fprintf(out, "    {\"name\": \"cobd%u\"", number);
	print_member(out, "path", disk->image.path);
	if (disk->image.overlay)
		print_member(out, "overlay", disk->image.overlay);
	fprintf(out, ", \"read_only\": %s, \"device\": \"%s\", \"aliases\": [",
		disk->image.read_only ? "true" : "false", device);
	for (i = 0; i < options->naliases; i++) {
		if (options->alias[i].disk != number)
			continue;
		fputs(before, out);
		print_quoted(out, options->alias[i].given->key);
		before = ", ";
	}
	fputs("]}", out);
}

static void print_net(FILE *out, u32 number, const struct option_net *net)
{
	static const char *const kinds[] = {
		[NET_SLIRP] = "slirp", [NET_TUNTAP] = "tuntap", [NET_BRIDGE] = "bridge",
	};
	const u8 *mac = net->mac;
	u32 i;

	fprintf(out, "    {\"name\": \"eth%u\", \"kind\": \"%s\", \"mac\": ", number, kinds[net->kind]);
	if (net->has_mac)
		fprintf(out, "\"%02x:%02x:%02x:%02x:%02x:%02x\"", mac[0], mac[1], mac[2], mac[3], mac[4],
			mac[5]);
	else
		fputs("null", out);
	if (net->tap)
		print_member(out, "interface", net->tap);
	if (net->kind == NET_SLIRP)
		fputs(", \"redirections\": [", out);
	for (i = 0; i < net->redirects.count; i++) {
		const struct option_redirect *one = &net->redirects.entry[i];

		fprintf(out, "%s{\"protocol\": \"%s\", \"address\": \"%u.%u.%u.%u\", \"host\": %u, \"guest\": %u, \"count\": %u}",
			i ? ", " : "", one->udp ? "udp" : "tcp", one->address[0], one->address[1],
			one->address[2], one->address[3], one->host, one->guest, one->count);
	}
	fputs(net->kind == NET_SLIRP ? "]}" : "}", out);
}

static void print_folder(FILE *out, u32 number, const struct option_folder *folder)
{
	const struct folder_setting *setting = &folder->setting;

	fprintf(out, "    {\"name\": \"cofs%u\"", number);
	print_member(out, "path", folder->path);
	fprintf(out, ", \"read_only\": %s, \"owner\": ", setting->read_only ? "true" : "false");
	if (setting->owner == FOLDER_USER)
		fprintf(out, "\"%u:%u\"}", setting->uid, setting->gid);
	else
		fputs(setting->owner == FOLDER_SAME ? "\"same\"}" : "\"xattr\"}", out);
}

/* The beginning of an array's next element, or of the array. */
static void print_next(FILE *out, const char *name, u32 *count)
{
	if ((*count)++)
		fputs(",\n", out);
	else
		fprintf(out, "  \"%s\": [\n", name);
}

static void print_end(FILE *out, const char *name, u32 count)
{
	if (count)
		fputs("\n  ],\n", out);
	else
		fprintf(out, "  \"%s\": [],\n", name);
}

static void print_devices(FILE *out, const struct options *options, enum guest_kind kind)
{
	u32 disks = 0, folders = 0, serials = 0, consoles = 0, nets = 0, programs = 0, i;
	char line[SERIAL_LINE_TEXT_SIZE];

	for (i = 0; i < OPTIONS_DISKS; i++)
		if (options->disk[i].image.path) {
			print_next(out, "disks", &disks);
			print_disk(out, options, i, kind);
		}
	print_end(out, "disks", disks);
	for (i = 0; i < OPTIONS_FOLDERS; i++)
		if (options->folder[i].path) {
			print_next(out, "folders", &folders);
			print_folder(out, i, &options->folder[i]);
		}
	print_end(out, "folders", folders);
	for (i = 0; i < OPTIONS_SERIALS; i++)
		if (options->serial[i].text) {
			print_next(out, "serials", &serials);
			fprintf(out, "    {\"name\": \"ttys%u\", \"device\": \"/dev/hvc%u\"", i, serials);
			print_member(out, "path", options->serial[i].text);
			if (serial_line_any(&options->line[i]))
				print_member(out, "line", serial_line_text(&options->line[i], line));
			putc('}', out);
		}
	print_end(out, "serials", serials);
	for (i = 1; i < OPTIONS_CONSOLES; i++)
		if (options->console[i].columns) {
			print_next(out, "consoles", &consoles);
			fprintf(out, "    {\"name\": \"cocon%u\", \"device\": \"/dev/hvc%u\", \"columns\": %u, \"rows\": %u}",
				i, serials + consoles, options->console[i].columns,
				options->console[i].rows);
		}
	print_end(out, "consoles", consoles);
	for (i = 0; i < OPTIONS_NETS; i++)
		if (options->net[i].given) {
			print_next(out, "networks", &nets);
			print_net(out, i, &options->net[i]);
		}
	print_end(out, "networks", nets);
	for (i = 0; i < OPTIONS_PROGRAMS; i++)
		if (options->program[i].path) {
			print_next(out, "programs", &programs);
			fprintf(out, "    {\"name\": \"exec%u\"", i);
			print_member(out, "path", options->program[i].path);
			print_member(out, "arguments", options->program[i].arguments);
			putc('}', out);
		}
	print_end(out, "programs", programs);
}

int print_json(FILE *out, const struct options *options, struct error *error)
{
	enum guest_kind kind = guest_kind_of_file(options->kernel.text);
	char cmdline[OPTIONS_CMDLINE_SIZE];

	if (guest_cmdline(options, kind, cmdline, error))
		return -1;
	fputs("{\n", out);
	print_path(out, "kernel", options->kernel.text);
	print_path(out, "initrd", options->initrd.text);
	fprintf(out, "  \"memory_mib\": %u,\n  \"shutdown_timeout_s\": %u,\n", options->mem_mib,
		options->shutdown_seconds);
	if (options->console[0].columns)
		fprintf(out, "  \"console\": {\"columns\": %u, \"rows\": %u},\n",
			options->console[0].columns, options->console[0].rows);
	else
		fputs("  \"console\": null,\n", out);
	print_devices(out, options, kind);
	print_keys(out, options);
	fputs("  \"command_line\": ", out);
	print_quoted(out, cmdline);
	fputs("\n}\n", out);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_control SEED COUNT: lines for the control door, mutations of good ones, with
 * room for the answer or not, with a guest or none. Every answer is one line of balanced
 * JSON. And frames for a console, in pieces: what is typed arrives, whole or not at all.
 * Prints how many lines were granted.
 */
#include "block.h"
#include "check.h"
#include "control.h"
#include "fuzz.h"
#include "guest.h"
#include "history.h"

static size_t compose(char *line)
{
	static const char *const words[] = {
		"status", "stats", "stop", "reboot", "kill", "wait", "console", "console cocon1 80x25", "console cocon1 new", "console ", "",
		"redirect", "redirect add ", "redirect remove ", "redirect add eth0 ", "eth1 ", "tcp:42222:22", "udp:42222:22:3", "/",
		" ", "\t", "\r", "\"", "\\", "\x7f", "\xc3\xbc", "{}", "%s%n", "0", "stats\nstats", "ttys0", "x",
	};
	size_t bytes = 0, at;
	u32 count = 1 + one_of(2) * one_of(60);

	while (count--) {
		const char *word = words[one_of(sizeof(words) / sizeof(*words))];

		at = strlen(word);
		if (bytes + at > CONTROL_REQUEST_MAX + 40)
			break;
		memcpy(line + bytes, word, at);
		bytes += at;
	}
	for (count = one_of(4) ? 0 : 1 + one_of(3); count && bytes; count--)
		line[one_of(bytes)] = one_of(4) ? one_of(256) : 0;
	return bytes;
}

/* One object, its brackets and quotes in pairs, nothing that a terminal would obey. */
static void check_json(const struct json_text *json)
{
	char open[16];
	size_t depth = 0, i;
	bool quoted = false;

	CHECK(json->used == strlen(json->text) && json->used > 10 && json->text[0] == '{');
	for (i = 0; i < json->used; i++) {
		unsigned char c = json->text[i];

		CHECK(c >= 0x20 && c != 0x7f);
		if (c == '\\' && quoted)
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '['))
			open[depth++] = c;
		else if (!quoted && (c == '}' || c == ']'))
			CHECK(depth && open[--depth] == (c == '}' ? '{' : '['));
		CHECK(depth < sizeof(open) && (depth || i == json->used - 1));
	}
	CHECK(!depth && !quoted);
}

static bool try_line(struct control_view *view, const char *line, size_t bytes)
{
	size_t size = one_of(4) ? CONTROL_REPLY_MAX : CONTROL_REPLY_MIN + one_of(1000);
	/* exactly as long, so that the sanitizer sees one byte too far */
	char *exact = malloc(bytes + !bytes), *reply = malloc(size);
	enum control_then then;
	struct json_text json;
	bool granted, text = true;
	size_t i;

	memcpy(exact, line, bytes);
	json_begin(&json, reply, size);
	then = control_answer(view, exact, bytes, &json);
	check_json(&json);
	for (i = 0; i < bytes; i++)
		text &= line[i] >= 0x20 && line[i] < 0x7f;
	CHECK((then == CONTROL_HANG_UP) == (!text || bytes >= CONTROL_REQUEST_MAX));
	granted = !strncmp(json.text, "{\"ok\":true", 10);
	CHECK(granted || strstr(json.text, "\"error\":\""));
	free(exact);
	free(reply);
	return granted;
}

/* Frames, mostly good ones, fed as a socket would: the buffer is never left full without progress. */
static void try_frames(struct console *console)
{
	static char stream[4096], buffer[CONTROL_REQUEST_MAX];
	struct attachment attachment = { .name = "cocon1" };
	u32 bytes = 0, have = 0, used = 0, frames = one_of(12), before;
	bool wrong = false;

	while (frames--) {
		u32 count = one_of(8) ? one_of(FRAME_MAX + 1) : one_of(256);
		bool size = !one_of(4);

		stream[bytes++] = one_of(64) ? (size ? 'r' : 'i') : one_of(256);
		stream[bytes++] = size && one_of(16) ? 4 : count;
		count = (u8)stream[bytes - 1];
		memset(stream + bytes, one_of(256), count);
		bytes += one_of(64) ? count : one_of(count + 1);
	}
	while (used < bytes && !wrong) {
		u32 piece = 1 + one_of(sizeof(buffer));
		enum frames result;

		if (piece > sizeof(buffer) - have)
			piece = sizeof(buffer) - have;
		if (piece > bytes - used)
			piece = bytes - used;
		memcpy(buffer + have, stream + used, piece);
		have += piece;
		used += piece;
		before = have;
		result = attachment_input(&attachment, one_of(16) ? console : NULL, buffer, &have);
		CHECK(have <= before);
		wrong = result == FRAMES_WRONG;
		/* nobody reads in this guest: its console is full some time, and stays so */
		if (result == FRAMES_STUCK)
			return;
		CHECK(wrong || have < sizeof(buffer));
	}
}

/* What comes out of a console is what was printed, but what is marked as lost. */
static void try_output(struct console *console, struct attachment *attachment)
{
	static char text[400000], got[CONTROL_REPLY_MAX];
	size_t bytes = one_of(100) ? one_of(3000) : one_of(sizeof(text)), size, i;
	bool lost;

	for (i = 0; i < bytes; i++)
		text[i] = 'a' + i % 26;
	lost = bytes > HISTORY_BYTES && attachment->position;
	console_put(console, text, bytes);
	if (bytes > HISTORY_BYTES) {
		memmove(text, text + bytes - HISTORY_BYTES, HISTORY_BYTES);
		bytes = HISTORY_BYTES;
	}
	CHECK(attachment_is_behind(attachment, console) == (bytes > 0));
	for (i = 0; i < bytes; ) {
		char *from = got;

		size = attachment_output(attachment, console, got,
					 ATTACH_OUTPUT_MIN + one_of(sizeof(got) - ATTACH_OUTPUT_MIN));
		CHECK(size);
		if (lost) {
			CHECK(!strncmp(got, "\r\n[", 3) && (from = strstr(got, " lost here]\r\n")));
			from += 13;
			lost = false;
		}
		size -= from - got;
		CHECK(i + size <= bytes && !memcmp(text + i, from, size));
		i += size;
	}
	CHECK(!attachment_output(attachment, console, got, sizeof(got)));
}

static void use_console(struct console *console, u32 count)
{
	struct attachment attachment = { .name = "cocon1" };

	while (count--) {
		try_frames(console);
		try_output(console, &attachment);
	}
}

int main(int argc, char **argv)
{
	static struct options options = { .kernel.text = (char *)"a \"kernel\"\n\xe9\x1b[2J", .mem_mib = 64 };
	static struct machine machine = { .options = &options, .ndevices = 3 };
	static const u8 mac[6] = { 2, 'C', 'O', 0, 0, 1 };
	struct control_view view = { .name = "fuzz" };
	unsigned long long granted = 0, count;
	struct co_note note = { 0 };
	struct error error;
	char line[CONTROL_REQUEST_MAX + 64];
	size_t bytes;

	CHECK(argc == 3);
	random_begin(argv[1]);
	check_file("disk", 4096);
	CHECK(!vm_open(&machine.vm, &error) && !vm_create(&machine.vm, 80 << 20, 0, &note, &error));
	machine.disk[0] = block_open("cobd0", "disk", NULL, false, &error);
	CHECK(machine.disk[0] && !block_attach(machine.disk[0], &machine.vm, 0, &error));
	machine.device[0] = block_device(machine.disk[0]);
	machine.further[1] = console_open("cocon1", os_stream_null(&error), false, &error);
	CHECK(machine.further[1] && !console_attach(machine.further[1], &machine.vm, 1, &error));
	machine.device[1] = console_device(machine.further[1]);
	machine.net[0] = net_open("eth0", wire_open_slirp("eth0", &options.net[0], &error), mac, &error);
	CHECK(machine.net[0] && !net_attach(machine.net[0], &machine.vm, 2, &error));
	machine.device[2] = net_device(machine.net[0]);
	use_console(machine.further[1], strtoull(argv[2], NULL, 10) / 20);
	for (count = strtoull(argv[2], NULL, 10); count; count--) {
		view.machine = one_of(8) ? &machine : NULL;
		bytes = compose(line);
		granted += try_line(&view, line, bytes);
	}
	net_close(machine.net[0]);
	console_close(machine.further[1], 0);
	block_close(machine.disk[0]);
	vm_close(&machine.vm);
	printf("%llu\n", granted);
	return 0;
}

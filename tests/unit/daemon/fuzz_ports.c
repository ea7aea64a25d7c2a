// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_ports SEED COUNT: the small languages inside of a value, and what is done with them. How a
 * serial port's line is to be set: what was understood is written out, and understood as the
 * same. Redirections: the same, and then opened and closed on a wire that may refuse; no port
 * of the host's is opened twice, all of a request are opened or none, and what the wire holds
 * is what is listed. Prints how many texts were understood and how many not.
 */
#include "check.h"
#include "fuzz.h"
#include "redirects.h"
#include "serial_line.h"

/* Some words with something between them, as a text of its own: exactly as long, so that the
 * sanitizer sees one byte too far. Some of its bytes may be others. */
static char *compose(const char *const *words, u32 nwords, const char *between)
{
	char text[1600];
	size_t bytes = 0;
	u32 count;

	text[0] = '\0';
	for (count = one_of(one_of(2) ? 3 : one_of(16) ? 8 : 50); count; count--)
		bytes += snprintf(text + bytes, sizeof(text) - bytes, "%s%s", words[one_of(nwords)],
				  count > 1 && one_of(32) ? between : "");
	for (count = one_of(2) ? 0 : one_of(3); count && bytes; count--)
		text[one_of(bytes)] = one_of(2) ? between[0] : (char)(1 + one_of(255));
	return strdup(text);
}

/* --- a line --- */

static bool same_line(const struct serial_line *a, const struct serial_line *b)
{
	return a->baud == b->baud && a->data_bits == b->data_bits && a->parity == b->parity &&
	       a->stop_bits == b->stop_bits && a->flow == b->flow;
}

static bool try_line(void)
{
	static const char *const words[] = {
		"115200", "9600", "50", "49", "4000000", "4000001", "99999999999999999999", "8n1", "7e2", "8N1", "5m1", "9n1", "rtscts",
		"xonxoff", "noflow", "BAUD=115200", "baud=", "PARITY=n", "data=8", "stop=2", "parity=e", "octs=on", "rts=hs", "xon=on", "to=off",
		"dtr=on", "=", "n", "a-very-long-word-that-is-no-setting", "a-word-of-24-letters-aaa", "0", "",
	};
	char *text = compose(words, sizeof(words) / sizeof(*words), one_of(4) ? "," : " "), out[SERIAL_LINE_TEXT_SIZE];
	struct serial_line line = { 0 }, again = { 0 };
	struct error error = { 0 };
	bool good = !serial_line_parse(&line, text, &error);

	free(text);
	if (!good) {
		CHECK(error.text[0]);
		return false;
	}
	CHECK(!line.baud || (line.baud >= 50 && line.baud <= 4000000));
	CHECK(!line.data_bits || (line.data_bits >= 5 && line.data_bits <= 8));
	CHECK(line.stop_bits <= 2 && (!line.parity || strchr("neoms", line.parity)));
	CHECK(serial_line_text(&line, out) == out && strlen(out) < sizeof(out));
	CHECK_EQUAL(serial_line_any(&line), out[0] != '\0');
	/* 8n1 with a part that stays as it is can be said in other words only */
	if (!strchr(out, '-')) {
		CHECK(!serial_line_parse(&again, out, &error));
		CHECK(same_line(&line, &again));
	}
	return true;
}

/* --- a wire --- */

#define PORTS	65536u

enum { LOOPBACK, SOME, EVERY, ADDRESSES };
static const u8 addresses[ADDRESSES][4] = { [LOOPBACK] = { 127, 0, 0, 1 }, [SOME] = { 10, 0, 0, 1 } };

/* Which ports are open: [udp][address]; there are few addresses, so that they meet. */
static bool opened[2][ADDRESSES][PORTS];
static u32 total;

static u32 address_number(const u8 address[4])
{
	return address[0] == 127 ? LOOPBACK : address[0] ? SOME : EVERY;
}

static bool same_redirect(const struct option_redirect *a, const struct option_redirect *b)
{
	return a->udp == b->udp && !memcmp(a->address, b->address, 4) && a->host == b->host &&
	       a->guest == b->guest && a->count == b->count;
}

static bool same_redirects(const struct option_redirects *a, const struct option_redirects *b)
{
	u32 i;

	for (i = 0; i < a->count && i < b->count; i++)
		if (!same_redirect(&a->entry[i], &b->entry[i]))
			return false;
	return a->count == b->count;
}

static bool *port_of(const struct option_redirect *redirect, u32 n)
{
	CHECK(redirect->count >= 1 && redirect->host + n < 65536 && redirect->host && redirect->guest);
	CHECK(redirect->guest + redirect->count <= 65536);
	return &opened[redirect->udp][address_number(redirect->address)][redirect->host + n];
}

static int open_ports(struct wire *wire, const struct option_redirect *redirect, struct error *error)
{
	u32 at = address_number(redirect->address), n, i;

	(void)wire;
	if (!one_of(8))
		return error_set(error, "somebody else has it");
	for (n = 0; n < redirect->count; n++) {
		bool *port = port_of(redirect, n);

		/* 0.0.0.0 is the other addresses, too */
		for (i = 0; i < ADDRESSES; i++)
			CHECK(!opened[redirect->udp][i][redirect->host + n] || (i != at && i != EVERY && at != EVERY));
		*port = true;
	}
	total += redirect->count;
	return 0;
}

static void close_ports(struct wire *wire, const struct option_redirect *redirect)
{
	u32 n;

	(void)wire;
	for (n = 0; n < redirect->count; n++) {
		bool *port = port_of(redirect, n);

		CHECK(*port);
		*port = false;
	}
	total -= redirect->count;
}

static const struct wire_ops ops = { .open_ports = open_ports, .close_ports = close_ports };
static const struct wire_ops no_ports;
static struct wire wire = { .ops = &ops }, other_wire = { .ops = &no_ports };

/* Those that are listed are those that are open, each port in one of them. */
static void account(void)
{
	u32 i, n, sum = 0;

	CHECK(wire.redirects.count <= OPTIONS_REDIRECTS);
	for (i = 0; i < wire.redirects.count; i++) {
		const struct option_redirect *redirect = &wire.redirects.entry[i];

		sum += redirect->count;
		for (n = 0; n < redirect->count; n++)
			CHECK(*port_of(redirect, n));
	}
	CHECK_EQUAL(sum, total);
}

/* What was refused has changed nothing. */
static void change(const struct option_redirects *asked)
{
	enum redirects_change what = one_of(3);
	struct option_redirects before = wire.redirects;
	struct error error = { 0 };

	if (!redirects_change(&wire, "eth0", what, asked, &error)) {
		CHECK(what != REDIRECTS_LIST || wire.redirects.count == before.count);
		CHECK(what != REDIRECTS_OPEN || wire.redirects.count == before.count + asked->count);
		CHECK(what != REDIRECTS_CLOSE || wire.redirects.count == before.count - asked->count);
	} else {
		CHECK(error.text[0] && same_redirects(&wire.redirects, &before));
	}
	if (!one_of(16))
		account();
	CHECK_EQUAL(!redirects_change(&other_wire, "eth1", what, asked, &error), what == REDIRECTS_LIST);
}

/* --- redirections --- */

static bool try_redirects(void)
{
	static const char *const words[] = {
		"tcp:2222:22", "udp:5353:53", "udp:5353:53:3", "tcp:0.0.0.0:2222:23", "tcp:10.0.0.1:2220:1:5", "tcp:2221:1:2", "tcp:80:80",
		"tcp:127.0.0.1:81:80", "udp:1:1:1024", "udp:65535:1", "tcp:1:65535:2", "tcp:65535:1:2", "tcp:0:1", "tcp:1:65536", "udp:", "tcp:256.0.0.1:1:1",
		"tcp:1.2.3:1:1", "tcp:1:1:1025", "tcp:1:1:0", "tcp:1", "tcp::", "", "tcp:1:2:3:4:5:6",
	};
	const u32 good = 10;
	char *text = compose(words, one_of(4) ? good : sizeof(words) / sizeof(*words), "/");
	struct option_redirects asked = { 0 }, again = { 0 };
	char out[OPTIONS_REDIRECTS * REDIRECT_TEXT_SIZE], one[REDIRECT_TEXT_SIZE];
	struct error error = { 0 };
	bool understood = !redirects_parse(&asked, text, &error);
	u32 i, bytes = 0;

	free(text);
	CHECK(asked.count <= OPTIONS_REDIRECTS);
	if (!understood) {
		CHECK(error.text[0]);
		return false;
	}
	for (i = 0, out[0] = '\0'; i < asked.count; i++) {
		port_of(&asked.entry[i], asked.entry[i].count - 1);
		CHECK(strlen(redirect_text(&asked.entry[i], one)) < sizeof(one));
		bytes += snprintf(out + bytes, sizeof(out) - bytes, "%s%s", i ? "/" : "", one);
	}
	CHECK(!redirects_parse(&again, out, &error) && same_redirects(&again, &asked));
	for (i = 0; i < asked.count; i++) {
		memcpy(asked.entry[i].address, addresses[address_number(asked.entry[i].address)], 4);
		/* so many different ones that a wire is full */
		if (!one_of(4))
			asked.entry[i].host = 1 + one_of(60000);
	}
	change(&asked);
	return true;
}

int main(int argc, char **argv)
{
	u64 count, understood = 0, not = 0;

	CHECK(argc == 3);
	random_begin(argv[1]);
	for (count = strtoull(argv[2], NULL, 10); count; count--) {
		if (one_of(2) ? try_line() : try_redirects())
			understood++;
		else
			not++;
	}
	printf("%llu %llu\n", (unsigned long long)understood, (unsigned long long)not);
	return 0;
}

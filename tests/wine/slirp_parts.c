// SPDX-License-Identifier: GPL-2.0-only
/* What the daemon has for libslirp on Windows, in its parts: glib.h, old_sockets.h, waiter.h. slirp_parts NAME is a test. */
#include <old_sockets.h>

#include <limits.h>

#include <glib.h>

#include "../unit/daemon/check.h"
#include "os.h"
#include "waiter.h"

#define SOON	200u	/* milliseconds: for what does not come */
#define LONG	60000u

/* --- glib.h --- */

static void strings(void)
{
	char *words[] = { "a", "b", NULL };
	char text[8];

	CHECK(!strcmp(g_strstr_len("one\r\ntwo", -1, "\r\n"), "\r\ntwo"));
	CHECK(!strcmp(g_strstr_len("one\r\ntwo", 5, "\r\n"), "\r\ntwo"));
	CHECK(!g_strstr_len("one\r\ntwo", 4, "\r\n"));
	CHECK(!g_strstr_len("on\0e\r\n", 6, "\r\n"));
	CHECK(!g_strstr_len("", 0, "x") && !g_strstr_len("xx", -1, "xxx"));
	CHECK(g_str_has_prefix("http://x", "http://") && !g_str_has_prefix("http", "http://"));
	CHECK_EQUAL(g_strv_length(words), 2);
	CHECK_EQUAL(g_snprintf(text, sizeof(text), "%s %zu", "seven..", (size_t)8), 9);
	CHECK(!strcmp(text, "seven.."));
	CHECK(!g_strdup(NULL) && !g_malloc(0) && !g_realloc(g_malloc(5), 0));
	g_strfreev(NULL);
	g_free(NULL);
}

static void growing_strings(void)
{
	GString *string = g_string_new(NULL);
	char *text;
	u32 i;

	CHECK(!string->len && !string->str[0]);
	for (i = 0; i < 1000; i++)
		g_string_append_printf(string, "%03u", i);
	g_string_append_printf(string, "%s", "");
	CHECK_EQUAL(string->len, 3000);
	text = g_string_free(string, FALSE);
	CHECK(strlen(text) == 3000 && !strcmp(text + 2997, "999"));
	g_free(text);
	CHECK(!g_string_free(g_string_new("x"), TRUE));
}

static void debug_words(void)
{
	static const GDebugKey keys[] = { { "call", 1 }, { "misc", 2 }, { "verbose_call", 4 } };

	CHECK_EQUAL(g_parse_debug_string(NULL, keys, 3), 0);
	CHECK_EQUAL(g_parse_debug_string("", keys, 3), 0);
	CHECK_EQUAL(g_parse_debug_string("cal,calls", keys, 3), 0);
	CHECK_EQUAL(g_parse_debug_string("call", keys, 3), 1);
	CHECK_EQUAL(g_parse_debug_string("MISC;; verbose_call:", keys, 3), 6);
	CHECK_EQUAL(g_parse_debug_string("misc,all", keys, 3), 7);
}

static void random_numbers(void)
{
	GRand *rand = g_rand_new();
	u32 seen[6] = { 0 }, i;
	int number, low = 0, high = 0;

	for (i = 0; i < 6000; i++) {
		number = g_rand_int_range(rand, -3, 3);
		CHECK(number >= -3 && number < 3);
		seen[number + 3]++;
	}
	for (i = 0; i < 6; i++)		/* 1000 +- 29: 700 is ten times that away */
		CHECK(seen[i] > 700 && seen[i] < 1300);
	for (i = 0; i < 100; i++) {
		number = g_rand_int_range(rand, INT_MIN, INT_MAX);
		low += number < 0;
		high += number >= 0;
	}
	CHECK(low && high);
	CHECK_EQUAL(g_rand_int_range(rand, 5, 6), 5);
	g_rand_free(rand);
}

static u32 heard;

static void hear(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer arg)
{
	CHECK(!strcmp(domain, "Test") && arg == &heard);
	heard |= level;
	CHECK(!strcmp(text, level == G_LOG_LEVEL_WARNING ? "said 7" : "no"));
}

static void messages(void)
{
	CHECK(!g_log_set_default_handler(hear, &heard));
	g_log("Test", G_LOG_LEVEL_DEBUG, "not shown");
	CHECK_EQUAL(heard, 0);
	g_log("Test", G_LOG_LEVEL_WARNING, "said %d", 7);
	CHECK_EQUAL(heard, G_LOG_LEVEL_WARNING);
	g_log("Test", G_LOG_LEVEL_CRITICAL, "no");
	CHECK_EQUAL(heard, G_LOG_LEVEL_WARNING | G_LOG_LEVEL_CRITICAL);
	CHECK(g_log_set_default_handler(NULL, NULL) == hear);
	g_log("Test", G_LOG_LEVEL_WARNING, "to nobody");
}

static void programs_are_not_started(void)
{
	GError *error = NULL;
	gchar **argv;
	gint argc = 1;

	CHECK(!g_shell_parse_argv("calc.exe", &argc, &argv, &error));
	CHECK(error && strlen(error->message) > 5 && !argv && !argc);
	g_error_free(error);
	CHECK(!g_spawn_async_with_fds(NULL, NULL, NULL, 0, NULL, NULL, NULL, 0, 1, 2, NULL));
}

/* --- old_sockets.h --- */

static void addresses(void)
{
	static const struct {
		u8 at[16];
		const char *text;
	} all[] = {
		{ { 0 }, "::" },
		{ { [15] = 1 }, "::1" },
		{ { 0xfe, 0x80 }, "fe80::" },
		{ { 0xfe, 0xc0, [7] = 2, [15] = 3 }, "fec0:0:0:2::3" },
		/* RFC 5952, 4.2.2 and 4.2.3: one group is no run; the longest; the first of two */
		{ { 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1 }, "2001:db8:0:1:1:1:1:1" },
		{ { 0x20, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1 }, "2001:0:0:1::1" },
		{ { 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1 }, "2001:db8::1:0:0:1" },
		{ { 0xab, 0xcd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		  "abcd:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	};
	char text[INET6_ADDRSTRLEN];
	u32 i;

	for (i = 0; i < G_N_ELEMENTS(all); i++) {
		CHECK(old_inet_ntop(AF_INET6, all[i].at, text, sizeof(text)) == text);
		if (strcmp(text, all[i].text))
			check_no_text(__FILE__, __LINE__, text, all[i].text);
		CHECK(!old_inet_ntop(AF_INET6, all[i].at, text, strlen(all[i].text)));
	}
	CHECK(old_inet_ntop(AF_INET, (u8[]){ 127, 0, 0, 255 }, text, sizeof(text)) && !strcmp(text, "127.0.0.255"));
	CHECK(!old_inet_ntop(AF_INET, (u8[]){ 127, 0, 0, 255 }, text, 11));
	CHECK(!old_inet_ntop(99, all[0].at, text, sizeof(text)));
}

static void names(void)
{
	struct sockaddr_in ip4 = { .sin_family = AF_INET, .sin_port = htons(80) };
	struct sockaddr_in6 ip6 = { .sin6_family = AF_INET6, .sin6_port = htons(65535) };
	const int numbers = NI_NUMERICHOST | NI_NUMERICSERV;
	char host[INET6_ADDRSTRLEN], port[6];

	ip4.sin_addr.s_addr = htonl(0x0a000202);
	ip6.sin6_addr.s6_addr[15] = 7;
	CHECK(!old_getnameinfo((void *)&ip4, sizeof(ip4), host, sizeof(host), port, sizeof(port), numbers));
	CHECK(!strcmp(host, "10.0.2.2") && !strcmp(port, "80"));
	CHECK(!old_getnameinfo((void *)&ip6, sizeof(ip6), host, sizeof(host), port, sizeof(port), numbers));
	CHECK(!strcmp(host, "::7") && !strcmp(port, "65535"));
	CHECK(old_getnameinfo((void *)&ip6, sizeof(ip4), host, sizeof(host), port, sizeof(port), numbers));
	CHECK(old_getnameinfo((void *)&ip4, sizeof(ip4), host, sizeof(host), port, sizeof(port), 0));
}

/* --- waiter.h --- */

static struct waiter *begin(void)
{
	struct error error;
	struct waiter *waiter = waiter_new(&error);

	if (!waiter)
		check_no_text(__FILE__, __LINE__, error.text, "no error");
	return waiter;
}

static struct sockaddr_in local(u16 port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return at;
}

static u16 bound(SOCKET socket)
{
	struct sockaddr_in at = local(0);
	int length = sizeof(at);

	CHECK(socket != INVALID_SOCKET && !bind(socket, (void *)&at, sizeof(at)));
	CHECK(!getsockname(socket, (void *)&at, &length));
	return ntohs(at.sin_port);
}

static void time_passes(void)
{
	struct waiter *waiter = begin();
	u64 start = os_now_ms();

	waiter_wait(waiter, SOON);
	CHECK(os_now_ms() - start >= SOON - 20);
	waiter_wait(waiter, 0);
	waiter_free(waiter);
}

static void wake_later(void *arg)
{
	Sleep(SOON);
	waiter_wake(arg);
}

/* One that comes while it waits; any number that came before, which is one. */
static void woken(void)
{
	struct waiter *waiter = begin();
	struct os_thread thread;
	struct error error;
	u64 start = os_now_ms();
	u32 i;

	CHECK(!os_thread_start(&thread, "wake", wake_later, waiter, &error));
	waiter_wait(waiter, ~0u);
	CHECK(os_now_ms() - start >= SOON - 20);
	os_thread_join(&thread);
	for (i = 0; i < 100000; i++)
		waiter_wake(waiter);
	waiter_wait(waiter, ~0u);
	start = os_now_ms();
	waiter_wait(waiter, SOON);
	CHECK(os_now_ms() - start >= SOON - 20);
	waiter_free(waiter);
}

/* More sockets than an fd_set of Windows' headers has room for, one of which has something. */
static void one_of_many(void)
{
	enum { MANY = 300 };
	struct waiter *waiter = begin();
	SOCKET sockets[MANY], sender = socket(AF_INET, SOCK_DGRAM, 0);
	int numbers[MANY];
	struct sockaddr_in at;
	u16 ports[MANY];
	u32 round, i;
	char byte;

	for (i = 0; i < MANY; i++) {
		sockets[i] = socket(AF_INET, SOCK_DGRAM, 0);
		ports[i] = bound(sockets[i]);
	}
	for (round = 0; round < MANY; round += 37) {
		at = local(ports[round]);
		CHECK_EQUAL(sendto(sender, "x", 1, 0, (void *)&at, sizeof(at)), 1);
		waiter_clear(waiter);
		for (i = 0; i < MANY; i++)
			numbers[i] = waiter_add(waiter, sockets[i], WAIT_IN | WAIT_HANGUP | WAIT_ERROR);
		waiter_wait(waiter, LONG);
		for (i = 0; i < MANY; i++)
			CHECK_EQUAL(waiter_got(waiter, numbers[i]), i == round ? WAIT_IN : 0);
		CHECK_EQUAL(recv(sockets[round], &byte, 1, 0), 1);
	}
	CHECK_EQUAL(waiter_got(waiter, -1), 0);
	CHECK_EQUAL(waiter_got(waiter, 0), 0);
	CHECK_EQUAL(waiter_got(waiter, MANY + 1), 0);
	for (i = 0; i < MANY; i++)
		closesocket(sockets[i]);
	closesocket(sender);
	waiter_free(waiter);
}

/* What a wait says of one socket of which this is asked. */
static u32 wait_for(struct waiter *waiter, SOCKET socket, u32 events, u32 ms)
{
	int number;

	waiter_clear(waiter);
	number = waiter_add(waiter, socket, events);
	waiter_wait(waiter, ms);
	return waiter_got(waiter, number);
}

/* Connecting, as libslirp does it; what has come; an end. */
static void streams(void)
{
	struct waiter *waiter = begin();
	SOCKET listener = socket(AF_INET, SOCK_STREAM, 0), client, server;
	struct sockaddr_in at = local(bound(listener));
	u_long on = 1;
	char byte;

	CHECK(!listen(listener, 1));
	CHECK_EQUAL(wait_for(waiter, listener, WAIT_IN | WAIT_HANGUP | WAIT_ERROR, 0), 0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(!ioctlsocket(client, FIONBIO, &on));
	connect(client, (void *)&at, sizeof(at));
	CHECK_EQUAL(wait_for(waiter, client, WAIT_OUT | WAIT_ERROR, LONG), WAIT_OUT);
	CHECK_EQUAL(wait_for(waiter, listener, WAIT_IN | WAIT_HANGUP | WAIT_ERROR, LONG), WAIT_IN);
	server = accept(listener, NULL, NULL);
	CHECK(server != INVALID_SOCKET);
	CHECK_EQUAL(wait_for(waiter, client, WAIT_IN | WAIT_HANGUP | WAIT_ERROR | WAIT_URGENT, 0), 0);
	CHECK_EQUAL(send(server, "x", 1, 0), 1);
	CHECK_EQUAL(wait_for(waiter, client, WAIT_IN | WAIT_HANGUP | WAIT_ERROR | WAIT_URGENT, LONG), WAIT_IN);
	CHECK_EQUAL(recv(client, &byte, 1, 0), 1);
	closesocket(server);
	CHECK_EQUAL(wait_for(waiter, client, WAIT_IN | WAIT_HANGUP | WAIT_ERROR | WAIT_URGENT, LONG), WAIT_IN);
	CHECK_EQUAL(recv(client, &byte, 1, 0), 0);
	closesocket(client);
	closesocket(listener);
	waiter_free(waiter);
}

/* A connection that cannot be made is not waited for for ever. */
static void refused(void)
{
	struct waiter *waiter = begin();
	SOCKET nobody = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in at = local(bound(nobody));
	u_long on = 1;

	CHECK(!ioctlsocket(client, FIONBIO, &on));
	connect(client, (void *)&at, sizeof(at));
	CHECK(wait_for(waiter, client, WAIT_OUT | WAIT_ERROR, LONG) & (WAIT_OUT | WAIT_ERROR));
	CHECK(send(client, "x", 1, 0) < 0);
	closesocket(client);
	closesocket(nobody);
	waiter_free(waiter);
}

/* A socket that is none: nothing is known, and the thread does not spin. */
static void no_socket(void)
{
	struct waiter *waiter = begin();
	u64 start = os_now_ms();
	u32 i;

	for (i = 0; i < 20; i++)
		CHECK_EQUAL(wait_for(waiter, 0x7ffffff0, WAIT_IN, LONG), 0);
	CHECK(os_now_ms() - start >= 100);
	waiter_free(waiter);
}

const struct test tests[] = {
	{ "strings", strings },
	{ "growing_strings", growing_strings },
	{ "debug_words", debug_words },
	{ "random_numbers", random_numbers },
	{ "messages", messages },
	{ "programs_are_not_started", programs_are_not_started },
	{ "addresses", addresses },
	{ "names", names },
	{ "time_passes", time_passes },
	{ "woken", woken },
	{ "one_of_many", one_of_many },
	{ "streams", streams },
	{ "refused", refused },
	{ "no_socket", no_socket },
	{ NULL, NULL }
};

int main(int argc, char **argv)
{
	const struct test *test;

	for (test = tests; test->name; test++)
		if (argc == 2 && !strcmp(argv[1], test->name)) {
			test->run();
			return 0;
		}
	fprintf(stderr, "no such test\n");
	return 1;
}

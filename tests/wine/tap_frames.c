// SPDX-License-Identifier: GPL-2.0-only
/*
 * The daemon's wire to TAP-Windows, its very sources, between this program in place of the
 * network device and an adapter whose other end this program holds as well: tap_driver.c. With a
 * test's name it runs that; test_wine_tap.py does so with each.
 */
#include "wire.h"

#include "../unit/daemon/check.h"
#include "log.h"
#include "os.h"
#include "tap_as_nt.h"
#include "tap_hand.h"

#define FIRST	"Local Area Connection 2"	/* test_wine_tap.py calls them so */
#define SECOND	"coLinux"

#define SOON_MS	10000u

#define GONE	0xc000009du	/* STATUS_DEVICE_NOT_CONNECTED */
#define ABORTED	0xc0000120u	/* STATUS_CANCELLED */
#define REFUSED	0xc0000022u	/* STATUS_ACCESS_DENIED */

static struct error error;

/* --- the adapter's other end --- */

static HANDLE hand;
static struct hand_get before[TAP_ADAPTERS];	/* this test */

static bool ask(u32 code, void *in, u32 in_bytes, void *out, u32 out_bytes, u32 *answered)
{
	DWORD done = 0;
	bool well;

	well = DeviceIoControl(hand, code, in, in_bytes, out, out_bytes, &done, NULL);
	if (answered)
		*answered = done;
	return well;
}

static void set(struct hand_set to)
{
	if (!to.major) {
		to.major = 9;
		to.minor = 24;
	}
	CHECK(ask(HAND_SET, &to, sizeof(to), NULL, 0, NULL));
}

static struct hand_get get(u32 adapter)
{
	struct hand_get state = { 0 };

	CHECK(ask(HAND_GET, &adapter, sizeof(adapter), &state, sizeof(state), NULL));
	CHECK_EQUAL(state.odd, before[adapter].odd);
	state.closed -= before[adapter].closed;
	state.closed_plugged -= before[adapter].closed_plugged;
	state.closed_busy -= before[adapter].closed_busy;
	state.cancelled -= before[adapter].cancelled;
	return state;
}

/* Both of them new, whatever was before. */
static void begin(void)
{
	u32 i;

	hand = CreateFileA("\\\\.\\" HAND_DEVICE, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
	CHECK(hand != INVALID_HANDLE_VALUE);
	for (i = 0; i < TAP_ADAPTERS; i++) {
		set((struct hand_set){ .adapter = i });
		CHECK(ask(HAND_GET, &i, sizeof(i), &before[i], sizeof(before[i]), NULL));
		CHECK(!before[i].opened);
	}
}

/* Frame number n of so many bytes: no two are alike. */
static void make_frame(u8 *frame, u32 n, u32 bytes)
{
	u32 i, seed = n * 2654435761u + bytes;

	for (i = 0; i < bytes; i++) {
		seed = seed * 1664525 + 1013904223;
		frame[i] = seed >> 24;
	}
}

/* The host sends a frame; false: it has to wait with it. */
static bool put(u32 n, u32 bytes)
{
	u8 message[4 + HAND_FRAME_MAX] = { 0 };

	make_frame(message + 4, n, bytes);
	if (ask(HAND_PUT, message, 4 + bytes, NULL, 0, NULL))
		return true;
	CHECK_EQUAL(GetLastError(), ERROR_BUSY);
	return false;
}

/* The host has got this frame next. */
static void check_got(u32 n, u32 bytes)
{
	u8 frame[HAND_FRAME_MAX], expected[HAND_FRAME_MAX];
	u32 adapter = 0, got = 0;

	CHECK(ask(HAND_TAKE, &adapter, sizeof(adapter), frame, sizeof(frame), &got));
	CHECK_EQUAL(got, bytes);
	make_frame(expected, n, bytes);
	CHECK(!memcmp(frame, expected, bytes));
}

/* --- the network device --- */

static struct wire *wire;
static u8 delivered[HAND_FRAME_MAX];
static u32 delivered_bytes, deliveries;
static bool wants_more = true;

static bool deliver(void *arg, const void *frame, u32 bytes)
{
	CHECK(arg == &wire && bytes <= sizeof(delivered));
	memcpy(delivered, frame, bytes);
	delivered_bytes = bytes;
	deliveries++;
	return wants_more;
}

static void open_it(const char *name)
{
	wire = wire_open_tap("eth0", name, &error);
	if (!wire)
		fprintf(stderr, "%s\n", error.text);
	CHECK(wire);
	wire->deliver = deliver;
	wire->arg = &wire;
}

static void close_it(void)
{
	wire->ops->close(wire);
	wire = NULL;
}

/* A look that does not last: what is there is taken, or not. */
static void look(bool take)
{
	wire->ops->wake(wire);
	wire->ops->wait(wire, take);
}

static void wait_deliveries(u32 count)
{
	u64 until = os_now_ms() + SOON_MS;

	while (deliveries < count) {
		CHECK(os_now_ms() < until);
		look(true);
	}
	CHECK_EQUAL(deliveries, count);
}

static void check_delivered(u32 n, u32 bytes)
{
	u8 expected[HAND_FRAME_MAX];

	CHECK_EQUAL(delivered_bytes, bytes);
	make_frame(expected, n, bytes);
	CHECK(!memcmp(delivered, expected, bytes));
}

static void send(u32 n, u32 bytes)
{
	u8 frame[WIRE_FRAME_MAX];

	make_frame(frame, n, bytes);
	wire->ops->send(wire, frame, bytes);
	/* it is the sender's again */
	memset(frame, 0xee, sizeof(frame));
}

/* --- tests --- */

static void both_ways(void)
{
	u32 bytes;

	open_it(FIRST);
	CHECK(get(0).plugged && !get(1).opened);
	for (bytes = WIRE_FRAME_MIN; bytes <= WIRE_FRAME_MAX; bytes++) {
		send(bytes, bytes);
		check_got(bytes, bytes);
		CHECK(put(~bytes, bytes));
		/* without anybody who wakes it: the frame does */
		wire->ops->wait(wire, true);
		CHECK_EQUAL(deliveries, bytes - WIRE_FRAME_MIN + 1);
		check_delivered(~bytes, bytes);
	}
	close_it();
}

/* More than there are reads, faster than they are taken; every one, in their order. */
static void bursts(void)
{
	u32 sent = 0, taken = 0, round, most = 0;

	open_it(FIRST);
	look(true);
	for (round = 0; round < 200; round++) {
		u32 before = deliveries;

		while (sent - taken < HAND_FRAMES + READS && put(sent, 60 + sent % 1400))
			sent++;
		if (sent - taken > most)
			most = sent - taken;
		wants_more = false;
		for (; taken < sent - round % 5; taken++) {
			wait_deliveries(before + 1);
			check_delivered(taken, 60 + taken % 1400);
			before = deliveries;
		}
	}
	CHECK(most > READS && taken > 10000);
	close_it();
}

/* One look takes many, but not without end: the guest's frames have to go, too. */
static void many_at_once(void)
{
	u32 sent = 0;

	open_it(FIRST);
	look(true);
	while (sent < HAND_FRAMES + READS)
		CHECK(put(sent++, 100));
	CHECK(!put(sent, 100));		/* the host keeps no more: what nobody takes does not pile up */
	look(true);
	CHECK(deliveries >= READS && deliveries <= 64);
	wait_deliveries(sent);
	check_delivered(sent - 1, 100);
	close_it();
}

static void runts_and_giants(void)
{
	static const u32 wrong[] = { 1, 13, 1519, 1600, 1999 };
	u32 i;

	open_it(FIRST);
	look(true);
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		CHECK(put(i, wrong[i]));
		look(true);
		CHECK(put(100 + i, 1518));
		wait_deliveries(i + 1);
		check_delivered(100 + i, 1518);
	}
	/* a row of them, before there is a read that could take them */
	close_it();
	open_it(FIRST);
	for (i = 0; i < 40; i++)
		CHECK(put(i, 1519 + i));
	CHECK(put(7, 99));
	deliveries = 0;
	wait_deliveries(1);
	check_delivered(7, 99);
	CHECK_EQUAL(get(0).closed, 1);
	close_it();
}

static DWORD WINAPI wake_later(void *arg)
{
	(void)arg;
	Sleep(200);
	wire->ops->wake(wire);
	return 0;
}

/* Nothing else ends the wait. */
static void wait_until_woken(bool take)
{
	HANDLE thread = CreateThread(NULL, 0, wake_later, NULL, 0, NULL);
	u64 begun = os_now_ms();

	wire->ops->wait(wire, take);
	CHECK(os_now_ms() - begun >= 100);
	WaitForSingleObject(thread, INFINITE);
	CloseHandle(thread);
}

/* Nothing is taken while the device has no room, and nothing is lost by it. */
static void no_room(void)
{
	u32 i;

	open_it(FIRST);
	look(false);
	for (i = 0; i < 20; i++)
		CHECK(put(i, 64));
	/* who sleeps is not woken by them */
	wait_until_woken(false);
	CHECK_EQUAL(deliveries, 0);
	wants_more = false;
	for (i = 0; i < 20; i++) {
		wait_deliveries(i + 1);
		check_delivered(i, 64);
	}
	close_it();
}

static void woken(void)
{
	open_it(FIRST);
	wait_until_woken(true);
	wait_until_woken(false);
	/* and by who came before */
	wire->ops->wake(wire);
	wire->ops->wait(wire, false);
	CHECK_EQUAL(deliveries, 0);
	close_it();
}

/* A host that does not take them: the guest's frames are lost, neither kept nor waited for. */
static void slow_host(void)
{
	u32 i, from;

	open_it(FIRST);
	for (from = 0; from < 3000; from += 1000) {
		set((struct hand_set){ .holds_writes = 1 });
		for (i = 0; i < 1000; i++)
			send(from + i, 200 + i % 7);
		CHECK_EQUAL(get(0).writes, WRITES);
		/* as they were when they were sent, though much has been since */
		CHECK_EQUAL(check_memory(), WRITES);
		set((struct hand_set){ 0 });
		CHECK_EQUAL(get(0).writes, 0);
		for (i = 0; i < WRITES; i++)
			check_got(from + i, 200 + i % 7);
		send(from, 1000);
		check_got(from, 1000);
	}
	close_it();
	CHECK_EQUAL(get(0).closed_busy, 0);
}

static void vanishes(u32 status)
{
	u32 closed = get(0).closed, waits = 0;
	u64 begun;

	open_it(FIRST);
	look(true);
	set((struct hand_set){ .holds_writes = 1 });
	send(1, 100);
	send(2, 100);
	CHECK(get(0).reads == READS && get(0).writes == 2);
	set((struct hand_set){ .gone = status });
	CHECK_EQUAL(get(0).opened, 1);
	/* the reads tell; it is let go, so that Windows can take it away */
	wire->ops->wait(wire, true);
	CHECK(!get(0).opened);
	CHECK_EQUAL(get(0).closed, closed + 1);
	send(3, 100);
	begun = os_now_ms();
	for (; os_now_ms() - begun < 2500; waits++)	/* it sleeps in there */
		wire->ops->wait(wire, true);
	CHECK(waits < 6);
	look(false);
	CHECK(!get(0).opened);
	set((struct hand_set){ 0 });
	while (!get(0).opened) {
		CHECK(os_now_ms() - begun < SOON_MS);
		wire->ops->wait(wire, true);
	}
	send(4, 100);
	check_got(4, 100);
	look(true);
	CHECK(put(5, 100));
	wire->ops->wait(wire, true);
	CHECK_EQUAL(deliveries, 1);
	check_delivered(5, 100);
	close_it();
	CHECK_EQUAL(get(0).closed, closed + 2);
}

static void is_removed(void)
{
	vanishes(GONE);
}

static void is_disabled(void)
{
	vanishes(ABORTED);
}

/* While there is nothing there it is woken as ever, and can be closed. */
static void closed_while_away(void)
{
	u64 begun;

	open_it(FIRST);
	look(true);
	set((struct hand_set){ .gone = GONE });
	wire->ops->wait(wire, true);
	begun = os_now_ms();
	look(true);
	look(false);
	CHECK(os_now_ms() - begun < 900);
	close_it();
	set((struct hand_set){ 0 });
	CHECK_EQUAL(get(0).closed, 1);
}

static DWORD WINAPI device_thread(void *arg)
{
	wire->ops->wait(wire, true);
	send(1, 100);
	(void)arg;
	return 0;
}

/* What another thread, which has ended, had under way; in the order of its reverse. */
static void closing(void)
{
	struct hand_get state;
	HANDLE thread;

	open_it(FIRST);
	set((struct hand_set){ .holds_writes = 1 });
	thread = CreateThread(NULL, 0, device_thread, NULL, 0, NULL);
	Sleep(200);
	CHECK_EQUAL(get(0).reads, READS);
	wire->ops->wake(wire);
	WaitForSingleObject(thread, INFINITE);
	CloseHandle(thread);
	close_it();
	state = get(0);
	CHECK_EQUAL(state.closed, 1);
	CHECK_EQUAL(state.cancelled, READS + 1);
	CHECK(!state.opened && !state.closed_plugged && !state.closed_busy);
	set((struct hand_set){ 0 });
	open_it(FIRST);
	close_it();		/* before anybody has read from it */
	CHECK(get(0).closed == 2 && !get(0).closed_plugged);
}

/* Wine gives the lowest number that is free: it tells whether all are given back. */
static HANDLE next_handle(void)
{
	HANDLE handle = CreateEventW(NULL, TRUE, FALSE, NULL);

	CloseHandle(handle);
	return handle;
}

static void again_and_again(void)
{
	HANDLE next = NULL;
	u32 i;

	for (i = 0; i < 20; i++) {
		open_it(FIRST);
		set((struct hand_set){ .holds_writes = 1 });
		look(true);
		send(i, 100);
		CHECK(get(0).reads == READS && get(0).writes == 1);
		close_it();
		CHECK_EQUAL(get(0).cancelled, (i + 1) * (READS + 1));
		if (!i)
			next = next_handle();
	}
	CHECK(next_handle() == next);
	CHECK_EQUAL(get(0).closed, 20);
	CHECK(!get(0).closed_plugged && !get(0).closed_busy);
}

static void in_use(void)
{
	struct wire *first, *second;

	open_it(FIRST);
	first = wire;
	CHECK(!wire_open_tap("eth1", FIRST, &error));
	CHECK_TEXT(error.text, "another guest or program has it: it serves one at a time");
	/* letters large and small; its id */
	CHECK(!wire_open_tap("eth1", "LOCAL area connection 2", &error));
	CHECK_TEXT(error.text, "another guest or program has it");
	CHECK(!wire_open_tap("eth1", TAP_ID_0, &error));
	CHECK_TEXT(error.text, "another guest or program has it");
	/* without a name the next one is taken */
	open_it(NULL);
	second = wire;
	CHECK(get(1).plugged);
	CHECK(!wire_open_tap("eth2", NULL, &error));
	CHECK_TEXT(error.text, "no adapter of TAP-Windows can be used: \"" FIRST "\": another guest");
	CHECK_TEXT(error.text, "; \"" SECOND "\": another guest");
	wire = first;
	close_it();
	open_it(NULL);
	CHECK(get(0).plugged);
	close_it();
	wire = second;
	close_it();
}

static void refused(struct hand_set how, const char *complaint)
{
	u32 closed = get(0).closed;

	CHECK(ask(HAND_SET, &how, sizeof(how), NULL, 0, NULL));
	CHECK(!wire_open_tap("eth0", FIRST, &error));
	CHECK_TEXT(error.text, complaint);
	CHECK(!get(0).opened);
	CHECK_EQUAL(get(0).closed, closed + 1);
	set((struct hand_set){ 0 });
	open_it(FIRST);
	close_it();
}

static void media(void)
{
	refused((struct hand_set){ .major = 9, .refuses_media = REFUSED },
		"its driver refuses to be plugged in: Permission denied");
}

static void too_old(void)
{
	refused((struct hand_set){ .major = 7, .minor = 9 }, "its driver's version is 7.9, and 8.1 is the oldest");
	refused((struct hand_set){ .major = 8, .minor = 0 }, "its driver's version is 8.0, and 8.1 is the oldest");
	refused((struct hand_set){ 0 }, "its driver does not say which version it is");
	set((struct hand_set){ .major = 8, .minor = 1 });
	open_it(FIRST);
	close_it();
	set((struct hand_set){ 0 });
}

/* A program of somebody's that waits for nothing else. */
static void taken_from_us(void)
{
	HANDLE other;

	open_it(FIRST);
	look(true);
	set((struct hand_set){ .gone = GONE });
	wire->ops->wait(wire, true);
	set((struct hand_set){ 0 });
	other = CreateFileA("\\\\.\\Global\\" TAP_ID_0 ".tap", GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
			   FILE_ATTRIBUTE_SYSTEM, NULL);
	CHECK(other != INVALID_HANDLE_VALUE);
	wire->ops->wait(wire, true);	/* a second later: in use */
	CHECK(get(0).opened && !get(0).plugged);
	CloseHandle(other);
	CHECK(!get(0).opened);
	wire->ops->wait(wire, true);
	CHECK(get(0).opened);
	close_it();
}

const struct test tests[] = {
	{ "both_ways", both_ways },
	{ "bursts", bursts },
	{ "many_at_once", many_at_once },
	{ "runts_and_giants", runts_and_giants },
	{ "no_room", no_room },
	{ "woken", woken },
	{ "slow_host", slow_host },
	{ "is_removed", is_removed },
	{ "is_disabled", is_disabled },
	{ "closed_while_away", closed_while_away },
	{ "closing", closing },
	{ "again_and_again", again_and_again },
	{ "in_use", in_use },
	{ "media", media },
	{ "too_old", too_old },
	{ "taken_from_us", taken_from_us },
	{ NULL, NULL },
};

static DWORD WINAPI watch(void *arg)
{
	(void)arg;
	Sleep(120000);
	fprintf(stderr, "a test that waits for ever fails\n");
	ExitProcess(2);
}

int main(int argc, char **argv)
{
	const struct test *test;

	CreateThread(NULL, 0, watch, NULL, 0, NULL);
	log_set_level(LOG_NOTE);
	for (test = tests; test->name; test++)
		if (argc == 2 && !strcmp(argv[1], test->name)) {
			begin();
			test->run();
			return 0;
		}
	fprintf(stderr, "no such test\n");
	return 1;
}

// SPDX-License-Identifier: GPL-2.0-only
/* A driver without a kernel; see fake_driver.h. */
#include "fake_driver.h"

#include <string.h>

#include "check.h"
#include "fake_memory.h"

#define MIB (1ull << 20)
#define SHARED_BYTES ((CO_DEVICE_PAGES + 1ull) * CO_PAGE_SIZE)

struct fake_driver fake = {
	.range = { { 64 * MIB, 48 * MIB }, { 256 * MIB, 32 * MIB } },
	.nranges = 2,
	.abi_version = CO_ABI_VERSION,
#ifndef _WIN32
	.can_hide = true,
#endif
};

struct os_driver {
	struct os_driver *before;	/* whose guest may sleep for ever in it */
	struct fake_memory memory;	/* the shared pages, then the ranges one after the other */
	struct co_range range[CO_MAX_RANGES];
	u32 nranges;
	u8 *base[CO_MAX_RANGES];	/* where the daemon has them */
	u64 hidden, away;	/* chunks of the daemon's, by their places in the file: bits */
	/* the coroutine; whose turn it is, under the lock */
	struct os_mutex lock;
	struct os_cond turn;
	bool started, has_thread, in_guest, ended, kicked;
	struct os_thread thread;
};

static struct os_driver *open_driver;
static u8 *views[CO_MAX_RANGES];	/* the guest's own mappings */

static u64 file_offset(const struct os_driver *driver, u64 address, u64 bytes)
{
	u64 at = SHARED_BYTES;
	u32 i;

	if (address + bytes <= SHARED_BYTES)
		return address;
	if (fake.create.note_flags & CO_NOTE_I386)	/* side by side, as in the file */
		return address - CO_MMAP_I386 + bytes <= fake.create.mem_bytes ?
		       at + address - CO_MMAP_I386 : ~0ull;
	for (i = 0; i < driver->nranges; i++) {
		if (address >= driver->range[i].start &&
		    address + bytes <= driver->range[i].start + driver->range[i].bytes)
			return at + address - driver->range[i].start;
		at += driver->range[i].bytes;
	}
	return ~0ull;
}

void *fake_at(u64 address, u64 bytes)
{
	u32 i;

	if (fake.create.note_flags & CO_NOTE_I386 && address + bytes <= fake.create.mem_bytes)
		return views[0] + address;
	for (i = 0; i < open_driver->nranges; i++) {
		const struct co_range *range = &open_driver->range[i];

		if (address < range->start || address + bytes > range->start + range->bytes)
			continue;
		return views[i] + (address - range->start);
	}
	fprintf(stderr, "the test has no guest memory at 0x%llx\n", (unsigned long long)address);
	abort();
}

/* --- opening and memory --- */

struct os_driver *os_driver_open(struct error *error)
{
	struct os_driver *driver;

	if (fake.absent) {
		error_set_code(error, EXIT_NO_DRIVER, "the fake driver is not installed");
		return NULL;
	}
	driver = calloc(1, sizeof(*driver));
	fake_memory_open(&driver->memory);
	os_mutex_init(&driver->lock);
	os_cond_init(&driver->turn);
	driver->before = open_driver && open_driver->has_thread ? open_driver : NULL;
	open_driver = driver;
	/* a second life begins as the first one did */
	fake.events = fake.pending[0] = fake.pending[1] = 0;
	fake.opens++;
	return driver;
}

void os_driver_close(struct os_driver *driver)
{
	u32 i;

	/* the guest's thread, if any, sleeps for ever in fake_leave() */
	for (i = 0; i < driver->nranges && !driver->has_thread; i++)
		if (!(fake.create.note_flags & CO_NOTE_I386))
			fake_memory_unmap(views[i], driver->range[i].bytes);
		else if (!i)
			fake_memory_unmap(views[0], fake.create.mem_bytes);
	fake_memory_close(&driver->memory);
	if (driver->has_thread)
		return;
	open_driver = driver->before;
	free(driver);
}

bool os_driver_reason(struct os_driver *driver, char *text, size_t size)
{
	(void)driver;
	if (fake.reason)
		snprintf(text, size, "%s", fake.reason);
	return fake.reason;
}

void *os_driver_map(struct os_driver *driver, u64 offset, u64 bytes, bool writable)
{
	u64 at = file_offset(driver, offset, bytes);
	u8 *address = at == ~0ull ? NULL : fake_memory_map(&driver->memory, at, bytes, writable);
	u32 i;

	/* the daemon's come after the guest's own, in create() */
	for (i = 0; i < driver->nranges && address; i++)
		if (driver->range[i].start == offset)
			driver->base[i] = address;
	return address;
}

void os_driver_unmap(struct os_driver *driver, void *address, u64 bytes)
{
	(void)driver;
	fake_memory_unmap(address, bytes);
}

bool os_driver_can_hide(void)
{
	return fake.can_hide;
}

/* A chunk's bit; the ranges of tests begin and end with chunks. */
static u64 chunk_bit(const struct os_driver *driver, u64 address)
{
	u64 at = file_offset(driver, address, CO_CHUNK_SIZE);

	CHECK(at != ~0ull && address % CO_CHUNK_SIZE == 0);
	return 1ull << (at - SHARED_BYTES) / CO_CHUNK_SIZE;
}

/* The driver is not told what is mapped where: the daemon's own pointer says it. */
static u64 address_of(const struct os_driver *driver, const void *address)
{
	u64 chunk;
	u32 i;

	for (i = 0; i < driver->nranges; i++)
		for (chunk = 0; chunk < driver->range[i].bytes; chunk += CO_CHUNK_SIZE)
			if (driver->base[i] && (const u8 *)address == driver->base[i] + chunk)
				return driver->range[i].start + chunk;
	CHECK(!"a chunk that is mapped");
	return 0;
}

int os_driver_hide(struct os_driver *driver, void *address, u64 bytes)
{
	CHECK_EQUAL(bytes, CO_CHUNK_SIZE);
	if (!fake_memory_hide(address, bytes))
		return -1;
	driver->hidden |= chunk_bit(driver, address_of(driver, address));
	return 0;
}

/* Of what the host has, nothing can be mapped. */
int os_driver_show(struct os_driver *driver, void *address, u64 offset, u64 bytes)
{
	u64 bit = chunk_bit(driver, offset);

	CHECK_EQUAL(bytes, CO_CHUNK_SIZE);
	CHECK_EQUAL(address_of(driver, address), offset);
	if (fake.show_fails || driver->away & bit ||
	    !fake_memory_show(&driver->memory, file_offset(driver, offset, bytes), address, bytes))
		return -1;
	driver->hidden &= ~bit;
	return 0;
}

/* GIVE is only for what the daemon sees no more. What the host gives is zeroed. */
static enum os_call chunk(struct os_driver *driver, const struct co_chunk_op *op)
{
	u64 bit = chunk_bit(driver, op->phys);
	enum os_call result;

	CHECK(driver->hidden & bit);
	CHECK_EQUAL(!!(driver->away & bit), op->op == CO_CHUNK_TAKE);
	result = op->op == CO_CHUNK_GIVE ? fake.give_result : fake.take_result;
	if (result != OS_CALL_OK)
		return result;
	if (op->op == CO_CHUNK_GIVE) {
		memset(fake_at(op->phys, CO_CHUNK_SIZE), 0xee, CO_CHUNK_SIZE);
		driver->away |= bit;
		fake.gives++;
	} else {
		memset(fake_at(op->phys, CO_CHUNK_SIZE), 0, CO_CHUNK_SIZE);
		driver->away &= ~bit;
		fake.takes++;
	}
	fake.comm->chunk = CO_CHUNK_DONE;
	return OS_CALL_OK;
}

/* An i386 guest has exactly what it asked for: its last range is cut, or made longer. */
static u8 *map_i386(struct os_driver *driver, const struct co_create *create)
{
	u64 left = create->mem_bytes;
	u8 *view;
	u32 i;

	for (i = 0; i + 1 < driver->nranges && left > driver->range[i].bytes; i++)
		left -= driver->range[i].bytes;
	driver->range[i].bytes = left;
	driver->nranges = i + 1;
	view = os_driver_map(driver, CO_MMAP_I386, create->mem_bytes, true);
	memset(view, 0xa5, create->mem_bytes);
	return view;
}

static void create(struct os_driver *driver, struct co_create *create)
{
	u64 bytes = SHARED_BYTES, grow;
	u32 i;

	fake.creates++;
	driver->nranges = fake.nranges;
	memcpy(driver->range, fake.range, sizeof(driver->range));
	if (fake.scattered && create->image_bytes > driver->range[0].bytes) {
		grow = create->image_bytes - driver->range[0].bytes;
		grow = (grow + CO_CHUNK_SIZE - 1) & ~(CO_CHUNK_SIZE - 1);
		driver->range[0].bytes += grow;
		for (i = 1; i < driver->nranges; i++)
			driver->range[i].start += grow;
	}
	for (i = 0; i < driver->nranges; i++)
		bytes += driver->range[i].bytes;
	fake_memory_size(&driver->memory, bytes + create->mem_bytes);
	fake.create = *create;
	if (create->note_flags & CO_NOTE_I386)
		views[0] = map_i386(driver, create);
	for (i = 0; i < driver->nranges && !(create->note_flags & CO_NOTE_I386); i++) {
		views[i] = os_driver_map(driver, driver->range[i].start, driver->range[i].bytes, true);
		/* what the daemon does not write is visible: real memory is not zero */
		memset(views[i], 0xa5, driver->range[i].bytes < 4 * MIB ? driver->range[i].bytes : 4 * MIB);
	}
	fake.comm = os_driver_map(driver, CO_MMAP_COMM, CO_PAGE_SIZE, true);
	fake.devices = os_driver_map(driver, CO_MMAP_DEVICES, CO_DEVICE_PAGES * CO_PAGE_SIZE, true);
	create->code_phys = 0x5000;
	create->area_phys = 0x700000;
	create->nranges = driver->nranges;
	memcpy(create->range, driver->range, sizeof(create->range));
	fake.create = *create;
}

/* --- the coroutine --- */

static void guest_thread(void *arg)
{
	(void)arg;
	fake.guest();
	fake_leave(CO_R_SHUTDOWN, 0, 0);
}

void fake_leave(u32 reason, u64 arg0, u64 arg1)
{
	struct os_driver *driver = open_driver;

	os_lock(&driver->lock);
	fake.comm->reason = reason;
	fake.comm->arg[0] = arg0;
	fake.comm->arg[1] = arg1;
	driver->in_guest = false;
	os_wake_all(&driver->turn);
	while (!driver->in_guest)
		os_wait(&driver->turn, &driver->lock);
	os_unlock(&driver->lock);
}

bool fake_chunk(u32 what, u64 address)
{
	fake.comm->chunk = CO_CHUNK_REFUSED;
	fake_leave(CO_R_CHUNK, what, address);
	return fake.comm->chunk == CO_CHUNK_DONE;
}

void fake_leave_text(u32 reason, const char *text)
{
	size_t bytes = strlen(text);

	memcpy(fake.comm->text, text, bytes);
	fake.comm->text_len = bytes;
	fake_leave(reason, 0, 0);
}

u32 fake_idle(u32 ms)
{
	struct os_driver *driver = open_driver;
	u32 taken;

	os_lock(&driver->lock);
	if (!fake.pending[0] && !fake.pending[1])
		os_wait_ms(&driver->turn, &driver->lock, ms);
	taken = fake.pending[0];
	fake.pending[0] = fake.pending[1] = 0;
	os_unlock(&driver->lock);
	return taken;
}

static enum os_call run(struct os_driver *driver, struct co_run *run)
{
	struct error error;

	os_lock(&driver->lock);
	driver->in_guest = true;
	os_wake_all(&driver->turn);
	if (!driver->has_thread) {
		driver->has_thread = true;
		CHECK(!os_thread_start(&driver->thread, "guest", guest_thread, NULL, &error));
	}
	while (driver->in_guest && !driver->kicked)
		os_wait(&driver->turn, &driver->lock);
	run->reason = driver->in_guest ? CO_R_KICKED : fake.comm->reason;
	driver->kicked = false;
	run->arg[0] = fake.comm->arg[0];
	run->arg[1] = fake.comm->arg[1];
	os_unlock(&driver->lock);
	return OS_CALL_OK;
}

static void irq(struct os_driver *driver, const struct co_irq *irq)
{
	os_lock(&driver->lock);
	fake.pending[0] |= irq->pending[0];
	fake.pending[1] |= irq->pending[1];
	fake.events |= irq->events;
	if (irq->events)
		fake.pending[0] |= 1u << CO_VIRQ_EVENT;
	fake.irqs++;
	os_wake_all(&driver->turn);
	os_unlock(&driver->lock);
}

enum os_call os_driver_call(struct os_driver *driver, u32 request, void *argument)
{
	struct co_version *version = argument;

	switch (request) {
	case CO_NR_VERSION:
		CHECK_EQUAL(version->size, sizeof(*version));
		version->abi_version = fake.abi_version;
		strcpy(version->release, "fake");
		return OS_CALL_OK;
	case CO_NR_CREATE:
		CHECK_EQUAL(((struct co_create *)argument)->size, sizeof(struct co_create));
		if (fake.create_result != OS_CALL_OK)
			return fake.create_result;
		create(driver, argument);
		return OS_CALL_OK;
	case CO_NR_START:
		CHECK_EQUAL(((struct co_start *)argument)->size, sizeof(struct co_start));
		fake.start = *(struct co_start *)argument;
		return OS_CALL_OK;
	case CO_NR_RUN:
		CHECK_EQUAL(((struct co_run *)argument)->size, sizeof(struct co_run));
		return run(driver, argument);
	case CO_NR_IRQ:
		CHECK_EQUAL(((struct co_irq *)argument)->size, sizeof(struct co_irq));
		irq(driver, argument);
		return OS_CALL_OK;
	case CO_NR_CHUNK:
		CHECK_EQUAL(((struct co_chunk_op *)argument)->size, sizeof(struct co_chunk_op));
		return chunk(driver, argument);
	case CO_NR_BALLOON:
		CHECK_EQUAL(((struct co_balloon *)argument)->size, sizeof(struct co_balloon));
		fake.comm->balloon = ((struct co_balloon *)argument)->chunks;
		fake.balloons++;
		irq(driver, &(struct co_irq){ .events = CO_EVENT_BALLOON });
		return OS_CALL_OK;
	case CO_NR_KICK:
		os_lock(&driver->lock);
		driver->kicked = true;
		os_wake_all(&driver->turn);
		os_unlock(&driver->lock);
		return OS_CALL_OK;
	case CO_NR_STATS:
		((struct co_stats *)argument)->switches = 42;
		return OS_CALL_OK;
	}
	return OS_CALL_UNKNOWN;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* See driver.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "driver.h"
#include "minikernel.h"

extern const char mini_start[], mini_end[], mini_gates[];

#define CHECK(field, offset) \
	_Static_assert(offsetof(struct params, field) == (offset), "minikernel.h")
CHECK(root4, P_ROOT4);
CHECK(root5, P_ROOT5);
CHECK(area_va, P_AREA_VA);
CHECK(idt, P_IDT);
CHECK(mode, P_MODE);
CHECK(reason, P_REASON);
CHECK(arg, P_ARG0);
CHECK(delay, P_DELAY);
CHECK(rounds, P_ROUNDS);
CHECK(taken, P_TAKEN);
CHECK(irqs, P_IRQS);
CHECK(nmis, P_NMIS);
CHECK(text, P_TEXT);
_Static_assert(offsetof(struct co_comm, reason) == COMM_REASON, "");
_Static_assert(offsetof(struct co_comm, arg) == COMM_ARG0, "");
_Static_assert(offsetof(struct co_comm, pending) == COMM_PENDING, "");
_Static_assert(offsetof(struct co_comm, deadline) == COMM_DEADLINE, "");
_Static_assert(offsetof(struct co_comm, text_len) == COMM_TEXT_LEN, "");
_Static_assert(offsetof(struct co_comm, text) == COMM_TEXT, "");

/* Pages of guest memory, from the start of range[0]. */
enum { PARAMS, IDT, PML5, PML4, PDPT_LOW, PD_LOW, PDPT_TOP, PD_TOP, PT_TOP, KERNEL };
#define PAGE		4096ull
#define TABLE		0x003ull	/* present, writable */
#define LARGE		0x083ull	/* and a 2 MiB page */

static int failed;

void result(bool good, const char *name, const char *format, ...)
{
	va_list args;

	if (good) {
		printf("ok %s\n", name);
	} else {
		failed++;
		printf("not ok %s ", name);
		va_start(args, format);
		vprintf(format, args);
		va_end(args);
		printf("\n");
	}
	fflush(stdout);
}

int failures(void)
{
	return failed;
}

static void die(const char *what)
{
	printf("not ok setup %s: %s\n", what, strerror(errno));
	exit(2);
}

int machine_open(void)
{
	int fd = open(CO_DEVICE_PATH, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die(CO_DEVICE_PATH);
	return fd;
}

struct co_create good_create(void)
{
	return (struct co_create){
		.size = sizeof(struct co_create), .note_flags = CO_NOTE_LA57,
		.mem_bytes = MEM_BYTES, .area_va = AREA_VA, .image_bytes = 2 << 20,
	};
}

static u64 index_of(u64 va, int level)
{
	return va >> (12 + 9 * (level - 1)) & 511;
}

/* The guest's own page tables: its memory at its physical addresses, and the
 * shared area; of four levels, and one more above them for 5-level hosts. */
static void build_tables(struct machine *m)
{
	u64 base = m->create.range[0].start, i;
	u64 *t[KERNEL];

	for (i = 0; i < KERNEL; i++)
		t[i] = (u64 *)(m->memory + i * PAGE);
#define AT(page) ((base + (page) * PAGE) | TABLE)
	t[PML5][0] = AT(PML4);
	t[PML5][index_of(AREA_VA, 5)] = AT(PML4);	/* its upper half fits, too */
	t[PML4][index_of(base, 4)] = AT(PDPT_LOW);
	t[PML4][index_of(AREA_VA, 4)] = AT(PDPT_TOP);
	t[PDPT_LOW][index_of(base, 3)] = AT(PD_LOW);
	t[PDPT_TOP][index_of(AREA_VA, 3)] = AT(PD_TOP);
	t[PD_TOP][index_of(AREA_VA, 2)] = AT(PT_TOP);
	/* one chunk of memory is all that the guest uses */
	for (i = 0; i < CO_CHUNK_SIZE >> 21; i++)
		t[PD_LOW][index_of(base, 2) + i] = (base + (i << 21)) | LARGE;
	t[PT_TOP][index_of(AREA_VA, 1)] = m->create.code_phys | TABLE;
	for (i = 1; i < CO_AREA_PAGES; i++)
		t[PT_TOP][index_of(AREA_VA, 1) + i] =
			(m->create.area_phys + (i - 1) * PAGE) | TABLE;
}

static void build_idt(struct machine *m)
{
	u64 base = m->create.range[0].start, *idt = (u64 *)(m->memory + IDT * PAGE), at;
	u16 limit = 4095;
	int v;

	for (v = 0; v < 256; v++) {
		at = base + KERNEL * PAGE + (u64)(mini_gates - mini_start) + 16 * v;
		idt[2 * v] = (at & 0xffff) | 0x10ull << 16 | 0x8e00ull << 32 |
			     (at & 0xffff0000) << 32;
		idt[2 * v + 1] = at >> 32;
	}
	at = base + IDT * PAGE;
	memcpy((u8 *)m->params->idt, &limit, 2);
	memcpy((u8 *)m->params->idt + 2, &at, 8);
}

struct machine machine_create(void)
{
	struct machine m = { .fd = machine_open(), .create = good_create() };
	u64 base;

	if (ioctl(m.fd, CO_IOC_CREATE, &m.create))
		die("CREATE");
	base = m.create.range[0].start;
	m.memory_bytes = m.create.range[0].bytes;
	m.memory = mmap(NULL, m.memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, m.fd,
			(off_t)base);
	if (m.memory == MAP_FAILED)
		die("mmap of guest memory");
	m.comm = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, m.fd, CO_MMAP_COMM);
	if (m.comm == MAP_FAILED)
		die("mmap of co_comm");
	m.params = (void *)(m.memory + PARAMS * PAGE);
	m.params->root4 = base + PML4 * PAGE;
	m.params->root5 = base + PML5 * PAGE;
	m.params->area_va = AREA_VA;
	build_tables(&m);
	build_idt(&m);
	memcpy(m.memory + KERNEL * PAGE, mini_start, (size_t)(mini_end - mini_start));
	memcpy((char *)m.params->text, "hello from mini\n", 16);
	m.start = (struct co_start){
		.size = sizeof(m.start), .entry = base + KERNEL * PAGE,
		.boot_params = base + PARAMS * PAGE,
	};
	command(&m, CO_R_DOORBELL, 0, 0);
	return m;
}

struct machine machine_start(void)
{
	struct machine m = machine_create();

	if (ioctl(m.fd, CO_IOC_START, &m.start))
		die("START");
	return m;
}

void machine_close(struct machine *m)
{
	munmap(m->memory, m->memory_bytes);
	munmap((void *)m->comm, PAGE);
	close(m->fd);
}

void command(struct machine *m, u32 reason, u64 arg0, u64 arg1)
{
	m->params->reason = reason;
	m->params->arg[0] = arg0;
	m->params->arg[1] = arg1;
	m->params->delay = 0;
	m->params->mode = MODE_CALL;
}

int run_once(int fd, struct co_run *out)
{
	*out = (struct co_run){ .size = sizeof(*out) };
	return ioctl(fd, CO_IOC_RUN, out) ? errno : 0;
}

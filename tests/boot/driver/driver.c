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

extern const char mini_start[], mini_end[], mini_gates[], mini_double_fault[];

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
CHECK(gdt, P_GDT);
CHECK(code, P_CODE);
CHECK(data, P_DATA);
CHECK(tr, P_TR);
CHECK(ldt, P_LDT);
CHECK(fs, P_FS);
CHECK(gs, P_GS);
CHECK(checking, P_CHECKING);
CHECK(checks, P_CHECKS);
CHECK(different, P_DIFFERENT);
CHECK(first, P_FIRST);
CHECK(sse, P_SSE);
CHECK(fault, P_FAULT);
CHECK(faults, P_FAULTS);
CHECK(fault_sp, P_FAULT_SP);
CHECK(fault_tr, P_FAULT_TR);
CHECK(fs_now, P_FS_NOW);
CHECK(gs_now, P_GS_NOW);
CHECK(ds_now, P_DS_NOW);
CHECK(es_now, P_ES_NOW);
CHECK(text, P_TEXT);
_Static_assert(offsetof(struct co_comm, reason) == COMM_REASON, "");
_Static_assert(offsetof(struct co_comm, arg) == COMM_ARG0, "");
_Static_assert(offsetof(struct co_comm, pending) == COMM_PENDING, "");
_Static_assert(offsetof(struct co_comm, deadline) == COMM_DEADLINE, "");
_Static_assert(offsetof(struct co_comm, text_len) == COMM_TEXT_LEN, "");
_Static_assert(offsetof(struct co_comm, text) == COMM_TEXT, "");

/* Pages of guest memory, from the start of range[0]. */
enum { PARAMS, IDT, PML5, PML4, PDPT_LOW, PD_LOW, PDPT_TOP, PD_TOP, PT_TOP, GDT, LDT, TSS, FAULT_STACK, KERNEL };
#define PAGE		4096ull
#define SEL_LDT		0xa0u
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

void die(const char *what)
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
	u64 *t[PT_TOP + 1];

	for (i = 0; i <= PT_TOP; i++)
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

static void put_dtr(volatile u8 *dtr, u64 base, u16 limit)
{
	memcpy((u8 *)dtr, &limit, 2);
	memcpy((u8 *)dtr + 2, &base, 8);
}

static void put_gate(u64 *idt, int vector, u64 at, u32 ist)
{
	idt[2 * vector] = (at & 0xffff) | 0x10ull << 16 | (0x8e00ull | ist) << 32 |
			  (at & 0xffff0000) << 32;
	idt[2 * vector + 1] = at >> 32;
}

static void build_idt(struct machine *m)
{
	u64 base = m->create.range[0].start, *idt = (u64 *)(m->memory + IDT * PAGE);
	int v;

	for (v = 0; v < 256; v++)
		put_gate(idt, v, base + KERNEL * PAGE + (u64)(mini_gates - mini_start) + 16 * v, 0);
	put_gate(idt, 8, base + KERNEL * PAGE + (u64)(mini_double_fault - mini_start), 1);
	put_dtr(m->params->idt, base + IDT * PAGE, 4095);
}

/* A descriptor of a TSS or an LDT: SDM volume 3, 8.2.3. */
static void put_system(u64 *gdt, u32 selector, u64 base, u32 limit, u64 type)
{
	gdt[selector / 8] = limit | (base & 0xffffff) << 16 | type << 40 | (base >> 24 & 0xff) << 56;
	gdt[selector / 8 + 1] = base >> 32;
}

/* Tables of the guest's own, and in its TSS the double fault's stack: SDM volume 3, 8.7. */
static void build_gdt(struct machine *m)
{
	u64 base = m->create.range[0].start, stack = base + (FAULT_STACK + 1) * PAGE;
	struct params *p = (struct params *)m->params;
	u64 *gdt = m->gdt = (u64 *)(m->memory + GDT * PAGE);

	m->ldt = (u64 *)(m->memory + LDT * PAGE);
	gdt[2] = 0x00af9a000000ffffull;
	gdt[3] = 0x00cf92000000ffffull;
	gdt[SEL_FS / 8] = m->ldt[SEL_GS / 8] = 0x00cff2000000ffffull;
	put_system(gdt, SEL_TSS, base + TSS * PAGE, 103, 0x89);
	put_system(gdt, SEL_LDT, base + LDT * PAGE, 15, 0x82);
	memcpy(m->memory + TSS * PAGE + 36, &stack, sizeof(stack));	/* IST1 */
	put_dtr(p->gdt, base + GDT * PAGE, SEL_LDT + 15);
	p->tr = SEL_TSS;
	p->ldt = SEL_LDT;
	p->fs = SEL_FS;
	p->gs = SEL_GS;
}

void machine_map(struct machine *m, u64 offset, u64 bytes)
{
	m->memory_bytes = bytes;
	m->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, (off_t)offset);
	if (m->memory == MAP_FAILED)
		die("mmap of guest memory");
	m->comm = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, m->fd, CO_MMAP_COMM);
	if (m->comm == MAP_FAILED)
		die("mmap of co_comm");
	m->params = (void *)(m->memory + PARAMS * PAGE);
}

static struct machine create_with_image(u64 image_bytes)
{
	struct machine m = { .fd = machine_open(), .create = good_create() };
	u64 base;

	m.create.image_bytes = image_bytes;
	if (ioctl(m.fd, CO_IOC_CREATE, &m.create))
		die("CREATE");
	base = m.create.range[0].start;
	machine_map(&m, base, m.create.range[0].bytes);
	m.params->root4 = base + PML4 * PAGE;
	m.params->root5 = base + PML5 * PAGE;
	m.params->area_va = AREA_VA;
	build_tables(&m);
	build_idt(&m);
	build_gdt(&m);
	memcpy(m.memory + KERNEL * PAGE, mini_start, (size_t)(mini_end - mini_start));
	memcpy((char *)m.params->text, "hello from mini\n", 16);
	m.start = (struct co_start){
		.size = sizeof(m.start), .entry = base + KERNEL * PAGE,
		.boot_params = base + PARAMS * PAGE,
	};
	command(&m, CO_R_DOORBELL, 0, 0);
	return m;
}

static struct machine start(struct machine m)
{
	if (ioctl(m.fd, CO_IOC_START, &m.start))
		die("START");
	return m;
}

struct machine machine_create(void)
{
	return create_with_image(good_create().image_bytes);
}

struct machine machine_start(void)
{
	return start(machine_create());
}

struct machine machine_start_in_a_piece(void)
{
	return start(create_with_image(MEM_BYTES));
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

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The 32-bit miniature guest, set up as the daemon's loader sets up an i386 kernel
 * (colinux_abi.h): see minikernel32.S.
 */
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

#include "driver.h"
#include "minikernel.h"

extern const char mini32_start[], mini32_end[], mini32_gates[], mini32_double_fault[];

_Static_assert(offsetof(struct co_boot32, magic) == 0, "minikernel32.S");

/* Pages of guest-physical memory; parameters and IDT as in driver.c. */
enum {
	PARAMS, IDT, BOOT32, ROOT, AREA_TABLE, GDT, TSS, LDT, FS_DATA, GS_DATA,
	FAULT_TSS, FAULT_STACK, KERNEL
};
#define PAGE		4096u
#define PAGE_OFFSET	0xc0000000u
#define AREA_VA_I386	0xff7f0000u
#define TABLE		0x63u	/* present, writable, accessed, dirty */
#define LARGE		0xe3u	/* and a 4 MiB page */

#define VA(page)	(PAGE_OFFSET + (page) * PAGE)
/* Selectors of the guest's own GDT, beside its code and data, and driver.h's. */
#define SEL_LDT		0x88u
#define MAGIC_FS	0xf5f5f5f5u
#define MAGIC_GS	0x65656565u

struct co_create good_create_i386(void)
{
	return (struct co_create){
		.size = sizeof(struct co_create), .note_flags = CO_NOTE_I386,
		.mem_bytes = MEM_BYTES, .area_va = AREA_VA_I386,
	};
}

/* A segment descriptor; type is its byte 5, flags its G and D bits. */
static u64 descriptor(u32 base, u32 limit, u32 type, u32 flags)
{
	return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)type << 40 |
	       (u64)(limit >> 16) << 48 | (u64)flags << 52 | (u64)(base >> 24) << 56;
}

static u32 real(const struct co_boot32 *boot, u32 page)
{
	return (boot->p2m[page >> 10] << 12) + (page & 1023) * PAGE;
}

static void build_tables(struct machine *m, struct co_boot32 *boot)
{
	u32 *root = (u32 *)(m->memory + ROOT * PAGE);
	u32 *area = (u32 *)(m->memory + AREA_TABLE * PAGE);
	u64 n = 0, at;
	u32 i;

	for (i = 0; i < m->create.nranges; i++)
		for (at = 0; at < m->create.range[i].bytes; at += CO_CHUNK_SIZE)
			boot->p2m[n++] = (u32)((m->create.range[i].start + at) >> 12);
	boot->magic = CO_BOOT32_MAGIC;
	boot->version = CO_ABI_VERSION;
	boot->nchunks = (u32)n;
	for (i = 0; i < n; i++)
		root[(PAGE_OFFSET >> 22) + i] = boot->p2m[i] << 12 | LARGE;
	root[AREA_VA_I386 >> 22] = real(boot, AREA_TABLE) | TABLE;
	area += AREA_VA_I386 >> 12 & 1023;
	area[0] = (u32)m->create.code_phys | TABLE;
	for (i = 1; i < CO_AREA_PAGES; i++)
		area[i] = ((u32)m->create.area_phys + (i - 1) * PAGE) | TABLE;
}

static void put_dtr(u8 *dtr, u32 base, u16 limit)
{
	memcpy(dtr, &limit, 2);
	memcpy(dtr + 2, &base, 4);
}

/* The double fault's task: its registers, in the order of a 32-bit TSS (SDM volume 3,
 * 8.2.1), and the gate that leads to it. */
static void build_fault_task(struct machine *m, u32 root)
{
	u32 *tss = (u32 *)(m->memory + FAULT_TSS * PAGE);
	u64 *idt = (u64 *)(m->memory + IDT * PAGE);

	tss[7] = root;						/* CR3 */
	tss[8] = VA(KERNEL) + (u32)(mini32_double_fault - mini32_start);	/* EIP */
	tss[9] = 2;						/* flags: the bit that is always set */
	tss[13] = VA(PARAMS);					/* EBX */
	tss[14] = VA(FAULT_STACK) + PAGE;			/* ESP */
	tss[15] = AREA_VA_I386;					/* EBP */
	tss[18] = tss[20] = tss[21] = m->code_selector + 8;	/* ES, SS, DS */
	tss[19] = m->code_selector;				/* CS */
	tss[22] = SEL_FS;
	tss[23] = SEL_GS;
	tss[24] = SEL_LDT;
	idt[8] = (u64)SEL_FAULT_TSS << 16 | 0x8500ull << 32;
}

u32 fault_victim_esp(const struct machine *m)
{
	return ((const u32 *)(m->memory + TSS * PAGE))[14];
}

static void build_descriptors(struct machine *m)
{
	u64 *gdt = m->gdt = (u64 *)(m->memory + GDT * PAGE);
	u64 *ldt = m->ldt = (u64 *)(m->memory + LDT * PAGE);
	u64 *idt = (u64 *)(m->memory + IDT * PAGE);
	struct params *p = (struct params *)m->params;
	u32 at, v;

	gdt[m->code_selector / 8] = descriptor(0, 0xfffff, 0x9a, 0xc);
	gdt[m->code_selector / 8 + 1] = descriptor(0, 0xfffff, 0x92, 0xc);
	gdt[SEL_TSS / 8] = descriptor(VA(TSS), 103, 0x89, 0);
	gdt[SEL_FAULT_TSS / 8] = descriptor(VA(FAULT_TSS), 103, 0x89, 0);
	gdt[SEL_SHORT / 8] = descriptor(0, 0xfff, 0x92, 4);
	gdt[SEL_LDT / 8] = descriptor(VA(LDT), 15, 0x82, 0);
	gdt[SEL_FS / 8] = descriptor(VA(FS_DATA), 0xfff, 0xf2, 4);
	ldt[SEL_GS / 8] = descriptor(VA(GS_DATA), 0xfff, 0xf2, 4);
	*(u32 *)(m->memory + FS_DATA * PAGE) = MAGIC_FS;
	*(u32 *)(m->memory + GS_DATA * PAGE) = MAGIC_GS;
	for (v = 0; v < 256; v++) {
		at = VA(KERNEL) + (u32)(mini32_gates - mini32_start) + 16 * v;
		idt[v] = (at & 0xffff) | (u64)m->code_selector << 16 | 0x8e00ull << 32 |
			 (u64)(at & 0xffff0000) << 32;
	}
	put_dtr(p->idt, VA(IDT), 256 * 8 - 1);
	put_dtr(p->gdt, VA(GDT), SEL_SHORT + 7);
	p->code = (u16)m->code_selector;
	p->data = (u16)(m->code_selector + 8);
	p->tr = SEL_TSS;
	p->ldt = SEL_LDT;
	p->fs = SEL_FS;
	p->gs = SEL_GS;
}

struct machine machine_create_i386(u32 code_selector)
{
	struct machine m = {
		.fd = machine_open(), .create = good_create_i386(),
		.code_selector = code_selector,
	};
	struct co_boot32 *boot;

	if (ioctl(m.fd, CO_IOC_CREATE, &m.create))
		die("CREATE of an i386 guest");
	machine_map(&m, CO_MMAP_I386, MEM_BYTES);
	boot = (struct co_boot32 *)(m.memory + BOOT32 * PAGE);
	m.params->area_va = AREA_VA_I386;
	build_tables(&m, boot);
	build_descriptors(&m);
	build_fault_task(&m, real(boot, ROOT));
	memcpy(m.memory + KERNEL * PAGE, mini32_start, (size_t)(mini32_end - mini32_start));
	memcpy((char *)m.params->text, "hello from mini\n", 16);
	m.start = (struct co_start){
		.size = sizeof(m.start), .code_selector = code_selector, .entry = VA(KERNEL),
		.boot_params = VA(PARAMS), .boot32 = VA(BOOT32), .root = real(boot, ROOT),
	};
	command(&m, CO_R_DOORBELL, 0, 0);
	return m;
}

struct machine machine_start_i386(u32 code_selector)
{
	struct machine m = machine_create_i386(code_selector);

	if (ioctl(m.fd, CO_IOC_START, &m.start))
		die("START of an i386 guest");
	return m;
}

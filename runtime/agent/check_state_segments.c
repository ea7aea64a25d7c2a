/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Segment registers and what stands behind them: descriptors of the GDT that are a
 * process's own (TLS), an LDT, null selectors, and on x86_64 the bases that have no
 * descriptor. Each process has its own values, and its own data where they point to.
 *
 * The C library's own thread pointer is in one of these registers. So while ours are
 * loaded there is neither a call into the library nor a string instruction.
 */
#include <asm/ldt.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "check_state.h"

#ifndef MAP_32BIT
#define MAP_32BIT	0	/* i386: where else? */
#endif
#define PAGE		4096
#define WAITS		12

#define ARCH_SET_GS	0x1001
#define ARCH_SET_FS	0x1002
#define ARCH_GET_FS	0x1003
#define ARCH_GET_GS	0x1004

#define SELECTOR_GDT(entry)	((entry) * 8 | 3)
#define SELECTOR_LDT(entry)	((entry) * 8 | 4 | 3)

/* What one process has in its registers, and what it finds there later. */
struct segments {
	unsigned fs, gs;
	unsigned es, ds;	/* x86_64: unused by 64-bit code, and still to be kept */
	unsigned long fs_base, gs_base;	/* x86_64, instead of the selectors */
	uint32_t fs_word, gs_word;	/* at offset 0 */
};

/* How they are to be loaded, and what is to be looked at. */
#define BY_BASE		(1u << 0)
#define WORDS		(1u << 1)
#define DATA		(1u << 2)	/* es and ds, too */

#define SEGMENT(name)								\
static inline unsigned get_##name(void)						\
{										\
	unsigned v;								\
	__asm__ volatile("mov %%" #name ", %0" : "=r"(v));			\
	return v & 0xffff;							\
}										\
static inline void set_##name(unsigned v)					\
{										\
	__asm__ volatile("mov %0, %%" #name : : "r"(v) : "memory");		\
}
SEGMENT(fs)
SEGMENT(gs)
SEGMENT(es)
SEGMENT(ds)

static inline uint32_t fs_word(void)
{
	uint32_t v;

	__asm__ volatile("movl %%fs:0, %0" : "=r"(v) : : "memory");
	return v;
}

static inline uint32_t gs_word(void)
{
	uint32_t v;

	__asm__ volatile("movl %%gs:0, %0" : "=r"(v) : : "memory");
	return v;
}

#ifdef __x86_64__
static unsigned long get_base(long which)
{
	unsigned long base = 0;

	state_call(NR_ARCH_PRCTL, which, (long)&base, 0);
	return base;
}

static void load(const struct segments *s, unsigned how)
{
	if (how & BY_BASE) {
		state_call(NR_ARCH_PRCTL, ARCH_SET_FS, (long)s->fs_base, 0);
		state_call(NR_ARCH_PRCTL, ARCH_SET_GS, (long)s->gs_base, 0);
		return;
	}
	set_fs(s->fs);
	set_gs(s->gs);
	if (how & DATA) {
		set_es(s->es);
		set_ds(s->ds);
	}
}

static void look(struct segments *s, unsigned how)
{
	if (how & BY_BASE) {
		s->fs_base = get_base(ARCH_GET_FS);
		s->gs_base = get_base(ARCH_GET_GS);
	} else {
		s->fs = get_fs();
		s->gs = get_gs();
	}
	if (how & DATA) {
		s->es = get_es();
		s->ds = get_ds();
	}
}
#else
static void load(const struct segments *s, unsigned how)
{
	(void)how;
	set_fs(s->fs);
	set_gs(s->gs);
}

static void look(struct segments *s, unsigned how)
{
	(void)how;
	s->fs = get_fs();
	s->gs = get_gs();
}

/*
 * es, which C code needs: in one block, with a system call and what it may let in.
 * Returns the selector; `word` is what lies at its offset 0, if that is wanted.
 */
static unsigned __attribute__((noinline)) hold_es(unsigned es, unsigned how, uint32_t *word)
{
	unsigned long yields = 8;
	uint32_t found = 0;

	__asm__ volatile(
		"movl %[es], %%es\n"
		"1: movl $50000, %%ecx\n"
		"2: decl %%ecx; jnz 2b\n"
		"movl %[yield], %%eax; int $0x80\n"
		"decl %[yields]; jnz 1b\n"
		"testl %[words], %[how]; jz 3f\n"
		"movl %%es:0, %%eax; movl %%eax, %[found]\n"
		"3: movl %%es, %[es]\n"
		"movl %%ds, %%eax; movl %%eax, %%es\n"
		: [es] "+S"(es), [yields] "+m"(yields), [found] "+m"(found)
		: [how] "D"(how), [words] "i"(WORDS), [yield] "i"(NR_SCHED_YIELD)
		: "eax", "ecx", "memory", "cc");
	*word = found;
	return es & 0xffff;
}
#endif

/* Does es keep this selector, and lead to this word? x86_64's is looked at by look(). */
static int kept_in_es(const char *kind, int copy, unsigned want, unsigned how, uint32_t word)
{
#ifndef __x86_64__
	uint32_t found_word;
	unsigned found = hold_es(want, how, &found_word);

	if (found != want || found_word != word) {
		state_lost(kind, copy, "es %x, word %x; they were %x, %x", found, found_word,
			   want, word);
		return 0;
	}
#else
	(void)kind, (void)copy, (void)want, (void)how, (void)word;
#endif
	return 1;
}

/* The same in every field that counts? */
static int same(const struct segments *a, const struct segments *b)
{
	return a->fs == b->fs && a->gs == b->gs && a->es == b->es && a->ds == b->ds &&
	       a->fs_base == b->fs_base && a->gs_base == b->gs_base &&
	       a->fs_word == b->fs_word && a->gs_word == b->gs_word;
}

/* Load, wait, look, wait, look, ... and put back what the C library had there. */
static int __attribute__((noinline))
turn(const struct segments *want, struct segments *found, unsigned how)
{
	struct segments own = { .fs = get_fs(), .gs = get_gs(), .es = get_es(), .ds = get_ds() };
	int kept = 1;

#ifdef __x86_64__
	own.fs_base = get_base(ARCH_GET_FS);
	own.gs_base = get_base(ARCH_GET_GS);
#endif
	load(want, how);
	for (unsigned i = 0; i < WAITS && kept; i++) {
		state_wait(i);
		look(found, how);
		if (how & WORDS) {
			found->fs_word = fs_word();
			found->gs_word = gs_word();
		}
		kept = same(want, found);
	}
	load(&own, how & DATA);
#ifdef __x86_64__
	load(&own, BY_BASE);
#endif
	return kept;
}

static int tell_lost(const char *kind, int copy, const struct segments *want,
		     const struct segments *found)
{
	return state_lost(kind, copy, "fs %x gs %x es %x ds %x, bases %lx %lx, words %x %x; they "
			  "were %x %x %x %x, %lx %lx, %x %x", found->fs, found->gs, found->es,
			  found->ds, found->fs_base, found->gs_base, found->fs_word,
			  found->gs_word, want->fs, want->gs, want->es, want->ds, want->fs_base,
			  want->gs_base, want->fs_word, want->gs_word);
}

/* ---- pages for segments to point to ---- */

#define BLOCKS		4

/* A page a segment, full of a word that no other process and no other page has; and one
 * for descriptors. Within 32 bits, but where `flags` has no MAP_32BIT. */
struct room {
	uint32_t block[BLOCKS][PAGE / 4];
	struct user_desc desc;
};

static struct room *room_of(int flags)
{
	struct room *room = mmap(NULL, sizeof(*room), PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (room == MAP_FAILED)
		return NULL;
	for (int b = 0; b < BLOCKS; b++)
		for (int i = 0; i < PAGE / 4; i++)
			room->block[b][i] = (uint32_t)getpid() << 8 | (uint32_t)b << 4 | 0xb;
	return room;
}

static void describe(struct room *room, unsigned entry, int block)
{
	memset(&room->desc, 0, sizeof(room->desc));
	room->desc.entry_number = entry;
	room->desc.base_addr = (unsigned)(unsigned long)room->block[block];
	room->desc.limit = PAGE - 1;
	room->desc.seg_32bit = 1;
	room->desc.useable = 1;
}

/* ---- TLS: entries of the GDT ---- */

/* Give entry (~0: any that is free) a block; its number, or what the kernel said. */
static long set_tls(struct room *room, unsigned entry, int block)
{
	long error;

	describe(room, entry, block);
	error = state_call32(NR32_SET_THREAD_AREA, (long)&room->desc, 0, 0);
	return error ? error : (long)room->desc.entry_number;
}

int state_tls(int copy, double until, long *rounds)
{
	struct segments want = { 0 }, found = { 0 };
	struct room *room = room_of(MAP_32BIT);
	long a, b;

	if (!room)
		return state_lost("tls", copy, "no memory");
	if (!state_has_gate32())
		return STATE_ABSENT;
	a = set_tls(room, ~0u, 0);
	b = a > 0 ? set_tls(room, ~0u, 1) : a;
	if (a == -38)	/* ENOSYS, whatever the host's errno.h says */
		return STATE_ABSENT;
	if (b < 0)
		return state_lost("tls", copy, "set_thread_area: %ld, %ld", a, b);
	want.fs = SELECTOR_GDT((unsigned)a);
	want.gs = SELECTOR_GDT((unsigned)b);
	for (; check_now() < until; ++*rounds) {
		int odd = *rounds & 1;

		if (set_tls(room, (unsigned)a, odd) != a || set_tls(room, (unsigned)b, 2 + odd) != b)
			return state_lost("tls", copy, "entries %ld and %ld cannot be set anew", a, b);
		want.fs_word = room->block[odd][0];
		want.gs_word = room->block[2 + odd][0];
		if (!turn(&want, &found, WORDS))
			return tell_lost("tls", copy, &want, &found);
	}
	return STATE_KEPT;
}

/* ---- the LDT ---- */

/* Entry 0 is the C library's on kernels that have no TLS. */
#define LDT_FS	3u
#define LDT_GS	5u

static long set_ldt(struct room *room, unsigned entry, int block)
{
	describe(room, entry, block);
	/* function 1: write, as the oldest kernels know it. The answer has 32 bits. */
	return (int)state_call(NR_MODIFY_LDT, 1, (long)&room->desc, sizeof(room->desc));
}

int state_ldt(int copy, double until, long *rounds)
{
	struct segments want = { .fs = SELECTOR_LDT(LDT_FS), .gs = SELECTOR_LDT(LDT_GS) };
	struct segments found = { 0 };
	struct room *room = room_of(MAP_32BIT);
	unsigned how = WORDS;
	long error;

	if (!room)
		return state_lost("ldt", copy, "no memory");
#ifdef __x86_64__
	how |= DATA;
	want.es = want.gs;
	want.ds = want.fs;
#endif
	for (; check_now() < until; ++*rounds) {
		int odd = *rounds & 1;

		error = set_ldt(room, LDT_FS, odd);
		if (error == -38)
			return STATE_ABSENT;
		if (error || set_ldt(room, LDT_GS, 2 + odd))
			return state_lost("ldt", copy, "modify_ldt: %ld", error);
		want.fs_word = room->block[odd][0];
		want.gs_word = room->block[2 + odd][0];
		if (!turn(&want, &found, how))
			return tell_lost("ldt", copy, &want, &found);
		if (!kept_in_es("ldt", copy, want.gs, WORDS, want.gs_word))
			return STATE_LOST;
	}
	return STATE_KEPT;
}

/* ---- flat and null selectors, the other way round in every second process ---- */

int state_segments(int copy, double until, long *rounds)
{
	unsigned flat, how = 0;
	struct segments want = { 0 }, found = { 0 };

	__asm__("mov %%ss, %0" : "=r"(flat));
	flat &= 0xffff;
	want.fs = copy & 1 ? flat : 0;
	want.gs = copy & 1 ? 0 : flat;
#ifdef __x86_64__
	how = DATA;
	want.es = copy & 1 ? 0 : flat;
	want.ds = copy & 1 ? flat : 0;
#endif
	for (; check_now() < until; ++*rounds) {
		if (!turn(&want, &found, how))
			return tell_lost("segments", copy, &want, &found);
		if (!kept_in_es("segments", copy, want.gs, 0, 0))
			return STATE_LOST;
	}
	return STATE_KEPT;
}

/* ---- bases without a descriptor; for low ones Linux 2.6 takes descriptors ---- */

#ifdef __x86_64__
int state_bases(int copy, double until, long *rounds)
{
	struct room *room = room_of(copy & 1 ? MAP_32BIT : 0);
	struct segments want = { 0 }, found = { 0 };

	if (!room)
		return state_lost("bases", copy, "no memory");
	for (; check_now() < until; ++*rounds) {
		int odd = *rounds & 1;

		want.fs_base = (unsigned long)room->block[odd];
		want.gs_base = (unsigned long)room->block[2 + odd];
		want.fs_word = room->block[odd][0];
		want.gs_word = room->block[2 + odd][0];
		if (!turn(&want, &found, BY_BASE | WORDS))
			return tell_lost("bases", copy, &want, &found);
	}
	return STATE_KEPT;
}
#endif

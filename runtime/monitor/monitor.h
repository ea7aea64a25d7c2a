/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The monitor: the host-independent part of the driver.
 *
 * A virtual machine is a coroutine of the host's thread that calls co_vm_run.
 * This header holds the machine's structure and what the files here offer to
 * each other and to the host's glue; os.h is what they ask of it. To read the
 * monitor, start with vm.c (a machine's life), then run.c (its days).
 */
#ifndef CO_MONITOR_H
#define CO_MONITOR_H

#include "co_types.h"
#include "os.h"
#include "../abi/colinux_ioctl.h"
#include "co_state.h"

#ifndef CO_RELEASE
#define CO_RELEASE	"development"	/* the pipeline gives the version */
#endif

/* ---- paging.c: the intermediate page table ---- */

/* A format of page tables: levels, bits of an address that index each, bytes of
 * an entry, flags of an entry that leads to another table, and of the root's. */
struct co_paging { u32 levels, index_bits, entry_bytes, table_flags, root_flags; };
extern const struct co_paging co_paging_2level, co_paging_pae, co_paging_4level,
	co_paging_5level;

struct co_table { u64 phys; void *entries; };

struct co_ipt {
	const struct co_paging *format;
	u32 low;		/* below 4 GiB */
	u32 ntables, max_tables;
	struct co_table *table;	/* [0] is the root */
};

int co_ipt_create(struct co_ipt *ipt, const struct co_paging *format, u32 low,
		  const struct co_range *range, u32 nranges);
int co_ipt_map_page(struct co_ipt *ipt, u64 va, u64 phys);
void co_ipt_unmap(struct co_ipt *ipt, u64 phys, u64 bytes);
void co_ipt_destroy(struct co_ipt *ipt);

/* ---- fpu.c: the guest's FPU, SSE, AVX state ---- */

struct co_fpu {
	void *area;		/* XSAVE's standard format, or FXSAVE's */
	u32 pages;
	u32 fxsr;		/* the CPU has FXSAVE: every one of 64 bits does */
	u32 xsave;		/* the host uses XSAVE */
	u32 narrow;		/* a 32-bit guest's: instruction pointers have selectors */
	u64 xcr0;		/* the guest's */
	u64 host_xcr0;		/* while the guest's state is loaded */
	u32 host_pkru;
	u32 host_pke;
};

int co_fpu_create(struct co_fpu *fpu, u32 narrow);
void co_fpu_destroy(struct co_fpu *fpu);
void co_fpu_load(struct co_fpu *fpu);	/* context fpu */
void co_fpu_save(struct co_fpu *fpu);

/* ---- a virtual machine ---- */

enum co_vm_state {
	CO_VM_NEW,		/* opened */
	CO_VM_CREATED,		/* has memory */
	CO_VM_STARTED,		/* RUN may be called */
	CO_VM_ENDED		/* the guest is over; only close remains */
};

struct co_vm {
	/*
	 * Changed by CREATE, START and the running thread; the glue's lock keeps
	 * the first two apart from everything else. Read anywhere.
	 */
	u32 state;
	u32 running;		/* a thread is in RUN */
	u32 kicked;		/* RUN shall return */
	u32 in_guest;		/* its CPU needs an interrupt to notice anything */

	struct co_chunk *chunks;		/* guest memory (pool.c's lock) */
	struct co_range range[CO_MAX_RANGES];	/* the same, ascending */
	u32 nranges;
	/* The balloon, chunk.c; the running thread's: */
	struct co_chunk *given;			/* was guest memory; the host's now */
	u32 asked;				/* CO_CHUNK_* in the last CO_R_CHUNK; 0: answered */
	u64 asked_phys;
	u64 entry;				/* x86_64: where it was started */

	const struct co_way *way;	/* between its world and the host's */
	struct co_ipt ipt;
	struct co_ipt ipt32;	/* way->identity: the same in the guest's format */
	struct co_fpu fpu;
	void *area;		/* pages 1.. of the shared area; way->identity: page 0, too */
	u64 code_phys;
	u64 area_phys;		/* of page 1 */
	struct co_state *st;
	struct co_comm *comm;

	u32 last_reason;	/* why the guest left last */
	u64 armed;		/* the deadline that the host's timer is set to */
	u32 tsc_khz;
	struct co_stats stats;	/* its _ns fields count TSC ticks in here */
	struct co_snapshot *snapshot;	/* selfcheck.c; NULL: not asked for */
};

/* vm.c. The glue serialises create, start and destroy of one machine with its
 * own lock; run is one thread's at a time (checked here); the others are any
 * thread's at any time. Each returns 0 or CO_E_*. Context sleep, run: thread. */
int co_vm_create(struct co_vm *vm, struct co_create *arg);
int co_vm_start(struct co_vm *vm, const struct co_start *arg);
int co_vm_run(struct co_vm *vm, struct co_run *arg);
int co_vm_irq(struct co_vm *vm, const struct co_irq *arg);
int co_vm_kick(struct co_vm *vm);
int co_vm_balloon(struct co_vm *vm, const struct co_balloon *arg);
void co_vm_stats(struct co_vm *vm, struct co_stats *out);
void co_vm_wall(struct co_vm *vm);	/* the host's clock has jumped */
void co_vm_destroy(struct co_vm *vm);
/* chunk.c: as run, of which it is an answer; the glue's lock is held, too. */
int co_vm_chunk(struct co_vm *vm, const struct co_chunk_op *arg);
/* Does [phys, phys + bytes) lie in one range of the machine's memory? */
int co_vm_owns(const struct co_vm *vm, u64 phys, u64 bytes);
/* A guest that sees its memory from 0 on without holes: see colinux_abi.h. */
int co_vm_is_pseudo_physical(const struct co_vm *vm);
/* Is there a reason not to sleep? For co_os_idle. */
int co_vm_awake(const struct co_vm *vm);
/* Set the guest's wall clock; the guest does not run meanwhile or re-reads. */
void co_set_wall(struct co_comm *comm);

/* ---- host.c: which hosts can carry which guests ---- */

/* Can this host carry a guest with these co_note.flags? 0, or CO_E_HOST and the
 * reason in the log. */
int co_host_check(u32 note_flags);
/* The same for what may change later; context any. Not 0: no passage now. */
int co_host_in_the_way(const struct co_way *way);
void co_host_explain(void);	/* why not, in the log */
const struct co_paging *co_host_paging(void);

/* ---- world.c: what a guest starts with, and the ways to it ---- */

#define CO_NOTE_MODE	(CO_NOTE_I386 | CO_NOTE_PAE)	/* of co_note.flags */

/* How one passage's page gets from a host to a guest in another mode, or the same. */
struct co_way {
	u32 mode;			/* co_note.flags & CO_NOTE_MODE of its guests */
	const struct co_paging *host;	/* NULL: whichever the host has */
	const struct co_paging *guest;	/* identity: its guests' */
	u32 identity;			/* over identity addresses, below 4 GiB */
	u32 hop;			/* and paging is off there for a while */
	char *code;			/* the passage's page */
	char *nmi, *mce;		/* handlers in it, for 64-bit code, */
	char *nmi32, *mce32;		/* for 32-bit code, */
	char *boot_nmi, *boot_mce;	/* and until the guest has its own */
};

/* NULL: there is none to guests with these flags. */
const struct co_way *co_way_to(u32 note_flags);

void co_worlds_create(struct co_vm *vm, u64 area_va);
/* Where the very first passage leads to. */
void co_world_enter(struct co_vm *vm, const struct co_start *start);

/* ---- pool.c: guest memory, kept until the driver goes ---- */

extern u32 co_pool_scatter;	/* test: no two chunks beside the image adjacent */

#define CO_ANYWHERE	(~0ull)
#define CO_BELOW_4GIB	(1ull << 32)
int co_pool_take(struct co_vm *vm, u64 chunks, u64 run, u64 limit, struct co_range *range,
		 u32 *nranges);
void co_pool_give(struct co_vm *vm);
/* Of a machine's own, for good: out of its memory and of the pool; and back. vm->range follows. */
int co_pool_remove(struct co_vm *vm, u64 phys, struct co_chunk **chunk);
int co_pool_insert(struct co_vm *vm, struct co_chunk *chunk);
int co_pool_control(struct co_pool *arg);
void co_pool_count(u64 *chunks, u64 *used);
void co_pool_destroy(void);	/* no machine is left */

/* ---- selfcheck.c: is the host the same after a crossing? ---- */

extern u32 co_selfcheck;		/* 1: look (tests) */
extern u32 co_selfcheck_crossings, co_selfcheck_differences;

int co_snapshot_create(struct co_vm *vm);
void co_snapshot_destroy(struct co_vm *vm);
void co_snapshot_before(struct co_vm *vm);	/* context irq-off */
void co_snapshot_after(struct co_vm *vm);

/* ---- passage.S, passage6432.S, passage32.S, reissue.S, reissue32.S ---- */

#if defined(__i386__)
#define CO_ASM __attribute__((regparm(0), cdecl))	/* Linux's own default is regparm(3) */
void CO_ASM co_passage32_enter(void *state);
extern char co_passage32[], co_passage32_nmi[], co_passage32_mce[];
void CO_ASM co_reissue(u32 vector);
void CO_ASM co_reissue_open(u32 vector);
#else
#define CO_ASM __attribute__((sysv_abi))	/* MinGW's default is another one */
void CO_ASM co_passage(void *state, u64 from, u64 to);
extern char co_passage_nmi[], co_passage_mce[], co_boot_nmi[], co_boot_mce[], co_boot_entry[];
void CO_ASM co_passage6432_enter(void *state, u64 from, u64 to);
extern char co_passage6432[], co_passage6432_nmi[], co_passage6432_mce[];
extern char co_passage6432_nmi32[], co_passage6432_mce32[];
void CO_ASM co_reissue(u64 vector);
void CO_ASM co_reissue_open(u64 vector);
#endif
void CO_ASM co_unblock_nmi(void);

#endif /* CO_MONITOR_H */

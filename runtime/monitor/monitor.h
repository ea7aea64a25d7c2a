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
#define CO_RELEASE	"0.8.0"
#endif

/* ---- paging.c: the intermediate page table ---- */

struct co_table { u64 phys; u64 *entry; };

struct co_ipt {
	u32 levels;		/* the host's: 4 or 5 */
	u32 ntables, max_tables;
	struct co_table *table;	/* [0] is the root */
};

int co_ipt_create(struct co_ipt *ipt, u32 levels, const struct co_range *range, u32 nranges);
int co_ipt_map_page(struct co_ipt *ipt, u64 va, u64 phys);
void co_ipt_destroy(struct co_ipt *ipt);

/* ---- fpu.c: the guest's FPU, SSE, AVX state ---- */

struct co_fpu {
	void *area;		/* XSAVE's standard format, or FXSAVE's */
	u32 pages;
	u32 xsave;		/* the host uses XSAVE */
	u64 xcr0;		/* the guest's */
	u64 host_xcr0;		/* while the guest's state is loaded */
	u32 host_pkru;
	u32 host_pke;
};

int co_fpu_create(struct co_fpu *fpu);
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

	struct co_ipt ipt;
	struct co_fpu fpu;
	u64 code_phys;
	u64 area_phys;		/* pages 1.. of the shared area */
	struct co_state *st;
	struct co_comm *comm;

	u32 last_reason;	/* why the guest left last */
	u64 armed;		/* the deadline that the host's timer is set to */
	u32 tsc_khz;
	struct co_stats stats;	/* its _ns fields count TSC ticks in here */
	struct co_snapshot *snapshot;	/* selfcheck.c; NULL: not asked for */
};

#define CO_AREA_DATA_PAGES (CO_AREA_PAGES - 1)	/* without the code */

/* vm.c. The glue serialises create, start and destroy of one machine with its
 * own lock; run is one thread's at a time (checked here); the others are any
 * thread's at any time. Each returns 0 or CO_E_*. Context sleep, run: thread. */
int co_vm_create(struct co_vm *vm, struct co_create *arg);
int co_vm_start(struct co_vm *vm, const struct co_start *arg);
int co_vm_run(struct co_vm *vm, struct co_run *arg);
int co_vm_irq(struct co_vm *vm, const struct co_irq *arg);
int co_vm_kick(struct co_vm *vm);
void co_vm_stats(struct co_vm *vm, struct co_stats *out);
void co_vm_wall(struct co_vm *vm);	/* the host's clock has jumped */
void co_vm_destroy(struct co_vm *vm);
/* Does [phys, phys + bytes) lie in one range of the machine's memory? */
int co_vm_owns(const struct co_vm *vm, u64 phys, u64 bytes);
/* Is there a reason not to sleep? For co_os_idle. */
int co_vm_awake(const struct co_vm *vm);
/* Set the guest's wall clock; the guest does not run meanwhile or re-reads. */
void co_set_wall(struct co_comm *comm);

/* ---- world.c: what a guest starts with ---- */

/* Can this host carry a guest with these co_note.flags? 0, or CO_E_HOST and the
 * reason in the log. */
int co_host_check(u32 note_flags);
u32 co_host_levels(void);
void co_worlds_create(struct co_vm *vm, u64 area_va);
/* Where the very first passage leads to. */
void co_world_enter(struct co_state *st, u64 entry, u64 boot_params);

/* ---- pool.c: guest memory, kept until the driver goes ---- */

extern u32 co_pool_scatter;	/* test: no two chunks beside the image adjacent */

int co_pool_take(struct co_vm *vm, u64 chunks, u64 run, struct co_range *range, u32 *nranges);
void co_pool_give(struct co_vm *vm);
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

/* ---- passage.S, reissue.S ---- */

#define CO_SYSV __attribute__((sysv_abi))	/* MinGW's default is another one */
void CO_SYSV co_passage(void *state, u64 from, u64 to);
void CO_SYSV co_reissue(u64 vector);
void CO_SYSV co_reissue_open(u64 vector);
void CO_SYSV co_unblock_nmi(void);
extern char co_passage_nmi[], co_passage_mce[], co_boot_nmi[], co_boot_mce[], co_boot_entry[];

#endif /* CO_MONITOR_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the daemon asks of the host driver, on every host.
 *
 * One open file is one virtual machine. Its life:
 *
 *	open -> CREATE -> (mmap, load) -> START -> RUN, RUN, ... -> close
 *
 * Every structure begins with its own size, checked before any other field is
 * read; reserved fields must be zero. RUN belongs to one thread at a time;
 * IRQ, KICK, STATS and BALLOON may be called by any thread of the owner meanwhile. CHUNK
 * is an answer to a RUN, and excludes it. The owner is
 * the opener; on Linux hosts, where a file can be passed on before it is used, the
 * process that makes the first request.
 * The last close (and the last unmap) gives everything back.
 *
 * Errors, in the host's own codes; the names are Linux's: EINVAL size or a
 * field's value, EBUSY wrong state or RUN already running, ENOTTY unknown
 * request, EFAULT bad user pointer, EPERM not the owner, ENOMEM, EINTR a
 * signal came while the guest ran (call again), ENODEV the guest has ended,
 * EOPNOTSUPP this host cannot run this guest (its log says why), or has no balloon
 * for such a guest.
 */
#ifndef COLINUX_IOCTL_H
#define COLINUX_IOCTL_H

#include "colinux_abi.h"

#define CO_CHUNK_SIZE		(1ull << CO_CHUNK_SHIFT)
#define CO_MEM_MIN		(16ull << 20)
#define CO_MEM_MAX		(64ull << 30)
#define CO_MEM_MAX_I386		(CO_P2M_MAX * CO_CHUNK_SIZE)
/* The zero page holds 128 e820 entries; the loader needs a few for itself. */
#define CO_MAX_RANGES		120u

/* mmap offsets. An x86_64 guest's memory is mapped at its real physical address,
 * which never lies below 1 MiB; so the offsets there name the shared area. An
 * i386 guest's memory is mapped at its guest-physical address, behind an offset
 * that stands for 0; its chunks then lie side by side. (All of that below 2 GiB:
 * 32-bit Linux hosts accept no offset beyond 4 GiB, some programs none beyond 2.) */
#define CO_MMAP_COMM		0x0ull		/* 1 page, read-only */
#define CO_MMAP_DEVICES		0x1000ull	/* CO_DEVICE_PAGES pages */
#define CO_MMAP_I386		0x40000000ull	/* i386 only: [0, mem_bytes) */

struct co_version {
	u32 size;
	u32 abi_version;	/* out: CO_ABI_VERSION */
	char release[56];	/* out: the driver's release, NUL-terminated */
};
CO_CHECK(sizeof(struct co_version) == 64, ioc_version_size);

struct co_range {
	u64 start, bytes;	/* real physical addresses */
};

struct co_create {
	u32 size;
	u32 note_flags;		/* of the kernel: co_note.flags */
	u64 mem_bytes;		/* rounded up to whole chunks */
	u64 area_va;		/* of the kernel: co_note.area_va */
	u64 image_bytes;	/* one contiguous run of this much is needed, 2 MiB aligned;
				 * 0: none, as always for i386 */
	/* out: */
	u64 code_phys;		/* page 0 of the shared area */
	u64 area_phys;		/* page 1 of it; the rest follows */
	u32 nranges;
	u32 reserved;
	/* Disjoint; x86_64: ascending; i386: in guest-physical order, below 4 GiB. */
	struct co_range range[CO_MAX_RANGES];
};
CO_CHECK(sizeof(struct co_create) == 56 + 16 * CO_MAX_RANGES, ioc_create_size);

/*
 * x86_64: entry and boot_params are physical, in guest memory, the rest is 0.
 * i386: they are virtual addresses of the guest's; so are boot32 and
 * boot_params' whole pages. See struct co_boot32.
 */
struct co_start {
	u32 size;
	u32 code_selector;	/* i386: co_note.code_selector */
	u64 entry;		/* x86_64: startup_64 */
	u64 boot_params;
	u64 boot32;		/* i386: of struct co_boot32, page-aligned */
	u64 root;		/* i386: real address of the filled page directory: CR3 */
};
CO_CHECK(sizeof(struct co_start) == 40, ioc_start_size);

struct co_run {
	u32 size;
	u32 reason;		/* out: CO_R_* */
	u64 arg[2];		/* out: a copy of co_comm.arg */
};
CO_CHECK(sizeof(struct co_run) == 24, ioc_run_size);

struct co_irq {
	u32 size;
	u32 events;		/* CO_EVENT_* to add; implies CO_VIRQ_EVENT */
	u32 pending[CO_PENDING_WORDS];	/* virtual interrupts to raise */
};
CO_CHECK(sizeof(struct co_irq) == 16, ioc_irq_size);

struct co_stats {
	u32 size;
	u32 reserved;
	/* out, of this virtual machine: */
	u64 switches, irqs, nmis, mces, idles, doorbells;
	u64 nmis_in_passage, mces_in_passage;
	u64 fpu_switches;
	u64 idle_ns, guest_ns;
	/* out, of the driver: its memory pool, kept across guests */
	u64 pool_chunks, pool_chunks_used;
};
CO_CHECK(sizeof(struct co_stats) == 8 + 13 * 8, ioc_stats_size);

struct co_pool {
	u32 size;
	u32 op;			/* CO_POOL_* */
	u64 chunks;		/* in: wanted (RESERVE); out: what the pool now holds */
};
CO_CHECK(sizeof(struct co_pool) == 16, ioc_pool_size);
#define CO_POOL_TRIM		1u	/* give back what no guest uses */
#define CO_POOL_RESERVE		2u	/* allocate early, before memory fragments */

/*
 * The answer to CO_R_CHUNK, with what the guest asked; EBUSY if it did not. GIVE: the caller
 * has the chunk mapped nowhere any more (what is left of mappings is taken away), and cannot map it. TAKE: it
 * can map it again. ENOMEM: the guest keeps what it has; EINVAL: it is none of the guest's that could
 * go or come. i386 guests' chunks neither come nor go; on NT the request is unknown.
 */
struct co_chunk_op {
	u32 size;
	u32 op;			/* CO_CHUNK_GIVE, CO_CHUNK_TAKE */
	u64 phys;
};
CO_CHECK(sizeof(struct co_chunk_op) == 16, ioc_chunk_size);

/* Sets co_comm.balloon and tells the guest. EINVAL: more than any guest has. */
struct co_balloon {
	u32 size;
	u32 chunks;		/* or CO_BALLOON_AUTO */
};
CO_CHECK(sizeof(struct co_balloon) == 8, ioc_balloon_size);

/* Request numbers; each host wraps them in its own encoding. */
#define CO_NR_VERSION		1
#define CO_NR_CREATE		2
#define CO_NR_START		3
#define CO_NR_RUN		4
#define CO_NR_IRQ		5
#define CO_NR_KICK		6	/* no argument: RUN returns CO_R_KICKED */
#define CO_NR_STATS		7
#define CO_NR_POOL		8
#define CO_NR_CHUNK		9	/* these two: Linux hosts */
#define CO_NR_BALLOON		10

#ifdef __linux__
#include <linux/ioctl.h>
#define CO_DEVICE_PATH		"/dev/colinux"
#define CO_IOC_VERSION		_IOWR('C', CO_NR_VERSION, struct co_version)
#define CO_IOC_CREATE		_IOWR('C', CO_NR_CREATE, struct co_create)
#define CO_IOC_START		_IOW('C', CO_NR_START, struct co_start)
#define CO_IOC_RUN		_IOWR('C', CO_NR_RUN, struct co_run)
#define CO_IOC_IRQ		_IOW('C', CO_NR_IRQ, struct co_irq)
#define CO_IOC_KICK		_IO('C', CO_NR_KICK)
#define CO_IOC_STATS		_IOWR('C', CO_NR_STATS, struct co_stats)
#define CO_IOC_POOL		_IOWR('C', CO_NR_POOL, struct co_pool)
#define CO_IOC_CHUNK		_IOW('C', CO_NR_CHUNK, struct co_chunk_op)
#define CO_IOC_BALLOON		_IOW('C', CO_NR_BALLOON, struct co_balloon)
#endif

#endif /* COLINUX_IOCTL_H */

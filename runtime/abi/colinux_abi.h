/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one agreement between the guest kernel, the host driver and the daemon.
 *
 * A guest and its host meet in the *shared area*: CO_AREA_PAGES pages that the
 * guest maps at one fixed virtual address in every address space (its fixmap),
 * in ascending order:
 *
 *	page 0			the passage: the world switch's code (read-only)
 *	page 1			struct co_state: both worlds' saved contexts
 *	page 2			struct co_comm: what a switch is about
 *	page 3 .. 3+N-1		struct co_vdev[]: the virtio devices' registers
 *
 * Page 0 lies apart in physical memory (it is the driver's own text, or a copy of
 * it below 4 GiB); pages 1.. are physically contiguous from co_create.area_phys on.
 *
 * Whatever the guest writes here is hostile to its reader: the driver and the
 * daemon copy a field once, check the copy and use the copy.
 *
 * This file is compiled by the guest's kernel, by each host's kernel compiler
 * (gcc for Linux, MinGW for Windows) and by the daemon's, in 32 and 64 bits;
 * so it has fixed-width fields, explicit padding and no pointer. The includer
 * defines u8, u16, u32 and u64 first (colinux_types.h does it for user mode).
 * The oldest compiler is gcc 3.4 (-std=gnu89, for Linux 2.4), and on i386 a u64
 * is aligned to 4 bytes only: so every u64 lies at a multiple of 8 by itself,
 * and every structure's size is checked.
 *
 * An x86_64 guest's physical addresses are real ones. An i386 guest's are
 * *pseudo-physical*: it sees memory from 0 on without holes, and chunk i of it,
 * CO_CHUNK_SIZE long, lies at the real address p2m[i] (struct co_boot32). Only its
 * page tables and CR3 hold real addresses; "guest-physical" below means real
 * for x86_64, pseudo-physical for i386.
 */
#ifndef COLINUX_ABI_H
#define COLINUX_ABI_H

#define CO_ABI_VERSION		3u

/* boot_params.hdr.hardware_subarch of a cooperative guest; "CO" */
#define CO_SUBARCH		0x434fu

#define CO_PAGE_SIZE		4096u
#define CO_DEVICE_PAGES		4u
#define CO_AREA_PAGES		(3u + CO_DEVICE_PAGES)
#define CO_AREA_CODE		0u	/* page numbers within the area */
#define CO_AREA_STATE		1u
#define CO_AREA_COMM		2u
#define CO_AREA_DEVICES		3u

/*
 * Why the guest came to the host: co_comm.reason, before a switch.
 * IRQ, NMI and MCE are re-issued by the driver on the host's live IDT; IDLE is
 * slept out in the driver; the rest is for the daemon, as is.
 */
#define CO_R_NONE		0u
#define CO_R_IRQ		1u	/* arg[0] = vector, 0x10..0xff */
#define CO_R_NMI		2u
#define CO_R_MCE		3u
#define CO_R_IDLE		4u	/* until the deadline or a virtual interrupt */
#define CO_R_NOP		5u	/* benchmark: resume at once */
#define CO_R_DOORBELL		6u	/* arg[0] = device, arg[1] = queue or CO_Q_STATUS */
#define CO_R_CONSOLE		7u	/* text[0..text_len): early console output */
#define CO_R_SHUTDOWN		8u	/* power-off */
#define CO_R_RESTART		9u
#define CO_R_HALT		10u	/* halt: stop, but nobody asked for power-off */
#define CO_R_PANIC		11u	/* text = the panic's message */
#define CO_R_CHUNK		12u	/* arg[0] = CO_CHUNK_*, arg[1] = the chunk's physical address */
/* never set by a guest: what RUN may return besides */
#define CO_R_KICKED		64u	/* CO_IOC_KICK, or a time slice's end on hosts that need one */
#define CO_R_BAD		65u	/* the guest left with a reason the driver does not know */

/*
 * The balloon: what is asked with CO_R_CHUNK, by x86_64 guests only. GIVE: this chunk is the
 * host's from now on; the guest has it mapped nowhere. TAKE: the guest wants this chunk back, which it gave
 * before; it comes zeroed, or not at all while somebody else has it. The answer is in co_comm.chunk
 * when the guest goes on: the guest writes CO_CHUNK_REFUSED there before it leaves, and
 * the driver CO_CHUNK_DONE over it.
 */
#define CO_CHUNK_GIVE		1u
#define CO_CHUNK_TAKE		2u
#define CO_CHUNK_REFUSED	0u
#define CO_CHUNK_DONE		1u

/* co_comm.balloon: so many chunks are to be with the host; or as many as the guest can spare. */
#define CO_BALLOON_AUTO		0xffffffffu

/* The second argument of CO_R_DOORBELL when status was written, not a queue. */
#define CO_Q_STATUS		0xffffffffu

/*
 * Virtual interrupts: bits of co_comm.pending[], set atomically by the host
 * side, taken by the guest with an atomic exchange on every way in.
 */
#define CO_VIRQ_TIMER		0u	/* the deadline has passed */
#define CO_VIRQ_EVENT		1u	/* look at co_comm.events */
#define CO_VIRQ_DEVICE(n)	(8u + (n))
#define CO_NR_VDEV		32u
#define CO_NR_VIRQ		(8u + CO_NR_VDEV)	/* 40: two words */
#define CO_PENDING_WORDS	2u

/* co_comm.events: sticky requests of the host, cleared by the guest's exchange */
#define CO_EVENT_POWER		(1u << 0)	/* power button: please shut down */
#define CO_EVENT_WALL		(1u << 1)	/* wall_* changed (host slept) */
#define CO_EVENT_BALLOON	(1u << 2)	/* balloon changed */

#define CO_TEXT_SIZE		2048u
#define CO_NO_DEADLINE		(~0ull)

#define CO_VQ_MAX		6u
#define CO_VDEV_SIZE		512u
#define CO_VDEV_CONFIG_SIZE	256u

/* co_vdev.isr, as in virtio's ISR status */
#define CO_ISR_QUEUE		1u
#define CO_ISR_CONFIG		2u

/* co_note.flags */
#define CO_NOTE_LA57		(1u << 0)	/* the guest can run with 5-level paging */
#define CO_NOTE_I386		(1u << 1)	/* 32-bit paging, two levels; pseudo-physical */
#define CO_NOTE_PAE		(1u << 2)	/* with I386: PAE paging, three levels */
#define CO_NOTE_BELOW_4G	(1u << 3)	/* all of its memory has to lie below 4 GiB */
#define CO_NOTE_BALLOON		(1u << 4)	/* not with I386: looks at co_comm.balloon, gives and takes chunks */

/* co_note.code_selector */
#define CO_SELECTOR_24		0x10u		/* Linux 2.4's __KERNEL_CS on i386 */
#define CO_SELECTOR_26		0x60u		/* and 2.6's */

/* A chunk of guest memory: physically contiguous, naturally aligned. */
#define CO_CHUNK_SHIFT		22
#define CO_P2M_MAX		256u	/* chunks of an i386 guest: 1 GiB */
#define CO_BOOT32_MAGIC		0x32334f43u	/* "CO32" */

/* The ELF note of a cooperative kernel: owner "colinux", this type. */
#define CO_NOTE_OWNER		"colinux"
#define CO_NOTE_TYPE		1u

/* The note's name as it lies in the file: eight bytes with its NUL. */
#define CO_NOTE_OWNER_SIZE	8u

#ifndef __ASSEMBLY__

#define CO_CHECK(cond, name) typedef char co_check_##name[(cond) ? 1 : -1] __attribute__((unused))

/*
 * Descriptor of CO_NOTE_TYPE. The loader fills the image's own page table of
 * the area before the first instruction runs, so that the earliest exception can
 * leave to the host.
 *
 * An i386 kernel starts with paging on, at its own virtual addresses: a segment
 * goes to guest-physical p_vaddr - page_offset, and the loader fills the page
 * directory, too: with large pages of the guest's memory from page_offset on (at
 * most 896 MiB of it), and an entry for the page table of area_pte. With PAE, a page
 * directory for each GiB from page_offset's on. The last four fields are 0 in an
 * x86_64 kernel's note: e_entry, p_paddr and the boot protocol say it all.
 */
struct co_note {
	u32 abi_version;
	u32 flags;
	u64 area_va;	/* where the guest maps the shared area, CO_AREA_PAGES long */
	u64 area_pte;	/* link-time physical address of the page-table entry of
			 * page 0; the entries of pages 1.. follow, ascending. i386:
			 * in a page-aligned page of the image that is all this table's */
	u64 entry;	/* i386: virtual address of the first instruction */
	u64 root;	/* i386: guest-physical address of the page directory; with PAE,
			 * of the page with the table of page-directory pointers,
			 * after which the page directories follow */
	u32 code_selector; /* i386: the kernel's CS, 0x10 or 0x60; CS + 8 is its data segment */
	u32 page_offset; /* i386: virtual address of guest-physical 0, e.g. 0xc0000000 */
};
CO_CHECK(sizeof(struct co_note) == 48, note_size);

/*
 * What an i386 guest is told at its entry besides boot_params: where its memory
 * really is. One page, the one after boot_params' in guest-physical memory.
 *
 * The state at the entry: EIP = co_note.entry, paging on, CR0 = PE MP ET NE WP PG,
 * CR4 = PSE (PAE as the note, MCE as the host), CS = code_selector, SS = DS = ES = code_selector
 * + 8, FS = GS = 0, all flat, from the passage's GDT; an IDT whose NMI and #MC gates
 * only count; interrupts off; EBX = virtual address of this, ESI = that of
 * boot_params; ESP = the end of a stack of 256 bytes in the state page; no TSS.
 *
 * To leave: `void passage(void)` at area_va, interrupts off, on CS = code_selector,
 * DS and SS flat. It keeps what a C function keeps, and the flags.
 */
struct co_boot32 {
	u32 magic;		/* CO_BOOT32_MAGIC */
	u32 version;		/* CO_ABI_VERSION */
	u32 nchunks;		/* the guest's memory is [0, nchunks << CO_CHUNK_SHIFT) */
	u32 reserved;
	u32 code_phys;		/* real: page 0 of the shared area */
	u32 area_phys;		/* real: page 1 of it; the rest follows */
	u32 unused[2];
	u32 p2m[CO_P2M_MAX];	/* real frame number (address >> 12) of each chunk */
};
CO_CHECK(sizeof(struct co_boot32) == 32 + 4 * CO_P2M_MAX, boot32_size);

struct co_comm {
	u32 abi_version;	/* set by the driver, checked by the guest */
	u32 reason;		/* CO_R_* */
	u64 arg[2];
	u32 pending[CO_PENDING_WORDS];	/* virtual interrupts */
	u32 events;		/* CO_EVENT_* */
	u32 tsc_khz;		/* the host's TSC frequency */
	u64 deadline;		/* TSC value of the next timer event, or CO_NO_DEADLINE */
	/* The wall clock: at TSC value wall_tsc it was wall_sec.wall_nsec (UTC).
	 * wall_seq is odd while the host writes. */
	u64 wall_tsc;
	u64 wall_sec;
	u32 wall_nsec;
	u32 wall_seq;
	u32 text_len;
	u32 pad;
	char text[CO_TEXT_SIZE];
	u32 chunk;		/* the answer to CO_R_CHUNK: CO_CHUNK_REFUSED or DONE */
	u32 balloon;		/* chunks, or CO_BALLOON_AUTO; the host's wish */
};
CO_CHECK(sizeof(struct co_comm) == 88 + CO_TEXT_SIZE, comm_size);

struct co_vq {
	u32 size_max;		/* 0: the queue does not exist */
	u32 size;		/* chosen by the guest; 0: not set up */
	u64 desc, avail, used;	/* guest-physical addresses */
};
CO_CHECK(sizeof(struct co_vq) == 32, vq_size);

/*
 * One virtio device's registers. The daemon fills id, features, size_max and
 * config before the guest starts; status, driver_features and the queues are
 * the guest's, announced by a doorbell with CO_Q_STATUS.
 */
struct co_vdev {
	u32 id;			/* virtio device id; 0: no device here */
	u32 status;
	u64 features;
	u64 driver_features;
	u32 isr;		/* CO_ISR_*, taken with an atomic exchange */
	u32 config_generation;	/* odd while the host writes config */
	u8 reserved[32];
	struct co_vq vq[CO_VQ_MAX];
	u8 config[CO_VDEV_CONFIG_SIZE];
};
CO_CHECK(sizeof(struct co_vdev) == CO_VDEV_SIZE, vdev_size);
CO_CHECK(CO_NR_VDEV * CO_VDEV_SIZE == CO_DEVICE_PAGES * CO_PAGE_SIZE, vdev_pages);

#endif /* __ASSEMBLY__ */
#endif /* COLINUX_ABI_H */

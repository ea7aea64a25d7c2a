/* SPDX-License-Identifier: GPL-2.0-only */
/* One virtual machine: the open driver, its memory, its shared pages. */
#ifndef COLINUX_VM_H
#define COLINUX_VM_H

#include "guest_memory.h"
#include "os.h"

struct vm {
	struct os_driver *driver;
	char driver_release[56];
	struct co_create created;
	struct guest_memory memory;
	const struct co_comm *comm;	/* read-only; the guest writes it */
	struct co_vdev *devices;	/* CO_NR_VDEV of them; the guest writes them too */
	u64 interrupts_raised;
};

/*
 * Opens the driver and compares versions: EXIT_NO_DRIVER, EXIT_VERSION_MISMATCH.
 * After -1 there is nothing to close.
 */
int vm_open(struct vm *vm, struct error *error);
/* Undoes everything that was done to the vm. */
void vm_close(struct vm *vm);

/*
 * CREATE for a kernel with this note, and all mappings. image_bytes of the
 * memory will be contiguous, 2 MiB aligned. After -1 the vm is as vm_open() left it
 * or closed by vm_close() all the same.
 */
int vm_create(struct vm *vm, u64 mem_bytes, u64 image_bytes, const struct co_note *note,
	      struct error *error);

/* START with the loader's answer; its size is set here. */
int vm_start(struct vm *vm, struct co_start *start, struct error *error);

/* Runs the guest until it wants something of the daemon. run->reason: CO_R_*. */
enum os_call vm_run(struct vm *vm, struct co_run *run);

/* Any thread: raises a virtual interrupt (CO_VIRQ_*); may be called at any time. */
void vm_raise(struct vm *vm, u32 virq);
/* Any thread: posts CO_EVENT_* bits. */
void vm_post_events(struct vm *vm, u32 events);
/* Any thread: how many chunks are to be with the host, or CO_BALLOON_AUTO. */
enum os_call vm_balloon(struct vm *vm, u32 chunks);
/* The thread that runs the guest, when that left with CO_R_CHUNK: so be it. */
enum os_call vm_chunk(struct vm *vm, u32 what, u64 address);
/* Any thread: makes RUN return. */
void vm_kick(struct vm *vm);
/* False: the driver could not tell. */
bool vm_stats(struct vm *vm, struct co_stats *stats);

/*
 * Copies the text that came with CO_R_CONSOLE or CO_R_PANIC; returns its
 * length, at most CO_TEXT_SIZE.
 */
u32 vm_text(const struct vm *vm, char text[CO_TEXT_SIZE]);

#endif

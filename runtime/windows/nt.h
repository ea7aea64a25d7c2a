/* SPDX-License-Identifier: GPL-2.0-only */
/* The NT glue's own side of a virtual machine, shared by its files. */
#ifndef CO_NT_H
#define CO_NT_H

#include <ntddk.h>

#include "../monitor/monitor.h"
#include "colinux_nt.h"

#define CO_TAG		0x6e694c63u	/* "cLin", as pool tags are written */

struct co_nt_vm {
	struct co_vm vm;
	LIST_ENTRY link;		/* of all machines */
	KMUTEX lock;			/* create, start, mappings, the wall clock */
	PEPROCESS process;		/* the opener: a reference to compare with */
	HANDLE process_id;
	u32 synchronous;		/* the handle is: RUN would lock out KICK */
	u32 gone;			/* the opener has ended, or its last handle is closed */
	u32 fine_clock;			/* counted among those that want a faster clock */
	LIST_ENTRY mappings;		/* map.c's */

	/* the thread in RUN */
	KEVENT idle;			/* it sleeps on it, in co_os_idle */
	KIRQL irql;			/* before co_os_fpu_begin */
	u32 cpu;			/* where it is; CO_NT_NO_CPU: nobody knows */
	u64 slice_end;			/* TSC: it goes back to user mode then */

	/* the host's FPU state meanwhile */
	void *fpu_area;			/* where it is saved by hand */
	u32 fpu_pages;
	u32 fpu_by_system;		/* and by the system, in xstate */
	u64 fpu_cr0;
	u64 xstate[32];			/* XSTATE_SAVE, of which MinGW's headers know nothing */
};

#define CO_NT_NO_CPU	(~0u)
#define CO_NT_GRANULE	0x10000u	/* what user-mode views are aligned to */

static inline struct co_nt_vm *to_nt(struct co_vm *vm)
{
	return CONTAINING_RECORD(vm, struct co_nt_vm, vm);
}

/* A mutex; context sleep. It holds off the thread's end, too. */
static inline void co_nt_lock(KMUTEX *mutex)
{
	KeWaitForSingleObject(mutex, Executive, KernelMode, FALSE, NULL);
}

static inline void co_nt_unlock(KMUTEX *mutex)
{
	KeReleaseMutex(mutex, FALSE);
}

/* main.c: 0 in a user-mode emulation of NT, which can load drivers */
extern u32 co_nt_ring0;

/* request.c */
NTSTATUS co_nt_status(int error);
NTSTATUS NTAPI co_nt_control(PDEVICE_OBJECT device, PIRP irp);

/* machine.c */
void co_nt_machines_init(void);
NTSTATUS NTAPI co_nt_open(PDEVICE_OBJECT device, PIRP irp);
NTSTATUS NTAPI co_nt_cleanup(PDEVICE_OBJECT device, PIRP irp);
NTSTATUS NTAPI co_nt_close(PDEVICE_OBJECT device, PIRP irp);
VOID NTAPI co_nt_process_event(HANDLE parent, HANDLE process, BOOLEAN create);
void co_nt_walls(void);
NTSTATUS co_nt_complete(PIRP irp, NTSTATUS status, u32 bytes);

/* secure.c */
NTSTATUS co_nt_secure(PDEVICE_OBJECT device);

/* memory.c */
NTSTATUS co_nt_memory_init(void);
void co_nt_memory_exit(void);
/* NULL where this system has no such routine. */
void *co_nt_routine(const WCHAR *name);
/* Class 2 of ZwQuerySystemInformation and others; 0 or CO_E_HOST. */
int co_nt_query(u32 class, void *buffer, u32 bytes);

/* log.c */
void co_nt_log_init(void);
void co_nt_last_log(struct co_log *log);

/* map.c */
NTSTATUS co_nt_map_init(void);
void co_nt_map_exit(void);
int co_nt_map(struct co_nt_vm *l, struct co_map *arg);
int co_nt_unmap(struct co_nt_vm *l, const struct co_map *arg);
void co_nt_unmap_all(struct co_nt_vm *l);

/* cpu.c */
void co_nt_cpu_init(void);
void co_nt_cpu_exit(void);
int co_nt_fpu_create(struct co_nt_vm *l);
void co_nt_fpu_destroy(struct co_nt_vm *l);
void co_nt_slice_begin(struct co_nt_vm *l);

/* clock.c */
void co_nt_clock_init(void);
void co_nt_calibrate(void);
void co_nt_fine_clock(struct co_nt_vm *l, u32 on);

#endif /* CO_NT_H */

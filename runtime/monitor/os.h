/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the monitor needs of its host: the contract that each host's glue
 * (runtime/linux, runtime/windows) fulfils.
 *
 * Contexts, in which a function may be called:
 *
 *	sleep	a thread of the host, interrupts on, no lock: it may block
 *		(NT: IRQL PASSIVE_LEVEL)
 *	thread	the thread that runs a virtual machine: no lock, may block
 *	fpu	between co_os_fpu_begin and co_os_fpu_end: this thread stays on
 *		its CPU and must not block (NT: DISPATCH_LEVEL; every hardware
 *		interrupt is above it, so the re-issued ones find what they expect)
 *	irq-off	as fpu, and interrupts are off
 *	any	all of these
 */
#ifndef CO_OS_H
#define CO_OS_H

#include "co_types.h"

struct co_vm;

/* ---- memory; context sleep ---- */

/* Zeroed memory for the monitor's own structures; NULL when there is none. */
void *co_os_alloc(u64 bytes);
void co_os_free(void *p);

/*
 * Whole zeroed pages, mapped, page-aligned and physically contiguous, at most
 * eight of them; NULL when there are none. *phys is their physical address;
 * `low`: below 4 GiB.
 */
void *co_os_pages(u32 pages, u32 low, u64 *phys);
void co_os_pages_free(void *va, u32 pages);

/*
 * A chunk of guest memory: CO_CHUNK_SIZE bytes, physically contiguous,
 * naturally aligned, above 1 MiB, that nobody else of the host uses. The glue
 * fills in phys and whatever it needs in os; the memory's content is undefined.
 */
struct co_chunk {
	u64 phys;
	void *os;
	/* the pool's own: */
	struct co_chunk *next;		/* ascending by phys */
	struct co_vm *owner;		/* NULL: free */
	struct co_chunk *sibling;	/* the owner's next one */
	u32 fresh;			/* came from the host in this very call */
};
/* 0 or CO_E_NOMEM; below 4 GiB for `low`. */
int co_os_chunk_alloc(struct co_chunk *chunk, u32 low);
void co_os_chunk_free(struct co_chunk *chunk);
void co_os_chunk_zero(struct co_chunk *chunk);	/* lets others run now and then */

/*
 * For a host with a balloon (chunk.c; NT has none). All three in one request of the thread that
 * runs the machine; the glue sees to it that nobody maps anything meanwhile. unmap: nobody of
 * user mode sees these bytes of the guest's any more. return: as free, of a chunk
 * that co_os_chunk_again may want back: that very one, at the same address; CO_E_NOMEM
 * while somebody else needs it.
 */
void co_os_chunk_unmap(struct co_vm *vm, u64 phys);
void co_os_chunk_return(struct co_chunk *chunk);
int co_os_chunk_again(struct co_chunk *chunk);

/* How many bytes can be taken without driving the host into the ground. */
u64 co_os_memory_available(void);

/* The physical address of a page of the driver's own code. */
u64 co_os_code_phys(const void *va);

/* One lock of the whole driver's, for the pool. Not recursive. */
void co_os_pool_lock(void);
void co_os_pool_unlock(void);

/* ---- log; context sleep or thread ---- */

/* One line, without a newline, to where the host's administrators look. Only
 * %s, %u, %x, %llu and %llx are used. */
#if defined(__MINGW32__)
#define CO_PRINTF __attribute__((format(gnu_printf, 1, 2)))
#else
#define CO_PRINTF __attribute__((format(printf, 1, 2)))
#endif
void co_os_log(const char *format, ...) CO_PRINTF;

/* ---- the CPU; context any ---- */

/* Read an MSR that the CPU may lack: 1 and *value, 0 it faulted, -1 this host
 * cannot tell. */
int co_os_rdmsr_safe(u32 index, u64 *value);

/* May this vector be re-issued on the host? Hardware interrupts only, no
 * exception, no system call: 0 for all the others. */
int co_os_vector_ok(u64 vector);

/*
 * Re-issue a hardware interrupt, an NMI (2) or a machine check (18) on the host's
 * live IDT; context irq-off. The IDT's own handler runs in here; interrupts are
 * off again when it returns. By co_reissue or co_reissue_open, whichever suits the
 * host; an NMI by a real one, if the host can (reissue.S says why).
 */
void co_os_reissue(u32 vector);

void co_os_irq_off(void);	/* context fpu -> irq-off */
void co_os_irq_on(void);	/* context irq-off -> fpu */

/* ---- time; context any ---- */

u32 co_os_tsc_khz(void);

/* The wall clock (UTC) and the TSC's value at that very moment. */
void co_os_wall(u64 *tsc, u64 *sec, u32 *nsec);

/* ---- the thread that runs a machine ---- */

/*
 * Between these two the FPU registers are the caller's: the host has saved its
 * own, CR0.TS and CR0.EM are clear, XCR0 is the host's. Context thread -> fpu,
 * and back.
 */
void co_os_fpu_begin(struct co_vm *vm);
void co_os_fpu_end(struct co_vm *vm);

/*
 * Must the thread leave the FPU section: a signal (NT: none, a thread cannot
 * see its end coming in here; co_os_resched bounds its stay), a reschedule, or, if the guest has run at least
 * once (`ran`), work that the host does on leaving (NT: always, as DPCs wait). Context irq-off. What comes
 * up after the answer must reach this CPU as an interrupt.
 */
int co_os_must_leave(struct co_vm *vm, int ran);

/* Let others run, if it is their turn; context thread. CO_E_INTR on a signal,
 * CO_E_BUSY when RUN shall return CO_R_KICKED (a time slice's end), else 0. */
int co_os_resched(struct co_vm *vm);

/*
 * Interrupt this CPU once, ns nanoseconds from now, in place of any earlier
 * request for this machine; context irq-off. Being interrupted is all that is
 * needed: it brings the guest's CPU to the host. A host that cannot do it does
 * nothing: its own clock's tick is then the guest's resolution while busy.
 */
void co_os_timer(struct co_vm *vm, u64 ns);

/*
 * Sleep until co_vm_awake(vm), a signal (CO_E_INTR), or ns nanoseconds have
 * passed; context thread. co_vm_awake is looked at after getting ready to
 * sleep, so that co_os_notify cannot be missed.
 */
#define CO_FOREVER (~0ull)
int co_os_idle(struct co_vm *vm, u64 ns);

/*
 * Somebody changed what the machine's thread has to look at: wake it in
 * co_os_idle, and interrupt its CPU if it is another one (a guest may be
 * running there). Context sleep, called by any thread, also when no thread runs
 * the machine. A full memory barrier comes before it.
 */
void co_os_notify(struct co_vm *vm);

#endif /* CO_OS_H */

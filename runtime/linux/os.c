// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the monitor asks of its host (monitor/os.h), answered by Linux. The
 * contracts are there; here is only what needs saying about Linux.
 */
#define pr_fmt(fmt) "colinux: " fmt

#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/interrupt.h>
#include <linux/ktime.h>
#include <linux/printk.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <asm/apic.h>
#include <asm/fpu/api.h>
#include <asm/hardirq.h>
#include <asm/io.h>
#include <asm/irq_vectors.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "linux.h"

#define CHUNK_ORDER	10	/* 4 MiB: the largest block that every x86 kernel has */

static_assert(PAGE_SIZE << CHUNK_ORDER == CO_CHUNK_SIZE);
static_assert(PAGE_SIZE == CO_PAGE_SIZE);

/* ---- memory ---- */

void *co_os_alloc(u64 bytes)
{
	return kvzalloc(bytes, GFP_KERNEL);
}

void co_os_free(void *p)
{
	kvfree(p);
}

void *co_os_pages(u32 pages, u32 low, u64 *phys)
{
	void *va = alloc_pages_exact(pages * PAGE_SIZE,
				     GFP_KERNEL | __GFP_ZERO | (low ? GFP_DMA32 : 0));

	if (va)
		*phys = virt_to_phys(va);
	return va;
}

void co_os_pages_free(void *va, u32 pages)
{
	free_pages_exact(va, pages * PAGE_SIZE);
}

/* Never more than what is to be had: no OOM killer for the sake of a guest. */
static struct page *alloc_chunk(gfp_t where)
{
	return alloc_pages(GFP_KERNEL | __GFP_NOWARN | __GFP_RETRY_MAYFAIL | where, CHUNK_ORDER);
}

/* A 32-bit host's high memory first, as it has little of the other; it has no zone
 * that ends at 4 GiB, though. */
int co_os_chunk_alloc(struct co_chunk *chunk, u32 low)
{
	struct page *page = alloc_chunk(IS_ENABLED(CONFIG_HIGHMEM) ? __GFP_HIGHMEM :
					low ? GFP_DMA32 : 0);

	if (page && low && (u64)page_to_phys(page) + CO_CHUNK_SIZE > CO_BELOW_4GIB) {
		__free_pages(page, CHUNK_ORDER);
		page = alloc_chunk(0);
	}
	if (!page)
		return CO_E_NOMEM;
	chunk->os = page;
	chunk->phys = page_to_phys(page);
	return 0;
}

void co_os_chunk_free(struct co_chunk *chunk)
{
	__free_pages(chunk->os, CHUNK_ORDER);
}

void co_os_chunk_zero(struct co_chunk *chunk)
{
	struct page *page = chunk->os;
	int i;

	if (IS_ENABLED(CONFIG_HIGHMEM))
		for (i = 0; i < 1 << CHUNK_ORDER; i++)
			clear_highpage(page + i);
	else
		memset(page_address(page), 0, CO_CHUNK_SIZE);
	cond_resched();
}

u64 co_os_memory_available(void)
{
	u64 available = (u64)si_mem_available() << PAGE_SHIFT;
	u64 reserve = max_t(u64, 64 << 20, ((u64)totalram_pages() << PAGE_SHIFT) / 32);

	return available > reserve ? available - reserve : 0;
}

/* A module's text is not in the kernel's linear mapping. */
u64 co_os_code_phys(const void *va)
{
	return page_to_phys(vmalloc_to_page(va));
}

static DEFINE_MUTEX(pool_lock);

void co_os_pool_lock(void)
{
	mutex_lock(&pool_lock);
}

void co_os_pool_unlock(void)
{
	mutex_unlock(&pool_lock);
}

/* ---- log ---- */

void co_os_log(const char *format, ...)
{
	struct va_format vaf;
	va_list args;

	va_start(args, format);
	vaf.fmt = format;
	vaf.va = &args;
	pr_info("%pV\n", &vaf);
	va_end(args);
}

/* ---- the CPU ---- */

int co_os_rdmsr_safe(u32 index, u64 *value)
{
	return rdmsrl_safe(index, value) ? 0 : 1;
}

/* Exceptions end at 0x1f; 0x80 is the 32-bit system call, whose handler takes
 * its caller for user mode. */
int co_os_vector_ok(u64 vector)
{
	return vector >= FIRST_EXTERNAL_VECTOR && vector < NR_VECTORS &&
	       vector != IA32_SYSCALL_VECTOR;
}

/*
 * A real NMI to this very CPU (a shorthand to self carries none); at the latest
 * co_unblock_nmi lets it in. Linux asks all possible sources of an NMI whichever
 * it was, so that this one serves for the one that hit the guest. Without an
 * answer, there is no local APIC to send with: then `int 2` has to do.
 */
static void reissue_nmi(void)
{
	unsigned int before = this_cpu_read(irq_stat.__nmi_count);
	u64 start = rdtsc();

	apic->send_IPI(smp_processor_id(), NMI_VECTOR);
	co_unblock_nmi();
	while (this_cpu_read(irq_stat.__nmi_count) == before) {
		if (rdtsc() - start > tsc_khz / 5) {	/* 200 us */
			co_reissue(NMI_VECTOR);
			break;
		}
		cpu_relax();
	}
}

void co_os_reissue(u32 vector)
{
	if (vector == NMI_VECTOR)
		reissue_nmi();
	else
		co_reissue(vector);
}

void co_os_irq_off(void)
{
	local_irq_disable();
}

void co_os_irq_on(void)
{
	local_irq_enable();
}

/* ---- time ---- */

u32 co_os_tsc_khz(void)
{
	return tsc_khz;
}

void co_os_wall(u64 *tsc, u64 *sec, u32 *nsec)
{
	struct timespec64 now;
	unsigned long flags;

	local_irq_save(flags);
	ktime_get_real_ts64(&now);
	*tsc = rdtsc();
	local_irq_restore(flags);
	*sec = now.tv_sec;
	*nsec = now.tv_nsec;
}

/* ---- the thread that runs a machine ---- */

/* Disables preemption, too, so the thread stays on its CPU. */
void co_os_fpu_begin(struct co_vm *vm)
{
	kernel_fpu_begin();
}

void co_os_fpu_end(struct co_vm *vm)
{
	kernel_fpu_end();
}

/*
 * Signals and reschedules from other CPUs come with an interrupt. Soft
 * interrupts count because kernel_fpu_begin holds them off on newer kernels; and
 * only after the guest ran, because ksoftirqd may keep them pending for long.
 */
int co_os_must_leave(struct co_vm *vm, int ran)
{
	return need_resched() || signal_pending(current) ||
	       (ran && local_softirq_pending());
}

int co_os_resched(struct co_vm *vm)
{
	if (signal_pending(current))
		return CO_E_INTR;
	cond_resched();
	return 0;
}

/* It has interrupted the guest by getting here: that is all it is for. */
static enum hrtimer_restart timer_fired(struct hrtimer *timer)
{
	return HRTIMER_NORESTART;
}

void co_linux_timer_init(struct co_linux_vm *l)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
	hrtimer_init(&l->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	l->timer.function = timer_fired;
#else
	hrtimer_setup(&l->timer, timer_fired, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_PINNED_HARD);
#endif
}

void co_os_timer(struct co_vm *vm, u64 ns)
{
	hrtimer_start(&to_linux(vm)->timer, ns_to_ktime(ns), HRTIMER_MODE_REL_PINNED_HARD);
}

int co_os_idle(struct co_vm *vm, u64 ns)
{
	int error = wait_event_interruptible_hrtimeout(to_linux(vm)->idle, co_vm_awake(vm),
						       ns == CO_FOREVER ? KTIME_MAX :
						       ns_to_ktime(ns));

	return error == -ERESTARTSYS ? CO_E_INTR : 0;
}

/* If the thread is on this CPU, it is not in the guest; kick_process knows. */
void co_os_notify(struct co_vm *vm)
{
	struct co_linux_vm *l = to_linux(vm);

	wake_up(&l->idle);
	if (!READ_ONCE(vm->in_guest))
		return;
	spin_lock(&l->runner_lock);
	if (l->runner)
		kick_process(l->runner);
	spin_unlock(&l->runner_lock);
}

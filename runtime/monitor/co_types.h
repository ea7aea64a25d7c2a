/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The words that the monitor is written in.
 *
 * The monitor is compiled by each host's kernel compiler without any header of
 * that host, and `long` has 32 bits on Windows: so only these types are used.
 * A host glue that includes its own kernel's headers first finds the same
 * types again, which C11 permits.
 */
#ifndef CO_TYPES_H
#define CO_TYPES_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#ifndef NULL
#define NULL ((void *)0)
#endif

/* An address as a number: a pointer has 32 or 64 bits, a long on Windows always 32. */
#define co_address(p) ((u64)(__UINTPTR_TYPE__)(p))
#define co_pointer(address) ((void *)(__UINTPTR_TYPE__)(address))

/* n / d. 32-bit kernels have no 64-bit division; the quotient may be of 64 bits. */
static inline u64 co_divide(u64 n, u32 d)
{
#if defined(__i386__)
	u32 high = (u32)(n >> 32) / d, rest = (u32)(n >> 32) % d, low;

	__asm__("divl %2" : "=a"(low), "+d"(rest) : "rm"(d), "0"((u32)n) : "cc");
	return (u64)high << 32 | low;
#else
	return n / d;
#endif
}

#define CO_ARRAY_SIZE(a) ((u32)(sizeof(a) / sizeof((a)[0])))
#define CO_UP(x, align) (((x) + (align) - 1) & ~((u64)(align) - 1))

#define co_zero(p, bytes)	__builtin_memset(p, 0, bytes)
#define co_copy(to, from, bytes) __builtin_memcpy(to, from, bytes)

/*
 * Shared words: between the vCPU's thread and other threads of the daemon, and
 * between the monitor and a guest that may write at any time. The compiler must
 * neither repeat such a read nor split it: what is checked is what is used. (32-bit
 * hosts split a u64. Those here are the guest's while it runs and its vCPU's thread's
 * otherwise, or guarded by a sequence count.)
 */
#if defined(__i386__)
#define co_read(p)		(*(const volatile __typeof__(*(p)) *)(p))
#define co_write(p, value)	((void)(*(volatile __typeof__(*(p)) *)(p) = (value)))
#else
#define co_read(p)		__atomic_load_n(p, __ATOMIC_RELAXED)
#define co_write(p, value)	__atomic_store_n(p, value, __ATOMIC_RELAXED)
#endif
/* These three order everything before them and after them. */
#define co_publish(p, value)	((void)__atomic_exchange_n(p, value, __ATOMIC_SEQ_CST))
#define co_exchange(p, value)	__atomic_exchange_n(p, value, __ATOMIC_SEQ_CST)
#define co_set_bits(p, bits)	((void)__atomic_fetch_or(p, bits, __ATOMIC_SEQ_CST))
/* A writer's order, for what the guest reads (x86 keeps it; the compiler must). */
#define co_write_barrier()	__atomic_thread_fence(__ATOMIC_RELEASE)

/* What the monitor's functions return: 0, or one of these. The host's glue
 * turns them into its own codes; colinux_ioctl.h says what each means. */
#define CO_E_INVAL	1	/* a field's value, or a size */
#define CO_E_BUSY	2	/* wrong state, or already running */
#define CO_E_NOMEM	3
#define CO_E_INTR	4	/* a signal: call again */
#define CO_E_GONE	5	/* the guest has ended */
#define CO_E_HOST	6	/* this host cannot run this guest; the log says why */

#endif /* CO_TYPES_H */

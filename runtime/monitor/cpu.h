/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The CPU's instructions that C has no words for, and the bits they speak of.
 *
 * Numbers are from the Intel SDM, volumes 2 and 3 and volume 4's MSR tables, and
 * from the AMD APM, volume 2.
 */
#ifndef CO_CPU_H
#define CO_CPU_H

#include "co_types.h"

#define CR0_MP		(1u << 1)
#define CR0_ET		(1u << 4)
#define CR0_PE		(1u << 0)
#define CR0_NE		(1u << 5)
#define CR0_WP		(1u << 16)
#define CR0_AM		(1u << 18)
#define CR0_PG		(1u << 31)
#define CR4_PSE		(1u << 4)
#define CR4_PAE		(1u << 5)
#define CR4_MCE		(1u << 6)
#define CR4_LA57	(1u << 12)
#define CR4_VMXE	(1u << 13)
#define CR4_OSXSAVE	(1u << 18)
#define CR4_PKE		(1u << 22)
#define CR4_CET		(1u << 23)
#define CR4_FRED	(1ull << 32)

#define EFER_SCE	(1u << 0)
#define EFER_LME	(1u << 8)
#define EFER_LMA	(1u << 10)
#define EFER_NXE	(1u << 11)

#define MSR_SPEC_CTRL		0x48u
#define MSR_SYSENTER_CS		0x174u
#define MSR_SYSENTER_ESP	0x175u
#define MSR_SYSENTER_EIP	0x176u
#define MSR_DEBUGCTL		0x1d9u
#define MSR_PERF_GLOBAL_CTRL	0x38fu
#define MSR_S_CET		0x6a2u
#define MSR_PKRS		0x6e1u
#define MSR_XSS			0xda0u
#define MSR_EFER		0xc0000080u
#define MSR_STAR		0xc0000081u
#define MSR_LSTAR		0xc0000082u
#define MSR_CSTAR		0xc0000083u
#define MSR_SFMASK		0xc0000084u
#define MSR_FS_BASE		0xc0000100u
#define MSR_GS_BASE		0xc0000101u
#define MSR_KERNEL_GS_BASE	0xc0000102u
#define MSR_TSC_AUX		0xc0000103u

/* 32-bit NT's kernel code selector (its GDT's second entry); 64-bit NT's is CO_SEL_CODE */
#define SEL_CODE_NT32		0x08

#define S_CET_SH_STK_EN		(1u << 0)

/* Extended state components: bits of XCR0 */
#define XCR0_X87	(1u << 0)
#define XCR0_AMX	(3u << 17)

struct co_cpuid { u32 eax, ebx, ecx, edx; };

/* Leaves above the CPU's highest one read as zero. */
static inline struct co_cpuid co_cpuid(u32 leaf, u32 subleaf)
{
	struct co_cpuid r;
	u32 top, unused1, unused2, unused3;

	__asm__ volatile("cpuid" : "=a"(top), "=b"(unused1), "=c"(unused2), "=d"(unused3)
			 : "a"(leaf & 0x80000000u), "c"(0));
	if (top < leaf)
		return (struct co_cpuid){ 0, 0, 0, 0 };
	__asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

static inline u64 co_rdtsc(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return lo | (u64)hi << 32;
}

/* Faults on an MSR that the CPU does not have: ask CPUID first. */
static inline u64 co_rdmsr(u32 index)
{
	u32 lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(index));
	return lo | (u64)hi << 32;
}

#define CO_READER(name, insn)					\
static inline u64 co_read_##name(void)				\
{								\
	__UINTPTR_TYPE__ v;	/* a register's width */	\
	__asm__ volatile(insn : "=r"(v) : : "memory");		\
	return v;						\
}
CO_READER(cr0, "mov %%cr0, %0")
CO_READER(cr2, "mov %%cr2, %0")
CO_READER(cr3, "mov %%cr3, %0")
CO_READER(cr4, "mov %%cr4, %0")
CO_READER(dr0, "mov %%dr0, %0")
CO_READER(dr1, "mov %%dr1, %0")
CO_READER(dr2, "mov %%dr2, %0")
CO_READER(dr3, "mov %%dr3, %0")
CO_READER(dr6, "mov %%dr6, %0")
CO_READER(dr7, "mov %%dr7, %0")
CO_READER(cs, "mov %%cs, %0")
CO_READER(ss, "mov %%ss, %0")
CO_READER(ds, "mov %%ds, %0")
CO_READER(es, "mov %%es, %0")
CO_READER(fs, "mov %%fs, %0")
CO_READER(gs, "mov %%gs, %0")
CO_READER(tr, "str %0")
CO_READER(ldtr, "sldt %0")

/* Extended control register 0. XSETBV faults on a combination that the CPU does
 * not have; the callers only write back what the CPU once accepted. */
static inline u64 co_read_xcr0(void)
{
	u32 lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return lo | (u64)hi << 32;
}

static inline void co_write_xcr0(u64 v)
{
	__asm__ volatile("xsetbv" : : "c"(0), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

/* Protection keys; fault unless CR4.PKE is set. Old assemblers do not know them. */
static inline u32 co_read_pkru(void)
{
	u32 v, zero;

	__asm__ volatile(".byte 0x0f, 0x01, 0xee" : "=a"(v), "=d"(zero) : "c"(0));
	return v;
}

static inline void co_write_pkru(u32 v)
{
	__asm__ volatile(".byte 0x0f, 0x01, 0xef" : : "a"(v), "c"(0), "d"(0) : "memory");
}

#endif /* CO_CPU_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's floating point, vector and protection key registers.
 *
 * They are switched around a whole burst of crossings, not at each one: the host's
 * interrupt handlers, which is all that runs in between, leave them alone. The
 * host saves its own (co_os_fpu_begin); here the guest's are put in and out.
 *
 * XCR0 says which registers exist, and each side has its own. So the guest's
 * state is moved under the union of the two: nothing of either's is left out,
 * and the union of two legal values is legal (SDM volume 1, 13.3).
 */
#include "monitor.h"
#include "cpu.h"

/*
 * AMX tiles are left out: XFD, an MSR that guests are told not to use, arms a
 * fault on them, which would strike in here. Guests do not enable them.
 */
#define STATE_MASK_LO	(~XCR0_AMX)
#define STATE_MASK_HI	(~0u)

#define CPUID1_EDX_FXSR	(1u << 24)

#define FXSAVE_BYTES	512u
#define INITIAL_FCW	0x37fu		/* FNINIT's */
#define INITIAL_MXCSR	0x1f80u		/* the reset value */

#define CPUID1_ECX_XSAVE (1u << 26)
#define CPUID1_ECX_OSXSAVE (1u << 27)

/* The two formats of the x87 unit's pointers: offsets of 64 bits, or a 32-bit
 * guest's offset and selector; 64-bit code chooses by the operand size. */
#if defined(__i386__)
#define MOVE_STATE(fpu, insn, ...)						\
	__asm__ volatile(insn " (%0)" : : "r"((fpu)->area), ##__VA_ARGS__ : "memory")
#else
#define MOVE_STATE(fpu, insn, ...)						\
	do {									\
		if ((fpu)->narrow)						\
			__asm__ volatile(insn " (%0)" : : "r"((fpu)->area),	\
					 ##__VA_ARGS__ : "memory");		\
		else								\
			__asm__ volatile(insn "64 (%0)" : : "r"((fpu)->area),	\
					 ##__VA_ARGS__ : "memory");		\
	} while (0)
#endif
#define STATE_MASK "a"(STATE_MASK_LO), "d"(STATE_MASK_HI)

/* A fresh guest's state: all registers in their initial configuration. */
int co_fpu_create(struct co_fpu *fpu, u32 narrow)
{
	u32 bytes = FXSAVE_BYTES;
	u64 phys;
	u8 *area;

	co_zero(fpu, sizeof(*fpu));
	fpu->narrow = narrow;
	fpu->xsave = !!(co_cpuid(1, 0).ecx & CPUID1_ECX_OSXSAVE);
	fpu->xcr0 = XCR0_X87;
	/* ECX: the standard format's size with all that this CPU has, not only
	 * what the host enabled: the guest may enable more. */
	if (fpu->xsave)
		bytes = co_cpuid(0xd, 0).ecx;
	fpu->pages = (u32)(CO_UP(bytes, CO_PAGE_SIZE) / CO_PAGE_SIZE);
	area = co_os_pages(fpu->pages, 0, &phys);
	if (!area)
		return CO_E_NOMEM;
	/* An XSAVE header of zeros says "initial" for all but MXCSR. */
	area[0] = INITIAL_FCW & 0xff;
	area[1] = INITIAL_FCW >> 8;
	fpu->fxsr = !!(co_cpuid(1, 0).edx & CPUID1_EDX_FXSR);
	if (fpu->fxsr) {
		area[24] = INITIAL_MXCSR & 0xff;
		area[25] = INITIAL_MXCSR >> 8;
	} else {
		area[8] = area[9] = 0xff;	/* FSAVE's tag word: all registers empty */
	}
	fpu->area = area;
	return 0;
}

void co_fpu_destroy(struct co_fpu *fpu)
{
	if (fpu->area)
		co_os_pages_free(fpu->area, fpu->pages);
	fpu->area = NULL;
}

static void set_xcr0(u64 from, u64 to)
{
	if (from != to)		/* slow, and a way out of the CPU in a hypervisor */
		co_write_xcr0(to);
}

/* Put the guest's registers in. */
void co_fpu_load(struct co_fpu *fpu)
{
	u64 all;

	if (!fpu->fxsr) {
		__asm__ volatile("frstor (%0)" : : "r"(fpu->area) : "memory");
		return;
	}
	if (!fpu->xsave) {
		MOVE_STATE(fpu, "fxrstor");
		return;
	}
	fpu->host_xcr0 = co_read_xcr0();
	/* PKRU is not among what the host saved: it is live in a thread of its. */
	fpu->host_pke = !!(co_read_cr4() & CR4_PKE);
	if (fpu->host_pke)
		fpu->host_pkru = co_read_pkru();
	all = fpu->host_xcr0 | fpu->xcr0;
	set_xcr0(fpu->host_xcr0, all);
	MOVE_STATE(fpu, "xrstor", STATE_MASK);
	set_xcr0(all, fpu->xcr0);
}

/* Take them out again; the exact reverse. */
void co_fpu_save(struct co_fpu *fpu)
{
	u64 all;

	if (!fpu->fxsr) {	/* leaves the registers empty, exceptions masked */
		__asm__ volatile("fnsave (%0); fwait" : : "r"(fpu->area) : "memory");
		return;
	}
	if (!fpu->xsave) {
		MOVE_STATE(fpu, "fxsave");
		return;
	}
	fpu->xcr0 = co_read_xcr0();
	all = fpu->host_xcr0 | fpu->xcr0;
	set_xcr0(fpu->xcr0, all);
	MOVE_STATE(fpu, "xsave", STATE_MASK);
	set_xcr0(all, fpu->host_xcr0);
	if (fpu->host_pke)
		co_write_pkru(fpu->host_pkru);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* What a Linux kernel is told at its entry: the "zero page". */
#ifndef COLINUX_BOOT_PARAMS_H
#define COLINUX_BOOT_PARAMS_H

#include "colinux_types.h"
#include "colinux_ioctl.h"

#define BOOT_PARAMS_BYTES	4096u

#define BOOT_SEED_BYTES		32u

/* An item of the list that setup_data begins: a seed for the guest's entropy. */
struct boot_seed {
	u64 next;
	u32 type;	/* BOOT_SETUP_RNG_SEED */
	u32 bytes;
	u8 seed[BOOT_SEED_BYTES];
};
#define BOOT_SETUP_RNG_SEED	9u

struct boot_info {
	u64 area_phys;			/* for the guest's platform code */
	u64 cmdline_phys;
	u64 setup_data_phys;		/* of a struct boot_seed; 0: none */
	u64 initrd_phys, initrd_bytes;	/* 0 bytes: none */
	u64 image_bytes;
	u32 alt_mem_kib;		/* memory above 1 MiB, for kernels without e820; 0: unsaid */
	const struct co_range *ranges;	/* the guest's memory */
	u32 nranges;			/* at most CO_MAX_RANGES */
};

/* Fills one page. */
void boot_params_fill(u8 page[BOOT_PARAMS_BYTES], const struct boot_info *info);

#endif

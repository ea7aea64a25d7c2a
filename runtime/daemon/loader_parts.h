/* SPDX-License-Identifier: GPL-2.0-only */
/* What loader.c and loader_i386.c share. */
#ifndef COLINUX_LOADER_PARTS_H
#define COLINUX_LOADER_PARTS_H

#include "boot_params.h"
#include "loader.h"

/* Page-table bits of the shared area's entries, which the image maps before
 * its own page tables are up: present, writable, accessed, dirty. */
#define PTE_CODE	0x21ull
#define PTE_DATA	0x63ull

/* 0: there is none, or an empty one. */
u64 loader_initrd_bytes(const struct load_request *request);
int loader_load_initrd(struct vm *vm, const struct load_request *request, u64 at,
		       struct error *error);

/* loader_load() for an i386 kernel. */
int loader_load_i386(struct vm *vm, const struct load_request *request, struct co_start *start,
		     struct error *error);

#endif

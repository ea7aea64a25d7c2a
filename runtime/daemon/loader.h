/* SPDX-License-Identifier: GPL-2.0-only */
/* From files to a guest that is ready to start. */
#ifndef COLINUX_LOADER_H
#define COLINUX_LOADER_H

#include "kernel_image.h"
#include "vm.h"

struct load_request {
	const struct kernel_image *image;
	struct os_file *initrd;		/* or NULL */
	const char *initrd_path;
	const char *cmdline;		/* shorter than 2048 bytes */
	u64 mem_bytes;
};

/*
 * Creates the machine's memory on an opened vm and fills it: kernel, its
 * page-table entries for the shared area, boot parameters, command line,
 * initrd. *start becomes vm_start()'s argument. After -1 the vm may be closed,
 * nothing else.
 */
int loader_load(struct vm *vm, const struct load_request *request, struct co_start *start,
		struct error *error);

#endif

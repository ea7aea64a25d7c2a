/* SPDX-License-Identifier: GPL-2.0-only */
/* cofsN: a folder of the host's as a virtio device of 9P. */
#ifndef COLINUX_COFS_H
#define COLINUX_COFS_H

#include "device.h"
#include "folder.h"
#include "p9_server.h"

struct cofs;

/* Opens the folder. name ("cofs0") is what the guest mounts it by. NULL: see error. */
struct cofs *cofs_open(const char *name, const char *path, const struct folder_setting *setting,
		       struct error *error);
/* Makes it device `index` of the vm and starts its thread. */
int cofs_attach(struct cofs *cofs, struct vm *vm, u32 index, struct error *error);
/* Ends the thread, after the request it is at, and lets the folder go. */
void cofs_close(struct cofs *cofs);

struct device *cofs_device(struct cofs *cofs);
/* After the thread has ended, or as an approximation. */
const struct p9_stats *cofs_stats(const struct cofs *cofs);

#endif

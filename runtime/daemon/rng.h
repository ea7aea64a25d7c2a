/* SPDX-License-Identifier: GPL-2.0-only */
/* The entropy device: the guest has random numbers from its first moments on. */
#ifndef COLINUX_RNG_H
#define COLINUX_RNG_H

#include "device.h"

struct rng;

/* NULL: see error. */
struct rng *rng_open(struct error *error);
/* Makes it device `index` of the vm. */
void rng_attach(struct rng *rng, struct vm *vm, u32 index);
/* After the vCPU thread's end: it has no thread of its own. */
void rng_close(struct rng *rng);

struct device *rng_device(struct rng *rng);

#endif

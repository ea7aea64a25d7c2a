/* SPDX-License-Identifier: GPL-2.0-only */
/* Random numbers for fuzzers: the same ones for the same seed, on every computer (Marsaglia's xorshift). */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdlib.h>

#include "colinux_types.h"

static u64 random_state;

static inline void random_begin(const char *seed)
{
	random_state = strtoull(seed, NULL, 10) * 0x9e3779b97f4a7c15ull + 1;
}

static inline u64 random_number(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	return random_state ^= random_state << 17;
}

static inline u32 one_of(u32 count)
{
	return random_number() % count;
}

#endif

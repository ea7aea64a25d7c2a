/* SPDX-License-Identifier: GPL-2.0-only */
/* The fixed-width names that the ABI headers use, for programs in user mode. */
#ifndef COLINUX_TYPES_H
#define COLINUX_TYPES_H

#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#endif

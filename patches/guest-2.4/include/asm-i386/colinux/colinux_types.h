/* SPDX-License-Identifier: GPL-2.0-only */
/* What the headers shared with the host side expect of this name: u8 to u64. */
#ifndef _I386_COLINUX_TYPES_H
#define _I386_COLINUX_TYPES_H

#include <asm/types.h>

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the area shared with the host is mapped, in every address space: the
 * first slots of the fixmap (asm/fixmap.h), so that the address is a constant
 * that assembly, too, can know. The loader fills the entries in pg0, the page
 * table of the last 4 MiB.
 */
#ifndef _I386_COLINUX_AREA_H
#define _I386_COLINUX_AREA_H

#define CO_AREA_VA	0xffff8000
#define CO_AREA_SLOT	0x3f8		/* in pg0 */

#endif

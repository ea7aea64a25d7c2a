/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The few structures of an ELF file that a loader needs, after the
 * "System V Application Binary Interface", chapters 4 and 5. Not every system
 * that compiles the daemon has an <elf.h>.
 */
#ifndef COLINUX_ELF_H
#define COLINUX_ELF_H

#include "colinux_types.h"

struct elf64_header {
	u8 ident[16];
	u16 type, machine;
	u32 version;
	u64 entry, phoff, shoff;
	u32 flags;
	u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf64_segment {
	u32 type, flags;
	u64 offset, vaddr, paddr, filesz, memsz, align;
};

struct elf32_header {
	u8 ident[16];
	u16 type, machine;
	u32 version;
	u32 entry, phoff, shoff;
	u32 flags;
	u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf32_segment {
	u32 type, offset, vaddr, paddr, filesz, memsz, flags, align;
};

struct elf_note {
	u32 namesz, descsz, type;
};

#define ELF_MAGIC	"\177ELF"
enum {
	ELF_IDENT_CLASS = 4,		/* index into ident */
	ELF_IDENT_DATA = 5,
	ELF_CLASS_32 = 1,
	ELF_CLASS_64 = 2,
	ELF_DATA_LSB = 1,
	ELF_TYPE_EXEC = 2,
	ELF_TYPE_DYN = 3,
	ELF_MACHINE_386 = 3,
	ELF_MACHINE_X86_64 = 62,
	ELF_SEGMENT_LOAD = 1,
	ELF_SEGMENT_NOTE = 4,
};

#endif

# SPDX-License-Identifier: GPL-2.0-only
"""i386 kernels made by hand, for the daemon's tests; daemon_kit.py's are x86-64."""

from __future__ import annotations

import struct

import daemon_kit

PAGE = 4096
OFFSET = 0xC0000000  # virtual address of guest-physical 0
BASE = 0x100000  # where Linux 2.4 lies
AREA_VA = 0xFFFF0000 - 0x10000
TABLE = BASE + 3 * PAGE  # the shared area's page table,
ROOT = BASE + 4 * PAGE  # and the page directory, after the text and a hole of a page
SLOT = AREA_VA >> 12 & 1023
PAE_SLOT = AREA_VA >> 12 & 511
ENTRY = OFFSET + BASE + 0x10
TEXT = bytes(range(256)) * 32  # two pages
DATA = b"DATA" * 2048  # two pages
BSS = 5 * PAGE


def note(
    flags: int = 2,
    area_va: int = AREA_VA,
    area_pte: int = TABLE + 4 * SLOT,
    entry: int = ENTRY,
    root: int = ROOT,
    selector: int = 0x60,
    offset: int = OFFSET,
    abi: int = 3,
) -> bytes:
    """The note of an i386 kernel."""
    return daemon_kit.note(
        desc=struct.pack("<IIQQQQII", abi, flags, area_va, area_pte, entry, root, selector, offset)
    )


def pae_note(offset: int = OFFSET, area_pte: int = TABLE + 8 * PAE_SLOT, **fields: int) -> bytes:
    """The note of one with PAE: its page directories follow the root."""
    return note(flags=6, area_pte=area_pte, offset=offset, **fields)


def segment(kind: int, offset: int, vaddr: int, filesz: int, memsz: int, paddr: int = 0) -> bytes:
    """A program header; Linux 2.4's p_paddr are of no use, so these are nonsense."""
    return struct.pack("<IIIIIIII", kind, offset, vaddr, paddr or 0xDEAD000, filesz, memsz, 7, 4)


def header(count: int, *, machine: int = 3, kind: int = 2, phoff: int = 52, phentsize: int = 32) -> bytes:
    """An ELF header; its entry is a physical address in Linux, and of no use either."""
    return struct.pack(
        "<16sHHIIIIIHHHHHH", b"\x7fELF\1\1\1", kind, machine, 1, BASE, phoff, 0, 0, 52, phentsize, count, 0, 0, 0
    )


def kernel(
    notes: bytes | None = None, *, segments: list[bytes] | None = None, head: bytes | None = None
) -> bytes:
    """A cooperative i386 vmlinux: text at BASE, a hole of a page, data with bss; the note lies at the end."""
    notes = note() if notes is None else notes
    if segments is None:
        segments = [
            segment(1, PAGE, OFFSET + BASE, len(TEXT), len(TEXT)),
            segment(1, 3 * PAGE, OFFSET + TABLE, len(DATA), len(DATA) + BSS),
            segment(4, 5 * PAGE, 0, len(notes), len(notes)),
        ]
    head = header(len(segments)) if head is None else head
    front = (head + b"".join(segments)).ljust(PAGE, b"\0")
    return front + TEXT + DATA + notes

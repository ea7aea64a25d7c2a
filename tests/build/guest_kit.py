# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of finished guest kernels have in common."""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

# Instructions that reach registers or ports which may be the host's.
PRIVILEGED = re.compile(
    r"\t(wrmsr|in|out|insb|insw|insl|outsb|outsw|outsl|hlt|mwait|lgdt|lidt|lldt|ltr|xsetbv|wbinvd|invd)\b")
NOTE = struct.Struct("<IIQQ")  # the part of struct co_note that an x86_64 kernel fills in


def symbols(system_map: Path) -> dict[str, int]:
    """Name -> address, of a System.map."""
    return {name: int(address, 16) for address, _, name in
            (line.split() for line in system_map.read_text().splitlines())}


def segments(image: bytes) -> list[tuple[int, int, int, int]]:
    """(physical address, offset, bytes in the file, bytes in memory) of every PT_LOAD of a 64-bit image."""
    table, = struct.unpack_from("<Q", image, 32)
    count, = struct.unpack_from("<H", image, 56)
    found = []
    for index in range(count):
        kind, _, offset, _, physical, in_file, in_memory, _ = struct.unpack_from("<IIQQQQQQ", image, table + 56 * index)
        if kind == 1:
            found.append((physical, offset, in_file, in_memory))
    return found


def note(image: bytes) -> tuple[int, int, int, int]:
    """abi_version, flags, area_va, area_pte of the image's colinux note."""
    at = image.index(struct.pack("<I", 1) + b"colinux\0")
    return NOTE.unpack_from(image, at + 12)  # type: ignore[return-value]


def privileged(image: Path) -> dict[str, set[str]]:
    """Function -> the privileged instructions in it."""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", image],
                          check=True, capture_output=True, text=True).stdout
    found: dict[str, set[str]] = {}
    function = ""
    for line in text.splitlines():
        if line.endswith(">:"):
            # gcc's clones of a function are that function
            function = re.sub(r"\.(part|constprop|isra|cold)(\.\d+)?", "", line.split("<", 1)[1][:-2])
        elif match := PRIVILEGED.search(line):
            found.setdefault(function, set()).add(match[1])
    return found

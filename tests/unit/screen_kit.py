# SPDX-License-Identifier: GPL-2.0-only
"""Pictures as Xvfb keeps them, for tests: xwd's format (X11/XWDFile.h), 24 bits in 32, a colour map of one entry."""

from __future__ import annotations

import struct
from collections.abc import Iterable

NAME = b"Xvfb :1.0\0\0\0"
HEADER = 100 + len(NAME)


def xwd(width: int, height: int, pixels: Iterable[int], margin: int = 8) -> bytes:
    """`pixels`: 0xRRGGBB, row by row. Each row has `margin` bytes more than it needs."""
    rows, values = b"", iter(pixels)
    for _ in range(height):
        rows += b"".join(struct.pack("<I", next(values)) for _ in range(width)) + b"\xee" * margin
    words = (HEADER, 7, 2, 24, width, height, 0, 0, 32, 0, 32, 32, 4 * width + margin, 4, 0xFF0000, 0xFF00, 0xFF, 8,
             256, 1, width, height, 0, 0, 0)
    return struct.pack(">25I", *words) + NAME + bytes(12) + rows

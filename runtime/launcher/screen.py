# SPDX-License-Identifier: GPL-2.0-only
"""A screen of X11's as Xvfb keeps it in a file (-fbdir), and the windows on it as xwininfo lists them.

The file is in xwd's format (X11/XWDFile.h): a header of big-endian 32-bit words, the window's name up to the header's
size, 12 bytes for each colour of the map, then the rows of pixels.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

WORDS = 25
VERSION, Z_PIXMAP, COLOUR_BYTES = 7, 2, 12
# Masks of red, green, blue in a little-endian pixel, and what Pillow calls that.
LAYOUT = (0xFF0000, 0x00FF00, 0x0000FF)


@dataclass(frozen=True)
class Window:
    """One that belongs to a program: its class (the second of WM_CLASS), size and place on the screen in pixels."""

    title: str
    program: str
    width: int
    height: int
    x: int
    y: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, upper, right, lower, as Pillow wants it."""
        return self.x, self.y, self.x + self.width, self.y + self.height


LINE = re.compile(r'^\s*0x[0-9a-f]+ "(.*)": \("(?:[^"]*)" "([^"]*)"\)\s+(\d+)x(\d+)\S*\s+\+(-?\d+)\+(-?\d+)$', re.M)


def windows(tree: str) -> Iterator[Window]:
    """What `xwininfo -root -tree` lists and some program calls its own."""
    for title, program, width, height, x, y in LINE.findall(tree):
        yield Window(title, program, int(width), int(height), int(x), int(y))


def decode(data: bytes) -> Image.Image:
    """The picture in an xwd file. Raises ValueError when it is none, or of pixels that no Xvfb here makes."""
    if len(data) < 4 * WORDS:
        raise ValueError("no xwd header")
    words = struct.unpack_from(f">{WORDS}I", data)
    size, version, form, depth, width, height, _, little = words[:8]
    bits, stride, masks, colours = words[11], words[12], words[14:17], words[19]
    if (version, form, depth, bits, masks) != (VERSION, Z_PIXMAP, 24, 32, LAYOUT) or little:
        raise ValueError(f"xwd version {version}, format {form}, {depth} bits in {bits}, masks {masks}, order {little}")
    start = size + colours * COLOUR_BYTES
    pixels = data[start : start + stride * height]
    if not width or len(pixels) < stride * height or stride < 4 * width:
        raise ValueError(f"{len(data)} bytes are no picture of {width}x{height}")
    return Image.frombytes("RGB", (width, height), pixels, "raw", "BGRX", stride)


def colours(picture: Image.Image) -> int:
    """How many different ones there are."""
    return len(picture.getcolors(picture.width * picture.height) or [])

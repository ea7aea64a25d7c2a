# SPDX-License-Identifier: GPL-2.0-only
"""A screen in a file, and the windows on it."""

from __future__ import annotations

import struct

import pytest
from screen_kit import xwd

from runtime.launcher import screen

TREE = """
xwininfo: Window id: 0x42 (the root window) (has no name)

  Root window id: 0x42 (the root window) (has no name)
  Parent window id: 0x0 (none)
     3 children:
     0x400003 (has no name): ()  552x612+20+30  +20+30
        1 child:
        0x600006 "a "quoted" title": ("kcalc" "kcalc")  550x580+1+21  +21+-51
     0x600001 "kcalc": ("kcalc" "kcalc")  10x10+10+10  +10+10
     0x200001 (has no name): ()  5x5+-100+-100  +-100+-100
"""


def test_windows_are_those_of_programs() -> None:
    assert list(screen.windows(TREE)) == [
        screen.Window('a "quoted" title', "kcalc", 550, 580, 21, -51), screen.Window("kcalc", "kcalc", 10, 10, 10, 10),
    ]  # fmt: skip
    assert screen.Window("", "", 5, 6, 1, 2).box == (1, 2, 6, 8)


def test_pixels_come_out_in_their_colours() -> None:
    picture = screen.decode(xwd(3, 2, [0xFF0000, 0x00FF00, 0x0000FF, 0x123456, 0, 0xFFFFFF]))
    assert [picture.getpixel((x, y)) for y in range(2) for x in range(3)] == [
        (255, 0, 0), (0, 255, 0), (0, 0, 255), (0x12, 0x34, 0x56), (0, 0, 0), (255, 255, 255),
    ]  # fmt: skip
    assert screen.colours(picture) == 6
    assert screen.colours(picture.crop((0, 0, 1, 1))) == 1


@pytest.mark.parametrize("data", [
    b"", bytes(100), xwd(3, 2, range(6))[:-1], struct.pack(">25I", *range(25)) + bytes(1000),
    xwd(3, 2, range(6)).replace(struct.pack(">I", 24), struct.pack(">I", 16), 1),
], ids=["nothing", "zeroes", "cut", "another", "16-bits"])  # fmt: skip
def test_what_is_no_such_picture_is_said(data: bytes) -> None:
    with pytest.raises(ValueError, match="xwd|picture"):
        screen.decode(data)

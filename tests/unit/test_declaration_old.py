# SPDX-License-Identifier: GPL-2.0-only
"""colinux.toml with guests of an old kernel: their programs, their images, and what runs beside what."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_declaration import BASE, faults, line_of, write
from test_declaration import checkout as checkout  # a fixture

from pipeline.declaration import load

OLD = BASE + """
[source."gcc-3.4.6"]
kind = "debian"
package = "gcc-h8300-hms"
arch = "source"

[userland.i386]
libc = "deb"
busybox = "deb"

[kernel.old]
series = "2.4.37"
arch = "i386"
sources = ["deb"]
patches = "linux-6.1"
compiler = "gcc-3.4.6-i386"
base = "allnoconfig"

[rootfs.ramdisk]
kind = "ramdisk"
arch = "i386"
size_mib = 4

[machine.old]
title = "an old one"
kernel = "old"
host = "linux-amd64"
initramfs = "ramdisk"

[machine.pair]
extends = "basic"
title = "both"
beside = "old"
scenario = "two-guests"
"""


def test_a_32_bit_guest_may_run_beside_a_64_bit_host_and_another_guest(checkout: Path) -> None:
    declaration = load(write(checkout, OLD))
    assert declaration.machines["pair"].beside == "old" and declaration.machines["pair"].guests == 2
    assert declaration.machines["basic"].beside is None and declaration.machines["basic"].guests == 1
    assert declaration.rootfs["ramdisk"].packages == () and declaration.userlands["i386"].libc == "deb"


BAD = {
    "an image without programs": (
        "[userland.i386]",
        "[userland.x86_64]",
        "rootfs.ramdisk: has neither \"packages\" nor a busybox of our own: there is no [userland.i386]",
        "[rootfs.ramdisk]",
    ),
    "a user land for no architecture": (
        "[userland.i386]",
        "[userland.i686]",
        'userland.i686: "i686" cannot be a name: expected an architecture, i386 or x86_64',
        "[userland.i686]",
    ),
    "a guest beside itself": (
        'beside = "old"',
        'beside = "pair"',
        'machine.pair.beside: is the machine itself; "guests" is for more of it',
        'beside = "pair"',
    ),
    "a neighbour for another host": (
        'host = "linux-amd64"\ninitramfs = "ramdisk"',
        'host = "old"\ninitramfs = "ramdisk"\nbeside = "basic"',
        'machine.old.beside: an x86_64 kernel ("6.1-x86_64") cannot run beside an i386 host',
        'beside = "basic"',
    ),
    "no room for the one beside": (
        'beside = "old"',
        'beside = "old"\nmemory_mib = 700',
        "machine.pair.memory_mib: 1 x 700 + 128 MiB for guests and 256 MiB for the host itself are more than",
        "memory_mib = 700",
    ),
    "a disk that is loaded with the kernel": (
        '{ rootfs = "disk" }',
        '{ rootfs = "ramdisk" }',
        'machine.basic.disks[0].rootfs: "ramdisk" is of kind ramdisk; expected one of kind ext2, ext3, ext4 or debian',
        '{ rootfs = "ramdisk" }',
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_fault_is_said_on_its_line(checkout: Path, name: str) -> None:
    old, new, message, place = BAD[name]
    assert OLD.count(old) == 1
    text = OLD.replace(old, new)
    said = faults(checkout, text)
    assert any(one.startswith(f"colinux.toml:{line_of(text, place)}: {message}") for one in said), said

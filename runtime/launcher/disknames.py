# SPDX-License-Identifier: GPL-2.0-only
"""The names that coLinux's configuration gives to disks, as a guest must have them in /dev.

colinux-names (pipeline/rootfs/files) makes them; here is asked whether it did.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

# A machine's words for the daemon (`cmdline`) may give further names to disks: hda1=:cobd0.
ALIAS = re.compile(r"(?:^| )([hs]d[a-z]\d*)=:cobd(\d+)(?= |$)")


def aliases(cmdline: str) -> dict[str, int]:
    """Further names among a machine's words -> number of the disk."""
    return {name: int(disk) for name, disk in ALIAS.findall(cmdline)}


def all_names(disks: int, further: Mapping[str, int]) -> dict[str, int]:
    """Every name -> number of the disk, /dev/cobdN first."""
    return {**{f"cobd{number}": number for number in range(disks)}, **further}


def script(names: Mapping[str, int]) -> str:
    """sh: the device behind every name, and the serial number of that device where Linux tells it."""
    return "\n".join(
        f"device=$(readlink -f /dev/{name}); [ -b $device ] && echo {name}=$device; "
        f"serial=/sys/block/${{device#/dev/}}/serial; [ ! -r $serial ] || echo serial.{name}=$(cat $serial)"
        for name in names
    )


def wrong(names: Mapping[str, int], devices: Mapping[str, str], said: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the script's answer; `devices` is the device that each name has to lead to."""
    for name, number in names.items():
        if said.get(name) != devices[name]:
            yield f"/dev/{name} is {said.get(name) or 'no disk'}, not {devices[name]}"
        # Linux before 2.6.36 shows none.
        if said.get(f"serial.{name}") not in (None, "", f"cobd{number}"):
            yield f"/dev/{name} is the disk {said[f'serial.{name}']}, not cobd{number}"

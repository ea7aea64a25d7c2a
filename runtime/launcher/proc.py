# SPDX-License-Identifier: GPL-2.0-only
"""What a guest tells of itself in /proc/colinux (patches/guest/arch/x86/colinux/status.c)."""

from __future__ import annotations

from runtime.launcher.network import Traffic

# Ids of the virtio specification (2 a disk, 3 a console), and its status bit DRIVER_OK (4).
STATUS: Traffic = Traffic(
    """
file=/proc/colinux/status
left() { awk '/^exits_/{n += $2} END{print n + 0}' $file; }
awk '$1 == "abi"{print "abi=" $2} $1 == "exits_irq" && $2 > 0{print "interrupted=yes"}' $file
before=$(left)
sleep 0.2
[ $(left) -gt $before ] && echo leaves=yes
devices() { awk -v id=$1 '$1 == "device" && $4 == id{n++} END{print n + 0}' $file; }
set -- /sys/block/vd*
[ -e $1 ] || shift
[ $(devices 2) = $# ] && echo disks=all
awk '$1 == "device" && $4 == 3{print $6}' $file | while read status; do
    [ $((status & 4)) = 4 ] && [ $(devices 3) -ge 1 ] && echo console=driven
done
:
""",
    {"abi": "3", "interrupted": "yes", "leaves": "yes", "disks": "all", "console": "driven"},
    "/proc/colinux/status counts how often the guest leaves, and knows its devices",
)

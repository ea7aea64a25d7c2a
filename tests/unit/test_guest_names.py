# SPDX-License-Identifier: GPL-2.0-only
"""colinux-names, the script in our root filesystems: which links it makes of what the daemon tells it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "pipeline/rootfs/files/colinux-names"


class Guest:
    """A guest's /proc, /sys and /dev in a folder, and the script for them."""

    def __init__(self, root: Path, cmdline: str, devices: str = "254 virtblk\n") -> None:
        self.root = root
        for folder in ("proc", "dev", "sys/block", "sys/class/block", "bin"):
            (root / folder).mkdir(parents=True)
        (root / "proc/cmdline").write_text(f"console=hvc0 {cmdline}\n")
        (root / "proc/devices").write_text(f"Block devices:\n{devices}")
        text = SCRIPT.read_text()
        for folder in ("/proc/", "/sys/", "/dev/"):
            text = text.replace(folder, f"{root}{folder}")
        self.script = root / "bin/colinux-names"
        self.script.write_text(text)

    def disk(self, name: str, serial: str = "", partitions: int = 0) -> None:
        folder = self.root / "sys/block" / name
        folder.mkdir()
        (self.root / "sys/class/block" / name).symlink_to(folder)
        if serial:
            (folder / "serial").write_text(serial)  # as Linux does, without a newline
        for number in range(1, partitions + 1):
            part = folder / f"{name}{number}"
            part.mkdir()
            (part / "partition").write_text(f"{number}\n")
            (self.root / "sys/class/block" / part.name).symlink_to(part)

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            ["sh", "-e", self.script, *arguments], capture_output=True, text=True, check=False,
            env={"PATH": f"{self.root}/bin:/usr/bin:/bin"},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def links(self) -> dict[str, str]:
        return {path.name: str(path.readlink()) for path in (self.root / "dev").iterdir() if path.is_symlink()}


def test_without_a_word_the_serial_numbers_tell(tmp_path: Path) -> None:
    guest = Guest(tmp_path, "quiet")
    guest.disk("vda", "cobd0")
    guest.disk("vdb", "cobd1", partitions=1)
    guest.run()
    assert guest.links() == {"cobd0": "vda", "cobd1": "vdb", "cobd1p1": "vdb1"}


def test_without_serial_numbers_the_order_tells(tmp_path: Path) -> None:
    guest = Guest(tmp_path, "")
    for number in range(28):
        letters = chr(97 + number) if number < 26 else "a" + chr(97 + number - 26)
        guest.disk(f"vd{letters}")
    guest.run()
    links = guest.links()
    assert links["cobd0"] == "vda" and links["cobd25"] == "vdz"
    assert links["cobd26"] == "vdaa" and links["cobd27"] == "vdab"


def test_names_and_numbers_with_gaps(tmp_path: Path) -> None:
    guest = Guest(tmp_path, "root=/dev/vda colinux.names=cobd0:hda1:sda,cobd2,cobd11:hdb3 ro")
    for disk in ("vda", "vdb", "vdc"):
        guest.disk(disk)
    guest.run()
    assert guest.links() == {
        "cobd0": "vda", "hda1": "vda", "sda": "vda", "cobd2": "vdb", "cobd11": "vdc", "hdb3": "vdc",
    }  # fmt: skip


def test_a_serial_number_is_believed_before_the_order(tmp_path: Path) -> None:
    """What a broken disk must not do: give its name, and so its place in fstab, to the next one."""
    guest = Guest(tmp_path, "colinux.names=cobd0:hda1,cobd1:hda2,cobd2:hda3")
    guest.disk("vda", "cobd1")
    guest.disk("vdb", "cobd2")
    guest.run()
    assert guest.links() == {"cobd1": "vda", "hda2": "vda", "cobd2": "vdb", "hda3": "vdb"}


def test_a_name_of_a_whole_disk_brings_those_of_its_partitions(tmp_path: Path) -> None:
    guest = Guest(tmp_path, "colinux.names=cobd0:hda,cobd1:hda2")
    guest.disk("vda", partitions=3)
    guest.disk("vdb", partitions=1)
    guest.run()
    assert guest.links() == {
        "cobd0": "vda", "cobd0p1": "vda1", "cobd0p2": "vda2", "cobd0p3": "vda3",
        "hda": "vda", "hda1": "vda1", "hda3": "vda3",
        "cobd1": "vdb", "cobd1p1": "vdb1", "hda2": "vdb",  # a disk's own name, not a partition's
    }  # fmt: skip


@pytest.mark.parametrize(
    ("device", "names"),
    [("vda", "cobd3 hda"), ("vda1", "cobd3p1 hda1"), ("vdb", "cobd4"), ("vdb2", "cobd4p2"), ("vdc", ""), ("sr0", "")],
)
def test_udev_asks_for_one_device(device: str, names: str, tmp_path: Path) -> None:
    guest = Guest(tmp_path, "colinux.names=cobd3:hda,cobd4")
    guest.disk("vda", partitions=1)
    guest.disk("vdb", partitions=2)
    assert guest.run(device) == f"{names}\n"
    assert not guest.links()


def old_guest(root: Path, cmdline: str) -> Guest:
    """Linux 2.4: no /sys, nodes in the root filesystem; mknod says what it was asked for."""
    guest = Guest(root, cmdline, "117 cobd\n")
    for folder in ("sys/class/block", "sys/class", "sys/block", "sys"):
        (root / folder).rmdir()
    for number in range(32):
        (root / f"dev/cobd{number}").write_text("")
    (root / "bin/mknod").write_text('#!/bin/sh\necho "$4 $5 $6" > "$3"\n')
    (root / "bin/mknod").chmod(0o755)
    return guest


def test_nodes_of_linux_24_stay_where_names_are_numbers(tmp_path: Path) -> None:
    guest = old_guest(tmp_path, "root=/dev/cobd0")
    guest.run()
    assert len(list((tmp_path / "dev").iterdir())) == 32 and not guest.links()


def test_nodes_of_linux_24_get_their_names(tmp_path: Path) -> None:
    guest = old_guest(tmp_path, "colinux.names=cobd0:hda1,cobd4:sda:sdb2 root=/dev/cobd0")
    guest.run()
    nodes = {path.name: path.read_text().strip() for path in (tmp_path / "dev").iterdir() if not path.is_symlink()}
    assert nodes == {"cobd0": "b 117 0", "cobd4": "b 117 1"}
    assert guest.links() == {"hda1": "cobd0", "sda": "cobd4", "sdb2": "cobd4"}

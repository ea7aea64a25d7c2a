# SPDX-License-Identifier: GPL-2.0-only
"""The busybox trees: one static program under some 200 names, our init, our agent.

busybox comes from Debian's busybox-static, unpacked, never run or installed
on the building machine, or for old kernels from pipeline.userland; its applets
are read out of the program itself.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import InfrastructureError, UserError
from pipeline.paths import Paths
from pipeline.rootfs.tree import EPOCH, Tree

FILES = Path(__file__).with_name("files")

# Folders that are there for something to be mounted or written.
FOLDERS = ("/dev", "/proc", "/sys", "/run", "/mnt", "/var", "/var/log", "/etc", "/bin", "/sbin", "/usr")

# What a kernel without devtmpfs finds in /dev: number of nodes (0: one without a number), major, first minor
# (Documentation/admin-guide/devices.txt in Linux). hvc is the virtio console, and 2.4's of ours; cobd is the
# block device of our driver for 2.4 (patches/linux-2.4.37). Nodes of virtio disks have no fixed number: mdev.
CHARACTER_DEVICES = {
    "mem": (0, 1, 1), "null": (0, 1, 3), "zero": (0, 1, 5), "full": (0, 1, 7), "random": (0, 1, 8),
    "urandom": (0, 1, 9), "kmsg": (0, 1, 11), "tty": (0, 5, 0), "console": (0, 5, 1), "ptmx": (0, 5, 2),
    "ttyS": (2, 4, 64), "hvc": (8, 229, 0),
}  # fmt: skip
BLOCK_DEVICES = {"ram": (4, 1, 0), "loop": (4, 7, 0), "cobd": (32, 117, 0)}
FOR_ALL = ("null", "zero", "full", "random", "urandom", "tty", "ptmx")

# Where the udhcpc of Debian looks for its script, and ours (busybox.config).
UDHCPC = ("/etc/udhcpc", "/usr/share/udhcpc")

# The table of applet names in the program's read-only data: every name ends
# with a NUL, they are sorted, and "[" and "[[" come first.
_TABLE = b"\0[\0[[\0"


def applets(busybox: Path) -> list[str]:
    """The names that a busybox answers to. Raises InfrastructureError when the program has no such table."""
    data = busybox.read_bytes()
    start = data.find(_TABLE) + 1
    end = data.find(b"\0\0", start)
    names = data[start:end].decode("ascii", "replace").split("\0") if start and end > 0 else []
    if names != sorted(names) or not {"sh", "mount", "insmod"} <= set(names):
        raise InfrastructureError(f"{busybox} holds no table of applets: is it busybox with a shell?")
    return names


def find(unpacked: Path) -> Path:
    """The program in a folder that packages were unpacked into."""
    for folder in ("bin", "usr/bin"):  # the latter since Debian 13
        path = unpacked / folder / "busybox"
        if path.is_file():
            return path
    raise UserError("the locked packages hold no busybox", hint="busybox-static has to be among the packages")


def base(busybox: Path, epoch: int = EPOCH) -> Tree:
    """What guest and host share: busybox, its names, a few folders and accounts."""
    tree = Tree(epoch)
    for folder in FOLDERS:
        tree.directory(folder)
    tree.directory("/root", 0o700)
    tree.directory("/tmp", 0o1777)
    # Scripts from elsewhere may name either place (#!/usr/bin/env).
    tree.symlink("/usr/bin", "../bin")
    tree.symlink("/usr/sbin", "../sbin")
    tree.file("/bin/busybox", busybox, 0o755)
    for name in applets(busybox):
        if name != "busybox":
            tree.symlink(f"/bin/{name}", "busybox")
    tree.file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:*:65534:65534:nobody:/:/bin/false\n")
    tree.file("/etc/group", "root:x:0:\ntty:x:5:\ndisk:x:6:\nnogroup:x:65534:\n")
    return tree


def guest(busybox: Path, arch: str, hostname: str, paths: Paths, epoch: int = EPOCH) -> Tree:
    """The guest's tree, without the entry point that Linux looks for (see `as_initramfs`, `as_disk`)."""
    tree = base(busybox, epoch)
    tree.file("/etc/hostname", f"{hostname}\n")
    tree.file("/etc/hosts", f"127.0.0.1\tlocalhost\n127.0.1.1\t{hostname}\n")
    tree.file("/etc/issue", FILES / "busybox" / "issue")
    tree.file("/etc/profile", FILES / "busybox" / "profile")
    for program, path in agents(arch, paths).items():
        tree.file(f"/bin/{program}", path, 0o755)
    tree.file("/bin/colinux-names", FILES / "colinux-names", 0o755)
    tree.file("/sbin/mount.cofs", FILES / "mount.cofs", 0o755)
    for place in UDHCPC:
        tree.file(f"{place}/default.script", FILES / "busybox" / "udhcpc.script", 0o755)
    # What the kernel starts when the host asks for a shutdown (Linux, kernel/sys.c: orderly_poweroff).
    tree.symlink("/sbin/poweroff", "../bin/poweroff")
    return tree


def devices(tree: Tree) -> Tree:
    """Static nodes in /dev."""
    for nodes, add in ((CHARACTER_DEVICES, tree.character_device), (BLOCK_DEVICES, tree.block_device)):
        for name, (count, major, minor) in nodes.items():
            for number in range(count or 1):
                path = f"/dev/{name}{number if count else ''}"
                add(path, major, minor + number, 0o666 if name in FOR_ALL else 0o600)
    return tree


def agents(arch: str, paths: Paths) -> dict[str, Path]:
    """Our programs inside a guest or host: name to static executable. The agent has to be there."""
    folder = paths.agent(arch)
    found = {path.name: path for path in sorted(folder.glob("colinux-*")) if path.is_file()}
    if "colinux-agent" not in found:
        raise UserError(f"{folder}/colinux-agent is not built", hint=f"run: ./doit agent:{arch}")
    return found


def as_initramfs(tree: Tree, init: Path) -> Tree:
    """Let Linux find `init` as an initramfs's /init, with a console to speak to before devtmpfs is there."""
    tree.file("/init", init, 0o755)
    # Documentation/admin-guide/devices.txt: 5, 1 is the system console.
    tree.character_device("/dev/console", 5, 1)
    return tree


def as_disk(tree: Tree, init: Path) -> Tree:
    """Let Linux find `init` as a disk's /sbin/init."""
    tree.file("/sbin/init", init, 0o755)
    # Only ever looked at for a remount: Linux knows what it has mounted.
    tree.file("/etc/fstab", "/dev/root\t/\tauto\trw\t0\t0\n")
    tree.directory("/newroot")
    return tree

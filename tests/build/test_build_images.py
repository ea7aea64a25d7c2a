# SPDX-License-Identifier: GPL-2.0-only
"""The real images and the real host kernel, from the packages that colinux.lock names (fetched if need be)."""

from __future__ import annotations

import dataclasses
import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import daemon, hostkernel, rootfs, sources, userland
from pipeline import lock as locks
from pipeline.declaration import load
from pipeline.declaration.model import Declaration
from pipeline.paths import Paths, checkout
from pipeline.rootfs import busybox, debian

sys.path.append(str(checkout().root / "tests/unit"))
import rootfs_kit as kit

pytestmark = pytest.mark.build


@dataclasses.dataclass
class Place:
    """A folder to build in, with this checkout's sources, declaration and lock."""

    decl: Declaration
    ctx: sources.Context
    paths: Paths


@pytest.fixture
def place(tmp_path: Path) -> Place:
    root = checkout().root
    (tmp_path / "runtime").symlink_to(root / "runtime")
    paths = Paths(tmp_path)
    lock = locks.Lock.load(root / "colinux.lock")
    ctx = sources.Context(paths=paths, lock=lock, mirrors=sources.mirrors(),
                          offline=os.environ.get("COLINUX_OFFLINE", "0") not in ("", "0"))
    daemon.build_agent("x86_64", paths)
    return Place(load(root / "colinux.toml"), ctx, paths)


def build(place: Place, name: str) -> bytes:
    """Build an image and return its bytes."""
    declared = place.decl.rootfs[name]
    rootfs.build(declared, place.decl, place.ctx, place.paths)
    image = rootfs.image(declared, place.paths)
    assert [path.name for path in image.parent.iterdir()] == [image.name]
    return image.read_bytes()


def again(place: Place, name: str, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Build it once more: another umask, another time zone."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    old = os.umask(0o077)
    try:
        return build(place, name)
    finally:
        os.umask(old)


def test_busybox_initramfs(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build(place, "busybox")
    assert first == again(place, "busybox", monkeypatch)
    plain = place.paths.root / "plain.cpio"
    plain.write_bytes(gzip.decompress(first))
    found = kit.cpio_list(plain)
    assert found["init"][0] == "-rwxr-xr-x"
    assert found["bin/sh"][2] == "busybox"
    assert {owner for _, owner, _ in found.values()} == {"0/0"}


def test_busybox_disk(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build(place, "busybox-ext4")
    assert first == again(place, "busybox-ext4", monkeypatch)
    image = rootfs.image(place.decl.rootfs["busybox-ext4"], place.paths)
    kit.fsck(image)
    assert "Mode:  0755" in kit.debugfs(image, "stat /sbin/init")


@pytest.mark.parametrize("name", ["old-i386", "ramdisk-i386", "ext2-i386", "ext3-i386"])
def test_images_of_old_guests(name: str, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the programs of this checkout: tests/build/test_build_userland.py builds those."""
    (place.paths.build / "userland").mkdir()
    if not userland.program("i386", checkout()).is_file():
        pytest.skip("./doit busybox:i386 has not been run here")
    for folder in (Paths.agent, Paths.userland):
        folder(place.paths, "i386").parent.mkdir(exist_ok=True)
        folder(place.paths, "i386").symlink_to(folder(checkout(), "i386"))
    first = build(place, name)
    assert first == again(place, name, monkeypatch)
    image = place.paths.root / "plain"
    image.write_bytes(gzip.decompress(first) if first.startswith(b"\x1f\x8b") else first)
    if name == "old-i386":
        assert {"init", "dev/hvc0", "bin/colinux-agent"} <= kit.cpio_list(image).keys()
        return
    kit.fsck(image)
    assert "Inode: " in kit.debugfs(image, "stat /sbin/init")
    # The inode's own size; ext2's inodes of 128 bytes have one of their fragment as well, which is 0.
    size = re.search(r"^User:.* Size: (\d+)$", kit.debugfs(image, "stat /bin/busybox"), re.MULTILINE)
    assert size and int(size[1]) == userland.program("i386", checkout()).stat().st_size
    assert "Type: character special" in kit.debugfs(image, "stat /dev/hvc1")


def test_debian_disk(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also made in mmdebstrap's other way, where this user has one: the same bytes."""
    first = build(place, "debian-bookworm")
    if os.geteuid() == 0:
        monkeypatch.setattr(debian, "mode", lambda: "root")
    assert first == again(place, "debian-bookworm", monkeypatch)
    image = rootfs.image(place.decl.rootfs["debian-bookworm"], place.paths)
    kit.fsck(image)
    assert kit.debugfs(image, "cat /etc/hostname") == f"{place.decl.rootfs['debian-bookworm'].hostname}\n"
    assert kit.debugfs(image, "cat /etc/machine-id") == ""
    assert "root::" in kit.debugfs(image, "cat /etc/shadow")
    assert "Mode:  04755" in kit.debugfs(image, "stat /usr/bin/su")
    status = kit.debugfs(image, "cat /var/lib/dpkg/status")
    installed = status.count("\nStatus: install ok installed\n")
    assert installed == status.count("Package: ") == len(place.ctx.lock.group("rootfs:debian-bookworm"))


def test_host(place: Place) -> None:
    """The applets are those that busybox names itself; a module builds against headers that were moved."""
    host = place.decl.hosts["linux-amd64"]
    hostkernel.prepare(host, place.decl, place.ctx, place.paths)
    folder = place.paths.host(host.name)
    listed = subprocess.run([folder / "busybox", "--list"], capture_output=True, text=True, check=True).stdout
    assert busybox.applets(folder / "busybox") == listed.split()

    moved = place.paths.root / "moved"
    (folder / "headers").rename(moved)
    module = place.paths.root / "hello"
    module.mkdir()
    (module / "Makefile").write_text("obj-m := hello.o\n")
    (module / "hello.c").write_text('#include <linux/module.h>\nMODULE_LICENSE("GPL");\n')
    done = subprocess.run(["make", "-C", moved, f"M={module}", "modules"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    info = hostkernel.modinfo((module / "hello.ko").read_bytes())
    assert info["vermagic"][0].startswith((folder / "release").read_text().strip() + " ")
    # No path of a Debian installation is looked at.
    assert not [path for path in moved.glob("*") if path.is_symlink() and path.readlink().is_absolute()]

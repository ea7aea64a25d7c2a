# SPDX-License-Identifier: GPL-2.0-only
"""The test host's initramfs: busybox, its kernel's modules, the agent, and whatever is to be tested."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pipeline.declaration.model import Host
from pipeline.digest import of_json, sha256_file
from pipeline.paths import Paths, atomic_path
from pipeline.rootfs import busybox, cpio
from pipeline.rootfs.disk import disk_errors
from pipeline.rootfs.tree import Tree, read

FILES = busybox.FILES

# Images of test hosts that are kept.
KEEP = 6


def host(machine: Host, payload: Mapping[str, Path], paths: Paths) -> Tree:
    """The tree of a test host's initramfs: busybox, its kernel's modules, our agent, and `payload`."""
    folder = paths.host(machine.name)
    tree = busybox.base(folder / "busybox")
    tree.file("/etc/hostname", "host\n")
    for file in sorted((folder / "modules").iterdir()):
        tree.file(f"/modules/{file.name}", file)
    for program, path in busybox.agents(machine.arch, paths).items():
        tree.file(f"/bin/{program}", path, 0o755)
    for target, path in payload.items():
        tree.file(target, path, 0o755 if os.access(path, os.X_OK) else 0o644)
    return busybox.as_initramfs(tree, FILES / "host" / "init")


def host_initramfs(machine: Host, payload: Mapping[str, Path], paths: Paths) -> Path:
    """Make (or find) the initramfs of a test host and return its path below build/host-initramfs/.

    `payload` maps absolute paths in the host to files here; executable ones
    stay so. Images are named by the digest of what is in them: a second boot
    with the same things costs one look, and boots side by side do not meet.
    """
    tree = host(machine, payload, paths)
    image = paths.build / "host-initramfs" / f"{machine.name}-{_digest(tree)[:16]}.cpio"
    if image.exists():
        os.utime(image)
        return image
    with disk_errors(image.parent, "the test host's initramfs"), atomic_path(image) as new:
        # Plain: the CPU time of a boot in TCG is the same with gzip and zstd (10.3 s, within
        # its spread), and an image that many boots use once each is written faster.
        cpio.write_file(tree, new, level=None)
    _forget_old(image)
    return image


def _digest(tree: Tree) -> str:
    return of_json([
        [path, entry.mode, entry.uid, entry.gid, entry.mtime, entry.target, entry.device,
         sha256_file(entry.content) if isinstance(entry.content, Path) else read(entry.content).hex()]
        for path, entry in tree
    ])  # fmt: skip


def _forget_old(image: Path) -> None:
    """Keep the latest few images; a boot that runs has read its own already."""
    images = sorted(image.parent.glob("*.cpio"), key=lambda one: one.stat().st_mtime)
    for old in images[:-KEEP]:
        old.unlink(missing_ok=True)

# SPDX-License-Identifier: GPL-2.0-only
"""Root filesystems: a busybox initramfs, ramdisk or disk, a Debian disk; and packages for test hosts.

Made without root privileges, from locked packages and our own files, and the
same bytes every time. A tree in memory (`tree`) is put together by `busybox`
or `debian` and written by `cpio` or `ext`; the test host's initramfs comes
the same way (`initramfs.host_initramfs`).
"""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

from pipeline import sources, userland
from pipeline.declaration.model import FOR_HOSTS, Declaration, Rootfs
from pipeline.errors import InfrastructureError, UserError
from pipeline.lock import Blob
from pipeline.paths import Paths, atomic_path
from pipeline.progress import step
from pipeline.rootfs import busybox, cpio, debian, ext
from pipeline.rootfs.disk import disk_errors
from pipeline.rootfs.tree import Tree, from_folder
from pipeline.sources.receipt import read_receipt
from pipeline.stamp import Job

__all__ = ["build", "group", "image", "job", "resolve"]

GUEST_LEVEL = 9  # gzip's; what is written once is read at every boot


# What each kind is made by, beside what all are: a change there makes it anew.
_MADE_BY = {
    "initramfs": ("cpio.py", "files/busybox"),
    "ramdisk": ("ext.py", "files/mke2fs.conf", "files/busybox"),
    "ext2": ("ext.py", "files/mke2fs.conf", "files/busybox"),
    "ext3": ("ext.py", "files/mke2fs.conf", "files/busybox"),
    "ext4": ("ext.py", "files/mke2fs.conf", "files/busybox"),
    "debian": ("debian.py", "ext.py", "files/mke2fs.conf", "files/debian"),
    "unpacked": ("cpio.py",),
    "archive": ("cpio.py", "debian.py"),
}
# What is not named like its kind.
_FILE_SYSTEM = {"ramdisk": "ext2", "debian": "ext4"}
_SUFFIX = {**_FILE_SYSTEM, "unpacked": "cpio.gz", "archive": "cpio.gz", "initramfs": "cpio.gz", "ramdisk": "ext2.gz"}


def group(rootfs: Rootfs) -> str:
    """The image's group of packages in colinux.lock."""
    return f"rootfs:{rootfs.name}"


def image(rootfs: Rootfs, paths: Paths) -> Path:
    """Where the image of a root filesystem is."""
    return paths.rootfs(rootfs.name) / f"{rootfs.name}.{_SUFFIX.get(rootfs.kind, rootfs.kind)}"


def resolve(rootfs: Rootfs, ctx: sources.Context) -> tuple[Blob, ...]:
    """The packages that the image is made of, as the archive has them today (`lock --update`).

    A Debian system needs all dependencies; busybox is static and stands alone;
    none where it is our own.
    """
    if not rootfs.packages:
        return ()
    whole = rootfs.kind == "debian"
    names = debian.package_names(rootfs) if whole else list(rootfs.packages)
    return sources.resolve_packages(names, rootfs.debian_arch, rootfs.suite, ctx, closure=whole)


def job(rootfs: Rootfs, decl: Declaration, ctx: sources.Context, paths: Paths) -> Job:
    """What `build` depends on and leaves behind."""
    here = Path(__file__).parent
    common = ("__init__.py", "busybox.py", "tree.py", "files/colinux-names", "files/mount.cofs")
    code = [here / name for name in (*common, *_MADE_BY[rootfs.kind])]
    locked = ctx.lock.group(group(rootfs)) if rootfs.packages else ()
    # A substitute for a package that Debian has dropped is another input.
    receipt = read_receipt(group(rootfs), locked, ctx) if rootfs.packages else None
    return Job(
        name=f"rootfs:{rootfs.name}",
        inputs={
            "packages": [blob.sha256 for blob in (receipt.blobs if receipt else locked)],
            "kind": rootfs.kind, "arch": rootfs.arch, "size_mib": rootfs.size_mib,
            "hostname": rootfs.hostname, "epoch": decl.project.epoch,
            "files": {path: [file.content, file.source, file.mode] for path, file in rootfs.files.items()},
        },
        files=[
            *code, paths.agent(rootfs.arch), *(() if rootfs.packages else (userland.program(rootfs.arch, paths),)),
            *(decl.root / file.source for file in rootfs.files.values() if file.source),
        ],
        outputs=[image(rootfs, paths)],
    )  # fmt: skip


def build(rootfs: Rootfs, decl: Declaration, ctx: sources.Context, paths: Paths) -> None:
    """Make the image of a root filesystem; whole or not at all."""
    target = image(rootfs, paths)
    log = paths.log(f"rootfs:{rootfs.name}")
    packages = []
    if rootfs.packages:
        with step(f"packages of {rootfs.name}"):
            packages = sources.fetch_packages(group(rootfs), ctx, suite=rootfs.suite)
    with disk_errors(target.parent, f"the image {target.name}"), atomic_path(target) as new:
        scratch = new.parent
        with step(f"tree of {rootfs.name}"):
            tree = _tree(rootfs, packages, scratch, paths, log=log, epoch=decl.project.epoch)
            _own_files(tree, rootfs, decl)
        with step(f"writing {target.name}"):
            if rootfs.kind == "initramfs" or rootfs.kind in FOR_HOSTS:
                cpio.write_file(tree, new, level=GUEST_LEVEL)
                return
            disk = scratch / "plain" if rootfs.kind == "ramdisk" else new
            kind = _FILE_SYSTEM.get(rootfs.kind, rootfs.kind)
            ext.write(tree, disk, kind=kind, name=rootfs.name, size_mib=rootfs.size_mib, scratch=scratch, log=log)
            if disk != new:
                _gzip(disk, new)


def _gzip(plain: Path, packed: Path) -> None:
    """Compress a file, with no name and no time in gzip's header: they would differ from run to run."""
    with (
        plain.open("rb") as source,
        packed.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=GUEST_LEVEL, fileobj=raw, mtime=0) as target,
    ):
        shutil.copyfileobj(source, target, 1 << 20)


def _tree(
    rootfs: Rootfs, packages: list[tuple[Blob, Path]], scratch: Path, paths: Paths, *, log: Path, epoch: int
) -> Tree:
    if rootfs.kind == "debian":
        return debian.tree(rootfs, packages, scratch / "root.tar", paths, log=log, epoch=epoch)
    unpacked = scratch / "packages"
    if rootfs.kind == "archive":
        debian.repository(packages, unpacked)
        return from_folder(unpacked, epoch)
    for _, deb in packages:
        sources.unpack_deb(deb, unpacked)
    if rootfs.kind == "unpacked":
        return from_folder(unpacked, epoch)
    program = busybox.find(unpacked) if packages else _own_busybox(rootfs, paths)
    made = busybox.guest(program, rootfs.arch, rootfs.hostname, paths, epoch)
    if not packages:
        # Who needs our own busybox has a kernel that may be too old for devtmpfs.
        busybox.devices(made)
    init = busybox.FILES / "busybox" / "init"
    if rootfs.kind == "initramfs":
        return busybox.as_initramfs(made, init)
    if rootfs.kind in ("ramdisk", "ext2", "ext3", "ext4"):
        return busybox.as_disk(made, init)
    raise InfrastructureError(f"rootfs {rootfs.name}: no way to make the kind {rootfs.kind}")


def _own_busybox(rootfs: Rootfs, paths: Paths) -> Path:
    program = userland.program(rootfs.arch, paths)
    if not program.is_file():
        raise UserError(f"there is no {program}", hint=f"./doit busybox:{rootfs.arch}")
    return program


def _own_files(tree: Tree, rootfs: Rootfs, decl: Declaration) -> None:
    """Lay the declaration's own files over the tree."""
    for path, file in rootfs.files.items():
        where = f"colinux.toml: rootfs.{rootfs.name}.files"
        source = decl.root / file.source if file.source else None
        if source is not None and not source.is_file():
            raise UserError(f"there is no file {source}", where=where)
        try:
            tree.file(path, source if source is not None else file.content or "", file.mode)
        except ValueError as error:
            raise UserError(str(error), where=where) from error

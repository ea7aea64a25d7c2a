# SPDX-License-Identifier: GPL-2.0-only
"""Root filesystems: a busybox initramfs, a busybox disk, a Debian disk.

Made without root privileges, from locked packages and our own files, and the
same bytes every time. A tree in memory (`tree`) is put together by `busybox`
or `debian` and written by `cpio` or `ext4`; the test host's initramfs comes
the same way (`initramfs.host_initramfs`).
"""

from __future__ import annotations

from pathlib import Path

from pipeline import sources
from pipeline.declaration.model import Declaration, Rootfs
from pipeline.errors import InfrastructureError, UserError
from pipeline.lock import Blob
from pipeline.paths import Paths, atomic_path
from pipeline.progress import step
from pipeline.rootfs import busybox, cpio, debian, ext4
from pipeline.rootfs.disk import disk_errors
from pipeline.rootfs.tree import Tree
from pipeline.stamp import Job

__all__ = ["build", "group", "image", "job", "resolve"]

GUEST_LEVEL = 9  # gzip's; what is written once is read at every boot


def group(rootfs: Rootfs) -> str:
    """The image's group of packages in colinux.lock."""
    return f"rootfs:{rootfs.name}"


def image(rootfs: Rootfs, paths: Paths) -> Path:
    """Where the image of a root filesystem is."""
    suffix = "cpio.gz" if rootfs.kind == "initramfs" else "ext4"
    return paths.rootfs(rootfs.name) / f"{rootfs.name}.{suffix}"


def resolve(rootfs: Rootfs, ctx: sources.Context) -> tuple[Blob, ...]:
    """The packages that the image is made of, as the archive has them today (`lock --update`).

    A Debian system needs all dependencies; busybox is static and stands alone.
    """
    whole = rootfs.kind == "debian"
    names = debian.package_names(rootfs) if whole else list(rootfs.packages)
    return sources.resolve_packages(names, rootfs.debian_arch, rootfs.suite, ctx, closure=whole)


def job(rootfs: Rootfs, decl: Declaration, ctx: sources.Context, paths: Paths) -> Job:
    """What `build` depends on and leaves behind."""
    here = Path(__file__).parent
    return Job(
        name=f"rootfs:{rootfs.name}",
        inputs={
            "packages": [blob.sha256 for blob in ctx.lock.group(group(rootfs))],
            "kind": rootfs.kind, "arch": rootfs.arch, "size_mib": rootfs.size_mib,
            "hostname": rootfs.hostname, "epoch": decl.project.epoch,
            "files": {path: [file.content, file.source, file.mode] for path, file in rootfs.files.items()},
        },
        files=[
            *sorted(here.glob("*.py")), here / "files", paths.agent(rootfs.arch),
            *(decl.root / file.source for file in rootfs.files.values() if file.source),
        ],
        outputs=[image(rootfs, paths)],
    )  # fmt: skip


def build(rootfs: Rootfs, decl: Declaration, ctx: sources.Context, paths: Paths) -> None:
    """Make the image of a root filesystem; whole or not at all."""
    target = image(rootfs, paths)
    log = paths.log(f"rootfs:{rootfs.name}")
    with step(f"packages of {rootfs.name}"):
        packages = sources.fetch_packages(group(rootfs), ctx)
    with disk_errors(target.parent, f"the image {target.name}"), atomic_path(target) as new:
        scratch = new.parent
        with step(f"tree of {rootfs.name}"):
            tree = _tree(rootfs, packages, scratch, paths, log=log, epoch=decl.project.epoch)
            _own_files(tree, rootfs, decl)
        with step(f"writing {target.name}"):
            if rootfs.kind == "initramfs":
                cpio.write_file(tree, new, level=GUEST_LEVEL)
            else:
                ext4.write(tree, new, name=rootfs.name, size_mib=rootfs.size_mib, scratch=scratch, log=log)


def _tree(
    rootfs: Rootfs, packages: list[tuple[Blob, Path]], scratch: Path, paths: Paths, *, log: Path, epoch: int
) -> Tree:
    if rootfs.kind == "debian":
        return debian.tree(rootfs, packages, scratch / "root.tar", paths, log=log, epoch=epoch)
    unpacked = scratch / "packages"
    for _, deb in packages:
        sources.unpack_deb(deb, unpacked)
    made = busybox.guest(busybox.find(unpacked), rootfs.arch, rootfs.hostname, paths, epoch)
    init = busybox.FILES / "busybox" / "init"
    if rootfs.kind == "initramfs":
        return busybox.as_initramfs(made, init)
    if rootfs.kind == "ext4":
        return busybox.as_disk(made, init)
    raise InfrastructureError(f"rootfs {rootfs.name}: no way to make the kind {rootfs.kind}")


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

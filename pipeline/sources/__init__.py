# SPDX-License-Identifier: GPL-2.0-only
"""Every byte from outside: tarballs, git commits and Debian packages behind one small interface.

    resolve, resolve_packages   ask the network and make lock entries  (./doit lock --update)
    fetch, fetch_packages       bring exactly what the lock has into the cache, and verify it
    unpack, unpack_deb          from the cache into a folder, whole or not at all

Reading order: context, cache, mirror, http, download; then tarball, git with
treeid and gitsigned, and debian with apt, aptsources, signed, debversion, snapshot and
substitute, and debsource for source packages; then archive.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline import progress
from pipeline.declaration.model import DebianSource, GitSource, Source, TarballSource
from pipeline.errors import InfrastructureError, UserError
from pipeline.lock import Blob
from pipeline.paths import atomic_dir
from pipeline.sources import archive, debian, debsource, git, tarball
from pipeline.sources.archive import unpack_deb
from pipeline.sources.cache import Cache
from pipeline.sources.context import Context, Fetched
from pipeline.sources.download import NotHere
from pipeline.sources.mirror import Mirrors
from pipeline.sources.receipt import read_receipt, receipt_path, warnings, write_receipt
from pipeline.sources.substitute import Dropped
from pipeline.sources.treeid import tree_id
from pipeline.stamp import Job

__all__ = [
    "Context",
    "Dropped",
    "Fetched",
    "Mirrors",
    "NotHere",
    "fetch",
    "fetch_first",
    "fetch_packages",
    "group_job",
    "job",
    "mirrors",
    "resolve",
    "resolve_packages",
    "tree_id",
    "unpack",
    "unpack_deb",
    "warnings",
]


def mirrors() -> Mirrors:
    """The person's or machine's mirror file; its format: pipeline.sources.mirror. UserError for faults."""
    return Mirrors.load()


def fetch(source: Source, ctx: Context) -> Fetched:
    """What the lock has for a source, in the cache and verified.

    Raises UserError when the lock has no such group or disagrees with the
    declaration, when other bytes are served than the locked ones, and when
    offline; InfrastructureError for network and disk.
    """
    group = f"source:{source.name}"
    if isinstance(source, DebianSource):
        return debian.fetch_source(source, ctx)
    fetched = tarball.fetch(source, ctx) if isinstance(source, TarballSource) else git.fetch(source, ctx)
    write_receipt(group, ctx.lock.group(group), fetched, ctx)
    return fetched


def fetch_first(sources: Sequence[Source], ctx: Context) -> tuple[Source, Fetched]:
    """The first of several sources of the same thing that can be had.

    A source that cannot be reached, or whose version Debian has dropped, makes
    way for the next, which is noted in `ctx.warnings`. One that serves wrong
    bytes does not: that is an error.
    """
    faults: list[tuple[Source, UserError | InfrastructureError]] = []
    for source in sources:
        try:
            fetched = fetch(source, ctx)
        except (InfrastructureError, NotHere, Dropped) as error:
            faults.append((source, error))
            continue
        if faults:
            warning = f"{source.name} is used, because {', '.join(other.name for other, _ in faults)} cannot be had"
            if warning not in ctx.warnings:
                ctx.warnings.append(warning)
                progress.warn(warning)
        return source, fetched
    if len(faults) == 1:
        raise faults[0][1]
    text = "\n".join(f"{source.name}: {error}" for source, error in faults)
    kind = InfrastructureError if any(isinstance(e, InfrastructureError) for _, e in faults) else NotHere
    raise kind(f"none of the {len(faults)} sources can be had:\n{text}")


def fetch_packages(group: str, ctx: Context, *, suite: str | None = None) -> list[tuple[Blob, Path]]:
    """Every package of one lock group, verified, in the lock's order.

    Unless `ctx.locked`, a blob that Debian has dropped may be another one than
    the lock's, and even of another name (the kernel's ABI number): look at the
    blobs returned, and at `ctx.warnings`. `suite` matters only then.
    """
    fetched = debian.fetch_group(group, ctx, suite=suite)
    return list(zip(fetched.blobs, fetched.files, strict=True))


def unpack(source: Source, fetched: Fetched, dest: Path, ctx: Context) -> None:
    """Put a source's files into the folder `dest`, which is replaced as a whole, or left as it was.

    A Debian source with `member` gives the content of that tarball, without its
    top folder; one without gives the package's files; one of the architecture
    "source" gives the author's tree with Debian's patches. Raises UserError for a
    damaged archive or a member that is refused.
    """
    with progress.step(f"unpacking {source.name}"):
        if isinstance(source, GitSource):
            git.checkout(source, fetched.files[0], dest, ctx)
        elif isinstance(source, DebianSource) and source.arch == debsource.ARCH:
            debsource.unpack(fetched.blobs, fetched.files, dest, name=source.name, patched=source.patched)
        elif isinstance(source, DebianSource) and source.member is None:
            with atomic_dir(dest) as new:
                unpack_deb(fetched.files[0], new)
        elif isinstance(source, DebianSource):
            archive.unpack_deb_member(fetched.files[0], str(source.member), dest, name=source.name)
        else:
            archive.unpack_archive(
                fetched.files[0], dest, strip=source.strip, name=source.name, tree=fetched.blobs[0].tree
            )


def resolve(source: Source, ctx: Context) -> tuple[Blob, ...]:
    """The lock's entries for a source, as the network has it now. Needs a network."""
    if isinstance(source, TarballSource):
        return (tarball.resolve(source, ctx),)
    if isinstance(source, GitSource):
        return (git.resolve(source, ctx),)
    if source.arch == debsource.ARCH:
        return debian.resolve_source(source.package, source.suite, ctx, patched=source.patched)
    blobs = debian.resolve([source.package], source.arch, source.suite, ctx, closure=False)
    return tuple(blob for blob in blobs if blob.package == source.package)


def resolve_packages(
    names: Sequence[str], arch: str, suite: str | None, ctx: Context, *, closure: bool
) -> tuple[Blob, ...]:
    """The lock's entries for Debian packages, as the archive has them now; see debian.resolve."""
    return debian.resolve(names, arch, suite, ctx, closure=closure)


def job(source: Source, ctx: Context) -> Job:
    """What `fetch` depends on and leaves behind."""
    return group_job(f"source:{source.name}", ctx, name=f"fetch:{source.name}")


def group_job(group: str, ctx: Context, name: str | None = None) -> Job:
    """What `fetch_packages` depends on and leaves behind: a receipt, and the files it speaks of."""
    locked = ctx.lock.group(group)
    receipt = read_receipt(group, locked, ctx)
    blobs = receipt.blobs if receipt else locked
    cache = Cache(ctx.paths.cache)
    files = [cache.path(blob.sha256) for blob in blobs if blob.kind != "git"]
    return Job(
        name=name or f"fetch:{group.replace(':', '-')}",
        inputs={
            "pins": [[blob.name, blob.sha256, blob.commit, blob.tree] for blob in locked],
            # A substitute is no answer any more once the build is a locked one.
            "substitutes": bool(receipt and receipt.warning) and not ctx.locked,
            "cache": str(ctx.paths.cache),
        },
        outputs=[receipt_path(group, ctx.paths), *dict.fromkeys(files)],
    )

# SPDX-License-Identifier: GPL-2.0-only
"""Debian packages: resolved from the archive's signed metadata, fetched by their pin, never installed.

When the archive has dropped a locked version (its pool keeps only the newest
few), these are tried in turn: the mirror file's pool, the pool of every configured
archive, the place today's index gives, a snapshot archive. After that a locked build stops;
another takes the newest point release of the same series, says so loudly, and
accepts only what is signed by a key that has signed the locked packages.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline import progress
from pipeline.declaration.model import DEBIAN_ARCH, DebianSource
from pipeline.digest import sha256_file
from pipeline.errors import InfrastructureError, UserError
from pipeline.lock import Blob
from pipeline.sources import debsource, http
from pipeline.sources.apt import Archive, Stanza
from pipeline.sources.cache import Cache
from pipeline.sources.context import Context, Fetched
from pipeline.sources.download import UPDATE, NotHere, NotThere, Want, download
from pipeline.sources.receipt import read_receipt, write_receipt
from pipeline.sources.snapshot import from_snapshot
from pipeline.sources.substitute import Dropped, blob_of, replace


def resolve(names: Sequence[str], arch: str, suite: str | None, ctx: Context, *, closure: bool) -> tuple[Blob, ...]:
    """The lock's entries for packages as the archive has them today, sorted by name.

    `arch` is Debian's or Linux's name. With `closure`: all that a fresh system
    with these packages consists of. Without: the packages themselves, and from
    each what it depends on of its own source (linux-image-amd64 leads to
    linux-image-6.1.0-56-amd64, linux-headers-amd64 to the headers, their common
    part and linux-kbuild). Raises UserError for an unknown package and when
    offline; InfrastructureError when the archive cannot be reached or trusted.
    """
    archive = open_archive(arch, suite, ctx)
    archive.update()
    stanzas = archive.closure(names) if closure else family(archive, names)
    return tuple(blob_of(archive, stanza) for stanza in stanzas)


def resolve_source(package: str, suite: str | None, ctx: Context, *, patched: bool = True) -> tuple[Blob, ...]:
    """The lock's entries for a source package: one for each of its files; the author's alone if not `patched`.

    Errors as `resolve`.
    """
    archive = open_archive(debsource.ARCH, suite, ctx)
    archive.update()
    wanted = [one for one in archive.source(package) if patched or debsource.original(one.package)]
    return tuple(blob_of(archive, stanza) for stanza in wanted)


def open_archive(arch: str, suite: str | None, ctx: Context) -> Archive:
    """The archive for one architecture, or "source"; packages of "all" are in every one's index."""
    return Archive("amd64" if arch == "all" else DEBIAN_ARCH.get(arch, arch), suite, ctx)


def family(archive: Archive, names: Iterable[str]) -> list[Stanza]:
    """The newest version of each package, and of what it depends on from the same source and version."""
    chosen: dict[str, Stanza] = {}
    todo = [archive.candidate(name) for name in names]
    while todo:
        one = todo.pop()
        if one.package in chosen:
            continue
        chosen[one.package] = one
        for alternatives in one.depends:
            for name in alternatives:
                todo += [
                    other for other in archive.find(name) if other.version == one.version and _stem(other) == _stem(one)
                ]
    return [chosen[name] for name in sorted(chosen)]


def _stem(stanza: Stanza) -> str:
    # Secure Boot: Debian signs kernels in source packages of their own, linux-signed-<arch>.
    return re.sub(r"-signed(-.*)?$", "", stanza.source)


def fetch_source(source: DebianSource, ctx: Context) -> Fetched:
    """The one package of a declared source. Errors as `fetch_group`."""
    group = f"source:{source.name}"
    for blob in ctx.lock.group(group):
        if (debsource.package(blob) if source.arch == debsource.ARCH else blob.package) != source.package:
            raise UserError(
                f"{source.name}: colinux.lock has the package {blob.package}, colinux.toml has {source.package}",
                hint=UPDATE,
            )
    return fetch_group(group, ctx, suite=source.suite)


def fetch_group(group: str, ctx: Context, *, suite: str | None = None) -> Fetched:
    """All packages of a lock group, verified, in the lock's order.

    Raises Dropped (a UserError) when a version is gone and `ctx.locked`;
    NotHere (another) when offline and not in the cache; InfrastructureError for
    network, disk and a broken chain of signatures.
    """
    locked = ctx.lock.group(group)
    again = None if ctx.locked else _as_before(group, locked, ctx)
    if again is not None:
        return again
    fetched = _fetch_all(group, locked, suite, ctx)
    write_receipt(group, locked, fetched, ctx)
    return fetched


def _as_before(group: str, locked: tuple[Blob, ...], ctx: Context) -> Fetched | None:
    """What stood in for dropped packages the last time, if all of it is still in the cache."""
    receipt = read_receipt(group, locked, ctx)
    if receipt is None or receipt.warning is None:
        return None
    cache = Cache(ctx.paths.cache)
    files = []
    for blob in receipt.blobs:
        with cache.lock(blob.sha256):
            file = cache.take(blob.sha256, blob.size, blob.name)
        if file is None:
            return None
        files.append(file)
    _warn(receipt.warning, ctx)
    return Fetched(group, tuple(files), receipt.blobs, receipt.warning)


def _fetch_all(group: str, locked: tuple[Blob, ...], suite: str | None, ctx: Context) -> Fetched:
    """Each architecture's packages from its own archive; those of "all" go with the first."""
    first = _arch(locked)
    by_arch: dict[str, list[Blob]] = {first: []}
    for blob in locked:
        by_arch.setdefault(first if blob.arch in ("all", None) else str(blob.arch), []).append(blob)
    parts = [_fetch(group, tuple(blobs), suite, ctx) for blobs in by_arch.values()]
    pairs = [pair for part in parts for pair in zip(part.blobs, part.files, strict=True)]
    if len(parts) > 1 and not any(part.warning for part in parts):
        pairs.sort(key=lambda pair: locked.index(pair[0]))  # in the lock's order
    warning = "\n".join(part.warning for part in parts if part.warning) or None
    return Fetched(group, tuple(file for _, file in pairs), tuple(blob for blob, _ in pairs), warning)


def _fetch(group: str, locked: tuple[Blob, ...], suite: str | None, ctx: Context) -> Fetched:
    cache = Cache(ctx.paths.cache)
    files: dict[str, Path] = {}
    for blob in locked:
        with cache.lock(blob.sha256):
            file = cache.take(blob.sha256, blob.size, blob.name)
        if file:
            files[blob.sha256] = file
    missing = _from_mirror([blob for blob in locked if blob.sha256 not in files], ctx, files)
    warning = None
    blobs = locked
    if missing:
        archive = open_archive(_arch(locked), suite, ctx)
        gone = _from_pools(group, missing, archive, ctx, files)
        gone = _from_index(gone, archive, ctx, files)
        reasons = _from_snapshot(gone, ctx, files)
        gone = [blob for blob in gone if blob.sha256 not in files]
        if gone and ctx.locked:
            raise Dropped(
                _dropped(group, gone, reasons),
                hint="nothing may stand in for it in a locked build; "
                f"{UPDATE}, or name a snapshot archive in the mirror file",
            )
        if gone:
            blobs = replace(locked, gone, archive)
            for blob in blobs:
                if blob.sha256 not in files:
                    files[blob.sha256] = download(_want(blob, archive.uris), ctx)
            new = [blob for blob in blobs if blob not in locked]
            names = ", ".join(f"{blob.package} {blob.version}" for blob in new)
            warning = f"{_dropped(group, gone, reasons)}\nused instead, and not in colinux.lock: {names}; {UPDATE}"
            _warn(warning, ctx)
    return Fetched(group, tuple(files[blob.sha256] for blob in blobs), blobs, warning)


def _arch(blobs: Iterable[Blob]) -> str:
    return next((blob.arch for blob in blobs if blob.arch and blob.arch != "all"), "all")


def _want(blob: Blob, uris: Iterable[str], bar: progress.Bar | None = None) -> Want:
    # Pools of -security have paths of their own; asking those archives first saves a 404 for each package.
    security = "updates/" in str(blob.filename).split("main")[0]
    order = sorted(uris, key=lambda uri: ("security" in uri) != security)
    return Want(
        f"{blob.package} {blob.version}",
        tuple(f"{uri}{blob.filename}" for uri in order),
        blob.sha256,
        blob.size,
        bar,
    )


def _understood(uris: Iterable[str]) -> list[str]:
    return [uri for uri in uris if uri.startswith(("http://", "https://", "file:"))]


def _from_mirror(missing: list[Blob], ctx: Context, files: dict[str, Path]) -> list[Blob]:
    """Fetch from the pool that the mirror file names; returns those that it does not have."""
    if ctx.mirrors.pool is None:
        return missing
    left = []
    for blob in missing:
        try:
            files[blob.sha256] = download(_want(blob, [f"{ctx.mirrors.pool}/"]), ctx)
        except (NotHere, InfrastructureError):  # not there, or not to be reached: the archives may have it
            left.append(blob)
    return left


def _from_pools(group: str, missing: list[Blob], archive: Archive, ctx: Context, files: dict[str, Path]) -> list[Blob]:
    """Fetch by path from the configured archives' pools; returns those that none has."""
    uris = _understood(archive.uris)
    if not uris:
        return missing
    gone = []
    total = sum(blob.size for blob in missing)
    with progress.Bar(f"{len(missing)} packages of {group}", total) as bar:
        for blob in missing:
            want = _want(blob, uris, bar)
            try:
                files[blob.sha256] = download(want, ctx)
            except NotThere:
                gone.append(blob)
    return gone


def _from_index(gone: list[Blob], archive: Archive, ctx: Context, files: dict[str, Path]) -> list[Blob]:
    """Ask the archive's present index where the locked bytes are; returns those that it does not list."""
    left = []
    if gone:
        archive.update()
    for blob in gone:
        stanza = next((s for s in archive.find(str(blob.package)) if s.sha256 == blob.sha256), None)
        if stanza is None:
            left.append(blob)
            continue
        archive.signers(stanza)
        try:
            files[blob.sha256] = _download(stanza, archive, ctx)
        except NotThere as error:
            raise InfrastructureError(
                f"Debian's index lists a file that its pool does not have:\n{error.message}",
                hint="the mirror is in the middle of an update: try again later",
            ) from error
    return left


def _download(stanza: Stanza, archive: Archive, ctx: Context) -> Path:
    if _understood([stanza.uri]):
        want = Want(f"{stanza.package} {stanza.version}", (stanza.uri + stanza.filename,), stanza.sha256, stanza.size)
        return download(want, ctx)
    cache = Cache(ctx.paths.cache)
    with cache.lock(stanza.sha256), tempfile.TemporaryDirectory(dir=cache.root / "partial") as folder:
        file = archive.fetch_through_apt(stanza, Path(folder))
        if sha256_file(file) != stanza.sha256:
            raise InfrastructureError(f"apt brought another file than its index lists for {stanza.package}")
        return cache.adopt(file, stanza.sha256)


def _from_snapshot(gone: list[Blob], ctx: Context, files: dict[str, Path]) -> list[str]:
    """Fetch from a snapshot archive what it has; returns why the rest could not be had."""
    reasons: list[str] = []
    for blob in gone:
        try:
            files[blob.sha256] = from_snapshot(blob, ctx)
        except (http.Refused, InfrastructureError) as error:
            reasons.append(str(error))
    return list(dict.fromkeys(reasons))


def _dropped(group: str, gone: list[Blob], reasons: list[str]) -> str:
    names = ", ".join(f"{blob.package} {blob.version}" for blob in gone)
    return "\n".join(
        [
            f"{group}: Debian's archive has dropped the locked {names}",
            *(f"    snapshot: {reason}" for reason in reasons),
        ]
    )


def _warn(text: str, ctx: Context) -> None:
    if text not in ctx.warnings:
        ctx.warnings.append(text)
        progress.warn(text)

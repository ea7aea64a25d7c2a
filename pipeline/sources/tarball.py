# SPDX-License-Identifier: GPL-2.0-only
"""Tarballs: pinned by size and SHA-256, and by the git tree id of their files where that is known.

An OpenPGP signature is what makes a pin in the first place. Where nobody could look at the file
(`derived` in the lock), its tree decides, and the receipt tells which file that was.
"""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

from pipeline import progress
from pipeline.declaration.model import Signature, TarballSource
from pipeline.digest import sha256_file
from pipeline.errors import InfrastructureError, UserError
from pipeline.lock import Blob
from pipeline.sources import http
from pipeline.sources.archive import decompress, unpack_archive
from pipeline.sources.cache import Cache
from pipeline.sources.context import Context, Fetched
from pipeline.sources.download import UPDATE, NotHere, Want, download
from pipeline.sources.receipt import read_receipt
from pipeline.sources.signed import require


def fetch(source: TarballSource, ctx: Context) -> Fetched:
    """The locked tarball, in the cache. Errors as `download`; UserError when the lock disagrees."""
    (blob,) = ctx.lock.group(f"source:{source.name}")
    _agree(source, blob)
    name = f"{source.name} ({_basename(blob.url)})"
    if not blob.derived:
        return Fetched(source.name, (download(Want(name, source.urls, blob.sha256, blob.size), ctx),), (blob,))
    blob, file = _before(source, blob, ctx)
    if file is None:
        file = download(Want(name, source.urls, tree=blob.tree), ctx)
        seen = sha256_file(file)
        if seen != blob.sha256:
            _check_tree(source, file, ctx)
            progress.note(f"{name} has sha256 {seen}, not the derived {blob.sha256}; its tree is the pinned one")
        blob = dataclasses.replace(blob, sha256=seen, size=file.stat().st_size)
    return Fetched(source.name, (file,), (blob,))


def _agree(source: TarballSource, blob: Blob) -> None:
    """UserError when colinux.lock and colinux.toml do not mean the same file."""
    if blob.url not in source.urls:
        raise UserError(f"{source.name}: colinux.lock has {blob.url}, which is none of the declared URLs", hint=UPDATE)
    signer = source.signature.fingerprint.upper() if source.signature else None
    if signer and blob.signer != signer:
        raise UserError(
            f"{source.name}: colinux.lock says signed by {blob.signer or 'nobody'}, colinux.toml wants {signer}",
            hint=UPDATE,
        )
    pins = [("tree", blob.tree, source.tree)]
    if source.sha256 and not source.derived:
        pins.append(("sha256", blob.sha256, source.sha256))
    for word, locked, declared in pins:
        if locked != declared:
            raise UserError(
                f"{source.name}: colinux.lock has {word} {locked or 'none'}, colinux.toml {declared or 'none'}",
                hint=UPDATE,
            )


def _before(source: TarballSource, blob: Blob, ctx: Context) -> tuple[Blob, Path | None]:
    """The file of a derived pin if the cache has it: the one derived, or the one that turned out to have the tree."""
    receipt = read_receipt(f"source:{source.name}", (blob,), ctx)
    cache = Cache(ctx.paths.cache)
    for one in (blob, *(receipt.blobs if receipt else ())):
        with cache.lock(one.sha256):
            file = cache.take(one.sha256, one.size, source.name)
        if file:
            return one, file
    return blob, None


def _check_tree(source: TarballSource, file: Path, ctx: Context) -> None:
    """UserError unless the unpacked files have the pinned tree id."""
    ctx.paths.build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tree-", dir=ctx.paths.build) as folder:
        unpack_archive(file, Path(folder) / "tree", strip=source.strip, name=source.name, tree=source.tree)


def resolve(source: TarballSource, ctx: Context) -> Blob:
    """The lock's entry: the file is fetched, its signature and tree verified, and what it is written down.

    A file whose hash is declared can be locked unseen, which is warned about. Raises UserError for
    a signature that is bad or by somebody else, for another tree or hash, and when offline.
    """
    urls = source.urls
    try:
        if ctx.offline:
            raise NotHere(
                f"{source.name}: a lock cannot be made without looking at the source",
                hint="run ./doit lock --update without --offline",
            )
        file = download(Want(f"{source.name} ({_basename(urls[0])})", urls), ctx)
    except (NotHere, InfrastructureError) as error:
        if source.sha256 is None or source.size is None or source.signature:
            raise
        progress.warn(f"{source.name} is locked unseen, as colinux.toml declares it: {error.message}")
        return _blob(source, source.sha256, source.size, derived=source.derived or None)
    signer = verify(file, source.signature, source.name, ctx) if source.signature else None
    if source.tree:
        _check_tree(source, file, ctx)
    seen = sha256_file(file)
    if source.sha256 not in (None, seen) and not source.derived:
        raise UserError(
            f"{source.name}: {urls[0]} has sha256 {seen}, colinux.toml has {source.sha256}",
            hint="the file is not accepted; if its publisher has changed it and you trust that, correct colinux.toml",
        )
    return _blob(source, seen, file.stat().st_size, signer=signer)


def _blob(
    source: TarballSource, sha256: str, size: int, *, signer: str | None = None, derived: bool | None = None
) -> Blob:
    return Blob(
        source.name,
        "tarball",
        url=source.urls[0],
        filename=_basename(source.urls[0]),
        size=size,
        sha256=sha256,
        signer=signer,
        tree=source.tree,
        derived=derived,
    )


def verify(file: Path, signature: Signature, name: str, ctx: Context) -> str:
    """The fingerprint, when the declared key has signed the file (or, kernel.org's way, its content)."""
    try:
        detached = _signature(signature.url, ctx)
    except http.Refused as error:
        raise InfrastructureError(f"{name}: no signature from {signature.url}: {error}", hint="try again") from error
    with tempfile.TemporaryDirectory(prefix="colinux-gpgv-") as folder:
        scratch = Path(folder)
        signed = decompress(file, scratch / "content", name) if signature.of == "content" else file
        return require(detached, signed, signature.fingerprint, signature.keyring, name, ctx.paths.root, scratch)


def _signature(url: str, ctx: Context) -> bytes:
    reasons = []
    for place in ctx.mirrors.places(url):
        try:
            if place.local:
                if place.file is None:
                    raise http.Refused("no such file")
                return place.file.read_bytes()
            return http.small(str(place.url))
        except http.Refused as error:
            reasons.append(f"{place}: {error}")
    raise http.Refused("; ".join(reasons))


def _basename(url: str | None) -> str:
    return str(url).split("?")[0].rstrip("/").rsplit("/", 1)[-1]

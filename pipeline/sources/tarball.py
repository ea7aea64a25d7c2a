# SPDX-License-Identifier: GPL-2.0-only
"""Tarballs: pinned by size and SHA-256; an OpenPGP signature is what makes a pin in the first place."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pipeline import process
from pipeline.declaration.model import Signature, TarballSource
from pipeline.digest import sha256_file
from pipeline.errors import InfrastructureError, UserError
from pipeline.lock import Blob
from pipeline.sources import http
from pipeline.sources.archive import decompress
from pipeline.sources.context import Context, Fetched
from pipeline.sources.download import UPDATE, NotHere, Want, download
from pipeline.sources.signed import dearmour


def fetch(source: TarballSource, ctx: Context) -> Fetched:
    """The locked tarball, in the cache. Errors as `download`; UserError when the lock disagrees."""
    (blob,) = ctx.lock.group(f"source:{source.name}")
    if blob.url not in source.urls:
        raise UserError(f"{source.name}: colinux.lock has {blob.url}, which is none of the declared URLs", hint=UPDATE)
    signer = source.signature.fingerprint.upper() if source.signature else None
    if signer and blob.signer != signer:
        raise UserError(
            f"{source.name}: colinux.lock says signed by {blob.signer or 'nobody'}, colinux.toml wants {signer}",
            hint=UPDATE,
        )
    want = Want(f"{source.name} ({_basename(blob.url)})", source.urls, blob.sha256, blob.size)
    return Fetched(source.name, (download(want, ctx),), (blob,))


def resolve(source: TarballSource, ctx: Context) -> Blob:
    """The lock's entry: the file is fetched, its declared signature verified, and what it is written down.

    Raises UserError for a signature that is bad or by somebody else, and when offline.
    """
    if ctx.offline:
        raise NotHere(
            f"{source.name}: a lock cannot be made without looking at the source",
            hint="run ./doit lock --update without --offline",
        )
    file = download(Want(f"{source.name} ({_basename(source.urls[0])})", source.urls), ctx)
    signer = verify(file, source.signature, source.name, ctx) if source.signature else None
    return Blob(
        source.name,
        "tarball",
        url=source.urls[0],
        filename=_basename(source.urls[0]),
        size=file.stat().st_size,
        sha256=sha256_file(file),
        signer=signer,
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
        armoured = scratch / "signature"
        armoured.write_bytes(detached)
        words: list[str | Path] = ["gpgv", "--status-fd", "1"]
        if signature.keyring:
            ring = ctx.paths.root / signature.keyring
            if not ring.is_file():
                raise UserError(f"{name}: the keyring {signature.keyring} is not there", where="colinux.toml")
            data = ring.read_bytes()
            words += [
                "--keyring",
                dearmour(data.decode("ascii", "replace"), scratch) if data.startswith(b"-----BEGIN") else ring,
            ]
        result = process.run([*words, armoured, signed], check=False, timeout=600)
    # "VALIDSIG <key> <date> ... <primary key>": GnuPG's doc/DETAILS.
    signers = [
        {line.split()[2], line.split()[-1]}
        for line in result.stdout.splitlines()
        if line.startswith("[GNUPG:] VALIDSIG ")
    ]
    wanted = signature.fingerprint.upper()
    if not any(wanted in keys for keys in signers):
        seen = ", ".join(sorted(set().union(*signers))) or "nobody"
        told = "" if signers else "\n" + result.stdout.strip()
        raise UserError(
            f"{name}: expected a signature by {wanted}, seen one by {seen}{told}",
            hint="the file is not accepted; is the key in the declared keyring?",
        )
    return wanted


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

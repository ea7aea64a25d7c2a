# SPDX-License-Identifier: GPL-2.0-only
"""What may stand in for a Debian package that the archive has dropped."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.errors import InfrastructureError, UserError
from pipeline.lock import Blob
from pipeline.sources import debversion
from pipeline.sources.apt import Archive, Stanza
from pipeline.sources.download import UPDATE

# linux-image-6.1.0-56-amd64: the ABI number is a part of the name, and a new one comes with most updates.
KERNEL = re.compile(r"(?P<head>linux-[a-z]+-(?P<series>\d+\.\d+)\.\d+-)(?P<abi>\d+)(?P<tail>-.+)?")


class Dropped(UserError):
    """The locked version is gone from every archive, and nothing may stand in for it."""


def blob_of(archive: Archive, stanza: Stanza) -> Blob:
    """The lock's entry. `filename` is the path below whatever archive; no host is written down."""
    return Blob(
        name=stanza.package,
        kind="debian",
        package=stanza.package,
        version=stanza.version,
        arch=stanza.arch,
        filename=stanza.filename,
        size=stanza.size,
        sha256=stanza.sha256,
        signer=",".join(archive.signers(stanza)),
    )


def replace(locked: Sequence[Blob], gone: Sequence[Blob], archive: Archive) -> tuple[Blob, ...]:
    """The group with dropped packages replaced by the newest point release of the same series.

    Packages that come from one source go together: a kernel's image, headers
    and kbuild must be of one version. Raises Dropped when there is no such
    release, InfrastructureError when it is signed by somebody else.
    """
    replaced: dict[str, Stanza] = {}
    for blob in gone:
        if str(blob.package) in replaced:
            continue
        relatives = [other for other in locked if other is blob or _related(other, blob, archive)]
        replaced.update(_successors(blob, relatives, archive))
    trusted = {signer for blob in locked for signer in str(blob.signer or "").split(",") if signer}
    blobs = []
    for blob in locked:
        stanza = replaced.get(str(blob.package))
        if stanza is None:
            blobs.append(blob)
            continue
        signers = archive.signers(stanza)
        if not trusted & set(signers):
            raise InfrastructureError(
                f"{stanza.package} {stanza.version} is signed by {', '.join(signers)}; the locked packages "
                f"are signed by {', '.join(sorted(trusted)) or 'nobody'}",
                hint=f"if Debian has changed its keys, {UPDATE}",
            )
        blobs.append(blob_of(archive, stanza))
    return tuple(blobs)


def _related(other: Blob, blob: Blob, archive: Archive) -> bool:
    """Whether two locked packages are built from one source: then they are only good together."""
    if other.version != blob.version:
        return False
    if str(other.package).startswith("linux-") and str(blob.package).startswith("linux-"):
        return True
    names = [str(other.package), str(blob.package)]
    sources = [{stanza.source for stanza in archive.find(name)} for name in names]
    return bool(sources[0] & sources[1])


def _successors(blob: Blob, relatives: Sequence[Blob], archive: Archive) -> dict[str, Stanza]:
    """For each relative its successor, all of the newest version that every one of them has."""
    candidates = {str(one.package): {s.version: s for s in _later(one, archive)} for one in relatives}
    common = set.intersection(*(set(versions) for versions in candidates.values()))
    if not common:
        raise Dropped(
            f"Debian's archive has neither {blob.package} {blob.version} nor a later one of its series",
            hint=UPDATE,
        )
    newest = max(common, key=debversion.key)
    return {package: versions[newest] for package, versions in candidates.items()}


def _later(blob: Blob, archive: Archive) -> list[Stanza]:
    """Versions that may stand in for a locked one: not older; for a kernel, of the same upstream series."""
    package, version = str(blob.package), str(blob.version)
    kernel = KERNEL.fullmatch(package)
    names = [package]
    if kernel:
        names = [
            name
            for name in archive.packages()
            if (other := KERNEL.fullmatch(name)) and (other["head"], other["tail"]) == (kernel["head"], kernel["tail"])
        ]
    series = ".".join(debversion.upstream(version).split(".")[:2]) + "." if package.startswith("linux-") else ""
    return [
        stanza
        for name in names
        for stanza in archive.find(name)
        if debversion.compare(stanza.version, version) >= 0 and debversion.upstream(stanza.version).startswith(series)
    ]

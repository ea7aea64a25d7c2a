# SPDX-License-Identifier: GPL-2.0-only
"""Debian's source packages: what an author released, and what Debian changes in it.

One is several files (dsc(5), dpkg-source(1), format 3.0 (quilt)). To the rest
of this package each is a package of its own, of the architecture "source" and
named by its part: busybox.dsc, busybox.orig.tar, busybox.debian.tar. So they
are locked, fetched, looked for and replaced like binary ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline import series
from pipeline.errors import UserError
from pipeline.lock import Blob
from pipeline.paths import atomic_dir
from pipeline.sources.archive import unpack_archive

ARCH = "source"
_CHECKSUM = re.compile(r"^ ([0-9a-f]{64}) (\d+) (\S+)$", re.M)
# Behind <package>_<version>, without the compression's own ending.
_PART = re.compile(r"\.(dsc|orig(?:-[a-z0-9-]+)?\.tar|debian\.tar|tar|diff)(?:\.(?:gz|bz2|xz|lzma))?(\.asc)?")


def stanzas(text: str) -> Iterator[str]:
    """One stanza for each file of a source package, in the manner of a binary package's, from its own in `Sources`."""
    fields = dict(re.findall(r"^(Package|Version|Directory): *(\S+)", text, re.M))
    sums = re.search(r"^Checksums-Sha256:[ \t]*\n((?: .*\n?)+)", text, re.M)
    for sha256, size, name in _CHECKSUM.findall(sums[1]) if sums else ():
        found = part(name)
        if found is not None:
            yield (
                f"Package: {fields['Package']}.{found}\nSource: {fields['Package']}\nVersion: {fields['Version']}\n"
                f"Architecture: {ARCH}\nFilename: {fields['Directory']}/{name}\nSize: {size}\nSHA256: {sha256}\n"
            )


def part(name: str) -> str | None:
    """The part of a source package that a file is, by its name.

    >>> part("busybox_1.35.0-4+deb12u1.debian.tar.xz")
    'debian.tar'
    """
    matches = list(_PART.finditer(name))
    if "_" not in name or not matches or matches[-1].end() != len(name):
        return None
    return matches[-1][1] + (matches[-1][2] or "")


def original(name: str) -> bool:
    """Whether a part, by its package name ("busybox.orig.tar"), is the author's and not Debian's."""
    return re.search(r"\.orig(-[a-z0-9-]+)?\.tar$", name) is not None


def package(blob: Blob) -> str:
    """The source package that a locked file belongs to."""
    return Path(str(blob.filename)).name.partition("_")[0]


def unpack(blobs: Sequence[Blob], files: Sequence[Path], dest: Path, *, name: str, patched: bool = True) -> None:
    """The author's tree in a new folder `dest`, with Debian's folder debian/ in it and its patches applied.

    `patched=False` leaves the author's tree as it was released. Raises
    UserError for a damaged archive, for another format, and for a patch that
    does not apply without fuzz.
    """
    parts = {part(Path(str(blob.filename)).name): file for blob, file in zip(blobs, files, strict=True)}
    if "orig.tar" not in parts:
        raise UserError(f"{name}: no .orig.tar in it: only source packages of the format 3.0 (quilt) are known")
    with atomic_dir(dest) as new:
        unpack_archive(parts["orig.tar"], new, strip=1, name=name)
        if not patched or "debian.tar" not in parts:
            return
        unpack_archive(parts["debian.tar"], new / "debian", strip=1, name=name)
        listed = new / "debian/patches/series"
        if listed.is_file():
            names = [words[0] for line in listed.read_text().splitlines() if (words := line.split("#", 1)[0].split())]
            patches = tuple(series.read_patch(listed.parent / one, new) for one in names)
            series.apply(series.Series(listed, patches), new, new)

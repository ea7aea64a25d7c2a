# SPDX-License-Identifier: GPL-2.0-only
"""The two kinds of archives of a release, told apart by their names: tar.zst for Linux, zip for Windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.release import archive, zips
from pipeline.release.archive import File, Member

SUFFIXES = (archive.SUFFIX, zips.SUFFIX)


def is_archive(path: str) -> bool:
    """Whether a file of that name has members."""
    return path.endswith(SUFFIXES)


def pack(target: Path, files: Mapping[str, File], epoch: int) -> list[Member]:
    """As archive.pack and zips.pack, whose names say what they make."""
    if target.name.endswith(zips.SUFFIX):
        return zips.pack(target, files, epoch)
    return archive.pack(target, files, epoch)


def fault(path: Path, members: Sequence[Member], epoch: int) -> str | None:
    """As archive.fault and zips.fault."""
    if path.name.endswith(zips.SUFFIX):
        return zips.fault(path, members, epoch)
    return archive.fault(path, members, epoch)

# SPDX-License-Identifier: GPL-2.0-only
"""What every kind of source is given, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pipeline.lock import Blob, Lock
from pipeline.paths import Paths
from pipeline.sources.mirror import Mirrors


@dataclass
class Context:
    """What the sources need to know, and what they have to say afterwards.

    `offline` forbids every network access. `locked` forbids substitutes for
    packages that Debian's archive has dropped. `warnings` grows while we work:
    it belongs into the evidence of whatever is made from the files.
    """

    paths: Paths
    lock: Lock
    mirrors: Mirrors
    offline: bool = False
    locked: bool = False
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Fetched:
    """Files that are in the cache and verified against `blobs`, one for one.

    For git `files` holds the one bare repository that has the pinned commit.
    `warning` is set when the bytes are not the locked ones: a dropped Debian
    package was replaced by a newer point release.
    """

    name: str
    files: tuple[Path, ...]
    blobs: tuple[Blob, ...]
    warning: str | None = None

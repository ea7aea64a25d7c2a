# SPDX-License-Identifier: GPL-2.0-only
"""What the build that is shown was made of: the commit, the lock's pins and who vouched for them, our patches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline import sources
from pipeline.declaration.model import Declaration
from pipeline.digest import sha256_file
from pipeline.lock import Blob
from pipeline.release import manifest, origin
from pipeline.sources.receipt import read_receipt


@dataclass(frozen=True)
class Group:
    """A group of the lock: what was brought for it, or would be; `warning` where that is not what is locked."""

    name: str
    blobs: tuple[Blob, ...]
    warning: str

    @property
    def bytes(self) -> int:
        return sum(blob.size for blob in self.blobs)

    @property
    def signers(self) -> list[str]:
        """Fingerprints, each once."""
        return sorted({one for blob in self.blobs for one in (blob.signer or "").split(",") if one})


@dataclass(frozen=True)
class Inputs:
    """`commit` is None outside of a checkout; `changed`: with something that is not committed.
    `kernels` are those that are built, each as manifest.kernel has it."""

    commit: str | None
    changed: bool
    declaration: str
    lock: str
    groups: tuple[Group, ...]
    kernels: Mapping[str, Mapping[str, Any]]


def read(declaration: Declaration, ctx: sources.Context) -> Inputs:
    """All of it, as it is now."""
    commit, changed = origin.head(ctx.paths.root) or (None, False)
    groups = []
    for name, locked in sorted(ctx.lock.groups.items()):
        receipt = read_receipt(name, locked, ctx)
        groups.append(Group(name, receipt.blobs if receipt else tuple(locked), (receipt and receipt.warning) or ""))
    kernels = {name: manifest.kernel(one, declaration, ctx.paths) for name, one in declaration.kernels.items()
               if (ctx.paths.kernel(name) / "config").is_file()}
    return Inputs(commit, changed, sha256_file(declaration.path), ctx.lock.digest(), tuple(groups), kernels)

# SPDX-License-Identifier: GPL-2.0-only
"""build/fetch/<group>.json: which bytes a fetch really brought, and what it had to warn about.

It is what the fetch tasks leave behind (their other output, the cache, is
shared and may be emptied), it keeps a build on the same substitute for a
package that Debian has dropped, and it is evidence for boots and releases.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.lock import Blob
from pipeline.paths import Paths, atomic_write, slug
from pipeline.sources.context import Context, Fetched


@dataclasses.dataclass(frozen=True)
class Receipt:
    """The blobs that were brought for a group, and the warning if they are not the locked ones."""

    blobs: tuple[Blob, ...]
    warning: str | None


def receipt_path(group: str, paths: Paths) -> Path:
    """`group` as in the lock: "source:linux-6.1", "host:linux-amd64"."""
    return paths.build / "fetch" / f"{slug(group)}.json"


def write_receipt(group: str, locked: Sequence[Blob], fetched: Fetched, ctx: Context) -> None:
    """Record a fetch."""
    record = {
        "group": group,
        "locked": [identity(blob) for blob in locked],
        "blobs": [dataclasses.asdict(blob) for blob in fetched.blobs],
        "warning": fetched.warning,
    }
    path = receipt_path(group, ctx.paths)
    text = json.dumps(record, indent=1) + "\n"
    if not path.exists() or path.read_text() != text:
        atomic_write(path, text)


def read_receipt(group: str, locked: Sequence[Blob], ctx: Context) -> Receipt | None:
    """The record of the last fetch, if it was for the same lock entries."""
    record = _load(receipt_path(group, ctx.paths))
    if record is None or record.get("locked") != [identity(blob) for blob in locked]:
        return None
    try:
        return Receipt(tuple(Blob(**blob) for blob in record["blobs"]), record["warning"])
    except (KeyError, TypeError):
        return None


def warnings(paths: Paths) -> list[str]:
    """Every warning of the fetches that this checkout stands on, for its evidence."""
    folder = paths.build / "fetch"
    records = [_load(path) for path in sorted(folder.glob("*.json"))] if folder.is_dir() else []
    return [str(record["warning"]) for record in records if record and record.get("warning")]


def identity(blob: Blob) -> str:
    """What tells one lock entry from another: the content's digest, or the commit."""
    return blob.commit or blob.sha256


def _load(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None

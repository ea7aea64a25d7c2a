# SPDX-License-Identifier: GPL-2.0-only
"""What the releases in dist/ tell of their machines, the oldest first: how long a boot took, how big it was.

They are read by their manifests alone. Whether a release is what its manifest says is `./doit verify`'s to find out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pipeline.release import manifest, parts
from pipeline.report.charts import Point
from pipeline.report.gather import Boot

NOW = "this build"


@dataclass(frozen=True)
class Release:
    """A release: its folder, and its manifest, which has its form."""

    folder: str
    facts: Mapping[str, Any]

    @property
    def version(self) -> str:
        return str(self.facts["version"])

    @property
    def date(self) -> str:
        return str(datetime.fromtimestamp(self.facts["epoch"], timezone.utc).date())

    def size(self, machine: str) -> int | None:
        """Bytes of the files that a machine was booted with; None when it is not in this release."""
        said = self.facts["machines"].get(machine)
        files = [file for file in self.facts["files"] if said and file["path"] == said["archive"]]
        return sum(member["size"] for file in files for role, member in parts.held(said, file).items()
                   if role in said["booted"]) or None


def releases(dist: Path) -> tuple[list[Release], list[str]]:
    """All releases, the oldest first; and in words, which folders have a manifest that cannot be read."""
    found, faults = [], []
    for path in sorted(dist.glob(f"*/{manifest.NAME}")):
        facts, wrong = manifest.load(path.read_bytes())
        if wrong:
            faults.append(f"{path.parent.name}/{manifest.NAME}: {wrong[0]}")
        else:
            found.append(Release(path.parent.name, facts))
    return sorted(found, key=lambda one: (one.facts["epoch"], one.version)), faults


def names(found: Sequence[Release], released: Sequence[str]) -> list[str]:
    """The machines that have a history: those of any release, and those of the next one."""
    every = [name for one in found for name in one.facts["machines"]]
    return list(dict.fromkeys([*released, *every]))


def boot_times(machine: str, found: Sequence[Release], now: Boot | None) -> list[Point]:
    """Seconds until the guest was up. A boot that did not get that far has none."""
    points = []
    for one in found:
        said = one.facts["machines"].get(machine)
        if said and said["boot"] and said["boot"]["boot_seconds"] is not None:
            points.append(Point(one.version, said["boot"]["boot_seconds"], _how(said["boot"])))
    if now is not None and now.boot_seconds is not None:
        points.append(Point(NOW, now.boot_seconds, _how(now.facts)))
    return points


def sizes(machine: str, found: Sequence[Release], now: Boot | None) -> list[Point]:
    """Bytes of what a machine is made of, unpacked."""
    points = [Point(one.version, size) for one in found if (size := one.size(machine)) is not None]
    if now is not None and now.bytes is not None:
        points.append(Point(NOW, now.bytes))
    return points


def _how(boot: Mapping[str, Any]) -> str:
    """With what a time was measured: times by other means cannot be compared."""
    return f"{boot['verdict']}, {boot['accel']}"

# SPDX-License-Identifier: GPL-2.0-only
"""What a machine is in a release: its share of an archive, and which of the files that it boots with belong there.

A machine that boots beside Linux has an archive of its own. Those that boot through a Windows' driver
(`nt` in colinux.toml) share one zip for that Windows: the driver and the daemon are there once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.declaration.model import Machine
from pipeline.errors import UserError
from pipeline.release.archive import File

CONF = "colinux.conf"
# A test of the machine needs them, a person who runs it does not.
TEST_ONLY = frozenset({"agent", "check", "host-kernel"})
# And of a boot through a Windows' driver also what stands in for that Windows: a Linux host's side of it.
STANDS_IN = frozenset({"driver", "daemon", "ctl", "console"})
NT_DRIVER, NT_DAEMON = "nt-driver", "nt-daemon"
# The daemon and what talks to it, as pipeline.windowsdaemon has them.
NT_PROGRAMS = (NT_DAEMON, "nt-ctl", "nt-console")
# Of a zip there is one for all of its machines.
SHARED = frozenset({NT_DRIVER, *NT_PROGRAMS})


@dataclass(frozen=True)
class Part:
    """A built file in an archive: its role (runtime.launcher.artifacts) and its path there."""

    role: str
    path: str
    file: Path


@dataclass(frozen=True)
class Windows:
    """Of a machine in a zip: whose driver it boots through (toolchain/windows.toml), what stands before the roles of
    its own files there, and the built files that its boot has not seen, by role."""

    name: str
    prefix: str
    unbooted: Mapping[str, str]

    def facts(self) -> dict[str, Any]:
        """As the manifest has it."""
        return {"name": self.name, "prefix": self.prefix, "unbooted": dict(self.unbooted)}


@dataclass(frozen=True)
class Package:
    """A machine's share of an archive: the archive's name, its built files, and all that it holds there by path."""

    machine: Machine
    archive: str
    parts: tuple[Part, ...]
    files: Mapping[str, File]
    built: Mapping[str, str]  # role -> SHA-256 of everything that the machine boots with
    windows: Windows | None = None


@dataclass(frozen=True)
class Archive:
    """An archive to be, of one or more machines."""

    name: str
    parts: tuple[Part, ...]
    files: Mapping[str, File]
    windows: str | None


def archives(packages: Sequence[Package]) -> list[Archive]:
    """The archives of these machines, in their order. UserError where two machines want one place for two files."""
    found: list[Archive] = []
    for name in dict.fromkeys(package.archive for package in packages):
        shares = [package for package in packages if package.archive == name]
        parts = tuple(dict.fromkeys(part for package in shares for part in package.parts))
        refuse_twins(parts)
        files = {path: file for package in shares for path, file in package.files.items()}
        windows = shares[0].windows
        found.append(Archive(name, parts, files, windows.name if windows else None))
    return found


def refuse_twins(parts: Iterable[Part]) -> None:
    """UserError when two built files would lie in one place."""
    seen: dict[str, Part] = {}
    for part in parts:
        other = seen.setdefault(part.path, part)
        if other.file != part.file:
            raise UserError(f"{part.path} would be both {other.file} and {part.file}",
                            hint="give one of the root filesystems in colinux.toml another name")


def shipped(roles: Iterable[str], *, windows: bool) -> set[str]:
    """Of the roles of what a machine boots with, those that are in its archive."""
    return set(roles) - TEST_ONLY - (STANDS_IN if windows else frozenset())


def held(facts: Mapping[str, Any], file: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Role -> member, of what an archive has of a machine; both as the manifest has them."""
    windows = facts.get("windows")
    found = {}
    for member in file.get("members", ()):
        if "role" not in member:
            continue
        before, slash, role = member["role"].rpartition("/")
        if role in SHARED or windows is None or f"{before}{slash}" == windows["prefix"]:
            found[member["role"] if windows is None else role] = member
    return found

# SPDX-License-Identifier: GPL-2.0-only
"""colinux.lock: every byte that may enter.

Written by `./doit lock --update`, read by everything that fetches. The file
is TOML: blobs in groups ("source:linux-6.1", "host:linux-amd64",
"rootfs:debian-bookworm"), sorted, so that the same content gives the same file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline import digest
from pipeline.declaration import keys, positions, schema
from pipeline.declaration.schema import Faults, Flag, Key, List, Named, Number, Table, Text, Variant
from pipeline.errors import UserError
from pipeline.paths import atomic_write

FORMAT = 1
UPDATE = "./doit lock --update"


@dataclass(frozen=True)
class Blob:
    """One file, or one git commit, that may enter.

    `size` in bytes and `sha256` in hex are of the file as downloaded; of a
    commit they are 0 and "", its ids say it all. `filename` is the path below an archive's root.
    `signer` is the fingerprint of the key that vouched for it when it was locked.
    A tarball's `tree` is the git tree id of its unpacked files. `derived`: nobody has seen the file
    yet, `size` and `sha256` are what such a file should have; then the tree decides.
    """

    name: str
    kind: str
    url: str | None = None
    package: str | None = None
    version: str | None = None
    arch: str | None = None
    filename: str | None = None
    size: int = 0
    sha256: str = ""
    signer: str | None = None
    tree: str | None = None
    commit: str | None = None
    derived: bool | None = None


_WORDS = keys.WORDS
_SHA256 = Key(keys.SHA256, required=True)
_SIZE = Key(Number(0, 1 << 44, "bytes"), required=True)
_COMMON = {
    "name": Key(_WORDS, required=True),
    "signer": Key(Text("fingerprints in hex, with commas", r"[0-9A-Fa-f]{8,64}(,[0-9A-Fa-f]{8,64})*")),
}
_VERSION = Text("a Debian version", r"[A-Za-z0-9.+:~-]+")

_BLOB = Variant(
    "kind",
    {
        "tarball": Table(
            {
                **_COMMON,
                "url": Key(keys.URL, required=True),
                "filename": Key(keys.RELATIVE),
                "version": Key(_WORDS),
                "size": _SIZE,
                "sha256": _SHA256,
                "tree": Key(keys.SHA1),
                "derived": Key(Flag()),
            }
        ),
        "debian": Table(
            {
                **_COMMON,
                "url": Key(keys.URL),
                "package": Key(keys.PACKAGE, required=True),
                "version": Key(_VERSION, required=True),
                "arch": Key(keys.DEBIAN_ARCHES, required=True),
                "filename": Key(keys.RELATIVE, required=True),
                "size": _SIZE,
                "sha256": _SHA256,
            }
        ),
        "git": Table(
            {
                **_COMMON,
                "url": Key(keys.URL, required=True),
                "version": Key(_WORDS),
                "commit": Key(keys.SHA1, required=True),
                "tree": Key(keys.SHA1, required=True),
            }
        ),
    },
)
_GROUP = Text('a group like "source:linux-6.1"', r"[a-z]+:[A-Za-z0-9][A-Za-z0-9._+-]*")
_LOCK = Table(
    {
        "format": Key(Number(FORMAT, FORMAT), required=True),
        "blobs": Key(Named(List(_BLOB, least=1), _GROUP), default={}),
    }
)

_HEADER = f"""\
# Every byte that may enter a build, with where it is found and what it has to be.
# Written by `{UPDATE}`: do not edit, but do commit it.
format = {FORMAT}
"""


def _order(blob: Blob) -> tuple[str, ...]:
    return tuple(str(value or "") for value in (blob.name, blob.arch, blob.version, blob.sha256, blob.commit))


@dataclass(frozen=True)
class Lock:
    """The blobs of each group, sorted; a lock is never changed, `with_group` makes another."""

    groups: Mapping[str, tuple[Blob, ...]] = field(default_factory=dict)
    path: Path | None = None

    @classmethod
    def load(cls, path: Path) -> Lock:
        """Read a lock; UserError with file:line for every malformed field, or when there is none."""
        if not path.exists():
            raise UserError(f"there is no {positions.shown(path)}", hint=f"make one with {UPDATE}")
        raw, places = positions.parse(path)
        faults = Faults(path, places)
        content, _ = schema.check(raw, _LOCK, faults)
        for group, entries in raw.get("blobs", {}).items() if isinstance(raw.get("blobs"), dict) else ():
            _refuse_twins(group, entries, faults)
        faults.raise_any(hint=f"write it anew with {UPDATE}")
        groups = {
            group: tuple(sorted((Blob(**entry) for entry in entries), key=_order))
            for group, entries in content.get("blobs", {}).items()
        }
        return cls(dict(sorted(groups.items())), path)

    def group(self, name: str) -> tuple[Blob, ...]:
        """The blobs of one group; UserError when the lock does not know it."""
        try:
            return self.groups[name]
        except KeyError:
            where = positions.shown(self.path) if self.path else "colinux.lock"
            raise UserError(f"{name} is not in {where}", hint=f"run {UPDATE}") from None

    def with_group(self, name: str, blobs: Iterable[Blob]) -> Lock:
        """This lock with another content of one group; without the group when there are no blobs."""
        groups = {**self.groups, name: tuple(sorted(blobs, key=_order))}
        return Lock({key: value for key, value in sorted(groups.items()) if value}, self.path)

    def only(self, names: Iterable[str]) -> Lock:
        """This lock without the groups that are not named."""
        wanted = set(names)
        return Lock({key: value for key, value in self.groups.items() if key in wanted}, self.path)

    def text(self) -> str:
        """The file's content."""
        parts = [_HEADER]
        for group, blobs in sorted(self.groups.items()):
            for blob in sorted(blobs, key=_order):
                parts.append(
                    f'\n[[blobs."{group}"]]\n' + "".join(f"{key} = {value}\n" for key, value in _pairs(blob))
                )
        return "".join(parts)

    def save(self, path: Path) -> None:
        """Write the file, in one step."""
        atomic_write(path, self.text())

    def digest(self) -> str:
        """A SHA-256 of what is locked: the same for the same blobs, however the file is laid out."""
        return digest.of_json(
            {
                group: [dataclasses.asdict(blob) for blob in sorted(blobs, key=_order)]
                for group, blobs in self.groups.items()
            }
        )


def load(path: Path) -> Lock:
    """Lock.load, for callers that import the module."""
    return Lock.load(path)


def _refuse_twins(group: str, entries: Any, faults: Faults) -> None:
    """Two entries for one name and architecture: which one may enter?"""
    known = set()
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict):
            key = (str(entry.get("name")), str(entry.get("arch")))
            if key in known:
                faults.add(("blobs", group, index, "name"), f'"{key[0]}" is locked twice')
            known.add(key)


def _pairs(blob: Blob) -> Iterable[tuple[str, str]]:
    """A blob's keys as TOML, those that say something."""
    for key, value in dataclasses.asdict(blob).items():
        if blob.kind == "git" and key in ("size", "sha256"):
            continue
        if value is not None:
            yield key, str(value).lower() if isinstance(value, int) else _quoted(value)


def _quoted(text: str) -> str:
    """A TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(f"\\u{ord(c):04x}" if c < " " or c == "\x7f" else c for c in escaped) + '"'

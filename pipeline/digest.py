# SPDX-License-Identifier: GPL-2.0-only
"""SHA-256 of files, folders and small values.

A file's digest is remembered for this process under its identity: device,
inode, size, and the times of its last change of content and of status. The
last one (ctime) no program can set back, so that a file changed with its size
and modification time restored is still read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterable
from operator import itemgetter
from pathlib import Path
from typing import Any

# Timestamps advance with the kernel's tick (1 to 10 ms). A file changed twice
# within one looks unchanged, so a digest taken that soon is not remembered.
SETTLED_NS = 100_000_000

Identity = tuple[int, int, int, int, int]

_known: dict[Identity, str] = {}


def identity(status: os.stat_result) -> Identity:
    """What changes whenever the content does: (device, inode, size, mtime_ns, ctime_ns)."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def settled(key: Identity) -> bool:
    """Whether a change from now on would show in the identity."""
    return settled_at(key[4])


def settled_at(ctime_ns: int) -> bool:
    """The same for the latest ctime of several files."""
    return time.time_ns() - ctime_ns > SETTLED_NS


def sha256_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """The digest of a file's content, 64 hex digits; OSError when it cannot be read."""
    with path.open("rb", buffering=0) as file:
        key = identity(os.fstat(file.fileno()))
        if key in _known:
            return _known[key]
        trusted = settled(key)
        state = hashlib.sha256()
        while chunk := file.read(1 << 20):
            state.update(chunk)
        digest = state.hexdigest()
        if trusted and identity(os.fstat(file.fileno())) == key:
            _known[key] = digest
        return digest


def remember(key: Identity, digest: str) -> None:
    """Take over a digest that an earlier run worked out for the same identity."""
    _known.setdefault(key, digest)


def of_json(value: Any) -> str:
    """The digest of a value that JSON can hold; the order of keys does not matter."""
    return sha256_bytes(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode())


# Written by Python beside our sources whenever they are imported; never an input.
IGNORED = frozenset({"__pycache__"})


def walk(path: Path) -> list[tuple[str, os.stat_result]]:
    """Everything in a folder, as (path relative to it, lstat), sorted; for a file ("", its lstat)."""
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        return [("", status)]
    pending = [("", str(path))]
    found: list[tuple[str, os.stat_result]] = []
    while pending:
        prefix, folder = pending.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name in IGNORED:
                    continue
                status = entry.stat(follow_symlinks=False)
                found.append((prefix + entry.name, status))
                if stat.S_ISDIR(status.st_mode):
                    pending.append((f"{prefix}{entry.name}/", entry.path))
    found.sort(key=itemgetter(0))
    return found


def entry_digest(path: Path, status: os.stat_result) -> str:
    """One word for what lies at `path`: its kind, whether it may be executed, its content or link target."""
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return ("x:" if mode & 0o100 else "f:") + sha256_file(path)
    if stat.S_ISLNK(mode):
        return "l:" + sha256_bytes(os.fsencode(path.readlink()))
    if stat.S_ISDIR(mode):
        return "d"
    return f"other:{stat.S_IFMT(mode):o}"


def tree_digest(paths: Iterable[Path], root: Path) -> str:
    """The digest of files and folders: names relative to `root`, x bits, contents, link targets.

    Times and owners do not count. OSError when a path is not there, ValueError when it is not below `root`.
    """
    entries = set()
    for path in paths:
        for name, status in walk(path):
            place = path / name if name else path
            entries.add((place.relative_to(root).as_posix(), entry_digest(place, status)))
    return of_json(sorted(entries))

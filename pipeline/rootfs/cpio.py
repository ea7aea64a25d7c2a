# SPDX-License-Identifier: GPL-2.0-only
"""A cpio archive in the "newc" format, the only one that Linux unpacks as an initramfs.

The format is that of Documentation/driver-api/early-userspace/buffer-format.rst:
per file a header of 110 ASCII characters ("070701" and thirteen numbers of
eight hexadecimal digits), the path with a NUL, the data; both padded to a
multiple of 4. We write it ourselves because cpio(1) takes owners, times and
inode numbers from the filesystem, and device nodes need root there.
"""

from __future__ import annotations

import gzip
import stat
from pathlib import Path
from typing import Protocol

from pipeline.rootfs.tree import Entry, Tree, read

MAGIC = "070701"
TRAILER = "TRAILER!!!"
LARGEST = 0xFFFFFFFF  # every number has eight hexadecimal digits


def _record(number: int, path: str, entry: Entry, data: bytes) -> bytes:
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (
        number, entry.mode, entry.uid, entry.gid, links, entry.mtime, len(data),
        0, 0, *entry.device, len(name), 0,
    )  # fmt: skip
    if max(fields) > LARGEST:
        raise ValueError(f"{path}: a number does not fit the newc format")
    header = (MAGIC + "".join(f"{one:08x}" for one in fields)).encode()
    return _pad(header + name) + _pad(data)


def _pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


class Sink(Protocol):
    """Anything that takes bytes."""

    def write(self, data: bytes, /) -> int: ...


def write(tree: Tree, stream: Sink) -> None:
    """Write the tree; the same tree gives the same bytes.

    A further name of a file becomes a copy of it: the format's own way needs
    the data at the last name, and an initramfs has few.
    """
    number = 0
    for path, entry in tree:
        if path == "/":
            continue  # Linux's root is there already
        if entry.same_as is not None:
            entry = tree[entry.same_as]
        data = b""
        if stat.S_ISREG(entry.mode):
            data = read(entry.content)
        elif stat.S_ISLNK(entry.mode):
            data = entry.target.encode()
        number += 1
        stream.write(_record(number, path.removeprefix("/"), entry, data))
    stream.write(_record(0, TRAILER, Entry(0, mtime=0), b""))


def write_file(tree: Tree, path: Path, *, level: int | None) -> None:
    """Write the tree into `path`, through gzip at `level` 1 to 9, or plain when that is None."""
    with path.open("wb") as raw:
        if level is None:
            write(tree, raw)
            return
        # No name and no time in gzip's header: they would differ from run to run.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=level, fileobj=raw, mtime=0) as packed:
            write(tree, packed)

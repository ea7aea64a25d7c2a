# SPDX-License-Identifier: GPL-2.0-only
"""The id that git would give to a folder's content: one pin for a tarball and a checkout alike.

Computed here instead of asking git (`git add -Af . && git write-tree`, FACTS.md
section 1, gives the same), because git's answer depends on .gitattributes,
.gitignore, filters and nested .git folders, all of which belong to the content
that is to be judged.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from pipeline.errors import UserError


def tree_id(folder: Path) -> str:
    """git's SHA-1 tree id of a folder, 40 hex digits. Empty folders do not count, as in git.

    Raises UserError for what a git tree cannot hold: devices, sockets, and
    anything named .git, which a tree id would not cover.
    """
    return _tree(folder)[0].hex()


def _tree(folder: Path) -> tuple[bytes, bool]:
    """(id, whether it has an entry). The format: git's Documentation, "Git Objects"."""
    entries: list[tuple[bytes, bytes, bytes]] = []
    with os.scandir(folder) as scan:
        for entry in scan:
            path = folder / entry.name
            name = os.fsencode(entry.name)
            if entry.name.lower() == ".git":
                raise UserError(
                    f"{path}: a tree id does not cover what is called .git",
                    hint="take the pin `tree` away, or a source without it",
                )
            if entry.is_symlink():
                entries.append((name, b"120000", _id(b"blob", os.fsencode(path.readlink()))))
            elif entry.is_dir():
                identity, filled = _tree(path)
                if filled:
                    entries.append((name, b"40000", identity))
            elif entry.is_file():
                entries.append((name, *_file(path)))
            else:
                raise UserError(f"{path}: not a file, folder or link; a git tree cannot hold it")
    # git sorts a folder as if its name ended in "/".
    entries.sort(key=lambda entry: entry[0] + (b"/" if entry[1] == b"40000" else b""))
    return _id(b"tree", b"".join(mode + b" " + name + b"\0" + identity for name, mode, identity in entries)), bool(
        entries
    )


def _file(path: Path) -> tuple[bytes, bytes]:
    with path.open("rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        digest = hashlib.sha1(b"blob %d\0" % status.st_size, usedforsecurity=False)
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return (b"100755" if status.st_mode & stat.S_IXUSR else b"100644"), digest.digest()


def _id(kind: bytes, data: bytes) -> bytes:
    return hashlib.sha1(b"%s %d\0" % (kind, len(data)) + data, usedforsecurity=False).digest()

# SPDX-License-Identifier: GPL-2.0-only
"""The download cache: files named by their SHA-256, shared by checkouts and by runs at the same time.

    sha256/<2>/<digest>     whole, verified files, read-only
    partial/<key>.part      downloads under way or broken off; <key>.json tells where they came from
    locks/<key>             one lock a blob, so that two runs do not fetch the same bytes twice
    git/                    bare repositories        apt/   private state of apt

A file is moved to sha256/ only when its digest has been computed from what is
on the disk. What lies there is still checked whenever it is taken, because
disks and people alter files; the digest is remembered by the file's inode,
size and times, so that an untouched file costs one stat.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline import progress
from pipeline.digest import sha256_file
from pipeline.errors import InfrastructureError
from pipeline.paths import file_lock

DIGEST = re.compile(r"[0-9a-f]{64}")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Cache:
    """The cache at `root`; makes its folders as they are needed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, sha256: str) -> Path:
        """Where the blob of a digest lies when it is there."""
        if not DIGEST.fullmatch(sha256):
            # A digest becomes part of a path: nothing but hex may get there.
            raise ValueError(f"not a SHA-256: {sha256!r}")
        return self.root / "sha256" / sha256[:2] / sha256

    def part(self, key: str) -> Path:
        """The unfinished download of `key` (a digest, or a name made of one)."""
        return self.root / "partial" / f"{key}.part"

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold the cache's lock of one key. Raises InfrastructureError when the cache cannot be written."""
        with disk_errors(self.root):
            for folder in ("locks", "partial", "sha256"):
                (self.root / folder).mkdir(parents=True, exist_ok=True)
            (self.root / "locks" / key).touch()
        with file_lock(self.root / "locks" / key):
            yield

    def take(self, sha256: str, size: int | None = None, name: str = "") -> Path | None:
        """The verified blob, or None. A blob that is not what its name says is removed with a warning."""
        path = self.path(sha256)
        try:
            found = path.stat().st_size
        except FileNotFoundError:
            return None
        if (size is None or found == size) and sha256_file(path) == sha256:
            return path
        progress.warn(f"the download cache held a damaged {name or 'file'}: {path} is thrown away and fetched again")
        with disk_errors(self.root):
            path.unlink(missing_ok=True)
        return None

    def adopt(self, file: Path, sha256: str) -> Path:
        """Move a file of the cache's own disk, whose digest the caller has verified, to its place."""
        path = self.path(sha256)
        with disk_errors(self.root):
            path.parent.mkdir(parents=True, exist_ok=True)
            file.chmod(0o444)
            with file.open("rb") as stream:
                # Without it a power cut after the rename leaves an empty file under a good name.
                os.fsync(stream.fileno())
            file.replace(path)
        return path


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn the disk's own errors (full, read-only, forbidden) on `path` into InfrastructureError."""
    try:
        yield
    except OSError as error:
        raise disk_error(path, error) from error


def disk_error(path: Path, error: OSError) -> InfrastructureError:
    """The words for an OSError that a write below `path` met."""
    if error.errno in FULL:
        return InfrastructureError(
            f"disk full: {error.strerror} while writing below {path} ({free_bytes(path)} bytes are free)",
            hint="free some room, or set COLINUX_CACHE to a folder on another disk; what was fetched is kept",
        )
    return InfrastructureError(
        f"cannot write the download cache {path}: {error.strerror or error}",
        hint="set COLINUX_CACHE to a folder that this user may write",
    )


def free_bytes(path: Path) -> int:
    """Bytes free for us on the filesystem of `path`, or of its nearest folder that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free

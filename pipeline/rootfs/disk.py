# SPDX-License-Identifier: GPL-2.0-only
"""What a full or forbidden disk says to the person who runs us."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import InfrastructureError


@contextmanager
def disk_errors(folder: Path, what: str) -> Iterator[None]:
    """Turn an OSError of the block, which makes `what` in `folder`, into InfrastructureError."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise InfrastructureError(f"cannot make {what} in {folder}: {error}") from error
        raise _full(folder, what, "") from error


def require_room(folder: Path, size: int, what: str) -> None:
    """Raise InfrastructureError when fewer than `size` bytes are free for `what` where `folder` is.

    For work of minutes that would otherwise fail at its end, or in a tool whose words nobody understands.
    """
    if shutil.disk_usage(folder).free < size:
        raise _full(folder, what, f" of {size >> 20} MiB")


def _full(folder: Path, what: str, size: str) -> InfrastructureError:
    point = folder.resolve()
    while not point.is_mount():
        point = point.parent
    free = shutil.disk_usage(point).free >> 20
    return InfrastructureError(
        f"disk full: no room for {what}{size} in {folder} ({free} MiB free on {point})",
        hint="free some space and run the same again; nothing half-made is left",
    )

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
        point = folder.resolve()
        while not point.is_mount():
            point = point.parent
        free = shutil.disk_usage(point).free >> 20
        raise InfrastructureError(
            f"disk full: no room for {what} in {folder} ({free} MiB free on {point})",
            hint="free some space and run the same again; nothing half-made is left",
        ) from error

# SPDX-License-Identifier: GPL-2.0-only
"""The archive that apt on this machine is configured for, for real: one small package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline import sources
from pipeline.digest import sha256_file
from pipeline.errors import ColinuxError
from pipeline.lock import Lock
from pipeline.paths import Paths

pytestmark = pytest.mark.build


def test_busybox_comes_with_a_chain_of_signatures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLINUX_CACHE", str(tmp_path / "cache"))
    ctx = sources.Context(Paths(tmp_path), Lock(), sources.mirrors())
    try:
        blobs = sources.resolve_packages(["busybox-static"], "x86_64", None, ctx, closure=False)
    except ColinuxError as error:
        pytest.skip(f"no Debian archive can be reached from here: {error.message.splitlines()[0]}")
    (blob,) = blobs
    assert blob.package == "busybox-static" and blob.arch == "amd64"
    assert re.fullmatch(r"[0-9A-F]{40}(,[0-9A-F]{40})*", str(blob.signer))
    ctx.lock = Lock().with_group("rootfs:busybox", blobs)
    ((same, path),) = sources.fetch_packages("rootfs:busybox", ctx)
    assert same == blob and sha256_file(path) == blob.sha256
    sources.unpack_deb(path, tmp_path / "root")
    programs = [p for p in (tmp_path / "root").rglob("busybox") if p.is_file() and p.parent.name == "bin"]
    assert len(programs) == 1 and programs[0].read_bytes().startswith(b"\x7fELF")
    # And again from the cache alone.
    ctx.offline = True
    assert sources.fetch_packages("rootfs:busybox", ctx) == [(blob, path)]

# SPDX-License-Identifier: GPL-2.0-only
"""A release is made of bytes that were booted, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from pipeline import release, rootfs
from pipeline.declaration import load
from pipeline.declaration.model import Declaration, Machine
from pipeline.errors import UserError
from pipeline.lock import Lock
from pipeline.lock import load as load_lock
from pipeline.paths import Paths

ROOT = Path(__file__).resolve().parents[2]


def built_machine(machine: Machine, declaration: Declaration, paths: Paths) -> None:
    """Placeholder bytes for all that a machine is made of, and a passing boot of exactly these."""
    for image in (name for name in (machine.initramfs, *(d.rootfs for d in machine.disks)) if name):
        path = rootfs.image(declaration.rootfs[image], paths)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"image {image}")
    files = release.artifacts(machine, declaration, paths)
    for name, path in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"bytes of {name}")
    evidence = paths.boot(machine.name)
    evidence.mkdir(parents=True)
    (evidence / "result.json").write_text(json.dumps({
        "verdict": "pass", "kernel": "6.1", "host": "amd64",
        "artifacts": [{"path": str(p), "sha256": hashlib.sha256(p.read_bytes()).hexdigest()} for p in files.values()],
    }))


@pytest.fixture
def built(tmp_path: Path) -> tuple[Declaration, Lock, Paths]:
    """A checkout whose machines for release were built (of placeholder bytes) and booted well."""
    declaration = load(ROOT / "colinux.toml")
    for name in ("LICENSE", "README.md", "SUPPORT.md", "colinux.toml", "colinux.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    paths = Paths(tmp_path)
    for name in release.machines(declaration):
        built_machine(declaration.machines[name], declaration, paths)
    return declaration, load_lock(ROOT / "colinux.lock"), paths


def test_a_release_names_every_file_with_its_digest(built: tuple[Declaration, Lock, Paths]) -> None:
    declaration, lock, paths = built
    release.build(declaration, lock, paths)
    place = release.folder(declaration, paths)
    manifest = json.loads((place / "manifest.json").read_text())
    sums = dict(reversed(line.split("  ")) for line in (place / "SHA256SUMS").read_text().splitlines())
    on_disk = {str(p.relative_to(place)) for p in place.rglob("*") if p.is_file()}
    assert {entry["path"] for entry in manifest["files"]} == on_disk - {"manifest.json", "SHA256SUMS"}
    assert set(sums) == on_disk - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((place / name).read_bytes()).hexdigest() == digest


def test_made_twice_it_is_the_same(built: tuple[Declaration, Lock, Paths]) -> None:
    declaration, lock, paths = built
    release.build(declaration, lock, paths)
    first = (release.folder(declaration, paths) / "SHA256SUMS").read_bytes()
    release.build(declaration, lock, paths)
    assert (release.folder(declaration, paths) / "SHA256SUMS").read_bytes() == first


@pytest.mark.parametrize("fault", ["missing", "verdict", "other bytes"])
def test_without_a_boot_of_these_bytes_there_is_none(built: tuple[Declaration, Lock, Paths], fault: str) -> None:
    declaration, lock, paths = built
    default = declaration.project.default
    result = paths.boot(default) / "result.json"
    if fault == "missing":
        result.unlink()
    elif fault == "verdict":
        result.write_text(json.dumps(json.loads(result.read_text()) | {"verdict": "hang"}))
    else:
        (paths.kernel(declaration.machines[default].kernel) / "vmlinux").write_text("newer")
    with pytest.raises(UserError, match=default):
        release.build(declaration, lock, paths)
    assert not release.folder(declaration, paths).exists()

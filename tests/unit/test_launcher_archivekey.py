# SPDX-License-Identifier: GPL-2.0-only
"""An archive that is signed on the spot, looked at by apt: with its key, without, with another's."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from runtime.launcher import archivekey

PACKAGES = "Package: make\nVersion: 1\nArchitecture: amd64\nFilename: ./make.deb\nSize: 1\nSHA256: 00\n\n"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """One in tmp_path/archive; its key is tmp_path/key.asc."""
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / "Packages").write_text(PACKAGES)
    signed = archivekey.sign(hashlib.sha256(PACKAGES.encode()).hexdigest(), len(PACKAGES))
    (folder / "InRelease").write_text(signed.release)
    (tmp_path / "key.asc").write_text(signed.key)
    return folder


def update(archive: Path, key: Path) -> subprocess.CompletedProcess[str]:
    """apt-get update from it and nothing else, in a state of its own."""
    state = archive.parent / "apt"
    for folder in ("lists/partial", "cache/archives/partial", "etc"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    (state / "etc/sources.list").write_text(f"deb [signed-by={key}] file:{archive} ./\n")
    options = {
        "Dir::State::lists": state / "lists", "Dir::Cache": state / "cache", "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::sourcelist": state / "etc/sources.list", "Dir::Etc::trustedparts": "/dev/null",
        "Dir::Etc::trusted": "/dev/null", "APT::Sandbox::User": "root", "Debug::NoLocking": "1",
    }  # fmt: skip
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return subprocess.run(["apt-get", *words, "update"], text=True, capture_output=True, check=False, timeout=60)


def test_its_key_makes_apt_believe_it(archive: Path) -> None:
    done = update(archive, archive.parent / "key.asc")
    assert done.returncode == 0, done.stderr
    assert list((archive.parent / "apt/lists").glob("*_Packages*"))


def test_without_its_key_nobody_does(archive: Path) -> None:
    other = archive.parent / "other.asc"
    other.write_text(archivekey.sign("0" * 64, 1).key)
    for key in (archive.parent / "none.asc", other):
        done = update(archive, key)
        assert done.returncode == 100 and "is not signed" in done.stderr


@pytest.mark.parametrize("name", ["InRelease", "Packages"])
def test_a_changed_file_is_noticed(archive: Path, name: str) -> None:
    path = archive / name
    path.write_text(path.read_text().replace("make", "fake").replace("Suite: host", "Suite: hoax"))
    done = update(archive, archive.parent / "key.asc")
    assert done.returncode == 100
    assert "BADSIG" in done.stderr or "Hash Sum mismatch" in done.stderr

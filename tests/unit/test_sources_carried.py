# SPDX-License-Identifier: GPL-2.0-only
"""A folder made here is all that another machine needs, wherever it lies there."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sources_kit import context, sha
from test_sources_git import git

from pipeline import sources
from pipeline.declaration.model import DebianSource, GitSource, TarballSource
from pipeline.errors import InfrastructureError, UserError
from pipeline.lock import Blob, Lock
from pipeline.sources import Mirrors, carried
from pipeline.sources.carried import Brought
from pipeline.sources.download import NotHere
from pipeline.tasks import Project

URL = "https://nowhere.example.org"
GROUP = "host:one"


def blob(name: str, data: bytes, pool: str = "pool/main") -> Blob:
    return Blob(name, "debian", package=name, version="1", arch="amd64", filename=f"{pool}/{name}_1.deb", size=len(data),
                sha256=sha(data))


@pytest.fixture
def here(tmp_path: Path) -> tuple[Brought, Lock, list[TarballSource | GitSource | DebianSource]]:
    """What was fetched: a tarball with two URLs, a commit, a declared package, and a group of two."""
    files = {}
    for name in ("tarball", "declared", "first", "second"):
        files[name] = tmp_path / name
        files[name].write_bytes(name.encode())
        files[name].chmod(0o444)
    repository = tmp_path / "repository"
    repository.mkdir()
    git(repository, "init", "-q", "--bare", "-b", "main")
    tree = git(repository, "hash-object", "-w", "-t", "tree", "/dev/null")
    commit = git(repository, "commit-tree", tree, "-m", "one")
    git(repository, "update-ref", f"refs/colinux/pinned/{commit}", commit)
    tarball = TarballSource("one", (f"{URL}/pub/one-1.tar.xz", f"{URL}/old/one-1.tar.xz"))
    commits = GitSource("two", (f"{URL}/two.git",), commit=commit, tree=tree)
    package = DebianSource("three", package="declared", arch="amd64")
    blobs = {
        "source:one": [Blob("one", "tarball", url=tarball.urls[0], size=7, sha256=sha(b"tarball"))],
        "source:two": [Blob("two", "git", url=commits.urls[0], commit=commit, tree=tree)],
        "source:three": [blob("declared", b"declared")],
        GROUP: [blob("first", b"first"), blob("second", b"second", "pool/updates/main")],
    }
    lock = Lock()
    for group, those in blobs.items():
        lock = lock.with_group(group, those)
    brought = Brought(
        [(tarball, sources.Fetched("one", (files["tarball"],), tuple(blobs["source:one"]))),
         (commits, sources.Fetched("two", (repository,), tuple(blobs["source:two"]))),
         (package, sources.Fetched("three", (files["declared"],), tuple(blobs["source:three"])))],
        [(one, files[one.name]) for one in blobs[GROUP]])
    return brought, lock, [tarball, commits, package]


def test_everything_is_had_from_the_folder_alone(here: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brought, lock, declared = here
    made = tmp_path / "made"
    assert carried.write(made, brought) == carried.Written(4, len("tarball" "declared" "first" "second"), 1)
    # It is carried elsewhere; nothing in it may know where it was made.
    elsewhere = tmp_path / "a/stick"
    shutil.copytree(made, elsewhere)
    shutil.rmtree(made)
    for name in ("tarball", "declared", "first", "second", "repository"):
        path = tmp_path / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    ctx = context(tmp_path, monkeypatch, lock=lock, offline=True)
    with pytest.raises(NotHere):
        sources.fetch(declared[0], ctx)
    ctx.mirrors = Mirrors.load({"COLINUX_MIRRORS": str(elsewhere / carried.NAME)})
    for source, content in zip((declared[0], declared[2]), (b"tarball", b"declared"), strict=True):
        assert sources.fetch(source, ctx).files[0].read_bytes() == content
    assert sources.fetch(declared[1], ctx).blobs[0].commit == declared[1].commit
    assert [path.read_bytes() for _, path in sources.fetch_packages(GROUP, ctx)] == [b"first", b"second"]


def test_a_file_of_the_folder_that_is_another_one_is_refused(here: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brought, lock, declared = here
    carried.write(tmp_path / "made", brought)
    for path in ("sources/one/one-1.tar.xz", "debian/pool/main/first_1.deb"):
        (tmp_path / "made" / path).unlink()
        (tmp_path / "made" / path).write_bytes(b"wicked!")
    ctx = context(tmp_path, monkeypatch, lock=lock, offline=True,
                  mirrors=Mirrors.load({"COLINUX_MIRRORS": str(tmp_path / "made" / carried.NAME)}))
    with pytest.raises(UserError, match="has another file"):
        sources.fetch(declared[0], ctx)
    with pytest.raises(UserError, match="has another file"):
        sources.fetch_packages(GROUP, ctx)


def test_a_folder_is_completed_and_mended(here: tuple, tmp_path: Path) -> None:
    brought, _, _ = here
    carried.write(tmp_path / "made", brought)
    file, other = tmp_path / "made/sources/one/one-1.tar.xz", tmp_path / "made/debian/pool/main/first_1.deb"
    before = other.stat().st_ino
    file.unlink()
    file.write_bytes(b"tarbalL")
    carried.write(tmp_path / "made", brought)
    assert file.read_bytes() == b"tarball" and other.stat().st_ino == before


def test_nothing_of_a_persons_is_written_over(here: tuple, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/one.jpg").touch()
    (tmp_path / "file").touch()
    for place in ("photos", "file"):
        with pytest.raises(UserError, match="--into"):
            carried.write(tmp_path / place, here[0])
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["one.jpg"]


def test_a_package_that_no_lock_has_makes_no_mirror() -> None:
    carried.require_locked("host:one", [])
    with pytest.raises(UserError, match=r"host:one: late 1 stands in .*\nhint: run ./doit lock --update"):
        carried.require_locked("host:one", [blob("late", b"")])


def test_a_lock_entry_that_leads_out_of_the_folder_is_refused(here: tuple, tmp_path: Path) -> None:
    brought, _, _ = here
    one, file = brought.packages[0]
    brought.packages[0] = (replace(one, filename="pool/../../../etc/passwd"), file)
    with pytest.raises(InfrastructureError, match="no place"):
        carried.write(tmp_path / "made", brought)


def test_alternatives_of_a_kernel_stand_together_and_every_source_is_there_once() -> None:
    decl = Project.here().declaration
    together = carried.alternatives(decl)
    names = [source.name for group in together for source in group]
    assert sorted(names) == sorted(decl.sources)
    assert ("linux-2.6.33", "linux-2.6.33-git") in [tuple(source.name for source in group) for group in together]


def test_python_packages_that_cannot_be_had_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    wanted = tmp_path / "requirements.lock"
    wanted.write_text(f"no-such-thing==1 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(InfrastructureError, match="no-such-thing"):
        carried.wheels(tmp_path / "made", wanted, tmp_path / "log")

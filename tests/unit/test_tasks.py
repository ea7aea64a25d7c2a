# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of a kernel do where doit does not serve them: build it, or say why it cannot be had."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.declaration import load
from pipeline.errors import UserError
from pipeline.paths import Paths
from pipeline.stamp import Job
from pipeline.tasks import Project, update_lock
from pipeline.work import Work

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The real declaration on a machine that has nothing and reaches nobody."""
    (tmp_path / "mirrors.toml").touch()
    monkeypatch.setenv("COLINUX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLINUX_MIRRORS", str(tmp_path / "mirrors.toml"))
    monkeypatch.setenv("COLINUX_OFFLINE", "1")
    (tmp_path / "colinux.lock").write_bytes((ROOT / "colinux.lock").read_bytes())
    return Project(load(ROOT / "colinux.toml"), Paths(tmp_path))


def test_a_kernel_that_cannot_be_had_says_which_url_pin_and_mirror(project: Project) -> None:
    reason = project.unreachable(project.declaration.kernels["2.4.37-i386"])
    assert reason is not None
    for name in ("linux-2.4.37.11", "linux-2.4.37.11-git"):
        source = project.declaration.sources[name]
        assert source.urls[0] in reason  # type: ignore[union-attr]
    assert "git tree e8572ad1908da34657ce08c5a8bce8ded69ea33f" in reason
    assert "commit 632faa2d548dabaf55ac0bfcb21599da946f9936" in reason
    assert "[[mirror]]" in reason and "mirrors.toml" in reason


def test_a_work_is_brought_with_what_it_needs_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def work(name: str, *needs: str) -> Work:
        output = project.paths.build / name

        def act() -> None:
            done.append(name)
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_text(name)

        return Work(name, name, act, functools.partial(Job, name, outputs=[output]), needs)

    def works(*some: Work) -> Callable[[Project], Iterator[Work]]:
        return lambda _: iter(some)

    monkeypatch.setattr(Project, "fetches", works(work("fetch-a", "setup"), work("fetch-b", "setup")))
    monkeypatch.setattr(Project, "kernels", works(work("build", "fetch-a", "change"), work("other", "fetch-b")))
    monkeypatch.setattr(Project, "patches", works(work("change", "fetch-a")))
    project.bring("build")
    assert done == ["fetch-a", "change", "build"]
    project.bring("build")
    assert len(done) == 3
    (project.paths.build / "change").write_text("tampered")
    project.bring("build")
    assert done[3:] == ["change"]


def test_a_work_that_fails_is_not_remembered(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def act() -> None:
        raise UserError("no")

    failing = Work("build", "build", act, functools.partial(Job, "build"))
    monkeypatch.setattr(Project, "kernels", lambda _: iter([failing]))
    for _ in range(2):
        with pytest.raises(UserError):
            project.bring("build")


def test_a_group_that_nobody_declares_is_not_taken_for_one_that_is_up_to_date(project: Project) -> None:
    before = (project.paths.root / "colinux.lock").read_bytes()
    with pytest.raises(UserError, match='no group "source:busibox".*did you mean "source:busybox"'):
        update_lock(project, ("source:busibox",))
    assert (project.paths.root / "colinux.lock").read_bytes() == before

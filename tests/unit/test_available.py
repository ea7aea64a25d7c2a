# SPDX-License-Identifier: GPL-2.0-only
"""Machines whose sources cannot be reached are left out, and only those, and never silently."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pipeline import available, sources
from pipeline.declaration import load
from pipeline.declaration.model import SCENARIOS, Source
from pipeline.errors import InfrastructureError, UserError
from pipeline.paths import Paths, checkout
from pipeline.reproduce import check
from pipeline.sources import Dropped, Fetched, NotHere
from pipeline.tasks import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The project's own declaration, with one machine more, of Linux 2.4, in an empty folder."""
    declaration = load(checkout().root / "colinux.toml")
    default = declaration.machines[declaration.project.default]
    old = dataclasses.replace(default, name="old", kernel="2.4.37-i386")
    return Project(dataclasses.replace(declaration, machines={default.name: default, "old": old}), Paths(tmp_path))


def fail(monkeypatch: pytest.MonkeyPatch, errors: dict[str, Exception]) -> list[str]:
    """Fetches that end as told, by the source's name; the names asked for."""
    asked = []

    def fetch(source: Source, ctx: sources.Context) -> Fetched:
        asked.append(source.name)
        if source.name in errors:
            raise errors[source.name]
        return Fetched(source.name, (), ())

    monkeypatch.setattr(sources, "fetch", fetch)
    return asked


GONE = InfrastructureError("no route to the moon")


@pytest.mark.parametrize("error", [GONE, NotHere("offline"), Dropped("gone")])
def test_a_machine_without_any_source_is_left_out_and_named(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], error: Exception
) -> None:
    fail(monkeypatch, {"linux-2.4.37.11": GONE, "linux-2.4.37.11-git": error})
    assert available.boots(project) == ["boot:linux-6.1"]
    assert "kernel:2.4.37-i386" not in available.artifacts(project)
    told = capfd.readouterr()
    assert "left out: old: no source of Linux 2.4.37-i386 can be reached" in told.out + told.err
    [reason] = available.unreachable(project.paths).values()
    assert str(error) in reason


def test_a_machine_beside_one_that_is_left_out_is_left_out(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = dataclasses.replace(project.declaration.machines["linux-6.1"], name="pair", beside="old")
    project.declaration.machines["pair"] = pair
    fail(monkeypatch, {"linux-2.4.37.11": GONE, "linux-2.4.37.11-git": GONE})
    assert available.boots(project) == ["boot:linux-6.1"]
    assert set(project.machine_needs(pair)) >= {"kernel:6.1-x86_64", "kernel:2.4.37-i386", "agent:i386"}


def test_one_source_that_can_be_had_is_enough(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = fail(monkeypatch, {"linux-2.4.37.11": GONE})
    assert available.boots(project) == ["boot:linux-6.1", "boot:old"]
    assert asked == ["linux-2.4.37.11", "linux-2.4.37.11-git", "gcc-3.4.6"]
    assert {"kernel:2.4.37-i386", "kernel:6.1-x86_64"} <= set(available.artifacts(project))
    assert available.unreachable(project.paths) == {}


def test_the_source_of_its_compiler_counts(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, {"gcc-3.4.6": GONE})
    assert available.boots(project) == ["boot:linux-6.1"]


def test_wrong_bytes_are_no_reason_to_leave_a_machine_out(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, {"linux-2.4.37.11": UserError("other bytes than the locked ones")})
    assert "boot:old" in available.boots(project)


def test_the_default_machine_is_never_left_out(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = fail(monkeypatch, {"linux-6.1": GONE})
    assert "boot:linux-6.1" in available.boots(project)
    assert "linux-6.1" not in asked


def test_what_takes_long_is_built_for_tests_only_when_it_is_wanted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine of such a scenario has an image of its own; machines that are asked for by name have all."""
    fail(monkeypatch, {})
    default = project.declaration.machines["linux-6.1"]
    slow = dataclasses.replace(default, name="slow", scenario="desktop", initramfs="old-x86_64")
    machines = {**project.declaration.machines, "slow": slow}
    project = dataclasses.replace(project, declaration=dataclasses.replace(project.declaration, machines=machines))
    monkeypatch.delenv("COLINUX_LONG", raising=False)
    assert "rootfs:old-x86_64" not in available.tested(project) and "rootfs:busybox" in available.tested(project)
    assert "rootfs:old-x86_64" in available.artifacts(project)
    monkeypatch.setenv("COLINUX_LONG", "1")
    assert "rootfs:old-x86_64" in available.tested(project)
    assert available.LONG < SCENARIOS


def test_what_is_built_again_was_built_before(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """`repro --all` builds by `artifacts` first and by the machines' names then: a zip for Windows has more than boots."""
    fail(monkeypatch, {})
    nt = load(checkout().root / "colinux.toml").machines["nt-6.1"]
    project.declaration.machines[nt.name] = nt
    first = available.artifacts(project)
    assert "daemon:windows-x64" in first
    assert sorted(first) == sorted(check.tasks_of(project, list(project.declaration.machines)))

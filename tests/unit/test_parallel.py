# SPDX-License-Identifier: GPL-2.0-only
"""./doit -n N: N tasks at a time, each with its share of the CPUs."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from doit.cmd_base import ModuleTaskLoader
from doit.doit_cmd import DoitMain

from pipeline import ccache, parallel


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(parallel.VARIABLE, "")  # so that what a test sets is gone afterwards
    monkeypatch.delenv("COLINUX_JOBS", raising=False)


THREADS = "--parallel-type=thread"


@pytest.mark.parametrize(("given", "made", "at_once"), [
    (["kernel"], ["kernel"], None),
    (["-n", "2", "kernel"], [THREADS, "-n", "2", "kernel"], "2"),
    (["run", "-n4", "kernel"], ["run", THREADS, "-n4", "kernel"], "4"),
    (["-v", "0", "--process=3"], [THREADS, "-v", "0", "--process=3"], "3"),
    (["-P", "process", "-n", "2"], ["-P", "process", "-n", "2"], "2"),
    (["-n", "1", "kernel"], ["-n", "1", "kernel"], None),
    (["-n"], ["-n"], None),  # doit says what is wrong with it
    (["-n", "many", "kernel"], ["-n", "many", "kernel"], None),
    (["test", "-n", "3"], ["test", "-n", "3"], None),  # a task's own
    (["list", "-n", "3"], ["list", "-n", "3"], None),
    ([], [], None),
])  # fmt: skip
def test_only_what_stands_before_the_tasks_is_for_doit(given: list[str], made: list[str], at_once: str | None) -> None:
    assert parallel.in_threads(given) == made
    assert os.environ.get(parallel.VARIABLE) == at_once


def test_the_cpus_are_divided_among_the_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    assert ccache.jobs() == 8
    for at_once, jobs in (("2", 4), ("3", 2), ("8", 1), ("20", 1)):
        monkeypatch.setenv(parallel.VARIABLE, at_once)
        assert ccache.jobs() == jobs
    monkeypatch.setenv(parallel.VARIABLE, "4")
    monkeypatch.setenv("COLINUX_JOBS", "40")  # a compiler farm's
    assert ccache.jobs() == 10


def test_tasks_run_at_the_same_time_and_share_what_the_run_knows(tmp_path: Path) -> None:
    meeting, met = threading.Barrier(2), []

    def meet(name: str) -> None:
        meeting.wait(300)  # nobody gets past it alone, nor with another process
        met.append(name)

    def task_both() -> object:
        for name in ("one", "two"):
            yield {"name": name, "actions": [(meet, [name])]}

    words = parallel.in_threads(["-n", "2", "-v", "0", "--db-file", str(tmp_path / "db"), "both"])
    assert DoitMain(ModuleTaskLoader({"task_both": task_both}), config_filenames=()).run(words) == 0
    assert sorted(met) == ["one", "two"]

# SPDX-License-Identifier: GPL-2.0-only
"""`./doit repro` on the real daemon and driver: the same twice, and not with a date in it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from pipeline import process
from pipeline.reproduce import check, second
from pipeline.reproduce.variation import FAKETIME
from pipeline.tasks import Project
from toolchain import packages

pytestmark = pytest.mark.build

LINE = 'printf("colinux-daemon %s, ABI %u\\n", CO_RELEASE,'


@pytest.fixture(autouse=True)
def tools() -> None:
    absent = packages.missing(("repro",))
    if absent:
        pytest.skip(f"{', '.join(need.package for need in absent)}: not installed (./doit test installs it)")


def test_daemon_and_driver_come_out_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project.here()
    tasks = ["daemon:linux-x86_64", "driver:linux-amd64"]
    for task in tasks:
        project.bring(task)
    check.check(project, tasks)
    here = project.paths.build / "repro"
    evidence = json.loads((here / check.RESULT).read_text())
    assert evidence["reproducible"] is True
    assert {*tasks, "host:linux-amd64"} <= evidence["compared"].keys()
    assert all(one["files"] for one in evidence["compared"].values())
    assert not (here / "second").exists()


def test_a_date_in_the_daemon_is_found_and_named(tmp_path: Path) -> None:
    if not FAKETIME.exists():
        pytest.skip("without faketime both builds are of one day")
    project = tmp_path / "checkout"
    second.copy_checkout(Project.here().paths.root, project)
    main = project / "runtime/daemon/main.c"
    assert main.read_text().count(LINE) == 1
    main.write_text(main.read_text().replace(LINE, LINE[:-1] + ' " of " __DATE__,'))
    done = process.run([sys.executable, "-m", "pipeline.cli", "repro", "daemon:linux-x86_64"], cwd=project,
                       env={"PYTHONPATH": str(project), "COLINUX_CACHE": os.environ.get("COLINUX_CACHE", "")},
                       log=tmp_path / "log", check=False)
    assert done.returncode == 1, done.stdout
    assert "DIFFERS daemon:linux-x86_64" in done.stdout
    assert "build/daemon/linux-x86_64/colinux-daemon: differs from byte" in done.stdout
    report = (project / "build/repro/diffoscope/build_daemon_linux-x86_64_colinux-daemon.txt").read_text()
    changed = [line.strip("│ ")[0] for line in report.splitlines() if "0.8.0 of " in line]
    assert changed[:2] == ["-", "+"] and "hex-dump=.rodata" in report
    assert json.loads((project / "build/repro/result.json").read_text())["reproducible"] is False

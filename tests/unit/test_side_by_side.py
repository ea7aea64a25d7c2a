# SPDX-License-Identifier: GPL-2.0-only
"""`./doit test` runs two test processes where there are CPUs for them, and a file's tests stay in one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.commands import side_by_side

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("cpus", "words", "beside"),
    [
        (1, [], False),
        (2, [], True),
        (64, [], True),
        (8, ["tests/unit", "-k", "lock"], True),
        (8, ["-n", "0"], False),
        (8, ["-n3"], False),
        (8, ["-s", "tests/unit"], False),
        (8, ["--pdb"], False),
    ],
)
def test_who_wants_them(cpus: int, words: list[str], beside: bool) -> None:
    assert bool(side_by_side(cpus, words)) == beside


def test_a_file_stays_in_one_process(tmp_path: Path) -> None:
    for file in ("one", "two", "three"):
        (tmp_path / f"test_{file}.py").write_text(
            "import time\n" + "".join(f"def test_{n}(): time.sleep(0.05)\n" for n in range(6)))
    done = subprocess.run([sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *side_by_side(2, [])],
                          cwd=tmp_path, capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    who = set(re.findall(r"\[(gw\d)\].*PASSED (test_\w+)\.py", done.stdout))
    assert {file for _, file in who} == {"test_one", "test_two", "test_three"}
    assert len(who) == 3, "the tests of a file were in two processes"
    assert {worker for worker, _ in who} == {"gw0", "gw1"}


def test_machines_are_booted_by_who_has_time(tmp_path: Path) -> None:
    """One process boots while the other does all else; the rest of the machines they share."""
    boot, unit = tmp_path / "tests/boot", tmp_path / "tests/unit"
    for folder in (boot, unit):
        folder.mkdir(parents=True)
    shutil.copy(ROOT / "tests/conftest.py", tmp_path / "tests")
    (boot / "test_machines.py").write_text(
        "import pytest, time\n@pytest.mark.parametrize('n', range(12))\ndef test_machine(n): time.sleep(0.3)\n")
    for file in ("one", "two", "three"):
        (unit / f"test_{file}.py").write_text("".join(f"def test_{n}(): pass\n" for n in range(6)))
    done = subprocess.run([sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", f"--rootdir={tmp_path}",
                           *side_by_side(2, [])], cwd=tmp_path, capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    who = re.findall(r"\[(gw\d)\].*PASSED tests/\w+/(test_\w+)\.py", done.stdout)
    first = next(worker for worker, file in who if file == "test_machines")
    machines = [worker for worker, file in who if file == "test_machines"]
    assert len(machines) == 12 and set(machines) == {"gw0", "gw1"}
    # All else was done by the other one, as long as there was any.
    assert {worker for worker, file in who if file != "test_machines"} == {"gw0", "gw1"} - {first}

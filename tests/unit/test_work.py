# SPDX-License-Identifier: GPL-2.0-only
"""doit's traps, each met on purpose: missing, tampered and equal-looking files, and a killed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

DODO = """
import time
from pathlib import Path
from pipeline.paths import Paths
from pipeline.stamp import Job
from pipeline.work import Work, group
from pipeline.reporter import Reporter

ROOT = Path({root!r})
PATHS = Paths(ROOT)
DOIT_CONFIG = {{"reporter": Reporter, "backend": "sqlite3", "dep_file": str(PATHS.state / "doit.sqlite")}}

def copy():
    with (ROOT / "runs").open("a") as f: f.write("copy\\n")
    if {produce}: (ROOT / "out").write_text((ROOT / "in").read_text())

def slow():
    with (ROOT / "runs").open("a") as f: f.write("slow\\n")
    time.sleep({sleep})
    (ROOT / "slow").write_text("x")

def task_make():
    yield from group("all", [
        Work("make:copy", "copies", copy, lambda: Job("make-copy", {{}}, [ROOT / "in"], [ROOT / "out"])),
        Work("make:slow", "sleeps", slow, lambda: Job("make-slow", {{}}, [ROOT / "out"], [ROOT / "slow"]),
             ("make:copy",)),
    ], PATHS, "make")
"""

MAIN = """
import sys
sys.path.insert(0, {here!r}); sys.path.insert(0, {root!r})
from pipeline import process
from pipeline.cli import Main
from pipeline.paths import Paths
from pathlib import Path
from doit.cmd_base import ModuleTaskLoader
process.install_signal_handlers()
Paths(Path({root!r})).state.mkdir(parents=True, exist_ok=True)
import dodo_under_test
sys.exit(Main(ModuleTaskLoader(dodo_under_test), config_filenames=()).run(sys.argv[1:]))
"""


class Checkout:
    """A folder with two works, run in a process of its own as ./doit would."""

    def __init__(self, root: Path, *, produce: bool = True, sleep: float = 0) -> None:
        self.root = root
        (root / "in").write_text("first")
        (root / "dodo_under_test.py").write_text(textwrap.dedent(
            DODO.format(root=str(root), produce=produce, sleep=sleep)))
        (root / "main.py").write_text(MAIN.format(here=str(ROOT), root=str(root)))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, self.root / "main.py", *arguments], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def doit(self, *arguments: str) -> tuple[int, str]:
        child = self.start(*arguments)
        out, _ = child.communicate(timeout=60)
        return child.returncode, out

    def runs(self) -> list[str]:
        log = self.root / "runs"
        done = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return done


def test_second_run_does_nothing_and_says_so(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    assert checkout.doit()[0] == 0
    assert checkout.runs() == ["copy", "slow"]
    code, out = checkout.doit()
    assert (code, checkout.runs()) == (0, [])
    assert "nothing to do" in out


def test_an_action_that_made_nothing_is_a_failure(tmp_path: Path) -> None:
    code, out = Checkout(tmp_path, produce=False).doit()
    assert code != 0
    assert "out" in out


@pytest.mark.parametrize("damage", ["gone", "altered", "altered with size and times restored"])
def test_a_damaged_output_is_made_again(tmp_path: Path, damage: str) -> None:
    checkout = Checkout(tmp_path)
    checkout.doit()
    checkout.runs()
    out = tmp_path / "out"
    before = out.stat()
    if damage == "gone":
        out.unlink()
    else:
        out.write_text("spoil" if "size" in damage else "spoiled at length")
    if "times" in damage:
        os.utime(out, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert out.stat().st_size == before.st_size
    assert checkout.doit()[0] == 0
    assert checkout.runs() == ["copy"]  # its bytes are the same again, so what stands on it need not run
    assert out.read_text() == "first"


def test_an_input_of_equal_size_and_mtime_is_seen_to_change(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    checkout.doit()
    checkout.runs()
    source = tmp_path / "in"
    before = source.stat()
    source.write_text("FIRST")
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    checkout.doit()
    assert checkout.runs() == ["copy", "slow"]


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_killed_run_keeps_what_was_finished(tmp_path: Path, signal_number: signal.Signals) -> None:
    checkout = Checkout(tmp_path, sleep=30)
    child = checkout.start()
    deadline = time.monotonic() + 60
    while "slow" not in ((tmp_path / "runs").read_text() if (tmp_path / "runs").exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child.send_signal(signal_number)
    said, _ = child.communicate(timeout=60)
    assert child.returncode != 0
    if signal_number != signal.SIGKILL:
        assert "stopped in make:slow" in said and "nothing to do" not in said
    assert not (tmp_path / "slow").exists()
    checkout.runs()
    (tmp_path / "dodo_under_test.py").write_text(
        (tmp_path / "dodo_under_test.py").read_text().replace("time.sleep(30", "time.sleep(0"))
    assert checkout.doit()[0] == 0
    assert checkout.runs() == ["slow"]


def test_info_says_why_a_task_would_run(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    checkout.doit()
    (tmp_path / "in").write_text("other")
    _, out = checkout.doit("info", "make:copy")
    assert str(tmp_path / "in") in out or "in changed" in out


def test_list_shows_subtasks_with_a_sentence(tmp_path: Path) -> None:
    _, out = Checkout(tmp_path).doit("list")
    assert any(line.split() == ["make:copy", "copies"] for line in out.splitlines())


def test_a_reader_of_the_list_may_leave_early(tmp_path: Path) -> None:
    """As `./doit list | head` does."""
    reader, writer = os.pipe()
    os.close(reader)
    checkout = Checkout(tmp_path)
    child = subprocess.Popen([sys.executable, checkout.root / "main.py", "list"], text=True, stdout=writer,
                             stderr=subprocess.PIPE)
    os.close(writer)
    _, told = child.communicate(timeout=60)
    assert (child.returncode, told) == (0, "")

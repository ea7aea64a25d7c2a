# SPDX-License-Identifier: GPL-2.0-only
"""./doit shell on a terminal: keys go to the guest, Ctrl-] leaves, and the terminal comes back as it was."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import launcher_kit
import pytest

from pipeline.errors import UserError
from runtime.launcher.shell import raw_terminal, shell

SCRIPT = """
import sys
sys.path[:0] = [{root!r}, {unit!r}]
import pytest, launcher_kit
from pathlib import Path
from pipeline import process
from pipeline.errors import ColinuxError
from runtime.launcher import shell
process.install_signal_handlers()
with pytest.MonkeyPatch.context() as patch:
    stage = launcher_kit.Stage(Path({folder!r}), patch)
    limits = launcher_kit.Timeouts(boot=60, check=60, total=600)
    decl = launcher_kit.declaration(stage.paths.root, launcher_kit.machine(modes={modes!r}, timeouts=limits))
    launcher_kit.build(decl, stage.paths)
    try:
        sys.exit(shell("tiny", decl, stage.paths))
    except ColinuxError as error:
        print(error)
        sys.exit(error.exit_code)
"""


class Person:
    """Somebody at a terminal who has typed ./doit shell."""

    def __init__(self, folder: Path, modes: str = "") -> None:
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.seen = b""
        script = SCRIPT.format(root=str(launcher_kit.ROOT), unit=str(Path(__file__).parent), folder=str(folder),
                               modes=modes)
        self.process = subprocess.Popen([sys.executable, "-c", script], stdin=self.slave, stdout=self.slave,
                                        stderr=self.slave, start_new_session=True)
        os.set_blocking(self.master, False)

    def sees(self, text: bytes, seconds: float = 60) -> bool:
        end = time.monotonic() + seconds
        while text not in self.seen and time.monotonic() < end:
            self.look()
            time.sleep(0.02)
        return text in self.seen

    def look(self) -> None:
        with contextlib.suppress(OSError):  # nothing there, or nobody at the other end any more
            self.seen += os.read(self.master, 65536)

    def types(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def ends(self, seconds: float = 60) -> int | None:
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.look()
            time.sleep(0.02)
        self.look()
        return self.process.poll()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    made = Person(tmp_path)
    yield made
    made.close()


def test_keys_reach_the_guest_and_ctrl_bracket_leaves(person: Person) -> None:
    assert person.sees(b"last words"), person.seen
    assert b"Ctrl-]" in person.seen
    person.types(b"uname -r\r\x03")  # Ctrl-C is the guest's
    assert person.sees(b"UNAME -R"), person.seen  # the fake guest's console shouts
    assert person.process.poll() is None
    person.types(b"\x1d")
    assert person.ends() == 0
    assert termios.tcgetattr(person.slave) == person.before


def test_the_terminal_is_raw_meanwhile(person: Person) -> None:
    assert person.sees(b"last words")
    assert not termios.tcgetattr(person.slave)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_gives_the_terminal_back(person: Person, number: signal.Signals) -> None:
    assert person.sees(b"last words")
    os.kill(person.process.pid, number)
    assert person.ends() not in (None, 0)
    assert termios.tcgetattr(person.slave) == person.before


def test_a_panic_is_told(tmp_path: Path) -> None:
    person = Person(tmp_path, "panic")
    try:
        assert person.ends() == 1
        assert b"VFS: cannot find root" in person.seen
        assert termios.tcgetattr(person.slave) == person.before
    finally:
        person.close()


def test_without_a_terminal_there_is_no_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = launcher_kit.Stage(tmp_path, monkeypatch)
    decl = launcher_kit.declaration(tmp_path, launcher_kit.machine())
    launcher_kit.build(decl, stage.paths)
    with (tmp_path / "none").open("w+") as file:
        monkeypatch.setattr(sys, "stdin", file)
        with pytest.raises(UserError, match="terminal"):
            shell("tiny", decl, stage.paths)


def test_raw_terminal_restores_after_an_exception() -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    with pytest.raises(RuntimeError), raw_terminal(slave):
        assert termios.tcgetattr(slave) != before
        raise RuntimeError
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)

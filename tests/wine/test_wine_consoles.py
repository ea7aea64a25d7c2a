# SPDX-License-Identifier: GPL-2.0-only
"""Consoles of scripted guests through colinux-daemon.exe's door: the Linux daemon's own tests of what goes over the
connection, once more, and colinux-console.exe at its other end."""

from __future__ import annotations

import fcntl
import os
import pty
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import door_kit
import pytest
import test_daemon_consoles
import test_daemon_control
from door_kit import Ctl
from test_daemon_control import PATIENCE, Start, line
from wine_kit import FOLDER, Wine, text, wait_until

# Those without a terminal of Linux'.
SAME = ("test_a_guest_is_not_held_up_by_who_does_not_look", "test_what_is_no_frame_ends_the_connection")
pytestmark = pytest.mark.usefixtures("doors")

run, start = test_daemon_control.run, test_daemon_control.start
globals().update({name: getattr(test_daemon_consoles, name) for name in SAME})


@pytest.fixture
def ctl(wine: Wine) -> Ctl:
    return door_kit.ctl(wine)


class Console:
    """colinux-console.exe with a pipe on stdin, which is typed as it is."""

    def __init__(self, wine: Wine, folder: Path, *words: str) -> None:
        self.out, self.err = folder / "out", folder / "err"
        folder.mkdir()
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                wine.command(rf"{FOLDER}\colinux-console.exe", *words), cwd=folder, env=wine.environment(),
                stdin=subprocess.PIPE, stdout=out, stderr=err)  # fmt: skip

    def type(self, keys: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(keys)
        self.process.stdin.flush()

    def expect(self, words: str) -> None:
        wait_until(lambda: words in text(self.out) or self.process.poll() is not None,
                   f"{words!r} is not in {text(self.out)!r}")  # fmt: skip
        assert words in text(self.out), text(self.err)

    def detach(self) -> int:
        """The end of its input; its exit code."""
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(2 * PATIENCE)


Open = Callable[..., Console]


@pytest.fixture
def attach(wine: Wine, tmp_path: Path) -> Iterator[Open]:
    some: list[Console] = []

    def one(*words: str) -> Console:
        some.append(Console(wine, tmp_path / f"console{len(some)}", *words))
        return some[-1]

    yield one
    for console in some:
        if console.process.poll() is None:
            console.process.kill()
            console.process.wait()


def test_to_and_fro(start: Start, attach: Open) -> None:
    """Attach, type, detach, and again: the guest goes on, what it said is shown first."""
    guest = start("echo 0")
    for number in range(2):
        console = attach()
        console.expect("up\n")
        console.type(b"\x1dround%d" % number)  # no terminal, no escape
        console.expect(f"\x1dround{number}")
        assert console.detach() == 0
        assert guest.process.poll() is None
    assert text(console.out).endswith("up\n\x1dround0\x1dround1")
    console = attach("--new", "colinux", "console")
    time.sleep(2)
    console.type(b"lastq")
    console.expect("lastq")
    assert console.process.wait(2 * PATIENCE) == 0, "the guest has ended"
    assert text(console.out) == "lastq" and guest.end()[0] == 0


def test_what_came_before_the_end_of_a_file_is_typed(start: Start, wine: Wine, tmp_path: Path) -> None:
    start("echo 0")
    typed = b"".join(b"%02d," % number for number in range(60))
    with wine.begin(rf"{FOLDER}\colinux-console.exe", "--new", stdin=typed) as running:
        assert running.wait().returncode == 0
    console = Console(wine, tmp_path / "after")
    console.expect("59,")
    assert console.detach() == 0
    assert text(console.out).endswith(typed.decode())


def test_two_at_once(start: Start, attach: Open) -> None:
    """Both see and type the same; one is killed in the middle, the other stays."""
    start("echo 0")
    one, other = attach(), attach("colinux", "console")
    one.expect("up\n")
    other.expect("up\n")
    one.type(b"from-one ")
    for console in (one, other):
        console.expect("from-one ")
    one.process.kill()
    one.process.wait()
    other.type(b"alone")
    other.expect("alone")
    assert other.detach() == 0


def test_attached_through_a_reboot(start: Start, attach: Open, ctl: Ctl) -> None:
    guest = start("power;say bye\n", "cocon1=90x20")
    console = attach("colinux", "console")
    console.expect("up\n")
    ctl("reboot")
    console.expect("bye\nup\n")
    ctl("stop")
    assert console.process.wait(2 * PATIENCE) == 0
    assert text(console.out).count("bye\n") == 2, "the last words arrive, too"
    assert guest.end()[0] == 0


def test_further_consoles(start: Start, attach: Open, ctl: Ctl) -> None:
    start("echo 2", "cocon1=90x20", "cocon5=40x10")
    assert '"consoles":["console","cocon1","cocon5"]' in ctl("--json", "status").stdout
    console = attach("colinux", "cocon5")
    console.type(b"over here")
    console.expect("over here")
    assert console.detach() == 0
    missing = attach("colinux", "cocon2")
    assert missing.process.wait(2 * PATIENCE) == 1
    assert text(missing.err) == "colinux-console: the guest has no such console; status lists them\n"


# --- a terminal, which Wine makes a console of -----------------------------------------------------------


class Screen(test_daemon_consoles.Console):
    """colinux-console.exe on a console, as the Linux one has a terminal. What is shown, Wine's console has drawn."""

    def __init__(self, wine: Wine, folder: Path, size: tuple[int, int]) -> None:
        self.master, self.slave = pty.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(self.slave)
        self.output = b""
        self.err = folder / "err"
        with self.err.open("wb") as err:
            self.process = subprocess.Popen(
                wine.command(rf"{FOLDER}\colinux-console.exe"), cwd=folder, env=wine.environment(TERM="xterm"),
                stdin=self.slave, stdout=self.slave, stderr=err, start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))  # fmt: skip
        os.set_blocking(self.master, False)


@pytest.fixture
def screen(wine: Wine, tmp_path: Path) -> Iterator[Callable[[], Screen]]:
    some: list[Screen] = []

    def one() -> Screen:
        some.append(Screen(wine, tmp_path, (100, 30)))
        return some[-1]

    yield one
    for console in some:
        console.close()


def test_on_a_console(start: Start, screen: Callable[[], Screen]) -> None:
    """Raw: keys are the guest's, the size is the console's; the escape detaches, and all is as before."""
    guest = start("newsize;echo 0")
    console = screen()
    console.expect(b"size 100x30")
    assert console.is_raw()
    assert guest.process.stdout and guest.process.stdout.readline() == "size 100x30\n"
    console.type(b"hello \x1d\x1d\x1b[A")
    typed = "hello \x1d\x1b[A"  # the escape itself, and a key that is several bytes
    assert guest.process.stdout.read(len(typed)) == typed
    console.expect(b"hello ")
    console.type(test_daemon_consoles.DETACH)
    assert console.wait() == 0
    assert text(console.err) == "[attached to console of colinux; Ctrl-] d detaches]\r\n\n[detached]\n"
    test_daemon_consoles.clean(console)
    assert guest.process.poll() is None


def test_an_event_leaves_a_clean_console(start: Start, screen: Callable[[], Screen]) -> None:
    """Ctrl-C: a key on Windows' own consoles in raw mode, which Wine makes an event of all the same."""
    start("echo 0")
    console = screen()
    console.expect(b"up")
    console.type(b"\x1b[?25l\x1b[?2004h")
    console.expect(b"\x1b[?2004h")
    console.type(b"\x03")
    assert console.wait() == 130
    assert b"\x1b[?2004l" in console.output
    assert text(console.err).endswith("\n[detached by a signal or a broken output]\n")
    test_daemon_consoles.clean(console)


def test_a_console_whose_guest_ends(start: Start, screen: Callable[[], Screen], ctl: Ctl) -> None:
    start("power;say bye")
    console = screen()
    console.expect(b"up")
    assert ctl("stop").returncode == 0
    assert console.wait() == 0 and b"bye" in console.output
    assert text(console.err).endswith("\n[the guest has ended]\n")
    test_daemon_consoles.clean(console)


def test_no_more_than_eight_are_attached(start: Start) -> None:
    """One after the other: who asks for nothing for five seconds is not kept, and there nine may take longer."""
    guest = start("power")
    links, answers = [], []
    for _ in range(9):
        links.append(guest.connect())
        links[-1].sendall(b"console console\n")
        answers.append(line(links[-1]))
    assert [answer["ok"] for answer in answers] == [True] * 8 + [False]
    assert answers[8] == {"ok": False, "error": "8 are attached already"}
    links[0].close()
    wait_until(lambda: guest.ask(b"console console\n")["ok"], "who has gone is still counted")
    for link in links[1:]:
        link.close()


def test_mistakes(attach: Open) -> None:
    console = attach("--nonsense")
    assert console.process.wait(2 * PATIENCE) == 2 and "unexpected --nonsense; see --help" in text(console.err)
    console = attach("nobody")
    assert console.process.wait(2 * PATIENCE) == 1 and text(console.err) == "colinux-console: no guest is running\n"

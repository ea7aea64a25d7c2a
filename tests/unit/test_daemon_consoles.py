# SPDX-License-Identifier: GPL-2.0-only
"""colinux-console: attached to scripted guests, detached, resized, two at once; and the terminal afterwards."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import daemon_kit
import pytest
from test_daemon_control import PATIENCE, Start, ctl, is_closed, line, run, start

__all__ = ["ctl", "run", "start"]  # fixtures

LFLAG = 3  # index into what tcgetattr returns
DETACH = b"\x1dd"


class Console:
    """colinux-console in a terminal of its own."""

    def __init__(self, run: Path, *words: str, size: tuple[int, int] = (80, 25)) -> None:
        self.master, self.slave = pty.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(self.slave)
        self.output = b""
        self.process = subprocess.Popen(
            [daemon_kit.programs() / "colinux-console", *words],
            env=daemon_kit.environment(COLINUX_RUN=str(run)), stdin=self.slave, stdout=self.slave, stderr=self.slave,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.set_blocking(self.master, False)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def read(self) -> None:
        with contextlib.suppress(OSError):
            self.output += os.read(self.master, 65536)

    def expect(self, text: bytes, count: int = 1) -> None:
        """Wait until this has been shown, so many times."""
        until = time.monotonic() + PATIENCE
        while self.output.count(text) < count:
            assert time.monotonic() < until, (text, self.output)
            self.read()
            time.sleep(0.01)

    def is_raw(self) -> bool:
        return not termios.tcgetattr(self.slave)[LFLAG] & termios.ICANON

    def wait(self) -> int:
        """Its exit code; what it has shown is read meanwhile."""
        until = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < until, self.output
            self.read()
            time.sleep(0.01)
        self.read()
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


Open = Callable[..., Console]


@pytest.fixture
def attach(run: Path) -> Iterator[Open]:
    some: list[Console] = []

    def one(*words: str, size: tuple[int, int] = (80, 25)) -> Console:
        some.append(Console(run, *words, size=size))
        return some[-1]

    yield one
    for console in some:
        console.close()


def clean(console: Console) -> None:
    """The terminal is as it was before."""
    assert termios.tcgetattr(console.slave) == console.before


def test_to_and_fro(start: Start, attach: Open) -> None:
    """Attach, type, detach, and again: the guest goes on, what it said is shown first."""
    guest = start("echo 0")
    for number in range(3):
        console = attach()
        console.expect(b"up\n")
        console.type(b"round%d" % number)
        console.expect(b"round%d" % number)
        assert console.is_raw()
        console.type(DETACH)
        assert console.wait() == 0
        assert b"[detached]" in console.output
        clean(console)
        assert guest.process.poll() is None
    assert b"round0round1round2" in console.output
    console = attach("--new")
    console.expect(b"attached to console of colinux")
    console.type(b"lastq")
    console.expect(b"lastq")
    assert console.wait() == 0 and b"the guest has ended" in console.output
    assert b"round" not in console.output
    clean(console)
    assert guest.end()[0] == 0


def test_two_at_once(start: Start, attach: Open) -> None:
    """Both see and type the same; one goes, the other stays."""
    start("echo 0")
    one, other = attach(), attach("colinux", "console")
    one.expect(b"up\n")
    other.expect(b"up\n")
    one.type(b"from-one ")
    for console in (one, other):
        console.expect(b"from-one ")
    other.type(b"from-other ")
    for console in (one, other):
        console.expect(b"from-other ")
    one.process.kill()
    one.process.wait()
    other.type(b"alone")
    other.expect(b"alone")
    other.type(DETACH)
    assert other.wait() == 0


def test_the_escape_itself_can_be_typed(start: Start, attach: Open) -> None:
    start("echo 0")
    console = attach()
    console.expect(b"up\n")
    console.type(b"\x1d\x1da\x1dxb")
    console.expect(b"\x1da\x1dxb")
    console.type(DETACH)
    assert console.wait() == 0


def test_the_size_follows(start: Start, attach: Open) -> None:
    start("newsize;newsize;power")
    console = attach(size=(132, 43))
    console.expect(b"size 132x43")
    console.resize(100, 30)
    console.expect(b"size 100x30")
    console.type(DETACH)
    assert console.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_a_clean_terminal(number: signal.Signals, start: Start, attach: Open) -> None:
    start("echo 0")
    console = attach()
    console.expect(b"up\n")
    # what an editor does: the other screen, no cursor, the mouse, in pieces; and something that it undoes
    console.type(b"\x1b[?1049h\x1b[?25l\x1b[?10")
    console.expect(b"\x1b[?10")
    console.type(b"02;2004h\x1b[?1000h\x1b[?1000l\x1b[31m")
    console.expect(b"\x1b[31m")
    shown = len(console.output)
    console.process.send_signal(number)
    assert console.wait() == 128 + number
    clean(console)
    after = console.output[shown:]
    for undone in (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1002l", b"\x1b[?2004l", b"\x1b[0m"):
        assert undone in after
    assert b"?1000" not in after


def test_stop_and_continue(start: Start, attach: Open) -> None:
    start("echo 0")
    console = attach()
    console.expect(b"up\n")
    console.process.send_signal(signal.SIGTSTP)
    until = time.monotonic() + PATIENCE
    while Path(f"/proc/{console.process.pid}/stat").read_text().rsplit(") ", 1)[1][0] != "T":
        assert time.monotonic() < until
        time.sleep(0.01)
    assert not console.is_raw()
    console.process.send_signal(signal.SIGCONT)
    while not console.is_raw():
        assert time.monotonic() < until
        time.sleep(0.01)
    console.type(b"again")
    console.expect(b"again")
    console.type(DETACH)
    assert console.wait() == 0
    clean(console)


def test_detaching_from_a_guest_that_reads_nothing(start: Start, attach: Open) -> None:
    start("hang")
    console = attach()
    console.expect(b"up\n")
    for _ in range(300):
        with contextlib.suppress(BlockingIOError):
            console.type(b"y" * 1000)
        console.read()
    until = time.monotonic() + PATIENCE
    while console.process.poll() is None:
        assert time.monotonic() < until
        with contextlib.suppress(BlockingIOError):
            console.type(DETACH)
        console.read()
        time.sleep(0.01)
    assert console.process.returncode == 0


def test_a_guest_is_not_held_up_by_who_does_not_look(start: Start) -> None:
    """Attached, and deaf: the guest prints two megabytes meanwhile. When it looks it is told of the gap."""
    guest = start("echo 0;flood 2048;say done;echo 0")
    drain = guest.process.stdout
    assert drain
    deaf = guest.connect()
    deaf.sendall(b"console console\n")
    assert line(deaf)["ok"]
    deaf.sendall(b"i\x01q")
    # the guest's own output is read by us, as a terminal would
    seen = ""
    while not seen.endswith("done"):
        seen = seen[-10:] + drain.read(1)
    got = b""
    until = time.monotonic() + PATIENCE
    while not got.endswith(b"done"):
        assert time.monotonic() < until
        got += deaf.recv(65536)
    assert b" bytes were lost here]\r\n" in got and got.count(b"x") < 2048 * 1024
    deaf.close()


def test_attached_through_a_reboot(start: Start, attach: Open, ctl: Callable[..., object]) -> None:
    guest = start("power;say bye\n", "cocon1=90x20")
    console = attach("colinux", "console")
    console.expect(b"up\n")
    ctl("reboot")
    console.expect(b"bye\nup\n")
    ctl("stop")
    assert console.wait() == 0
    assert console.output.count(b"bye\n") == 2, "the last words arrive, too"
    assert guest.end()[0] == 0


def test_further_consoles(start: Start, attach: Open, ctl: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    start("echo 2", "cocon1=90x20", "cocon5=40x10")
    assert '"consoles":["console","cocon1","cocon5"]' in ctl("--json", "status").stdout
    console = attach("colinux", "cocon5")
    console.expect(b"attached to cocon5")
    console.type(b"over here")
    console.expect(b"over here")
    console.type(DETACH)
    assert console.wait() == 0
    missing = attach("colinux", "cocon2")
    missing.expect(b"the guest has no such console; status lists them")
    assert missing.wait() == 1


def test_without_a_terminal(start: Start, run: Path) -> None:
    """A pipe's bytes are typed as they are; its end detaches."""
    guest = start("echo 0")
    words = [daemon_kit.programs() / "colinux-console", "colinux"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=daemon_kit.environment(COLINUX_RUN=str(run))) as process:  # fmt: skip
        assert process.stdin and process.stdout
        process.stdin.write(b"\x1dd is no escape here")
        process.stdin.flush()
        seen = b""
        while not seen.endswith(b"\x1dd is no escape here"):
            seen += process.stdout.read(1)
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
    assert guest.process.poll() is None


@pytest.mark.parametrize("frames", [b"x\x01a", b"i\xc9" + b"a" * 201, b"r\x03abc", b"r\x05abcde", b"\x00\x00", b"\n\n"])
def test_what_is_no_frame_ends_the_connection(frames: bytes, start: Start) -> None:
    guest = start("power")
    with guest.connect() as link:
        link.sendall(b"console console 80x25 new\n")
        assert line(link)["ok"]
        with contextlib.suppress(ConnectionError):
            link.sendall(b"r\x04\x00\x50\x00\x19" + frames)
        assert is_closed(link)
    assert guest.ask()["state"] == "running"


@pytest.mark.parametrize("words", [b"", b" ", b"console 80", b"console 80x", b"console 80x25 old", b"console new new",
                                   b"console 99999x1", b"console 80x25 new x", b"x" * 70])  # fmt: skip
def test_odd_wishes(words: bytes, start: Start) -> None:
    guest = start("power")
    assert guest.ask(b"console " + words + b"\n")["ok"] is False


def test_no_more_than_eight_are_attached(start: Start) -> None:
    """The rest of the door is for those who want to stop the guest."""
    guest = start("power")
    links = [guest.connect() for _ in range(9)]
    for link in links:
        link.sendall(b"console console\n")
    assert [line(link)["ok"] for link in links[:8]] == [True] * 8
    assert line(links[8]) == {"ok": False, "error": "8 are attached already"}
    links[0].close()
    until = time.monotonic() + PATIENCE
    while not guest.ask(b"console console\n")["ok"]:
        assert time.monotonic() < until
    for link in links[1:]:
        link.close()

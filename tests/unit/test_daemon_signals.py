# SPDX-License-Identifier: GPL-2.0-only
"""The daemon and its surroundings: signals, the terminal on its stdin, ports with other programs at them."""

from __future__ import annotations

import errno
import os
import pty
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import daemon_kit
import pytest
from daemon_kit import Terminal, boot

LFLAG = 3  # index into what tcgetattr returns


# --- signals ---------------------------------------------------------------------------------------


class Running:
    """A daemon that runs in the background, its guest behind a line that it prints when it is up."""

    def __init__(self, folder: Path, guest: str, *arguments: str, interrupt: signal.Handlers = signal.SIG_DFL) -> None:
        (folder / "vmlinux").write_bytes(daemon_kit.kernel())
        self.process = subprocess.Popen(
            [daemon_kit.programs() / "fake-daemon", "kernel=vmlinux", "mem=64", *arguments],
            cwd=folder,
            text=True,
            env=daemon_kit.environment(FAKE_GUEST="say up\n;" + guest),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # a background job of a script's inherits it and SIGQUIT ignored, one of nohup's SIGHUP, and the daemon would
            # leave them so
            preexec_fn=lambda: (signal.signal(signal.SIGINT, interrupt), signal.signal(signal.SIGHUP, signal.SIG_DFL),
                                signal.signal(signal.SIGQUIT, signal.SIG_DFL)),
        )

    def wait_for_guest(self) -> None:
        """Until the guest has said that it is up; after the caller has made sure that it will be ended."""
        assert self.process.stdout and self.process.stdout.readline() == "up\n"

    def end(self) -> tuple[int, str]:
        """Exit code and what it said."""
        errors = self.process.communicate(timeout=100)[1]
        return self.process.returncode, errors


@pytest.fixture
def running() -> Iterator[list[Running]]:
    """Daemons to be killed if the test fails."""
    some: list[Running] = []
    yield some
    for one in some:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_first_signal_asks(number: signal.Signals, tmp_path: Path, running: list[Running]) -> None:
    running.append(Running(tmp_path, "power;say bye"))
    running[0].wait_for_guest()
    running[0].process.send_signal(number)
    code, errors = running[0].end()
    assert code == 0
    assert "asking the guest to shut down" in errors


def test_an_ignored_interrupt_stays_ignored(tmp_path: Path, running: list[Running]) -> None:
    """Ctrl-C is not for a background job; nor is a hang-up for what runs under nohup."""
    running.append(Running(tmp_path, "sleep 300;say bye", interrupt=signal.SIG_IGN))
    running[0].wait_for_guest()
    running[0].process.send_signal(signal.SIGINT)
    assert running[0].end() == (0, "")


def test_the_second_signal_ends(tmp_path: Path, running: list[Running]) -> None:
    running.append(Running(tmp_path, "hang"))
    running[0].wait_for_guest()
    running[0].process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert running[0].process.poll() is None, "a guest that was asked is not ended"
    running[0].process.send_signal(signal.SIGTERM)
    code, errors = running[0].end()
    assert code == 255
    assert "the guest was ended without its own shutdown" in errors


def test_patience_ends(tmp_path: Path, running: list[Running]) -> None:
    running.append(Running(tmp_path, "hang", "shutdown-timeout=1"))
    running[0].wait_for_guest()
    began = time.monotonic()
    running[0].process.send_signal(signal.SIGTERM)
    code, errors = running[0].end()
    assert code == 255
    assert 0.9 < time.monotonic() - began < 60
    assert "the guest did not shut down within 1 seconds; it was ended" in errors


def test_no_patience_at_all(tmp_path: Path, running: list[Running]) -> None:
    running.append(Running(tmp_path, "hang", "shutdown-timeout=0"))
    running[0].wait_for_guest()
    running[0].process.send_signal(signal.SIGTERM)
    code, errors = running[0].end()
    assert code == 255
    assert "asking" not in errors


def test_sigquit_ends_at_once(tmp_path: Path, running: list[Running]) -> None:
    running.append(Running(tmp_path, "hang"))
    running[0].wait_for_guest()
    running[0].process.send_signal(signal.SIGQUIT)
    assert running[0].end()[0] == 255


def test_a_blocked_stdout_cannot_hold_the_end_up(tmp_path: Path, running: list[Running]) -> None:
    """The guest floods a pipe that nobody reads: it waits, and still ends when told."""
    running.append(Running(tmp_path, "flood 400"))
    running[0].wait_for_guest()
    time.sleep(0.5)
    assert running[0].process.poll() is None, "the guest waits for its reader"
    running[0].process.send_signal(signal.SIGQUIT)
    running[0].process.wait(60)
    assert running[0].process.returncode == 255


def test_the_pidfile(tmp_path: Path, running: list[Running]) -> None:
    running.append(Running(tmp_path, "power", "-p", "pid"))
    running[0].wait_for_guest()
    assert int((tmp_path / "pid").read_text()) == running[0].process.pid
    running[0].process.send_signal(signal.SIGTERM)
    assert running[0].end()[0] == 0
    assert not (tmp_path / "pid").exists()
    assert "-p no/such/folder: No such file or directory" in boot(tmp_path, "", "-p", "no/such/folder").stderr


# --- the terminal ----------------------------------------------------------------------------------


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[list[Terminal]]:
    some: list[Terminal] = []
    yield some
    for one in some:
        one.close()


def is_raw(modes: list[object]) -> bool:
    flags = modes[LFLAG]
    assert isinstance(flags, int)
    return not flags & (termios.ICANON | termios.ECHO | termios.ISIG)


def test_a_terminal_is_raw_and_restored(tmp_path: Path, terminal: list[Terminal]) -> None:
    terminal.append(Terminal(tmp_path, "say up\n;echo 0;say bye\n"))
    terminal[0].expect(b"up\r\n")
    assert is_raw(terminal[0].modes())
    terminal[0].type(b"\x03\x1a")  # Ctrl-C and Ctrl-Z are the guest's
    terminal[0].expect(b"\x03\x1a")
    terminal[0].type(b"q")
    terminal[0].expect(b"bye")
    assert terminal[0].wait() == 0
    assert not is_raw(terminal[0].modes())


ENDINGS = {"panic": ("panic oops", 16), "hang, killed": ("hang", 255), "crash of the daemon": ("crash", None)}


@pytest.mark.parametrize("name", ENDINGS)
def test_every_way_out_restores_the_terminal(name: str, tmp_path: Path, terminal: list[Terminal]) -> None:
    guest, code = ENDINGS[name]
    terminal.append(Terminal(tmp_path, f"say up\n;sleep 100;{guest}"))
    terminal[0].expect(b"up\r\n")
    if guest == "hang":
        assert is_raw(terminal[0].modes())
        terminal[0].process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        terminal[0].process.send_signal(signal.SIGTERM)
    ended = terminal[0].wait()
    assert ended == code if code is not None else ended not in (0, 16)
    assert not is_raw(terminal[0].modes())


def test_the_escape_ends_the_guest(tmp_path: Path, terminal: list[Terminal]) -> None:
    terminal.append(Terminal(tmp_path, "say up\n;power"))
    terminal[0].expect(b"up\r\n")
    terminal[0].type(b"\x1d\x1d")
    terminal[0].type(b"x\x1d\x1d")  # never three in a row
    time.sleep(0.3)
    assert terminal[0].process.poll() is None
    terminal[0].type(b"x\x1d\x1d\x1d")
    assert terminal[0].wait() == 0
    assert "asking the guest to shut down" in terminal[0].errors.read_text()


def test_the_escape_works_when_the_guest_reads_nothing(tmp_path: Path, terminal: list[Terminal]) -> None:
    terminal.append(Terminal(tmp_path, "say up\n;hang"))
    terminal[0].expect(b"up\r\n")
    for _ in range(12):
        terminal[0].type(b"y" * 1000)
        time.sleep(0.02)
    terminal[0].type(b"\x1d\x1d\x1d")
    time.sleep(0.3)
    terminal[0].type(b"\x1d\x1d\x1d")
    assert terminal[0].wait() == 255
    assert "ended without its own shutdown" in terminal[0].errors.read_text()


def test_the_size_follows_the_window(tmp_path: Path, terminal: list[Terminal]) -> None:
    terminal.append(Terminal(tmp_path, "size;newsize", size=(132, 43)))
    terminal[0].expect(b"size 132x43")
    terminal[0].resize(100, 30)
    terminal[0].expect(b"size 100x30")
    assert terminal[0].wait() == 0


def test_a_vanished_terminal_is_a_request_to_stop(tmp_path: Path, terminal: list[Terminal]) -> None:
    terminal.append(Terminal(tmp_path, "say up\n;power"))
    terminal[0].expect(b"up\r\n")
    os.close(terminal[0].master)
    os.close(terminal[0].slave)
    assert terminal[0].wait() == 0
    terminal[0].master, terminal[0].slave = os.open(os.devnull, os.O_RDONLY), os.open(os.devnull, os.O_RDONLY)


def test_stop_and_continue(tmp_path: Path, terminal: list[Terminal]) -> None:
    """SIGTSTP gives the shell its terminal back; SIGCONT takes it again."""
    terminal.append(Terminal(tmp_path, "say up\n;echo 0"))
    terminal[0].expect(b"up\r\n")
    terminal[0].process.send_signal(signal.SIGTSTP)
    until = time.monotonic() + 60
    while is_raw(terminal[0].modes()):
        assert time.monotonic() < until
        time.sleep(0.01)
    while Path(f"/proc/{terminal[0].process.pid}/stat").read_text().rsplit(") ", 1)[1][0] != "T":
        assert time.monotonic() < until, "it has not stopped"
        time.sleep(0.01)
    terminal[0].process.send_signal(signal.SIGCONT)
    until = time.monotonic() + 60
    while not is_raw(terminal[0].modes()):
        assert time.monotonic() < until
        time.sleep(0.01)
    terminal[0].type(b"hiq")
    terminal[0].expect(b"hiq")
    assert terminal[0].wait() == 0
    assert not is_raw(terminal[0].modes())


# --- serial ports ----------------------------------------------------------------------------------


def test_a_port_on_a_pty(tmp_path: Path, running: list[Running]) -> None:
    """hvc1: what the launcher's agents use."""
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    running.append(Running(tmp_path, "echo 1", f"ttys0={os.ttyname(slave)}"))
    running[0].wait_for_guest()
    os.write(master, b"ping\n\x03q")
    got = b""
    until = time.monotonic() + 60
    while b"q" not in got:
        assert time.monotonic() < until, got
        try:
            got += os.read(master, 100)
        except OSError as error:
            assert error.errno in (errno.EAGAIN, errno.EIO)
            time.sleep(0.01)
    assert got == b"ping\n\x03q", "raw: no echo, no translation"
    assert running[0].end()[0] == 0
    os.close(master)
    os.close(slave)


def test_a_port_whose_line_is_set(tmp_path: Path, running: list[Running]) -> None:
    master, slave = pty.openpty()
    running.append(Running(tmp_path, "echo 1", f"ttys0={os.ttyname(slave)},19200,8n2,xonxoff"))
    running[0].wait_for_guest()
    iflag, _, cflag, lflag, ispeed, ospeed, _ = termios.tcgetattr(slave)
    assert (ispeed, ospeed) == (termios.B19200, termios.B19200)
    assert cflag & (termios.CSIZE | termios.CSTOPB | termios.PARENB) == termios.CS8 | termios.CSTOPB
    assert iflag & (termios.IXON | termios.IXOFF) == termios.IXON | termios.IXOFF
    assert not lflag & termios.ICANON
    os.write(master, b"q")
    assert running[0].end()[0] == 0
    os.close(master)
    os.close(slave)


def test_a_port_whose_line_cannot_be_set(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    name = os.ttyname(slave)
    done = daemon_kit.boot(tmp_path, "", f"ttys0={name},7e1")
    assert done.returncode == 255
    assert done.stderr == f"colinux-daemon: argument 3: ttys0={name},7e1: 7e1: the port cannot be set so\n"
    os.close(master)
    os.close(slave)

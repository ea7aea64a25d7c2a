# SPDX-License-Identifier: GPL-2.0-only
"""What a person sees: plain lines in a log, one live line on a terminal."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from pipeline import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        """The lines that are left to see."""
        return [line.rsplit("\x1b[K", 1)[-1].rstrip("\r") for line in self.getvalue().split("\n")]


@pytest.fixture
def plain() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    progress.set_stream(stream)
    yield stream
    progress.set_stream(None)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    # A clock that stands still: what is shown must not hang on how fast the machine is.
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: 100.0, sleep=time.sleep))
    stream = Terminal()
    progress.set_stream(stream)
    yield stream
    progress.set_stream(None)


def test_steps_nest_and_say_how_long_they_took(plain: io.StringIO) -> None:
    with progress.step("outer"):
        with progress.step("inner"):
            pass
        progress.note("a note")
    lines = plain.getvalue().splitlines()
    assert lines[:2] == ["outer ...", "  inner ..."]
    assert lines[2].startswith("  inner: ") and lines[2].endswith(" s")
    assert lines[3] == "a note"
    assert lines[4].startswith("outer: ")
    assert "\x1b" not in plain.getvalue()


def test_a_failed_step_says_so(plain: io.StringIO) -> None:
    with pytest.raises(ValueError, match="x"), progress.step("work"):
        raise ValueError("x")
    assert "work: failed after " in plain.getvalue()
    with progress.step("next"):
        pass
    assert plain.getvalue().splitlines()[-2] == "next ..."


def test_a_terminal_shows_one_live_line(terminal: Terminal) -> None:
    with progress.step("outer"):
        assert terminal.screen() == ["outer ... 0 s"]
        with progress.step("inner"):
            assert terminal.screen() == ["outer > inner ... 0 s"]
            progress.note("a note")
            assert terminal.screen() == ["a note", "outer > inner ... 0 s"]
        assert terminal.screen()[1:] == ["  inner: 0.0 s", "outer ... 0 s"]
    assert terminal.screen()[-2:] == ["outer: 0.0 s", ""]


def test_a_live_line_fits_the_terminal(terminal: Terminal) -> None:
    with progress.step("x" * 200):
        assert len(terminal.screen()[-1]) < 60


def test_a_bar_on_a_terminal(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LIVE_INTERVAL", 0.0)
    with progress.step("fetch"), progress.Bar("file", 4 << 20) as bar:
        bar.update(1 << 20)
        shown = terminal.screen()[-1]
        assert shown.startswith("file:  25%  1.0 MiB of 4.0 MiB, ")
        bar.update(3 << 20)
    assert any(line.startswith("file: 4.0 MiB in 0.") for line in terminal.screen())


def test_a_bar_elsewhere_is_a_line_now_and_then(plain: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.Bar("file", 100 << 20) as bar:
        bar.resume_at(20 << 20)
        for _ in range(8):
            now[0] += 4
            bar.update(10 << 20)
    lines = plain.getvalue().splitlines()
    assert lines == [
        "file:  50%  50.0 MiB of 100.0 MiB, 2.5 MiB/s, 20.0 s left",
        "file:  80%  80.0 MiB of 100.0 MiB, 2.5 MiB/s, 8.0 s left",
        "file: 100.0 MiB in 32.0 s",
    ]


def test_a_broken_bar_says_where_it_stopped(plain: io.StringIO) -> None:
    with pytest.raises(OSError, match="gone"), progress.Bar("file", None) as bar:
        bar.update(1536)
        raise OSError("gone")
    assert plain.getvalue().startswith("file: stopped at 1.5 KiB in ")


def test_warnings_stand_out(terminal: Terminal) -> None:
    progress.warn("careful")
    assert "warning:" in terminal.getvalue() and "careful" in terminal.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(0.04, "0.0 s"), (59.94, "59.9 s"), (125, "2 min 05 s")])
def test_durations(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text


@pytest.mark.parametrize(("amount", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB")])
def test_sizes(amount: int, text: str) -> None:
    assert progress.size(amount) == text


def test_a_reader_that_went_away_ends_nothing() -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    progress.set_stream(Broken())
    try:
        with progress.step("x"):
            progress.note("y")
    finally:
        progress.set_stream(None)

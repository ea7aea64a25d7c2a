# SPDX-License-Identifier: GPL-2.0-only
"""What a person sees while work goes on: one live line on a terminal, plain lines elsewhere.

It all goes to the process's real standard error, not to sys.stderr: doit
replaces that one while a task runs, and a progress line shown afterwards is
of no use.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TextIO

PLAIN_INTERVAL = 10.0  # seconds between the lines of a Bar that is not on a terminal
LIVE_INTERVAL = 0.2  # seconds between redraws of a Bar on one

_lock = threading.RLock()
_override: TextIO | None = None
_stack: list[tuple[str, float]] = []  # open steps: title, start
_live = ""  # what the live line shows now
_ticker: threading.Thread | None = None


def set_stream(stream: TextIO | None) -> None:
    """Send everything to `stream` from now on; None: back to standard error."""
    global _override
    with _lock:
        _clear()
        _override = stream


def _stream() -> TextIO:
    return _override or sys.__stderr__ or sys.stderr


def _animated() -> bool:
    stream = _stream()
    return not stream.closed and stream.isatty() and os.environ.get("TERM") != "dumb"


def _write(text: str) -> None:
    stream = _stream()
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):
        pass  # a reader that went away must not end a build


def _clear() -> None:
    global _live
    if _live:
        _write("\r\x1b[K")
        _live = ""


def _show(text: str) -> None:
    """Make `text` the live line, cut to the terminal's width."""
    global _live
    text = text[: max(20, shutil.get_terminal_size().columns - 1)]
    if text != _live:
        _write("\r\x1b[K" + text)
        _live = text


def _line(text: str) -> None:
    """One whole line, above the live one."""
    with _lock:
        live = _live
        _clear()
        _write(text + "\n")
        if live:
            _show(live)


def duration(seconds: float) -> str:
    """2.34 -> "2.3 s", 125 -> "2 min 05 s"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def size(amount: float) -> str:
    """Bytes for a person: 1536 -> "1.5 KiB"."""
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def note(text: str) -> None:
    """A line that a person may want to know."""
    _line(text)


def warn(text: str) -> None:
    """A line that a person should not miss."""
    _line(f"\x1b[33mwarning:\x1b[0m {text}" if _animated() else f"warning: {text}")


def _tick() -> None:
    """Keep the seconds of the innermost step going, as long as there is one."""
    global _ticker
    while True:
        time.sleep(1)
        with _lock:
            if not _stack:
                _ticker = None
                return
            _show_steps()


def _show_steps() -> None:
    if _stack and _animated() and not Bar.drawing:
        titles = " > ".join(title for title, _ in _stack)
        _show(f"{titles} ... {int(time.monotonic() - _stack[-1][1])} s")


@contextmanager
def step(title: str) -> Iterator[None]:
    """Say that something is going on, and at its end how long it took; steps nest.

    Threads share the one live line: what it shows is the step begun last.
    """
    global _ticker
    began = time.monotonic()
    entry = (title, began)
    with _lock:
        depth = "  " * len(_stack)
        _stack.append(entry)
        if not _animated():
            _line(f"{depth}{title} ...")
        elif _ticker is None:
            _show_steps()
            _ticker = threading.Thread(target=_tick, name="progress", daemon=True)
            _ticker.start()
        else:
            _show_steps()
    failed = True
    try:
        yield
        failed = False
    finally:
        with _lock:
            _stack.remove(entry)
            _clear()
            _line(f"{depth}{title}{': failed after' if failed else ':'} {duration(time.monotonic() - began)}")
            _show_steps()


class Bar:
    """Progress in bytes: `with Bar("linux-6.1", total) as bar: bar.update(n)`, n bytes more each time.

    `total` is None when nobody knows it. Not on a terminal, a plain line every ten seconds.
    With `unit` ("files") it counts those instead of bytes.
    """

    drawing = 0  # bars on the terminal now; a step's line gives way to them

    def __init__(self, title: str, total: int | None, unit: str | None = None) -> None:
        self.title = title
        self.total = total
        self.unit = unit
        self.done = 0
        self.began = time.monotonic()
        self._first = 0  # where a resumed transfer began: it has no part in the rate
        self._drawn = self.began if not _animated() else 0.0

    def __enter__(self) -> Bar:
        with _lock:
            Bar.drawing += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _lock:
            Bar.drawing -= 1
            _clear()
            took = duration(time.monotonic() - self.began)
            _line(f"{self.title}: {'stopped at ' if kind else ''}{self._amount(self.done)} in {took}")

    def resume_at(self, done: int) -> None:
        """Start from `done` bytes that are there already."""
        self.done = self._first = done

    def update(self, amount: int) -> None:
        """`amount` bytes more."""
        self.done += amount
        now = time.monotonic()
        animated = _animated()
        if now - self._drawn < (LIVE_INTERVAL if animated else PLAIN_INTERVAL):
            return
        self._drawn = now
        with _lock:
            if animated:
                _show(self.line(now))
            else:
                _line(self.line(now))

    def line(self, now: float) -> str:
        """linux-6.1: 45%  12.3 MiB of 27.1 MiB, 3.4 MiB/s, 4.4 s left"""
        rate = (self.done - self._first) / max(now - self.began, 1e-3)
        speed = f", {size(rate)}/s" if self.unit is None else ""
        if not self.total:
            return f"{self.title}: {self._amount(self.done)}{speed}"
        percent = 100 * self.done // self.total
        text = f"{self.title}: {percent:3d}%  {self._amount(self.done)} of {self._amount(self.total)}{speed}"
        if rate > 0 and self.total > self.done:
            text += f", {duration((self.total - self.done) / rate)} left"
        return text

    def _amount(self, amount: int) -> str:
        return size(amount) if self.unit is None else f"{amount} {self.unit}"

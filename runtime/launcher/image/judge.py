# SPDX-License-Identifier: GPL-2.0-only
"""What came over the serial lines, and what it means."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtime.launcher.checks import Facts, GuestCheck
from runtime.launcher.image import disc
from runtime.launcher.image.records import Record, Told, Transcript
from runtime.launcher.report import Report
from runtime.launcher.verdict import (
    DAEMON_PANIC,
    Outcome,
    crash_text,
    last_lines,
    panic_message,
    plain,
    with_context,
)

if TYPE_CHECKING:
    from runtime.launcher.image.boot import Test

# How an NT's `ver` names itself: "Microsoft Windows [Version 5.2.3790]".
_VERSION = re.compile(r"[A-Z][A-Za-z ]{3,40}\[?[Vv]ersion [0-9][0-9A-Za-z.-]{0,24}\]?")
# Zones are quarters of an hour apart. NT takes the computer's clock for its own zone's, which we do not know.
_QUARTER = 900
_ZONES = 14 * 3600


@dataclass
class Seen:
    """What is known of a boot so far; grows while it goes on. Times in seconds."""

    line: bytearray = field(default_factory=bytearray)
    console: bytearray = field(default_factory=bytearray)
    host: dict[str, str] = field(default_factory=dict)  # kind -> text
    guests: dict[str, Transcript] = field(default_factory=dict)
    qemu: str = ""
    qemu_status: int | None = None
    qemu_output: str = ""
    reset: str | None = None
    boot_seconds: float | None = None
    seconds: float = 0.0

    def take(self, record: Record) -> None:
        """A record that has come."""
        if record.source == "host":
            self.host[record.kind] = record.text
        else:
            self.guests.setdefault(record.source, Transcript()).take(record)

    @property
    def started(self) -> bool:
        """The image's hook has run our script."""
        return "start" in self.host

    @property
    def over(self) -> bool:
        """The script has come to its end."""
        return "over" in self.host

    @property
    def alive_after(self) -> bool:
        """The NT still ran programs after the last guest."""
        return self.over and self.reset is None

    def _hello(self) -> list[str]:
        for transcript in self.guests.values():
            told = transcript.script("hello")
            if told and (lines := _text(told).splitlines()):
                return lines
        return []

    @property
    def release(self) -> str:
        """The guest's uname -r."""
        return (self._hello() or [""])[0]

    @property
    def compiler(self) -> str:
        """The guest's /proc/version."""
        return (self._hello()[1:] or [""])[0]

    @property
    def version(self) -> str:
        """What the NT calls itself; "" where that did not come through."""
        found = _VERSION.search(plain(self.line.decode(errors="replace")))
        return found[0] if found else ""

    def last_words(self) -> str:
        """The end of the console's line, else of the other one."""
        return last_lines(self.console.decode(errors="replace")) or last_lines(self.line.decode(errors="replace"))


def _text(told: Told) -> str:
    try:
        return told.output
    except ValueError:
        return ""


def judge_boot(test: Test, seen: Seen, report: Report) -> Outcome | None:
    """Add what was found to the report; returns what kept the boot from its end, or None when it came there."""
    if not seen.started:
        return _not_started(seen)
    _code(report, "driver", seen.host.get("driver"), "installed and loaded")
    for guest in test.guests:
        if guest not in _announced(seen, test):
            break
        _judge_guest(test, seen, report, guest)
    if "unload" in test.machine.checks and "unloaded" in seen.host:
        _code(report, "unload", seen.host["unloaded"], "removed")
    return _stopped(test, seen)


def _announced(seen: Seen, test: Test) -> list[str]:
    """The guests that were started: the last one announced, and those before it."""
    last = seen.host.get("guest", "")
    return list(test.guests[: test.guests.index(last) + 1]) if last in test.guests else []


def _code(report: Report, name: str, code: str | None, good: str) -> None:
    """A program of ours must have ended with 0."""
    if code is not None:
        report.add(name, code == "0", good if code == "0" else f"colinux-daemon ended with {code}")


def _judge_guest(test: Test, seen: Seen, report: Report, guest: str) -> None:
    transcript = seen.guests.get(guest, Transcript())
    first = guest == test.guests[0]
    inner = report if first else Report(show=False)
    for check in test.checks(guest):
        told = transcript.script(check.name)
        if told is None:
            inner.add(check.name, False, "the guest told nothing of it, or not all")
            continue
        facts = test.facts(told.at)
        judged = check.judge(told.status or 0, _text(told), _zoned(check, _text(told), facts))
        inner.add(check.name, judged.good, judged.text if judged.good else f"{judged.text}\n{_text(told).strip()}")
    code = seen.host.get(disc.ended(guest))
    ended = f"the daemon ended with {code}" if code else "the daemon did not end"
    if first:
        left = [name for name in test.machine.checks if name == "poweroff"]
        for name in left:
            report.add(name, code == "0", ended)
        return
    wrong = [f"{one.name}: {one.output}" for one in inner.wrong()] + ([] if code == "0" else [ended])
    report.add("second-guest", not wrong, "\n".join(wrong) or "1 booted, worked and powered off")


def _zoned(check: GuestCheck, output: str, facts: Facts) -> Facts:
    """The same, with the clock of the NT's time zone for the one check that reads a clock."""
    found = re.search(r"^epoch=(\d+)", output, re.M)
    if check.name != "timers" or not found:
        return facts
    off = round((int(found[1]) - facts.now) / _QUARTER) * _QUARTER
    return dataclasses.replace(facts, now=facts.now + off) if abs(off) <= _ZONES else facts


def _not_started(seen: Seen) -> Outcome:
    if seen.qemu_status not in (None, 0):
        return Outcome("infrastructure", with_context(
            f"QEMU ended with exit code {seen.qemu_status}", last_lines(seen.qemu_output)))  # fmt: skip
    how = f"ended ({seen.reset})" if seen.reset else f"did not run its hook in {seen.seconds:.0f} s (screen.ppm)"
    return Outcome("infrastructure", with_context(
        f"the image {how}: SUPPORT.md, \"A Windows image of your own\"", seen.last_words()))  # fmt: skip


def _stopped(test: Test, seen: Seen) -> Outcome | None:
    console = seen.console.decode(errors="replace")
    for guest in test.guests:
        if seen.host.get(disc.ended(guest)) == str(DAEMON_PANIC):
            return Outcome("panic", with_context(panic_message("", console), last_lines(console)))
    if seen.over:
        return None
    if seen.reset or seen.qemu_status is not None:
        how = seen.reset or f"QEMU ended with {seen.qemu_status}"
        return Outcome("panic", with_context(
            f"the NT ended in the midst of it ({how}): a bug check?", seen.last_words()))  # fmt: skip
    if crash := crash_text(console):
        return Outcome("panic", crash)
    doing = f"in {_announced(seen, test)[-1]}" if _announced(seen, test) else "before the first guest"
    return Outcome("hang", with_context(
        f"not over after {seen.seconds:.0f} s, {doing} (screen.ppm); the last lines:", seen.last_words()))  # fmt: skip

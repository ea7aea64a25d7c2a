# SPDX-License-Identifier: GPL-2.0-only
"""What was checked so far, kept and shown as it comes."""

from __future__ import annotations

import time

from pipeline import progress
from runtime.launcher.verdict import CheckResult

SHOWN_AS = {"pass": "ok", "fail": "FAILED", "skip": "skipped"}


class Report:
    """The checks of one boot, in their order; `show` prints each as it comes."""

    def __init__(self, show: bool = True) -> None:
        self.checks: list[CheckResult] = []
        self._show = show

    def add(self, name: str, good: bool | None, output: str, seconds: float = 0.0) -> bool:
        """Record a check; `good` None means that it could not be done (skip). Returns whether it was good."""
        status = "skip" if good is None else "pass" if good else "fail"
        self.checks.append(CheckResult(name, status, output, round(seconds, 3)))
        if self._show:
            first = output.splitlines()[0] if output else ""
            progress.note(f"    {name:<14} {SHOWN_AS[status]:<7} {first}".rstrip())
        return bool(good)

    def wrong(self) -> list[CheckResult]:
        """The checks that did not pass."""
        return [check for check in self.checks if check.status != "pass"]


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

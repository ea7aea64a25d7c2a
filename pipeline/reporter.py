# SPDX-License-Identifier: GPL-2.0-only
"""One line a task: what happened, its name, how long it took."""

from __future__ import annotations

import time
from typing import Any, TextIO

from doit.exceptions import BaseFail

WIDTH = 34


class Reporter:
    """doit's reporter interface; tasks without actions (groups) are not worth a line."""

    desc = "one aligned line a task, with seconds"

    def __init__(self, outstream: TextIO, options: dict[str, Any]) -> None:
        self._out = outstream
        self._started: dict[str, float] = {}
        self._running: str | None = None
        self._begin = time.monotonic()
        self._done = self._fresh = self._failed = 0
        self._errors: list[str] = []

    def _line(self, mark: str, name: str, tail: str) -> None:
        self._out.write(f"{mark:<6}{name:<{WIDTH}} {tail}\n")
        self._out.flush()

    def _seconds(self, name: str) -> str:
        return f"{time.monotonic() - self._started.get(name, self._begin):7.1f} s"

    def initialize(self, tasks: Any, selected_tasks: Any) -> None:
        """Before anything runs; nothing to say."""

    def get_status(self, task: Any) -> None:
        """A task's freshness is about to be looked at."""
        self._started[task.name] = time.monotonic()

    def execute_task(self, task: Any) -> None:
        """A task starts: only long ones are worth the extra line, and their steps say it."""
        self._started[task.name] = time.monotonic()
        self._running = task.name

    def add_success(self, task: Any) -> None:
        """A task did its work."""
        self._running = None
        if task.actions and not (task.meta or {}).get("tells"):
            self._done += 1
            self._line("done", task.name, self._seconds(task.name))

    def add_failure(self, task: Any, fail: BaseFail) -> None:
        """A task failed. A ColinuxError has been shown already; a bug of ours has not."""
        self._running = None
        self._failed += 1
        self._line("FAIL", task.name, self._seconds(task.name))
        if fail.report:
            self._errors.append(f"{task.name}: {fail.get_msg()}")

    def skip_uptodate(self, task: Any) -> None:
        """A task is up to date: counted, and said in one line at the end."""
        if task.actions:
            self._fresh += 1

    def skip_ignore(self, task: Any) -> None:
        """A task that a person told doit to ignore."""
        self._line("ignored", task.name, "")

    def cleanup_error(self, exception: Any) -> None:
        """An error in a teardown."""
        self._errors.append(str(exception.get_msg()))

    def runtime_error(self, msg: str) -> None:
        """An error of doit's own."""
        self._errors.append(msg)

    def teardown_task(self, task: Any) -> None:
        """A teardown starts; nothing to say."""

    def complete_run(self) -> None:
        """The last line of a run; of one that was interrupted, pipeline.cli says it."""
        for error in self._errors:
            self._out.write(f"{error}\n")
        seconds = time.monotonic() - self._begin
        if self._failed:
            self._out.write(f"failed after {seconds:.1f} s; what was finished is kept\n")
        elif self._running:
            self._out.write(f"stopped in {self._running} after {seconds:.1f} s\n")
        elif self._fresh and not self._done:
            self._out.write(f"nothing to do: all {self._fresh} tasks are up to date ({seconds:.1f} s)\n")
        elif self._fresh:
            self._out.write(f"{self._done} done, {self._fresh} were up to date ({seconds:.1f} s)\n")
        self._out.flush()

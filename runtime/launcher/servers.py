# SPDX-License-Identifier: GPL-2.0-only
"""Servers on the test host, as long as guests need them: scripts that print a line with `ready=` when they listen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runtime.launcher.verdict import Outcome, Stop, last_lines

if TYPE_CHECKING:
    from runtime.launcher.agent import Run
    from runtime.launcher.lab import Lab


def wait_ready(lab: Lab, run: Run, what: str) -> None:
    """Wait until a server has said that it listens. Raises Stop when it does not."""
    lab.host.pump.until(lambda: run.ended or "ready=" in run.text, lab.check_limit)
    if run.ended or "ready=" not in run.text:
        raise Stop(Outcome("check-failed", f"{what} does not listen\n{last_lines(run.text)}"))


def stop_runs(lab: Lab, runs: Sequence[Run]) -> None:
    """End scripts on the host."""
    for run in runs:
        lab.host.agent.kill(run)
    lab.host.pump.until(lambda: all(run.ended for run in runs), 10 * lab.setting.factor)


@contextmanager
def serving(lab: Lab, what: str, *scripts: str) -> Iterator[None]:
    """These servers run, and are ready. `what` they are ("a web server"), for an error."""
    runs = [lab.host.start(script) for script in scripts]
    try:
        for run in runs:
            wait_ready(lab, run, what)
        yield
    finally:
        stop_runs(lab, runs)

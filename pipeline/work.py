# SPDX-License-Identifier: GPL-2.0-only
"""A piece of work, and how it becomes a doit task.

A `Work` is a name, a sentence, what it does and a `stamp.Job` that says what it
depends on and what it leaves behind. doit orders the works and shows them; but
whether one is up to date is decided by `pipeline.stamp`, never by doit's own
database, because that one takes a missing or altered target for a good one and
loses its memory when it is killed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doit.exceptions import TaskFailed

from pipeline import stamp
from pipeline.errors import ColinuxError
from pipeline.paths import Paths

DoitTask = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """One task: `act` makes what `job().outputs` lists. `job` is asked late, when what it needs exists."""

    name: str
    doc: str
    act: Callable[[], None]
    job: Callable[[], stamp.Job]
    needs: tuple[str, ...] = ()


class Failures:
    """The first error of a run, kept so that the command's exit code tells its family."""

    def __init__(self) -> None:
        self.first: ColinuxError | None = None

    def keep(self, task: str, error: ColinuxError) -> TaskFailed:
        """Show an error under its task's name and turn it into doit's way of failing."""
        self.first = self.first or error
        print(f"\n{task}: {error}\n", flush=True)
        return TaskFailed(str(error), report=False)


FAILURES = Failures()


class Freshness:
    """What doit asks before it runs a work. Printed by `./doit info TASK` as the reason to run."""

    def __init__(self, work: Work, paths: Paths) -> None:
        self._work = work
        self._paths = paths
        self._reason = "not looked at yet"

    def __call__(self) -> bool:
        try:
            reason = stamp.why_stale(self._work.job(), self._paths)
        except ColinuxError as error:
            # The work itself will meet the same error and show it in full.
            reason = str(error)
        self._reason = reason or ""
        return reason is None

    def __repr__(self) -> str:
        return self._reason


def perform(work: Work, paths: Paths) -> TaskFailed | None:
    """Do a work and remember it; a ColinuxError becomes a failed task that has shown itself."""
    try:
        work.act()
        stamp.finish(work.job(), paths)
    except ColinuxError as error:
        return FAILURES.keep(work.name, error)
    return None


def attempt(name: str, act: Callable[..., None], *args: object, **kwargs: object) -> TaskFailed | None:
    """Run something that has no artifact (a test run, a shell) with the same manners for errors."""
    try:
        act(*args, **kwargs)
    except ColinuxError as error:
        return FAILURES.keep(name, error)
    return None


def clean(work: Work, paths: Paths) -> None:
    """Remove what a work left behind, and the memory of it."""
    stamp.forget(work.job(), paths)
    for output in work.job().outputs:
        remove(output)


def remove(path: Path) -> None:
    """Remove a file or a folder; absent is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def as_doit(work: Work, paths: Paths, basename: str) -> DoitTask:
    """doit's dict of a work whose name is `basename:rest`."""
    return {
        "name": work.name.removeprefix(f"{basename}:"),
        "doc": work.doc,
        "actions": [(perform, [work, paths])],
        "uptodate": [Freshness(work, paths)],
        "task_dep": list(work.needs),
        "clean": [(clean, [work, paths])],
        "verbosity": 2,
        "io": {"capture": False},
    }


def group(doc: str, works: Iterable[Work], paths: Paths, basename: str) -> Iterable[DoitTask]:
    """A task with its sub-tasks: the group's own sentence first."""
    yield {"basename": basename, "name": None, "doc": doc}
    for work in works:
        yield as_doit(work, paths, basename)

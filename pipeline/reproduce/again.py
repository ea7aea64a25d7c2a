# SPDX-License-Identifier: GPL-2.0-only
"""The second build itself: runs inside the varied surroundings, in the second checkout, as a program of its own.

    python -m pipeline.reproduce.again [--archive MACHINE]... TASK...

Exit codes as pipeline.cli's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from pipeline import process, progress
from pipeline.declaration.model import Declaration
from pipeline.errors import ColinuxError
from pipeline.paths import Paths, atomic_dir
from pipeline.tasks import Project


def archives(paths: Paths) -> Path:
    """Where the archives of a comparison are packed."""
    return paths.build / "repro" / "archives"


def pack(machines: Iterable[str], decl: Declaration, paths: Paths) -> list[str]:
    """Pack what a release holds of these machines, from what is built; the archives' names.

    A release's times are its commit's; here, where there need not be one, they are the declaration's.
    """
    from pipeline.release import archive, containers, debug, machine, parts

    names = []
    wanted = [decl.machines[name] for name in machines]
    with atomic_dir(archives(paths)) as place:
        for made in parts.archives([machine.package(one, decl, paths) for one in wanted]):
            with progress.step(f"packing {made.name}"):
                containers.pack(place / made.name, made.files, decl.project.epoch)
            names.append(made.name)
        symbols = debug.files(wanted, decl, paths, _folder(place.parent / "debug"))
        archive.pack(place / debug.archive_name(decl), symbols, decl.project.epoch)
    return [*names, debug.archive_name(decl)]


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def main(words: list[str]) -> int:
    """Build the tasks, with all that they need; every error ends here."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--archive", action="append", default=[])
    parser.add_argument("tasks", nargs="*")
    asked = parser.parse_args(words)
    process.install_signal_handlers()
    try:
        project = Project.here()
        for number, task in enumerate(asked.tasks, 1):
            with progress.step(f"second build, {number} of {len(asked.tasks)}: {task}"):
                project.bring(task)
        if asked.archive:
            pack(asked.archive, project.declaration, project.paths)
    except ColinuxError as error:
        print(f"\nsecond build: {error}\n", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

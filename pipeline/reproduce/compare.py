# SPDX-License-Identifier: GPL-2.0-only
"""Two builds, byte for byte; and what diffoscope has to say where they differ."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline import process
from pipeline.errors import BuildFailed
from pipeline.paths import slug
from toolchain import packages

CHUNK = 1 << 20
HEAD = 40  # lines of a report that are shown
EXPLAINED = 5  # files for which diffoscope is asked
PATIENCE = 1800.0  # seconds for one file; a kernel takes a minute where nobody else is at work


@dataclass(frozen=True)
class Difference:
    """`path` below both roots, and in one sentence what is not the same about it."""

    path: str
    what: str
    content: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


@dataclass
class Compared:
    """What was looked at (`size` in bytes) and what was found; differences by path."""

    files: int
    size: int
    differences: list[Difference]


def compare(first: Path, second: Path, names: Iterable[str]) -> Compared:
    """Hold the files and folders `names` of two roots against each other: names, kinds, permissions, content."""
    seen = Compared(0, 0, [])
    todo = sorted(set(names), reverse=True)
    while todo:
        name = todo.pop()
        pair = [_status(root / name) for root in (first, second)]
        modes = [status.st_mode if status else 0 for status in pair]
        if None in pair:
            where = "in neither" if modes == [0, 0] else "in the second only" if not modes[0] else "in the first only"
            seen.differences.append(Difference(name, f"is {where}"))
        elif stat.S_IFMT(modes[0]) != stat.S_IFMT(modes[1]):
            seen.differences.append(Difference(name, f"is {_kind(modes[0])}, then {_kind(modes[1])}"))
        elif stat.S_ISDIR(modes[0]):
            inside = {entry for root in (first, second) for entry in os.listdir(root / name)}  # noqa: PTH208 - names
            todo += sorted((f"{name}/{entry}" for entry in inside), reverse=True)
        elif (found := _of_file(first, second, name, modes)) is not None:
            seen.differences.append(found)
        if pair[0] and not stat.S_ISDIR(modes[0]):
            seen.files += 1
            seen.size += pair[0].st_size
    return seen


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _kind(mode: int) -> str:
    return "a folder" if stat.S_ISDIR(mode) else "a link" if stat.S_ISLNK(mode) else "a file"


def _of_file(first: Path, second: Path, name: str, modes: list[int]) -> Difference | None:
    if stat.S_ISLNK(modes[0]):
        targets = [str((root / name).readlink()) for root in (first, second)]
        return None if targets[0] == targets[1] else Difference(name, f"leads to {targets[0]}, then to {targets[1]}")
    # Read and write permissions on the disk are the umask's, and go nowhere; whether it is a program is ours.
    programs = [bool(mode & 0o100) for mode in modes]
    if programs[0] != programs[1]:
        return Difference(name, "is a program in one of them only")
    at = first_difference(first / name, second / name)
    if at is None:
        return None
    sizes = [(root / name).stat().st_size for root in (first, second)]
    length = f"{sizes[0]} bytes" if sizes[0] == sizes[1] else f"{sizes[0]} bytes, then {sizes[1]}"
    return Difference(name, f"differs from byte {at} on ({length})", content=True)


def first_difference(one: Path, other: Path) -> int | None:
    """The offset of the first byte that is not the same; None when there is none."""
    at = 0
    with one.open("rb") as a, other.open("rb") as b:
        while True:
            x, y = a.read(CHUNK), b.read(CHUNK)
            if x != y:
                shorter = min(len(x), len(y))
                return at + next((n for n in range(shorter) if x[n] != y[n]), shorter)
            if not x:
                return None
            at += len(x)


def explain(first: Path, second: Path, differences: Iterable[Difference], reports: Path) -> str:
    """diffoscope's words for the first few files that differ: the head of each report, and where the whole is."""
    shown = []
    for one in [one for one in differences if one.content][:EXPLAINED]:
        report = reports / f"{slug(one.path)}.txt"
        head = diffoscope(first / one.path, second / one.path, report)
        shown.append(f"--- {one.path}\n{head}\n    the whole report: {report}")
    return "\n".join(shown)


def diffoscope(one: Path, other: Path, report: Path) -> str:
    """Write diffoscope's report of two files; its head. What goes wrong is said there: the verdict stands anyway."""
    if packages.find_tool("diffoscope") is None:
        return "    diffoscope is not installed: apt-get install diffoscope-minimal"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    try:
        process.run(["diffoscope", "--no-progress", "--exclude-directory-metadata=yes", "--text", report, one, other],
                    check=False, timeout=PATIENCE)
    except BuildFailed as error:
        return f"    {error.message}"
    if not report.is_file():
        return "    diffoscope has written no report"
    lines = report.read_text(errors="replace").splitlines()
    more = [f"... {len(lines) - HEAD} more lines"] if len(lines) > HEAD else []
    return "\n".join(f"    {line[:200]}" for line in [*lines[:HEAD], *more])

# SPDX-License-Identifier: GPL-2.0-only
"""Series of patches: reading them, and finding out which hunk of which one does not apply.

A series is a file named `series` beside its patches: one patch a line, in the
order in which they apply, perhaps in a folder below; `#` begins a comment.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline import process
from pipeline.errors import UserError

_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclass(frozen=True)
class Hunk:
    """One hunk: its number in its file (from 1), the line of the patch file it begins on, and the
    line of the target that it expects to change (0 for a new file)."""

    number: int
    line: int
    start: int


@dataclass(frozen=True)
class FilePatch:
    """What a patch does to one file of the tree; `created` when it makes it."""

    target: str
    created: bool
    hunks: tuple[Hunk, ...]


@dataclass(frozen=True)
class Patch:
    """A patch file, parsed."""

    path: Path
    files: tuple[FilePatch, ...]

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(file.target for file in self.files)


@dataclass(frozen=True)
class Series:
    """The patches of a folder, in order."""

    path: Path
    patches: tuple[Patch, ...] = field(default=())

    @property
    def targets(self) -> tuple[str, ...]:
        """Every file of the tree that some patch changes or makes, once."""
        return tuple(dict.fromkeys(target for patch in self.patches for target in patch.targets))


def read_series(path: Path, root: Path) -> Series:
    """The series file `path` and its patches.

    Raises UserError, with the place relative to `root`, for a patch that is
    named twice or not there, one that is left out, or one that is damaged.
    """
    if not path.is_file():
        raise UserError(f"there is no series file {_name(path, root)}")
    names: dict[str, int] = {}
    problems = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        name = line.split("#", 1)[0].strip()
        if not name:
            continue
        where = f"{_name(path, root)}:{number}"
        if name in names:
            problems.append(f"{where}: {name} is named twice (first in line {names[name]})")
        elif not (path.parent / name).is_file():
            problems.append(f"{where}: there is no patch {name} in {_name(path.parent, root)}")
        names.setdefault(name, number)
    for patch in sorted(path.parent.rglob("*.patch")):
        if patch.relative_to(path.parent).as_posix() not in names:
            problems.append(f"{_name(patch, root)}: not in {_name(path, root)}, so it would never apply")
    if problems:
        raise UserError("\n".join(problems), hint=f"put {_name(path, root)} right")
    return Series(path, tuple(read_patch(path.parent / name, root) for name in names))


def read_patch(path: Path, root: Path) -> Patch:
    """Parse a unified diff with a/ and b/ prefixes. Raises UserError with file:line for a damaged one."""
    lines = path.read_text().splitlines()
    files: list[tuple[str, bool, list[Hunk]]] = []
    index = 0

    def damaged(problem: str) -> UserError:
        return UserError(f"damaged patch: {problem}", where=f"{_name(path, root)}:{index + 1}")

    while index < len(lines):
        line = lines[index]
        if line.startswith("--- ") and index + 1 < len(lines) and lines[index + 1].startswith("+++ "):
            old, new = (_target(lines[i][4:]) for i in (index, index + 1))
            target = new or old
            if target is None:
                raise damaged("neither side names a file as a/... or b/...")
            files.append((target, old is None, []))
            index += 2
        elif match := _HUNK.match(line):
            if not files:
                raise damaged("a hunk before any file")
            hunks = files[-1][2]
            hunks.append(Hunk(len(hunks) + 1, index + 1, int(match[1])))
            left = {"-": int(match[2] or 1), "+": int(match[4] or 1)}
            index += 1
            while left["-"] > 0 or left["+"] > 0:
                mark = lines[index][:1] if index < len(lines) else "end"
                if mark in ("", " "):
                    left["-"] -= 1
                    left["+"] -= 1
                elif mark in left:
                    left[mark] -= 1
                elif mark != "\\":
                    raise damaged("the hunk is shorter than its header says")
                index += 1
        else:
            index += 1
    if not files:
        index = 0
        raise damaged("it changes nothing")
    return Patch(path, tuple(FilePatch(target, created, tuple(hunks)) for target, created, hunks in files))


def apply(series: Series, tree: Path, root: Path) -> None:
    """Apply a whole series to `tree`, all of it or nothing.

    Raises UserError naming patch file, hunk, target and line when one does not
    apply; the tree is then as it was.
    """
    if not series.patches:
        return
    if _git(series.patches, tree, "--check") is not None:
        raise _explain(series, tree, root)
    problem = _git(series.patches, tree)
    if problem is not None:  # the check has passed: a full disk, a read-only file
        raise UserError(f"git could not write the patched files in {tree}:\n{problem}")


def check(series: Series, tree: Path, root: Path) -> None:
    """Raise what `apply` would; change nothing."""
    if series.patches and _git(series.patches, tree, "--check") is not None:
        raise _explain(series, tree, root)


def _git(patches: Sequence[Patch], tree: Path, *options: str) -> str | None:
    """Run git apply over all patches at once; None or its complaint.

    As one stream they are one patch to it: all or nothing, and a file may be
    changed more than once. It must not take the tree for a part of the
    checkout's repository, nor mind a person's settings.
    """
    stream = b"\n".join(patch.path.read_bytes() for patch in patches) + b"\n"
    env = {
        "GIT_CEILING_DIRECTORIES": str(tree.resolve().parent),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
    }
    argv = ["git", "apply", "--verbose", "--whitespace=nowarn", *options, "-"]
    result = process.run(argv, cwd=tree, env=env, stdin=stream, check=False)
    return None if result.returncode == 0 else result.stdout


def _explain(series: Series, tree: Path, root: Path) -> UserError:
    """Which patch is the first that does not apply on top of those before it, and where."""
    for count in range(1, len(series.patches) + 1):
        complaint = _git(series.patches[:count], tree, "--check")
        if complaint is not None:
            return _failure(series.patches[count - 1], complaint, tree, root)
    raise AssertionError("a series fails as a whole only")


def _failure(patch: Patch, complaint: str, tree: Path, root: Path) -> UserError:
    where = _name(patch.path, root)
    hint = "bring the patch up to date with its source; the tree was left untouched"
    if match := re.search(r"^error: patch failed: (.+):(\d+)$", complaint, re.M):
        target, start = match[1], int(match[2])
        hunks = next((file.hunks for file in patch.files if file.target == target), ())
        hunk = next((hunk for hunk in hunks if hunk.start == start), None)
        if hunk is not None:
            where = f"{where}:{hunk.line}"
        number = f"hunk {hunk.number}" if hunk else "a hunk"
        wanted = re.search(r"^error: while searching for:\n(.*?)^error: ", complaint, re.M | re.S)
        looked = "\n" + "\n".join("    " + line for line in wanted[1].splitlines()) if wanted else ""
        there = "" if (tree / target).exists() else " (no such file)"
        return UserError(
            f"{number} does not apply to {target}:{start}{there}; it looked for:{looked}"
            if looked else f"{number} does not apply to {target}:{start}{there}",
            where=where, hint=hint)
    errors = [line.removeprefix("error: ") for line in complaint.splitlines() if line.startswith("error: ")]
    return UserError("; ".join(errors) or complaint.strip(), where=where, hint=hint)


def _target(name: str) -> str | None:
    """"a/fs/file.c<TAB>date" -> "fs/file.c"; None for /dev/null and for a name that leads out of the tree."""
    name = name.split("\t", 1)[0].strip()
    parts = Path(name).parts
    if name == "/dev/null" or len(parts) < 2 or parts[0] not in ("a", "b") or ".." in parts:
        return None
    return "/".join(parts[1:])


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

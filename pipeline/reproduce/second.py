# SPDX-License-Identifier: GPL-2.0-only
"""The second checkout: our files as they are now, a cache that needs no network, and a build in other surroundings."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline import process
from pipeline.declaration.model import GitSource
from pipeline.errors import BuildFailed, InfrastructureError, UserError
from pipeline.paths import Paths, remove
from pipeline.reproduce import variation
from pipeline.reproduce.variation import Place, Variation
from pipeline.sources import git
from pipeline.sources.cache import Cache, disk_errors
from pipeline.sources.receipt import read_receipt
from pipeline.tasks import Project

# What does not belong to a checkout: its products, its tools, what tools remember.
LEFT_OUT = ("build", "dist", ".git", ".venv", ".venv.lock", ".hypothesis")
# As deep as no other, and of another length: a folder's name that gets into a file shows.
BELOW = "second/one/level/deeper"
PROGRAM = "pipeline.reproduce.again"


def place_of(paths: Paths) -> Place:
    """Where this checkout's second build goes."""
    return Place(paths.build / "repro" / BELOW)


def prepare(project: Project) -> Place:
    """A fresh second checkout, with everything that was fetched for the first."""
    place = place_of(project.paths)
    discard(place)
    with disk_errors(place.top.parent):
        for folder in (place.view, place.home, place.tmp):
            folder.mkdir(parents=True)
        copy_checkout(project.paths.root, place.files)
        place.mirrors.write_text("# empty: everything comes out of the cache\n")
        _receipts(project.paths, Paths(place.files))
        _cache(project, place.cache)
        _masked(place.files, variation.other_mask())
    return place


def discard(place: Place) -> None:
    """Remove a second build, whose folders may be read-only or another user's."""
    top = place.top
    for _ in Path(BELOW).parts[1:]:
        top = top.parent
    remove(top)


def copy_checkout(root: Path, target: Path) -> None:
    """The files of a checkout, also those that git does not know yet, without what was built or installed in it."""

    def ignore(folder: str, names: list[str]) -> set[str]:
        top = set(LEFT_OUT) if Path(folder) == root else set()
        return {name for name in names if name in top or name == "__pycache__" or
                (name.startswith(".") and name.endswith("_cache"))}

    shutil.copytree(root, target, ignore=ignore, symlinks=True)


def _receipts(first: Paths, second: Paths) -> None:
    """What stood in for a dropped package here does so there."""
    if (first.build / "fetch").is_dir():
        shutil.copytree(first.build / "fetch", second.build / "fetch")


def _cache(project: Project, target: Path) -> None:
    """A cache with all that the lock names, as far as ours has it. Files are the same files: they are read-only."""
    ctx = project.context
    ours, theirs = Cache(project.paths.cache), Cache(target)
    for folder in ("locks", "partial", "sha256", "git"):
        (target / folder).mkdir(parents=True, exist_ok=True)
    wanted: dict[str, int] = {}
    for group, locked in project.lock.groups.items():
        receipt = read_receipt(group, locked, ctx)
        wanted |= {blob.sha256: blob.size for blob in (*locked, *(receipt.blobs if receipt else ())) if blob.sha256}
    for digest in wanted:
        if ours.path(digest).is_file():
            _link(ours.path(digest), theirs.path(digest))
    for source in project.declaration.sources.values():
        if isinstance(source, GitSource) and (repository := git.place(source, ours)).is_dir():
            shutil.copytree(repository, git.place(source, theirs))


def _link(file: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    try:
        target.hardlink_to(file)
    except OSError:  # another disk
        shutil.copyfile(file, target)


def _masked(top: Path, mask: int) -> None:
    """Permissions as a clone under this umask has them."""
    for folder, _, files in os.walk(top):
        for path in (Path(folder), *(Path(folder) / name for name in files)):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & 0o777 & ~mask)


def build(place: Place, varied: Variation, tasks: Sequence[str], machines: Iterable[str] = ()) -> None:
    """Build `tasks` in the second checkout, and pack the archives of `machines`.

    Raises the family of error that the build there ended with; its own words have been printed.
    """
    folder = place.view if str(place.view) in varied.prefix else place.files
    archives = [word for machine in machines for word in ("--archive", machine)]
    code = process.interact(
        [*varied.prefix, sys.executable, "-m", PROGRAM, *archives, *tasks],
        cwd=place.top, env={**varied.env, "PYTHONPATH": str(folder)})
    if code:
        family = {2: UserError, 3: InfrastructureError}.get(code, BuildFailed)
        raise family("the second build failed, where the first one had not", hint=f"what it left is in {place.top}")

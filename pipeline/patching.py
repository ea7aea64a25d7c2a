# SPDX-License-Identifier: GPL-2.0-only
"""Patched kernel trees: pristine source, a series of patches, and whole files of ours laid over it.

    patches/<patches>/series    the hooks: few lines in existing files (pipeline.series)
    patches/<overlay>/          whole new files, at the places they have in the tree
    patches/<overlay>/SHARED    which headers of ours lie in the tree as well

A tree is made in a folder of its own and takes its place when it is complete,
so a patch that does not apply leaves nothing changed, and none is ever applied
twice. The tree remembers what it is made of in `.colinux/`: when the source or
a patch changed, it is made anew; when only a file of ours did, that file alone
is written, and everything else keeps its time, so that make compiles little.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import digest, progress
from pipeline import series as patch_series
from pipeline.declaration.model import Declaration, Kernel
from pipeline.errors import UserError
from pipeline.lock import Lock
from pipeline.paths import Paths, atomic_dir, atomic_write, file_lock, remove
from pipeline.series import Series
from pipeline.stamp import Job

FORMAT = 1
MEMORY = Path(".colinux")  # in the tree
STATE = MEMORY / "state.json"  # what the tree is made of
PRISTINE = MEMORY / "pristine"  # the patched files as they were
SHARED = "SHARED"
EDITOR_LEFTOVERS = ("~", ".orig", ".rej", ".swp")


@dataclass(frozen=True)
class _Plan:
    """What a tree is to be made of; `overlay` maps a place in the tree to the file that goes there."""

    source: str
    series: Series
    overlay: Mapping[str, Path]

    def patches_digest(self) -> str:
        """Changes when a patch, or their order, does."""
        return digest.of_json([(p.path.name, digest.sha256_file(p.path)) for p in self.series.patches])

    def overlay_digests(self) -> dict[str, str]:
        return {name: digest.sha256_file(path) for name, path in self.overlay.items()}


def prepare(
    kernel: Kernel, decl: Declaration, unpack: Callable[[Path], None], lock: Lock, paths: Paths
) -> Path:
    """Bring build/src/<kernel> up to date and return it.

    `unpack(folder)` fills an empty folder with the pristine source; it is only
    called when the tree must be made anew. Raises UserError for a patch that
    does not apply (patch file:line, hunk, target:line) and for a file of ours
    in the place of one of Linux's.
    """
    plan = _plan(kernel, lock, paths)
    tree = paths.src(kernel.name)
    with file_lock(paths.state / f"tree-{kernel.name}.lock"):
        state = _read_state(tree)
        if state is None or not _is_made_of(state, plan, tree):
            with progress.step(f"making the source tree of {kernel.name}"):
                _make(plan, tree, unpack, paths)
        else:
            _update_overlay(plan, tree, state, paths)
    return tree


def check(kernel: Kernel, decl: Declaration, lock: Lock, paths: Paths) -> None:
    """Prove that the series applies to the pristine source, on copies of the files it touches; seconds.

    Needs a tree that `prepare` made of the same source; UserError without one,
    and whatever `prepare` would raise for a patch.
    """
    plan = _plan(kernel, lock, paths)
    tree = paths.src(kernel.name)
    state = _read_state(tree)
    if state is None or state["source"] != plan.source:
        raise UserError(f"the source of {kernel.name} is not unpacked",
                        hint=f"./doit patch:{kernel.name} unpacks it, and checks the patches on the way")
    with atomic_dir(paths.build / "check" / kernel.name) as scratch:
        for target in plan.series.targets:
            original = tree / PRISTINE / target
            # What no patch has touched yet is pristine where it lies.
            if not original.is_file() and target not in state["patched"]:
                original = tree / target
            if original.is_file() and target not in plan.overlay:
                _copy(original, scratch / target)
        patch_series.check(plan.series, scratch, paths.root)
    _refuse_collisions(plan, lambda name: (tree / name).is_file() and name not in state["overlay"], paths)


def job(kernel: Kernel, decl: Declaration, lock: Lock, paths: Paths) -> Job:
    """The tree's part in what is up to date.

    Its outputs are the tree's memory and every file in which the tree differs
    from its source, not all 80,000: a build must not begin with a walk of them.
    """
    plan = _plan(kernel, lock, paths)
    tree = paths.src(kernel.name)
    places = [*plan.series.targets, *plan.overlay]
    return Job(
        f"patch:{kernel.name}",
        {"source": plan.source},
        [plan.series.path, *(patch.path for patch in plan.series.patches), *_overlay_lists(kernel, paths),
         *plan.overlay.values()],
        [tree / STATE, *(tree / place for place in places)],
    )


def tree_id(kernel: Kernel, paths: Paths) -> str | None:
    """One word for the tree's source and patches (not its overlay); None when there is no tree.

    Objects compiled from a tree with another id are of no use: a file that
    went back to its original has an old time, and make would not look at it.
    """
    state = _read_state(paths.src(kernel.name))
    return None if state is None else digest.of_json([state["source"], state["patches"]])


def kconfig_id(kernel: Kernel, paths: Paths) -> str | None:
    """One word for everything in the tree that a configuration depends on; None when there is no tree."""
    state = _read_state(paths.src(kernel.name))
    if state is None:
        return None
    names = ("Kconfig", "Config.in", "config.in")
    ours = {name: word for name, word in state["overlay"].items() if Path(name).name.startswith(names)}
    return digest.of_json([state["source"], state["patches"], ours])


# --- what a tree is to be made of --------------------------------------------------------


def _plan(kernel: Kernel, lock: Lock, paths: Paths) -> _Plan:
    series = patch_series.read_series(paths.root / "patches" / kernel.patches / "series", paths.root)
    return _Plan(_source_digest(kernel, lock), series, overlay_files(kernel, paths))


def _source_digest(kernel: Kernel, lock: Lock) -> str:
    """The pins of all sources that the tree may be unpacked from."""
    groups = [f"source:{name}" for name in kernel.sources]
    pinned = {group: [(blob.name, blob.sha256, blob.tree) for blob in lock.group(group)]
              for group in groups if group in lock.groups}
    if not pinned:
        lock.group(groups[0])  # raises the error that says what to do
    return digest.of_json(pinned)


def _overlay_lists(kernel: Kernel, paths: Paths) -> list[Path]:
    lists = (paths.root / "patches" / folder / SHARED for folder in kernel.overlay)
    return [path for path in lists if path.is_file()]


def overlay_files(kernel: Kernel, paths: Paths) -> dict[str, Path]:
    overlay: dict[str, Path] = {}
    problems = []
    for name in kernel.overlay:
        folder = paths.root / "patches" / name
        if not folder.is_dir():
            raise UserError(f"kernel {kernel.name}: there is no overlay folder patches/{name}")
        for relative, _ in digest.walk(folder):
            path = folder / relative
            if path.is_file() and relative != SHARED and not relative.endswith(EDITOR_LEFTOVERS):
                overlay[relative] = path
    for shared in _overlay_lists(kernel, paths):
        for number, line in enumerate(shared.read_text().splitlines(), 1):
            words = line.split("#", 1)[0].split()
            where = f"{shared.relative_to(paths.root)}:{number}"
            if words and len(words) != 2:
                problems.append(f"{where}: expected two paths, in the tree and in the checkout")
            elif words and not (paths.root / words[1]).is_file():
                problems.append(f"{where}: there is no file {words[1]}")
            elif words:
                overlay[words[0]] = paths.root / words[1]
    if problems:
        raise UserError("\n".join(problems))
    return overlay


# --- trees -------------------------------------------------------------------------------


def _read_state(tree: Path) -> dict[str, Any] | None:
    """What a tree says it is made of; None when it does not say (then it is not ours)."""
    try:
        state = json.loads((tree / STATE).read_bytes())
    except (OSError, ValueError):
        return None
    shape = {"source": str, "patches": str, "patched": dict, "overlay": dict}
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        return None
    return state if all(isinstance(state.get(key), kind) for key, kind in shape.items()) else None


def _write_state(plan: _Plan, tree: Path, overlay: Mapping[str, str]) -> None:
    state = {
        "format": FORMAT,
        "source": plan.source,
        "patches": plan.patches_digest(),
        "patched": {name: digest.sha256_file(tree / name) for name in plan.series.targets
                    if (tree / name).is_file()},
        "overlay": dict(overlay),
    }
    atomic_write(tree / STATE, json.dumps(state, indent=1, sort_keys=True) + "\n")


def _is_made_of(state: Mapping[str, Any], plan: _Plan, tree: Path) -> bool:
    """Whether the tree's source and patches are the ones wanted, and nobody has edited what they made."""
    if (state["source"], state["patches"]) != (plan.source, plan.patches_digest()):
        return False
    return all((tree / name).is_file() and digest.sha256_file(tree / name) == wanted
               for name, wanted in state["patched"].items())


def _make(plan: _Plan, tree: Path, unpack: Callable[[Path], None], paths: Paths) -> None:
    with atomic_dir(tree) as new:
        unpack(new)
        _refuse_collisions(plan, lambda name: (new / name).exists(), paths)
        for target in plan.series.targets:
            if (new / target).is_file():
                _copy(new / target, new / PRISTINE / target)
        patch_series.apply(plan.series, new, paths.root)
        for name, path in plan.overlay.items():
            _copy(path, new / name)
        _write_state(plan, new, plan.overlay_digests())


def _update_overlay(plan: _Plan, tree: Path, state: Mapping[str, Any], paths: Paths) -> None:
    """Write the files of ours that differ, remove those that are no longer there; touch nothing else."""
    ours, wanted = state["overlay"], plan.overlay_digests()
    _refuse_collisions(plan, lambda name: name not in ours and (tree / name).exists(), paths)
    # An interruption must not leave a file behind that nobody knows for ours.
    _write_state(plan, tree, {**ours, **wanted})
    for name in ours.keys() - wanted.keys():
        remove(tree / name)
    for name, path in plan.overlay.items():
        place = tree / name
        if not place.is_file() or digest.sha256_file(place) != wanted[name]:
            atomic_write(place, path.read_bytes(), path.stat().st_mode & 0o777)
    _write_state(plan, tree, wanted)


def _refuse_collisions(plan: _Plan, taken: Callable[[str], bool], paths: Paths) -> None:
    """Laying a file of ours over one of Linux's would hide a change that no series shows."""
    problems = [f"{path.relative_to(paths.root)}: {name} is a file of Linux itself"
                for name, path in plan.overlay.items() if taken(name) or name in plan.series.targets]
    if problems:
        raise UserError("\n".join(problems), hint="change existing files with a patch of the series")


def _copy(source: Path, target: Path) -> None:
    """Copy content and mode, not the time: a file of ours is as new as its arrival in the tree."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(source.stat().st_mode & 0o777)

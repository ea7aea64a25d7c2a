# SPDX-License-Identifier: GPL-2.0-only
"""`./doit repro`: the second build of machines or tasks, and the verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.errors import BuildFailed, UserError
from pipeline.paths import Paths, atomic_write, file_lock, remove
from pipeline.reproduce import again, compare, second, variation
from pipeline.reproduce.variation import Variation
from pipeline.tasks import Project

# They make nothing, and what is made of theirs shows it. All else is compared, also what is yet to be thought of.
NOT_COMPARED = ("fetch", "patch")
RESULT = "result.json"


def tasks_of(project: Project, asked: Sequence[str]) -> list[str]:
    """The tasks behind words of the command line: a machine's, or a task itself. UserError for others."""
    tasks: dict[str, None] = {}
    for word in asked:
        if word in project.declaration.machines:
            tasks.update(dict.fromkeys(project.package_needs(project.declaration.machines[word])))
        elif word.partition(":")[0] not in NOT_COMPARED and word in project.works():
            tasks[word] = None
        else:
            raise UserError(f'there is no machine "{word}" in colinux.toml, and no task that makes something',
                            hint="./doit repro MACHINE..., or TASK... of ./doit list, or --all")
    return list(tasks)


def check(project: Project, tasks: Sequence[str], machines: Sequence[str] = ()) -> None:
    """Build `tasks` (which are built here already) a second time, pack archives of `machines` twice, compare.

    Raises BuildFailed where a byte differs; the evidence is in build/repro. UserError, at once, for what is not built.
    """
    with file_lock(project.paths.state / "repro.lock"):
        _check(project, tasks, machines)


def _check(project: Project, tasks: Sequence[str], machines: Sequence[str]) -> None:
    here = project.paths.build / "repro"
    remove(here / "diffoscope")
    (here / RESULT).unlink(missing_ok=True)
    # What is wrong with the first build is found before the hour that the second one may take.
    names = outputs(project, tasks)
    _look_for(names, project.paths)
    if machines:
        for archive in again.pack(machines, project.declaration, project.paths):
            path = again.archives(project.paths) / archive
            names[f"archive:{archive}"] = [path.relative_to(project.paths.root).as_posix()]
    place = second.prepare(project)
    system = [task for task in tasks if _installs(task, project)]
    others = [task for task in tasks if task not in system]
    varied: list[Variation] = []
    for group, as_root in ((others, False), (system, True)):
        if not group:
            continue
        one = variation.plan(place, as_root=as_root)
        tell(one, group)
        last = group is (system or others)
        second.build(place, one, group, machines if last else ())
        varied.append(one)
    _judge(project.paths, place.files, names, varied)
    second.discard(place)


def _installs(task: str, project: Project) -> bool:
    kind, _, name = task.partition(":")
    return kind == "rootfs" and project.declaration.rootfs[name].kind == "debian"


def outputs(project: Project, tasks: Sequence[str]) -> dict[str, list[str]]:
    """Task -> what it leaves behind, below the checkout; for these tasks and all that they need."""
    works = project.works()
    return {
        name: [path.relative_to(project.paths.root).as_posix() for path in works[name].job().outputs]
        for name in project.closure(tasks) if name.partition(":")[0] not in NOT_COMPARED
    }  # fmt: skip


def _look_for(names: Mapping[str, Sequence[str]], paths: Paths) -> None:
    """UserError for the first output that the first build has not left."""
    for task, places in names.items():
        for place in places:
            if not (paths.root / place).exists():
                raise UserError(f"not built: {place}", hint=f"./doit {task}")


def tell(varied: Variation, tasks: Sequence[str]) -> None:
    """Say how the second build differs, and how it does not."""
    print(f"\nsecond build of {', '.join(tasks)}")
    for what, how in varied.told.items():
        print(f"    {what:<13} {how}")
    for what, why in varied.same.items():
        print(f"    {what:<13} NOT VARIED: {why}")
    print(flush=True)


def _judge(paths: Paths, files: Path, names: dict[str, list[str]], varied: Sequence[Variation]) -> None:
    differences = []
    record = {}
    for task, places in names.items():
        seen = compare.compare(paths.root, files, places)
        differences += seen.differences
        record[task] = {"files": seen.files, "bytes": seen.size, "differences": [str(d) for d in seen.differences]}
        verdict = "DIFFERS" if seen.differences else "same"
        print(f"    {verdict:<8}{task:<40} {seen.files:5} files {seen.size / 1e6:9.2f} MB", flush=True)
    here = paths.build / "repro"
    evidence = {"reproducible": not differences, "compared": record,
                "varied": [{"varied": one.told, "not_varied": one.same} for one in varied]}
    atomic_write(here / RESULT, json.dumps(evidence, indent=1) + "\n")
    if differences:
        raise BuildFailed(
            f"built twice, not the same ({len(differences)}):\n"
            + "\n".join(f"    {one}" for one in differences[: compare.HEAD]) + "\n"
            + compare.explain(paths.root, files, differences, here / "diffoscope"),
            hint=f"the second build is kept in {files}; the whole account: {here / RESULT}")

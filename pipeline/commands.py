# SPDX-License-Identifier: GPL-2.0-only
"""The tasks that a person asks for by name and that leave no artifact of their own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from doit.exceptions import TaskFailed

from pipeline import available, matrix, process, work
from pipeline import release as release_
from pipeline.errors import BuildFailed, ColinuxError, UserError
from pipeline.reporter import Reporter
from pipeline.tasks import Project, check_patches, update_lock
from pipeline.work import DoitTask, attempt
from runtime import launcher
from toolchain import packages

__all__ = ["Reporter", "bench", "boots", "ci_matrix", "lock", "patches", "reach", "release", "report", "repro",
           "setup", "shell", "test", "verdict", "verify"]


def command(act: Callable[..., TaskFailed | None], needs: list[str], *arguments: object,
            params: list[dict[str, Any]] | None = None, pos_arg: str | None = None) -> DoitTask:
    """A task that always runs; `act` receives `arguments`, then its params by name."""
    task: DoitTask = {
        "actions": [(act, list(arguments))],
        "task_dep": needs,
        "verbosity": 2,
        "io": {"capture": False},
        "params": params or [],
    }
    if pos_arg:
        task["pos_arg"] = pos_arg
    return task


def option(name: str, default: object, text: str, short: str = "") -> dict[str, Any]:
    """A doit parameter `--name`."""
    return {"name": name, "long": name, "short": short, "type": type(default), "default": default, "help": text}


# --- setup ------------------------------------------------------------------------------


def setup(project: Project) -> DoitTask:
    """Install missing tools. Up to date when none is missing."""
    return {
        **command(_setup, [], project),
        "uptodate": [lambda: not packages.missing()],
    }


def _setup(project: Project) -> TaskFailed | None:
    return attempt("setup", _install, project)


def _install(project: Project) -> None:
    packages.ensure(project.paths.log("setup"))


# --- patch ------------------------------------------------------------------------------


def patches(project: Project) -> Iterator[DoitTask]:
    """The patch tasks, with `--check`: prove that every hunk applies, and change nothing."""
    yield {"basename": "patch", "name": None, "doc": "unpack the sources and lay our changes over them"}
    for kernel, one in zip(project.declaration.kernels.values(), project.patches(), strict=True):
        task = work.as_doit(one, project.paths, "patch")
        fresh = task["uptodate"][0]
        task["params"] = [option("check", False, "only prove that the patches apply")]
        # With --check the task always runs; doit has no option-dependent freshness, so ask the command line.
        task["uptodate"] = [lambda fresh=fresh: "--check" not in sys.argv and fresh()]
        task["actions"] = [(_patch, [project, kernel, one])]
        yield task


def _patch(project: Project, kernel: Any, one: work.Work, check: bool) -> TaskFailed | None:
    if check:
        return attempt(one.name, check_patches, project, kernel)
    return work.perform(one, project.paths)


# --- verdict ----------------------------------------------------------------------------


def verdict(project: Project) -> DoitTask:
    """Print the default machine's verdict; runs after its boot."""
    # It only tells; a run in which nothing else happened still had nothing to do.
    return {**command(_verdict, [f"boot:{project.declaration.project.default}"], project), "meta": {"tells": True}}


def _verdict(project: Project) -> None:
    name = project.declaration.project.default
    path = project.paths.boot(name) / "result.json"
    result = json.loads(path.read_text())
    checks = result["checks"]
    passed = sum(check["status"] == "pass" for check in checks)
    print(f"{name}: {result['verdict']}: Linux {result['kernel']} beside {result['host']}, "
          f"init after {result['boot_seconds']:.1f} s, {passed} of {len(checks)} checks passed")
    print(f"evidence: {path.parent.relative_to(project.paths.root)}/")


# --- boot -------------------------------------------------------------------------------


def boots(project: Project) -> Iterator[DoitTask]:
    """A task for each machine; and one for all of them, which leaves out those that cannot be had here.

    The machines' tasks are no sub-tasks in doit's sense, because a group has all of its sub-tasks.
    """
    yield {"basename": "boot", "doc": "boot and judge every machine that can be had here", "actions": None,
           "calc_dep": ["_reach:boots"]}
    for one in project.boots():
        task = work.as_doit(one, project.paths, "")
        del task["name"]
        yield {"basename": one.name, **task}


def reach(project: Project) -> Iterator[DoitTask]:
    """What `boot`, `test` and `repro --all` need is known once it is known which sources can be reached."""
    for name, needs in (("boots", available.boots), ("artifacts", available.artifacts), ("tested", available.tested)):
        yield {"basename": "_reach", "name": name, "actions": [(_reach, [project, needs])], "task_dep": ["setup"],
               "verbosity": 2, "io": {"capture": False}, "meta": {"tells": True}}


def _reach(project: Project, needs: Callable[[Project], list[str]]) -> dict[str, list[str]] | TaskFailed:
    try:
        return {"task_dep": needs(project)}
    except ColinuxError as error:
        return work.FAILURES.keep("sources", error)


# --- ci-matrix --------------------------------------------------------------------------


def ci_matrix(project: Project) -> DoitTask:
    """The machines as JSON on standard output, and nothing else there."""
    groups = option("groups", 0, "at most so many entries of about equal weight; 0: one for each machine")
    return {"basename": "ci-matrix", "doc": "print the machines as JSON, for a CI system to spread them (--groups N)",
            **command(_ci_matrix, [], project, params=[groups]), "meta": {"tells": True}}


def _ci_matrix(project: Project, groups: int) -> TaskFailed | None:
    return attempt("ci-matrix", print_matrix, project, groups)


def print_matrix(project: Project, groups: int) -> None:
    """Print pipeline.matrix's answer."""
    print(json.dumps(matrix.matrix(project.declaration, project.paths, groups), indent=1))


# --- shell, test, bench -----------------------------------------------------------------


MACHINE = {"name": "machine", "long": "machine", "short": "m", "type": str, "default": "", "help": "which machine"}


def shell(project: Project) -> DoitTask:
    """The console of the default machine; another one with -m (its artifacts must be built)."""
    needs = list(project.machine_needs(project.declaration.machines[project.declaration.project.default]))
    return command(_shell, needs, project, params=[MACHINE])


def _shell(project: Project, machine: str) -> TaskFailed | None:
    return attempt("shell", _open_shell, project, machine or project.declaration.project.default)


def _open_shell(project: Project, name: str) -> None:
    if name not in project.declaration.machines:
        raise UserError(f'no machine "{name}" in colinux.toml', hint="./doit list boot")
    launcher.shell(name, project.declaration, project.paths)


def test(project: Project) -> DoitTask:
    """pytest over tests/, with every artifact built first that can be had here."""
    return {**command(_test, ["setup"], project, pos_arg="words"), "calc_dep": ["_reach:tested"]}


def _test(project: Project, words: list[str]) -> TaskFailed | None:
    return attempt("test", _pytest, project, words)


def side_by_side(cpus: int, words: list[str]) -> list[str]:
    """pytest's options for two test processes; none for one CPU, or where a person wants to look at a test while it
    runs (or says how many processes).

    A file's tests stay in one of them, as they share what its fixtures made; of the machines' boots, which take most
    of the time, tests/conftest.py says more. Two, as the files of tests/build share build/.
    """
    alone = {"-n", "-s", "--pdb", "--trace", "--capture=no"}
    if cpus < 2 or any(word in alone or word.startswith("-n") for word in words):
        return []
    # In the order of the folders: the boots begin first, and all others are done meanwhile.
    return ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]


def _pytest(project: Project, words: list[str]) -> None:
    packages.ensure(project.paths.log("setup"), packages.groups())
    beside = side_by_side(len(os.sched_getaffinity(0)), words)
    argv: list[str | Path] = [sys.executable, "-m", "pytest", *beside, *words]
    if process.interact(argv, cwd=project.paths.root):
        raise BuildFailed("tests failed", command=" ".join(map(str, argv)))


def bench(project: Project) -> DoitTask:
    """The benchmarks under tests/bench, on the default machine; another one with -m (its artifacts must be built)."""
    from tests.bench import ratios

    decl = project.declaration
    needs = list(project.machine_needs(ratios.equipped(decl.project.default, decl)))
    return command(_bench, needs, project, params=[MACHINE])


def _bench(project: Project, machine: str) -> TaskFailed | None:
    return attempt("bench", _run_bench, project, machine or project.declaration.project.default)


def _run_bench(project: Project, machine: str) -> None:
    from tests.bench import ratios

    ratios.run(machine, project.declaration, project.paths)


# --- report -----------------------------------------------------------------------------


def report(project: Project) -> DoitTask:
    """A page of what is there: nothing is built or booted for it."""
    return command(_report, [], project)


def _report(project: Project) -> TaskFailed | None:
    return attempt("report", write_report, project)


def write_report(project: Project) -> None:
    """Write the page, and say where it is."""
    from pipeline.report.page import write

    written = write(project.declaration, project.context)
    print(f"{written.path.relative_to(project.paths.root)}: {written}")


# --- repro ------------------------------------------------------------------------------


def repro(project: Project) -> DoitTask:
    """A second build of machines or tasks, and the comparison with the first, which is brought up to date before."""
    everything = option("all", False, "every machine that can be had here")
    task = command(_repro, ["setup"], project, params=[{**everything, "name": "everything"}], pos_arg="asked")
    if "repro" not in sys.argv:
        return task
    # A dependency cannot ask for a parameter, or for what follows it.
    words = sys.argv[sys.argv.index("repro") + 1:]
    if "--all" in words:
        return {**task, "calc_dep": ["_reach:artifacts"]}
    asked = [word for word in words if not word.startswith("-")] or [project.declaration.project.default]
    with suppress(UserError):  # the task itself says it, in the manner of a task
        task["task_dep"] = ["setup", *reproduced(project, asked)]
    return task


def reproduced(project: Project, asked: list[str]) -> list[str]:
    """The tasks that build what these words mean."""
    from pipeline.reproduce.check import tasks_of

    return tasks_of(project, asked)


def _repro(project: Project, everything: bool, asked: list[str]) -> TaskFailed | None:
    return attempt("repro", build_again, project, everything, asked)


def build_again(project: Project, everything: bool, asked: list[str]) -> None:
    """Build a second time and compare; archives of the machines that were named, or of all that a release holds."""
    from pipeline.reproduce.check import check

    decl = project.declaration
    if everything:
        left = available.unreachable(project.paths)
        asked = [one.name for one in decl.machines.values() if not left.keys() & set(decl.kernels_of(one))]
    asked = asked or [decl.project.default]
    tasks = reproduced(project, asked)
    packages.ensure(project.paths.log("setup"), ("repro",))
    packed = [word for word in asked if word in (release_.machines(decl) if everything else decl.machines)]
    check(project, tasks, packed)
    print(f"built twice, the same: {', '.join(asked)}")


# --- release, lock ----------------------------------------------------------------------


UNBOOTED = "allow-unbooted"


REBUILD = "rebuild"


def release(project: Project) -> DoitTask:
    """The release, made anew whenever it is asked for: it is of the commit that is checked out."""
    needs = built_for_release(project)
    if f"--{UNBOOTED}" not in sys.argv:  # a dependency cannot ask for a parameter
        named = [project.declaration.machines[name] for name in release_.machines(project.declaration)]
        # What a boot needs is built for it.
        booted = {need for machine in named for need in project.machine_needs(machine)}
        needs = [*(f"boot:{machine.name}" for machine in named), *(need for need in needs if need not in booted)]
    text = "release machines without a boot that passed; the release says so"
    unbooted = {**option(UNBOOTED, False, text), "name": "allow_unbooted"}
    folder = release_.folder(project.declaration, project.paths)
    return {**command(_release, needs, project, params=[unbooted]), "clean": [(work.remove, [folder])]}


def built_for_release(project: Project) -> list[str]:
    """The tasks that build what a release holds; nothing is booted."""
    machines = [project.declaration.machines[name] for name in release_.machines(project.declaration)]
    return list(dict.fromkeys(need for machine in machines for need in project.package_needs(machine)))


def _release(project: Project, allow_unbooted: bool) -> TaskFailed | None:
    return attempt("release", make_release, project, allow_unbooted)


def make_release(project: Project, allow_unbooted: bool) -> None:
    """Make the release, and say where it is."""
    from pipeline.release.make import build

    if any(project.declaration.machines[name].nt for name in release_.machines(project.declaration)):
        packages.ensure(project.paths.log("setup"), ("release",))
    report = build(project.declaration, project.context, allow_unbooted=allow_unbooted)
    folder = release_.folder(project.declaration, project.paths)
    print(f"{folder.relative_to(project.paths.root)}/: {report}")


def verify(project: Project) -> DoitTask:
    """Check releases that are here already; nothing has to be built or installed for it, unless to compare."""
    needs = built_for_release(project) if f"--{REBUILD}" in sys.argv else []
    key = {"name": "key", "long": "key", "short": "k", "type": str, "default": "",
           "help": "a file of OpenPGP keys, one of which must have signed"}
    rebuild = option(REBUILD, False, "build what is in it, from the same commit, and compare")
    return command(_verify, needs, project, params=[key, rebuild], pos_arg="places")


def _verify(project: Project, key: str, rebuild: bool, places: list[str]) -> TaskFailed | None:
    return attempt("verify", verify_places, project, key, rebuild, places)


def verify_places(project: Project, key: str, rebuild: bool, places: list[str]) -> None:
    """Check each release; the first that fails ends it."""
    from pipeline.release.rebuild import compare
    from pipeline.release.verify import verify

    if not places:
        raise UserError("verify what?", hint="./doit verify FOLDER-OR-ARCHIVE... [--key KEYRING] [--rebuild]")
    for place in places:
        report = verify(Path(place), Path(key) if key else None)
        print(f"{place}: {report}")
        if rebuild:
            files = compare(report, project.declaration, project.lock, project.paths)
            print(f"  built here it is the same: {files} files")


def lock(project: Project) -> DoitTask:
    """Look at the lock, or make it anew."""
    return command(_lock, ["setup"], project, params=[
        option("update", False, "resolve every source and package anew"),
        option("python", False, "requirements.in into requirements.lock; with --update, newer versions of all"),
    ], pos_arg="groups")


def _lock(project: Project, update: bool, python: bool, groups: list[str]) -> TaskFailed | None:
    if python:
        return attempt("lock", update_python, project, update)
    return attempt("lock", update_or_show, project, update, groups)


def update_or_show(project: Project, update: bool, groups: list[str]) -> None:
    """Without `update`, what the lock holds; with it, what changed."""
    if update:
        changed = update_lock(project, tuple(groups))
        print("colinux.lock: " + (", ".join(changed) if changed else "nothing changed"))
        return
    for group, blobs in project.lock.groups.items():
        size = sum(blob.size for blob in blobs)
        print(f"{group:<28} {len(blobs):4} files {size / 1e6:9.1f} MB")


def update_python(project: Project, upgrade: bool) -> None:
    """requirements.in -> requirements.lock, for every Python from 3.10 on, with every hash and no index named.

    A version that is locked already stays, unless `upgrade`: who adds a package should not test all the others anew.
    """
    process.run([Path(sys.executable).with_name("uv"), "pip", "compile", "--quiet", "--universal",
                 *(["--upgrade"] if upgrade else []),
                 "--python-version", "3.10", "--generate-hashes", "--no-header",
                 "--no-emit-index-url", "--no-emit-find-links",
                 "--output-file", "requirements.lock", "requirements.in"],
                cwd=project.paths.root, log=project.paths.log("lock-python"), clean_env=False)

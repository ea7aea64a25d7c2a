# SPDX-License-Identifier: GPL-2.0-only
"""The tasks that a person asks for by name and that leave no artifact of their own."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from doit.exceptions import TaskFailed

from pipeline import process, work
from pipeline.errors import BuildFailed, UserError
from pipeline.reporter import Reporter
from pipeline.tasks import Project, check_patches, update_lock
from pipeline.work import DoitTask, attempt
from runtime import launcher
from toolchain import packages

__all__ = ["Reporter", "bench", "lock", "patches", "release", "setup", "shell", "test", "verdict"]


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


def everything(project: Project) -> list[str]:
    """All artifacts that machines stand on, without booting any."""
    needs: dict[str, None] = {"setup": None}
    for machine in project.declaration.machines.values():
        needs.update(dict.fromkeys(project.machine_needs(machine)))
    return list(needs)


def test(project: Project) -> DoitTask:
    """pytest over tests/, with every artifact built first."""
    return command(_test, everything(project), project, pos_arg="words")


def _test(project: Project, words: list[str]) -> TaskFailed | None:
    return attempt("test", _pytest, project, words)


def _pytest(project: Project, words: list[str]) -> None:
    argv: list[str | Path] = [sys.executable, "-m", "pytest", *words]
    if process.interact(argv, cwd=project.paths.root):
        raise BuildFailed("tests failed", command=" ".join(map(str, argv)))


def bench(project: Project) -> DoitTask:
    """The benchmarks under tests/bench, on the default machine."""
    needs = list(project.machine_needs(project.declaration.machines[project.declaration.project.default]))
    return command(_bench, needs, project, params=[MACHINE])


def _bench(project: Project, machine: str) -> TaskFailed | None:
    return attempt("bench", _run_bench, project, machine or project.declaration.project.default)


def _run_bench(project: Project, machine: str) -> None:
    from tests.bench import ratios

    ratios.run(machine, project.declaration, project.paths)


# --- release, lock ----------------------------------------------------------------------


def release(project: Project) -> DoitTask:
    """The release work, as a task of its own."""
    return {key: value for key, value in work.as_doit(project.releases(), project.paths, "").items()
            if key not in ("name", "doc")}


def lock(project: Project) -> DoitTask:
    """Look at the lock, or make it anew."""
    return command(_lock, ["setup"], project, params=[
        option("update", False, "resolve every source and package anew"),
        option("python", False, "resolve requirements.in anew into requirements.lock"),
    ], pos_arg="groups")


def _lock(project: Project, update: bool, python: bool, groups: list[str]) -> TaskFailed | None:
    if python:
        return attempt("lock", update_python, project)
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


def update_python(project: Project) -> None:
    """requirements.in -> requirements.lock, with every hash and no index named."""
    tools = project.paths.build / "pip-tools"
    shutil.rmtree(tools, ignore_errors=True)
    process.run([sys.executable, "-m", "venv", tools], log=project.paths.log("lock-python"))
    process.run([tools / "bin/pip", "install", "-q", "pip-tools"],
                log=project.paths.log("lock-python"), append=True, clean_env=False)
    process.run([tools / "bin/pip-compile", "-q", "--upgrade", "--generate-hashes", "--strip-extras",
                 "--allow-unsafe", "--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host",
                 "-o", "requirements.lock", "requirements.in"],
                cwd=project.paths.root, log=project.paths.log("lock-python"), append=True, clean_env=False)

# SPDX-License-Identifier: GPL-2.0-only
"""The tasks, for doit. Nothing is decided here: pipeline/tasks.py says what there is."""

from collections.abc import Iterator

from pipeline import commands, fetching, work
from pipeline.tasks import Project
from pipeline.work import DoitTask

PROJECT = Project.here()
PATHS = PROJECT.paths
DEFAULT = PROJECT.declaration.project.default

DOIT_CONFIG = {
    "default_tasks": [f"boot:{DEFAULT}", "verdict"],
    "reporter": commands.Reporter,
    "backend": "sqlite3",
    "dep_file": str(PATHS.state / "doit.sqlite"),
    "verbosity": 2,
}


def task_setup() -> DoitTask:
    """install the tools this machine lacks (or say which command would)"""
    return commands.setup(PROJECT)


def task_fetch() -> Iterator[DoitTask]:
    yield from fetching.fetches(PROJECT)


def task_patch() -> Iterator[DoitTask]:
    yield from commands.patches(PROJECT)


def task_compiler() -> Iterator[DoitTask]:
    yield from work.group("build the compilers that Debian has no more", PROJECT.compilers(), PATHS, "compiler")


def task_kernel() -> Iterator[DoitTask]:
    yield from work.group("build the guest kernels", PROJECT.kernels(), PATHS, "kernel")


def task_host() -> Iterator[DoitTask]:
    yield from work.group("unpack the test hosts", PROJECT.hosts(), PATHS, "host")


def task_driver() -> Iterator[DoitTask]:
    yield from work.group("build the host drivers", PROJECT.drivers(), PATHS, "driver")


def task_seccomp() -> Iterator[DoitTask]:
    yield from work.group("unpack what the sandbox of daemons is made with", PROJECT.seccomps(), PATHS, "seccomp")


def task_slirp() -> Iterator[DoitTask]:
    yield from work.group("build the user-mode network of daemons", PROJECT.slirps(), PATHS, "slirp")


def task_daemon() -> Iterator[DoitTask]:
    yield from work.group("build colinux-daemon", PROJECT.daemons(), PATHS, "daemon")


def task_agent() -> Iterator[DoitTask]:
    yield from work.group("build the test agents", PROJECT.agents(), PATHS, "agent")


def task_libc() -> Iterator[DoitTask]:
    yield from work.group("unpack the C library of guests' programs", PROJECT.libcs(), PATHS, "libc")


def task_busybox() -> Iterator[DoitTask]:
    yield from work.group("build the busybox of old guests", PROJECT.busyboxes(), PATHS, "busybox")


def task_rootfs() -> Iterator[DoitTask]:
    yield from work.group("build the root filesystems", PROJECT.images(), PATHS, "rootfs")


def task_boot() -> Iterator[DoitTask]:
    yield from commands.boots(PROJECT)


def task__reach() -> Iterator[DoitTask]:
    yield from commands.reach(PROJECT)


def task_verdict() -> DoitTask:
    """say how the default machine's last boot ended, and where its evidence lies"""
    return commands.verdict(PROJECT)


def task_ci_matrix() -> DoitTask:
    return commands.ci_matrix(PROJECT)


def task_shell() -> DoitTask:
    """boot the default machine (or -m MACHINE) and give you its console"""
    return commands.shell(PROJECT)


def task_test() -> DoitTask:
    """run all tests; words after `--` go to pytest"""
    return commands.test(PROJECT)


def task_bench() -> DoitTask:
    """compare the guest with its host, by ratio, in one run"""
    return commands.bench(PROJECT)


def task_report() -> DoitTask:
    """write build/report.html: every machine's boot, over releases, and what it was built from"""
    return commands.report(PROJECT)


def task_repro() -> DoitTask:
    """build machines or tasks (or --all) once more, with everything around changed, and compare byte for byte"""
    return commands.repro(PROJECT)


def task_release() -> DoitTask:
    """make dist/ from what was built and booted"""
    return commands.release(PROJECT)


def task_verify() -> DoitTask:
    """check a release, a folder or an archive; --key KEYRING: who signed it, --rebuild: build it and compare"""
    return commands.verify(PROJECT)


def task_lock() -> DoitTask:
    """show colinux.lock; --update resolves everything anew, --python the Python packages"""
    return commands.lock(PROJECT)

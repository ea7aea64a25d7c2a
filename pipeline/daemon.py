# SPDX-License-Identifier: GPL-2.0-only
"""The programs that run in user mode: the daemon beside a guest, and the agent and checks of its tests.

One static binary each, because they run in hosts and guests whose libraries
are not ours. Sources are found by glob and sorted; a file named *_linux.c or
*_windows.c belongs to that system only. The result depends on the sources and
the compiler alone: no path, time or user of this machine gets into it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from pipeline import process
from pipeline.errors import InfrastructureError, UserError
from pipeline.paths import Paths
from pipeline.stamp import Job

# Architecture -> the compiler of static Linux programs for it.
COMPILERS = {"x86_64": ("gcc",), "i386": ("i686-linux-gnu-gcc",)}
SYSTEMS = ("linux", "windows")

FLAGS = ("-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-pthread")

# Program -> the glob of its sources in runtime/agent; every one of them finds agent and abi headers.
AGENT_PROGRAMS = {"colinux-agent": "agent*.c", "colinux-check": "check*.c"}


def daemon_sources(system: str, paths: Paths) -> tuple[Path, ...]:
    """The daemon's C files for "linux" or "windows", sorted by name."""
    others = tuple(f"_{other}.c" for other in SYSTEMS if other != system)
    return tuple(path for path in sorted((paths.root / "runtime/daemon").glob("*.c"))
                 if not path.name.endswith(others))


def agent_sources(program: str, paths: Paths) -> tuple[Path, ...]:
    """The C files of one of AGENT_PROGRAMS, sorted by name."""
    return tuple(sorted((paths.root / "runtime/agent").glob(AGENT_PROGRAMS[program])))


def _compiler(arch: str) -> tuple[str, ...]:
    if arch not in COMPILERS:
        raise UserError(f"no compiler is known for static programs of {arch}",
                        hint=f"known architectures: {', '.join(sorted(COMPILERS))}")
    return COMPILERS[arch]


def _split(osarch: str) -> tuple[str, str]:
    """"linux-x86_64" -> ("linux", "x86_64")."""
    system, _, arch = osarch.partition("-")
    if system != "linux":
        raise UserError(f"the daemon is not built for {osarch} yet", hint="known: linux-x86_64, linux-i386")
    return system, arch


def _build(output: Path, arch: str, sources: Sequence[Path], includes: Sequence[Path], log: Path,
           paths: Paths, *, append: bool = False) -> None:
    """One compiler run from sources to a program. Raises BuildFailed with the compiler's first error."""
    compiler = _compiler(arch)
    if not sources:
        raise InfrastructureError(f"{output.name}: its sources are gone from the checkout")
    output.parent.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    # A fixed name, so that the log's first line can be repeated; the compiler removes it when it fails.
    partial = output.with_name(f".{output.name}.new")
    # Relative names and the checkout as folder: diagnostics are short, and the
    # prefix map leaves nothing of this machine in assertions and debug data.
    process.run(
        [*compiler, *FLAGS, f"-ffile-prefix-map={paths.root}=.",
         *(f"-I{include.relative_to(paths.root)}" for include in includes),
         *(source.relative_to(paths.root) for source in sources),
         "-Wl,--build-id=none", "-s", "-o", partial],
        cwd=paths.root, log=log, append=append, timeout=900)
    partial.replace(output)


def build_daemon(osarch: str, paths: Paths) -> None:
    """build/daemon/<osarch>/colinux-daemon, `osarch` as "linux-x86_64"."""
    system, arch = _split(osarch)
    _build(paths.daemon(osarch) / "colinux-daemon", arch, daemon_sources(system, paths),
           (paths.root / "runtime/abi",), paths.log(f"daemon:{osarch}"), paths)


def build_agent(arch: str, paths: Paths) -> None:
    """build/agent/<arch>/colinux-agent and colinux-check: static Linux programs for `arch`."""
    log = paths.log(f"agent:{arch}")
    for number, program in enumerate(AGENT_PROGRAMS):
        _build(paths.agent(arch) / program, arch, agent_sources(program, paths),
               (paths.root / "runtime/agent", paths.root / "runtime/abi"), log, paths,
               append=number > 0)


@functools.cache
def _version(arch: str) -> str:
    """What the compiler calls itself; asked of it, so that another one means another job."""
    return process.run([*_compiler(arch), "--version"]).stdout.splitlines()[0]


def daemon_job(osarch: str, paths: Paths) -> Job:
    """What colinux-daemon is made of."""
    _, arch = _split(osarch)
    return _job(f"daemon:{osarch}", arch, (paths.root / "runtime/daemon",),
                (paths.daemon(osarch) / "colinux-daemon",), paths)


def agent_job(arch: str, paths: Paths) -> Job:
    """What the test programs are made of."""
    return _job(f"agent:{arch}", arch, (paths.root / "runtime/agent",),
                tuple(paths.agent(arch) / program for program in AGENT_PROGRAMS), paths)


def _job(name: str, arch: str, folders: Sequence[Path], outputs: Sequence[Path], paths: Paths) -> Job:
    return Job(
        name,
        inputs={"compiler": [*_compiler(arch), _version(arch)], "flags": list(FLAGS)},
        files=(*folders, paths.root / "runtime/abi", Path(__file__).absolute()),
        outputs=tuple(outputs))

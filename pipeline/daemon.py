# SPDX-License-Identifier: GPL-2.0-only
"""The programs that run in user mode: the daemon beside a guest, what talks to it, the agent and checks of its tests.

One static binary each, because they run in hosts and guests whose libraries
are not ours. Sources are found by glob and sorted; a file named *_linux.c or
*_windows.c belongs to that system only. The result depends on the sources and
the compiler alone: no path, time or user of this machine gets into it.

For Windows it is pipeline.windowsdaemon that builds daemon and clients. On Linux it runs
on hosts of today, with the C library of the compiler. Agent and
checks run in guests as old as Linux 2.4 as well, with musl (pipeline.libc)
where colinux.toml declares a user land for their architecture.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

from pipeline import libc, process, seccomp, slirp
from pipeline.errors import InfrastructureError, UserError
from pipeline.paths import Paths
from pipeline.stamp import Job

# Architecture -> the compiler of static Linux programs for it.
COMPILERS = {"x86_64": ("gcc",), "i386": ("i686-linux-gnu-gcc-12",)}
SYSTEMS = ("linux", "windows")

# On i386 file sizes and times have 64 bits only where they are asked for.
FLAGS = ("-std=gnu11", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-D_TIME_BITS=64", "-O2",
         "-Wall", "-Wextra", "-Werror", "-static", "-pthread")

# What talks to running daemons: the sources of each in runtime/client, and of the daemon's own, by system.
CLIENT_SOURCES = {
    "colinux-ctl": ("ctl*.c", "client*.c", "json*.c"),
    "colinux-console": ("attach*.c", "client*.c", "json*.c"),
}
SHARED_SOURCES: dict[str, dict[str, tuple[str, ...]]] = {
    "linux": {"colinux-ctl": ("log.c", "run_folder_linux.c"), "colinux-console": ("log.c", "run_folder_linux.c")},
    "windows": {
        "colinux-ctl": ("log.c", "os_windows.c", "run_pipe_windows.c", "text_windows.c"),
        "colinux-console": (
            "console_windows.c", "io_request_windows.c", "log.c", "os_windows.c", "pipe_link_windows.c",
            "run_pipe_windows.c", "stream_back_windows.c", "terminal_windows.c", "text_windows.c",
        ),
    },
}  # fmt: skip

# Program -> the glob of its sources in runtime/agent; every one of them finds agent and abi headers.
AGENT_PROGRAMS = {"colinux-agent": "agent*.c", "colinux-check": "check*.c"}


def daemon_sources(system: str, paths: Paths) -> tuple[Path, ...]:
    """The daemon's C files for "linux" or "windows", sorted by name."""
    return _for(system, (paths.root / "runtime/daemon").glob("*.c"))


def client_sources(program: str, paths: Paths, system: str = "linux") -> tuple[Path, ...]:
    """The C files of one of CLIENT_SOURCES for "linux" or "windows": its own, then those that it shares."""
    own = {path for glob in CLIENT_SOURCES[program] for path in (paths.root / "runtime/client").glob(glob)}
    shared = SHARED_SOURCES[system][program]
    return (*_for(system, own), *(paths.root / "runtime/daemon" / name for name in shared))


def _for(system: str, sources: Iterable[Path]) -> tuple[Path, ...]:
    """Those that are not another system's, sorted by name."""
    others = tuple(f"_{other}.c" for other in SYSTEMS if other != system)
    return tuple(path for path in sorted(sources) if not path.name.endswith(others))


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
        raise UserError(f"the daemon is not built for {osarch}", hint="known: linux-x86_64, linux-i386, and those of "
                        "toolchain/windows.toml")
    return system, arch


def _build(output: Path, compiler: Sequence[str], sources: Sequence[Path], includes: Sequence[Path], log: Path,
           paths: Paths, *, append: bool = False, defines: Sequence[str] = (), libraries: Sequence[Path] = ()) -> None:
    """One compiler run from sources to a program. Raises BuildFailed with the compiler's first error."""
    if not sources:
        raise InfrastructureError(f"{output.name}: its sources are gone from the checkout")
    output.parent.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    # A fixed name, so that the log's first line can be repeated; the compiler removes it when it fails.
    partial = output.with_name(f".{output.name}.new")
    # Relative names and the checkout as folder: diagnostics are short, and the
    # prefix map leaves nothing of this machine in assertions and debug data.
    process.run(
        [*compiler, *FLAGS, *defines, f"-ffile-prefix-map={paths.root}=.",
         *(f"-I{include.relative_to(paths.root)}" for include in includes),
         *(source.relative_to(paths.root) for source in sources), *libraries,
         "-Wl,--build-id=none", "-s", "-o", partial],
        cwd=paths.root, log=log, append=append, timeout=900)
    partial.replace(output)


def build_daemon(osarch: str, version: str, paths: Paths, *, with_slirp: bool = False,
                 with_seccomp: bool = False) -> None:
    """build/daemon/<osarch>/colinux-daemon and its clients of our `version`, `osarch` as "linux-x86_64".

    `with_slirp` makes a daemon that knows `ethN=slirp`, `with_seccomp` one that can have a sandbox; UserError when
    the library for it is not made.
    """
    system, arch = _split(osarch)
    log = paths.log(f"daemon:{osarch}")
    used = [library.words(arch, paths) for library in _libraries(with_slirp, with_seccomp)]
    flags = tuple(flag for one, _ in used for flag in one)
    libraries = tuple(path for _, one in used for path in one)
    _build(paths.daemon(osarch) / "colinux-daemon", _compiler(arch), daemon_sources(system, paths),
           (paths.root / "runtime/abi",), log, paths, defines=(_release(version), *flags), libraries=libraries)
    for client in CLIENT_SOURCES:
        _build(paths.daemon(osarch) / client, _compiler(arch), client_sources(client, paths),
               (paths.root / "runtime/abi", paths.root / "runtime/daemon"), log, paths, append=True,
               defines=(_release(version),))


def _libraries(with_slirp: bool, with_seccomp: bool) -> tuple[ModuleType, ...]:
    """The modules of what a daemon is linked with."""
    return (*((slirp,) if with_slirp else ()), *((seccomp,) if with_seccomp else ()))


def build_agent(arch: str, paths: Paths, *, musl: bool = False) -> None:
    """build/agent/<arch>/colinux-agent and colinux-check: static Linux programs for `arch`.

    With `musl` they run on Linux 2.4 and later; UserError when that library is not made.
    """
    log = paths.log(f"agent:{arch}")
    compiler = (libc.compiler(arch), *libc.flags(arch, paths)) if musl else _compiler(arch)
    for number, program in enumerate(AGENT_PROGRAMS):
        _build(paths.agent(arch) / program, compiler, agent_sources(program, paths),
               (paths.root / "runtime/agent", paths.root / "runtime/abi"), log, paths,
               append=number > 0)


def _release(version: str) -> str:
    """What --version answers; the driver of the same version answers the same."""
    return f'-DCO_RELEASE="{version}"'


@functools.cache
def _version(compiler: tuple[str, ...]) -> str:
    """What the compiler calls itself; asked of it, so that another one means another job."""
    return process.run([*compiler, "--version"]).stdout.splitlines()[0]


def daemon_job(osarch: str, version: str, paths: Paths, *, with_slirp: bool = False,
               with_seccomp: bool = False) -> Job:
    """What colinux-daemon and its clients are made of."""
    _, arch = _split(osarch)
    folders = (paths.root / "runtime/daemon", paths.root / "runtime/client",
               *(library.folder(arch, paths) for library in _libraries(with_slirp, with_seccomp)))
    return _job(f"daemon:{osarch}", _compiler(arch), folders,
                tuple(paths.daemon(osarch) / name for name in ("colinux-daemon", *CLIENT_SOURCES)),
                paths, (_release(version),))


def agent_job(arch: str, paths: Paths, *, musl: bool = False) -> Job:
    """What the test programs are made of."""
    folders = (paths.root / "runtime/agent", *((libc.folder(arch, paths),) if musl else ()))
    return _job(f"agent:{arch}", (libc.compiler(arch),) if musl else _compiler(arch), folders,
                tuple(paths.agent(arch) / program for program in AGENT_PROGRAMS), paths)


def _job(name: str, compiler: tuple[str, ...], folders: Sequence[Path], outputs: Sequence[Path],
         paths: Paths, defines: Sequence[str] = ()) -> Job:
    return Job(
        name,
        inputs={"compiler": [*compiler, _version(compiler)], "flags": [*FLAGS, *defines]},
        files=(*folders, paths.root / "runtime/abi", Path(__file__).absolute()),
        outputs=tuple(outputs))

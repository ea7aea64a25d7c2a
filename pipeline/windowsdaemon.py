# SPDX-License-Identifier: GPL-2.0-only
"""colinux-daemon.exe, colinux-ctl.exe and colinux-console.exe: the daemon's and its clients' sources, compiled by
MinGW for one of the Windows in toolchain/windows.toml.

    build/daemon/windows-x64/colinux-daemon.exe         what is shipped
    build/daemon/windows-x64/colinux-daemon.exe.debug   its symbols, for gdb
    build/daemon/windows-x64/colinux-daemon.map         what lies where
    ...                                                 and the same of the others

No time, path or user of this machine gets into any of them. The programs need
nothing that the oldest Windows of their target lacks: `faults` looks at the finished files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pipeline import pe, process, slirp
from pipeline.daemon import CLIENT_SOURCES, client_sources, daemon_sources
from pipeline.errors import BuildFailed
from pipeline.paths import Paths, atomic_path, remove
from pipeline.stamp import Job
from toolchain import windows
from toolchain.windows import Target

# Each program's version resource; the daemon is the first.
RESOURCES = {
    "colinux-daemon": "runtime/daemon/daemon_windows.rc",
    "colinux-ctl": "runtime/client/ctl_windows.rc",
    "colinux-console": "runtime/client/console_windows.rc",
}
INCLUDES = ("runtime/abi", "runtime/windows", "runtime/daemon", slirp.WINDOWS_INCLUDE)
FLAGS = (
    "-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror",
    # printf is MinGW's own, in the program: the system's knows %llu and %zu in newer Windows only.
    "-D__USE_MINGW_ANSI_STDIO=1",
)  # fmt: skip
LIBRARIES = ("-ladvapi32", "-lntdll")
SLIRP_LIBRARIES = ("-lws2_32", "-liphlpapi")    # of Windows, for the user-mode network


def flags(target: Target) -> tuple[str, ...]:
    """For the compiler: the headers declare what the oldest Windows has, no more."""
    major, minor = target.version
    return (*FLAGS, f"-D_WIN32_WINNT=0x{major:02x}{minor:02x}")


def numbers(version: str) -> str:
    """Four numbers for the version resource: "0.8.0-rc1" -> "0,8,0,0"."""
    found = [min(int(digits), 0xFFFF) for digits in re.findall(r"\d+", version.split("-")[0])][:4]
    return ",".join(map(str, [*found, 0, 0, 0, 0][:4]))


def sources(program: str, paths: Paths) -> tuple[Path, ...]:
    """The C files of one of RESOURCES."""
    return client_sources(program, paths, "windows") if program in CLIENT_SOURCES else daemon_sources("windows", paths)


def build(name: str, version: str, paths: Paths, *, with_slirp: bool = False) -> None:
    """The programs for the target `name`, of our `version`. `with_slirp`: the daemon knows `ethN=slirp`.

    Raises BuildFailed with the compiler's first error, or when a program has `faults`; UserError when the library
    for the network is not made.
    """
    target = windows.targets()[name]
    folder = paths.daemon(name)
    objects = folder / "obj"
    remove(objects)
    objects.mkdir(parents=True)
    log = paths.log(f"daemon:{name}")
    up = Path(*[".."] * len(objects.relative_to(paths.root).parts))
    more: tuple[str, ...] = ()
    libraries: list[Path | str] = []
    if with_slirp:
        more, made = slirp.words(name, paths)
        libraries = [*(up / path.relative_to(paths.root) for path in made), *SLIRP_LIBRARIES]
    every = sorted({source for program in RESOURCES for source in sources(program, paths)})
    # In a folder of their own and by relative names: the map and the symbols name them.
    process.run(
        [compiler(target), *flags(target), *more, f'-DCO_RELEASE="{version}"', f"-ffile-prefix-map={paths.root}=.",
         f"-ffile-prefix-map={up}=.", *(f"-I{up / include}" for include in INCLUDES),
         "-c", *(up / source.relative_to(paths.root) for source in every)],
        cwd=objects, log=log, timeout=900)  # fmt: skip
    for program in RESOURCES:
        _link(program, target, version, objects, up, log, paths, libraries if program == "colinux-daemon" else [])
    for output in outputs(name, paths):
        with atomic_path(output) as new:
            (objects / output.name).replace(new)
    remove(objects)


def _link(program: str, target: Target, version: str, objects: Path, up: Path, log: Path, paths: Paths,
          libraries: Sequence[Path | str]) -> None:
    """A program of its objects: with its resource, its symbols beside it, looked at."""
    process.run(
        [f"{target.prefix}windres", f"-DCO_VERSION={version}", f"-DCO_NUMBERS={numbers(version)}",
         f"-I{up / 'runtime/daemon'}", up / RESOURCES[program], f"{program}-resource.o"],
        cwd=objects, log=log, append=True)  # fmt: skip
    major, minor = target.version
    exe, symbols, where = _made(program)
    link = ",".join([
        "-Wl", "--no-insert-timestamp", "--subsystem=console", f"--major-os-version={major}",
        f"--minor-os-version={minor}", f"--major-subsystem-version={major}", f"--minor-subsystem-version={minor}",
        f"-Map={where}",
    ])  # fmt: skip
    process.run(
        [compiler(target), "-static", link, *(f"{source.stem}.o" for source in sources(program, paths)),
         f"{program}-resource.o", *libraries, *LIBRARIES, "-o", exe],
        cwd=objects, log=log, append=True, timeout=900)  # fmt: skip
    # -p keeps the time that was not put in; the checksum is made anew. Long names of sections
    # (.eh_frame) stand in a table that Windows does not read.
    for options, made in ((["--only-keep-debug"], symbols),
                          (["--strip-all", "--long-section-names=disable"], "stripped.exe")):
        process.run([f"{target.prefix}objcopy", "-p", *options, exe, made], cwd=objects, log=log, append=True)
    (objects / "stripped.exe").replace(objects / exe)
    if found := faults((objects / exe).read_bytes(), target):
        raise BuildFailed(f"{exe} for {target.name}: {'; '.join(found)}", log=log)


def faults(data: bytes, target: Target) -> list[str]:
    """What is wrong with a program's file, in words; an empty list is as it should be."""
    image = pe.read(data)
    found = []
    if image.arch != target.arch:
        found.append(f"it is for {image.arch}")
    if image.subsystem != pe.CONSOLE:
        found.append(f"its subsystem is {image.subsystem}, not console")
    if image.os_version != target.version or image.subsystem_version != target.version:
        found.append(f"it asks for Windows {image.os_version}, {image.subsystem_version}, not {target.version}")
    if image.timestamp:
        found.append("it carries the time of its build")
    if image.checksum != pe.checksum(data):
        found.append("its checksum is wrong")
    if debug := [one.name for one in image.sections if one.name.startswith((".debug", "/"))]:
        found.append(f"it carries debug data: {', '.join(debug)}")
    if not image.directories[pe.RELOCATIONS][1]:
        found.append("it cannot be relocated")
    if not image.directories[pe.RESOURCES][1]:
        found.append("it has no version resource")
    found += [f"it imports {name} of {dll}, which {target.title} is not known to have (toolchain/windows.toml)"
              for dll, names in sorted(image.imports.items())
              for name in sorted(set(names) - target.program.get(dll, frozenset()))]
    return found


def compiler(target: Target) -> str:
    """The one with threads of Windows' own: the other one's are a library that no Windows has."""
    return f"{target.prefix}gcc-win32"


def _made(program: str) -> tuple[str, str, str]:
    """The names of what becomes of one of RESOURCES: the program, its symbols, its map."""
    return f"{program}.exe", f"{program}.exe.debug", f"{program}.map"


def programs(name: str, paths: Paths) -> list[Path]:
    """What is shipped, the daemon first."""
    return [paths.daemon(name) / _made(program)[0] for program in RESOURCES]


def symbols(name: str, paths: Paths) -> list[Path]:
    """What explains the programs: symbols and maps."""
    return [paths.daemon(name) / made for program in RESOURCES for made in _made(program)[1:]]


def outputs(name: str, paths: Paths) -> list[Path]:
    """What is made: the programs, then their symbols and maps."""
    return [*programs(name, paths), *symbols(name, paths)]


def job(name: str, version: str, paths: Paths, *, with_slirp: bool = False) -> Job:
    """What the programs are made of."""
    target = windows.targets()[name]
    told = process.run([compiler(target), "--version"]).stdout.splitlines()[0]
    return Job(
        name=f"daemon:{name}",
        inputs={"compiler": [compiler(target), told], "flags": [*flags(target), *LIBRARIES], "version": version,
                "slirp": [*SLIRP_LIBRARIES] if with_slirp else []},
        files=[*([slirp.folder(name, paths)] if with_slirp else []), paths.root / "runtime/client",
               *(paths.root / include for include in INCLUDES), windows.DATA, Path(pe.__file__).absolute(),
               Path(__file__).absolute()],
        outputs=outputs(name, paths),
    )  # fmt: skip

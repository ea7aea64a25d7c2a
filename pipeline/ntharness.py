# SPDX-License-Identifier: GPL-2.0-only
"""colinux.sys inside a Linux test host: tests/nt, a module that carries the driver's file and gives it an NT.

It is called colinux.ko and has colinux.ko's device, so that everything that boots a
guest beside Linux boots one through colinux.sys.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pipeline import ccache, driver, ntdriver
from pipeline.declaration.model import Host
from pipeline.errors import BuildFailed, InfrastructureError
from pipeline.paths import Paths, atomic_path
from pipeline.process import run
from pipeline.stamp import Job
from toolchain.windows import Target

HARNESS = "tests/nt"
SYMBOLS = ("co_selfcheck", "co_selfcheck_crossings", "co_selfcheck_differences")
HEADERS = ("runtime/abi", "runtime/windows/colinux_nt.h")


def name(nt: str, host: Host) -> str:
    """How the harness of a Windows' driver inside a host is called: windows-x64-in-linux-amd64."""
    return f"{nt}-in-{host.name}"


def build(target: Target, host: Host, paths: Paths) -> None:
    """The module. Raises BuildFailed with the compiler's or modpost's first error."""
    folder = paths.driver(name(target.name, host))
    source = folder / "src"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(paths.root / HARNESS, source / "nt")
    shutil.copytree(paths.root / HEADERS[0], source / "abi")
    (source / "windows").mkdir()
    shutil.copyfile(paths.root / HEADERS[1], source / HEADERS[1].removeprefix("runtime/"))
    shutil.copyfile(ntdriver.file(target, paths), source / "nt" / "colinux.sys")
    (source / "nt" / "symbols.h").write_text(_symbols(target, paths))
    release = (paths.host(host.name) / "release").read_text().strip()
    log = paths.log(f"driver:{name(target.name, host)}")
    prefix = driver.PREFIXES[host.arch]
    result = run(
        ["make", "-C", paths.host(host.name) / "headers", f"-j{ccache.jobs()}", f"M={source / 'nt'}",
         f"CROSS_COMPILE={prefix}", f"CC={prefix}{driver.COMPILER}",
         f"KCFLAGS=-g0 -Werror -ffile-prefix-map={source}=.", "KAFLAGS=-g0", f"KERNELRELEASE={release}", "modules"],
        cwd=paths.root, log=log, timeout=900,
    )  # fmt: skip
    built = source / "nt" / "colinux.ko"
    if not built.is_file():
        raise InfrastructureError("kbuild was content, but made no colinux.ko", log=log)
    if "undefined!" in result.stdout:
        raise BuildFailed("the harness uses what the host's kernel does not export", log=log)
    with atomic_path(folder / "colinux.ko") as new:
        shutil.copyfile(built, new)


def _symbols(target: Target, paths: Paths) -> str:
    """Where the monitor's switch for its self-check and its counters are, relative to the image: a C header."""
    listing = run([f"{target.prefix}nm", paths.driver(target.name) / "colinux.dbg"]).stdout
    underscore = "_" if target.arch == "i386" else ""
    found = {}
    for line in listing.splitlines():
        address, _, symbol = line.split(" ") if line.count(" ") == 2 else ("", "", "")
        if symbol.removeprefix(underscore) in SYMBOLS:
            found[symbol.removeprefix(underscore)] = int(address, 16) - int(target.base, 16)
    if len(found) != len(SYMBOLS):
        raise InfrastructureError(f"colinux.dbg lacks one of {', '.join(SYMBOLS)}")
    return "".join(f"#define NT_{one.upper()} {at:#x}\n" for one, at in sorted(found.items()))


def job(target: Target, host: Host, paths: Paths) -> Job:
    """Stale when the driver, the harness or the host's headers changed."""
    folder = paths.host(host.name)
    return Job(
        name=f"driver:{name(target.name, host)}",
        inputs={"compiler": driver.PREFIXES[host.arch] + driver.COMPILER},
        files=[paths.root / HARNESS, *(paths.root / header for header in HEADERS),
               *(paths.driver(target.name) / one for one in ("colinux.sys", "colinux.dbg")),
               folder / "headers", folder / "release", Path(__file__).absolute()],
        outputs=[paths.driver(name(target.name, host)) / "colinux.ko"],
    )  # fmt: skip

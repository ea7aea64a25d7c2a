# SPDX-License-Identifier: GPL-2.0-only
"""What the daemon's sandbox is made with: libseccomp, as a static library. It turns a table into the kernel's filter.

    build/seccomp/<arch>/lib       Debian's libseccomp.a
    build/seccomp/<arch>/include   its headers

It comes from a locked source of colinux.toml for each architecture, named in SOURCES, unpacked and not
installed; a declaration without it gets a daemon without a sandbox, which says so when it starts.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pipeline import sources
from pipeline.declaration.model import Declaration
from pipeline.errors import UserError
from pipeline.paths import Paths, atomic_dir
from pipeline.stamp import Job

# Architecture -> the declared source: Debian's libseccomp-dev.
SOURCES = {"x86_64": "libseccomp-x86_64", "i386": "libseccomp-i386"}
HEADERS = ("seccomp.h", "seccomp-syscalls.h")
LIBRARY = "libseccomp.a"


def declared(arch: str, decl: Declaration) -> bool:
    """Whether the declaration has it for `arch`."""
    return SOURCES.get(arch) in decl.sources


def folder(arch: str, paths: Paths) -> Path:
    """Where library and headers for `arch` are."""
    return paths.seccomp(arch)


def words(arch: str, paths: Paths) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """What makes a compiler use it: (flags, libraries). UserError when it is not made."""
    where = folder(arch, paths)
    library = where / "lib" / LIBRARY
    if not library.is_file():
        raise UserError(f"there is no libseccomp for {arch} in {where}", hint=f"./doit seccomp:{arch}")
    return ("-DCO_SECCOMP", f"-isystem{where / 'include'}"), (library,)


def job(arch: str, ctx: sources.Context, paths: Paths) -> Job:
    """What `make` depends on and leaves behind."""
    return Job(
        name=f"seccomp:{arch}",
        inputs={"pins": [blob.sha256 for blob in ctx.lock.group(f"source:{SOURCES[arch]}")]},
        files=[Path(__file__).absolute()],
        outputs=[folder(arch, paths)],
    )


def make(arch: str, decl: Declaration, ctx: sources.Context, paths: Paths) -> None:
    """Unpack it. UserError when the source is not Debian's libseccomp-dev."""
    source = decl.sources[SOURCES[arch]]
    with atomic_dir(folder(arch, paths)) as new:
        package = new.parent / "package"
        sources.unpack(source, sources.fetch(source, ctx), package, ctx)
        found = [*package.glob(f"usr/lib/*/{LIBRARY}"), *(package / "usr/include" / name for name in HEADERS)]
        if len(found) != 1 + len(HEADERS) or not all(path.is_file() for path in found):
            raise UserError(f"the source {SOURCES[arch]} holds no {LIBRARY} with its headers", where="colinux.toml",
                            hint="it should be Debian's libseccomp-dev of the architecture")
        for place, paths_of in (("lib", found[:1]), ("include", found[1:])):
            (new / place).mkdir()
            for path in paths_of:
                shutil.copy(path, new / place)

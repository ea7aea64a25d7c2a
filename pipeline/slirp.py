# SPDX-License-Identifier: GPL-2.0-only
"""The daemon's user-mode network: libslirp, with the glib that it stands on, as static libraries.

    build/slirp/<for>/lib       libslirp.a, compiled here from Debian's source; Debian's libglib-2.0.a, libpcre2-8.a
    build/slirp/<for>/include   the headers of libslirp and glib

`<for>` is an architecture of Linux hosts, or one of toolchain/windows.toml: there libslirp stands on what the
daemon itself has in place of glib (runtime/daemon/windows/glib.h), which Debian has none of for MinGW.

All of it comes from locked sources of colinux.toml, named in SOURCES; the machine needs no
foreign architecture, and a declaration without them gets a daemon without `ethN=slirp`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from pipeline import process, sources
from pipeline.declaration.model import Declaration
from pipeline.errors import UserError
from pipeline.paths import Paths, atomic_dir
from pipeline.stamp import Job
from toolchain import windows

# For whom -> the declared sources: libslirp's own, Debian's packages of glib and of what that is linked with.
SOURCES = {
    "x86_64": ("libslirp", "glib-x86_64", "pcre2-x86_64"),
    "i386": ("libslirp", "glib-i386", "pcre2-i386"),
    **dict.fromkeys(windows.targets(), ("libslirp",)),
}
ARCHIVER = {"x86_64": "ar", "i386": "i686-linux-gnu-ar",
            **{name: f"{target.prefix}ar" for name, target in windows.targets().items()}}

# One of each source, in its order: a linker takes from a library what those before it need.
LIBRARIES = ("libslirp.a", "libglib-2.0.a", "libpcre2-8.a")

# Those of its meson.build. Warnings in a library's code are its authors' to look at.
# Its lists of fragments are one structure seen as another: a compiler that takes them for
# two made ip_reass() for i386 follow a stale pointer, and any guest could end the daemon.
CFLAGS = ("-std=gnu99", "-D_GNU_SOURCE", "-O2", "-w", "-fno-strict-aliasing", '-DG_LOG_DOMAIN="Slirp"')
LINUX_CFLAGS = ("-D_FILE_OFFSET_BITS=64", "-D_TIME_BITS=64")
# Its code is for Vista; old_sockets.h has what an older Windows lacks.
WINDOWS_CFLAGS = ("-D_WIN32_WINNT=0x0600", "-D__USE_MINGW_ANSI_STDIO=1", "-include", "old_sockets.h")
WINDOWS_INCLUDE = "runtime/daemon/windows"
WINDOWS_HEADERS = ("glib.h", "old_sockets.h")
_VERSION = re.compile(r"^\s*version : '(\d+)\.(\d+)\.(\d+)',$", re.M)


def declared(arch: str, decl: Declaration) -> bool:
    """Whether the declaration has all that it takes for `arch`."""
    return arch in SOURCES and all(name in decl.sources for name in SOURCES[arch])


def folder(arch: str, paths: Paths) -> Path:
    """Where libraries and headers for `arch` are."""
    return paths.slirp(arch)


def words(arch: str, paths: Paths) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """What makes a compiler use it: (flags, libraries in the linker's order). UserError when it is not made."""
    where = folder(arch, paths)
    libraries = tuple(where / "lib" / name for name in LIBRARIES[: len(SOURCES[arch])])
    if not all(path.is_file() for path in libraries):
        raise UserError(f"there is no libslirp for {arch} in {where}", hint=f"./doit slirp:{arch}")
    return ("-DCO_SLIRP", f"-isystem{where / 'include'}"), libraries


def job(arch: str, compiler: Sequence[str], ctx: sources.Context, paths: Paths) -> Job:
    """What `make` depends on and leaves behind."""
    return Job(
        name=f"slirp:{arch}",
        inputs={
            "pins": [blob.sha256 for name in SOURCES[arch] for blob in ctx.lock.group(f"source:{name}")],
            "compiler": list(compiler),
        },
        files=[Path(__file__).absolute(), *_windows_headers(arch, paths)],
        outputs=[folder(arch, paths)],
    )


def make(arch: str, compiler: Sequence[str], decl: Declaration, ctx: sources.Context, paths: Paths) -> None:
    """Unpack all of it and compile libslirp. Raises BuildFailed with the compiler's first error."""
    with atomic_dir(folder(arch, paths)) as new:
        scratch = new.parent
        for name in SOURCES[arch]:
            source = decl.sources[name]
            sources.unpack(source, sources.fetch(source, ctx), scratch / name, ctx)
        (new / "lib").mkdir()
        library, *foundation = (scratch / name for name in SOURCES[arch])
        if foundation:
            glib, pcre = foundation
            _copy_glib(glib, pcre, new)
            compiler = (*compiler, *LINUX_CFLAGS)
        else:
            (new / "include").mkdir()
            compiler = (*compiler, *WINDOWS_CFLAGS, f"-isystem{paths.root / WINDOWS_INCLUDE}")
        shutil.copy(library / "src/libslirp.h", new / "include")
        (new / "include/libslirp-version.h").write_text(version_header(library))
        shutil.copy(library / "COPYRIGHT", new / "COPYRIGHT")
        compile_library(library, new / "include", scratch / "objects", new / "lib/libslirp.a", compiler,
                        ARCHIVER[arch], paths.log(f"slirp:{arch}"))


def _copy_glib(glib: Path, pcre: Path, new: Path) -> None:
    """Headers and libraries of Debian's unpacked packages."""
    shutil.copytree(glib / "usr/include/glib-2.0", new / "include")
    shutil.copy(_only(glib, "usr/lib/*/glib-2.0/include/glibconfig.h"), new / "include")
    shutil.copy(_only(glib, "usr/lib/*/libglib-2.0.a"), new / "lib")
    shutil.copy(_only(pcre, "usr/lib/*/libpcre2-8.a"), new / "lib")


def _windows_headers(arch: str, paths: Paths) -> list[Path]:
    return [paths.root / WINDOWS_INCLUDE / name for name in WINDOWS_HEADERS] if arch in windows.targets() else []


def compile_library(library: Path, include: Path, objects: Path, target: Path, compiler: Sequence[str],
                    archiver: str, log: Path) -> None:
    """libslirp.a of an unpacked libslirp."""
    objects.mkdir()
    log.parent.mkdir(parents=True, exist_ok=True)
    every = sorted((library / "src").glob("*.c"))
    process.run([*compiler, *CFLAGS, f"-ffile-prefix-map={library}=.", f"-isystem{include}", "-c", *every],
                cwd=objects, log=log, timeout=900)
    # D: no time, owner or mode in the archive.
    process.run([archiver, "rcsD", target, *(objects / f"{source.stem}.o" for source in every)],
                log=log, append=True)


def version_header(library: Path) -> str:
    """What meson would make of libslirp-version.h.in."""
    found = _VERSION.search((library / "meson.build").read_text())
    if not found:
        raise UserError("the source libslirp does not say its version in meson.build")
    text = (library / "src/libslirp-version.h.in").read_text()
    for word, value in zip(("MAJOR", "MINOR", "MICRO"), found.groups(), strict=True):
        text = text.replace(f"@SLIRP_{word}_VERSION@", value)
    return text.replace("@SLIRP_VERSION_STRING@", f'"{".".join(found.groups())}"')


def _only(where: Path, pattern: str) -> Path:
    found = list(where.glob(pattern))
    if len(found) != 1:
        raise UserError(f"the source {where.name} holds no {pattern}", where="colinux.toml",
                        hint="it should be Debian's libglib2.0-dev or libpcre2-dev of the architecture")
    return found[0]

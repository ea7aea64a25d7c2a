# SPDX-License-Identifier: GPL-2.0-only
"""The C library of programs that run in guests: musl, static, for old kernels as well.

glibc's static programs want Linux 3.2 (Debian's busybox fails in `ls` on
2.6.33 and at its first instruction on 2.4); musl's ask for what is new and
fall back to what is old. So agents, checks and our busybox are linked with it.
What musl itself does not do for 2.4 is in runtime/libc.

    build/userland/<arch>/libc/lib       libc.a with our objects in it, the start files
    build/userland/<arch>/libc/include   musl's headers
    build/userland/<arch>/libc/kernel    Linux's own headers, as links to those of the compiler's packages

The library comes from Debian's musl-dev of the architecture, unpacked, not
installed: the machine needs no foreign architecture, only a compiler.
"""

from __future__ import annotations

from pathlib import Path

from pipeline import process, sources
from pipeline.declaration.model import Declaration, Userland
from pipeline.errors import InfrastructureError, UserError
from pipeline.paths import Paths, atomic_dir
from pipeline.stamp import Job

# Architecture -> prefix of its compiler and binutils.
PREFIXES = {"x86_64": "", "i386": "i686-linux-gnu-"}
GCC = "gcc-12"

# Where Debian's linux-libc-dev and linux-libc-dev-i386-cross have Linux's headers; asm may lie apart.
KERNEL_HEADERS = {
    "x86_64": (Path("/usr/include"), Path("/usr/include/x86_64-linux-gnu")),
    "i386": (Path("/usr/i686-linux-gnu/include"),),
}
KERNEL_FOLDERS = ("linux", "asm", "asm-generic", "mtd")

OURS = Path("runtime/libc")
CFLAGS = ("-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror")


def compiler(arch: str) -> str:
    """The command that compiles for `arch`."""
    return PREFIXES[arch] + GCC


def folder(arch: str, paths: Paths) -> Path:
    """Where the library for `arch` is."""
    return paths.userland(arch) / "libc"


def flags(arch: str, paths: Paths) -> tuple[str, ...]:
    """What makes the compiler of `arch` use this library and no other. Raises UserError when it is not made."""
    where = folder(arch, paths)
    if not (where / "lib/libc.a").is_file():
        raise UserError(f"there is no C library for {arch} in {where}", hint=f"./doit libc:{arch}")
    return _flags(arch, where)


def _flags(arch: str, where: Path) -> tuple[str, ...]:
    # gcc's own headers (stddef.h and the like) lie beside its libraries.
    own = process.run([compiler(arch), "-print-file-name=include"]).stdout.strip()
    folders = (where / "include", where / "kernel", own)
    includes = [word for one in folders for word in ("-isystem", str(one))]
    # -B: start files and libraries are looked for there first.
    return ("-nostdinc", *includes, f"-B{where / 'lib'}/", "-static")


def job(one: Userland, ctx: sources.Context, paths: Paths) -> Job:
    """What `make` depends on and leaves behind."""
    return Job(
        name=f"libc:{one.arch}",
        inputs={
            "pins": [blob.sha256 for blob in ctx.lock.group(f"source:{one.libc}")],
            "compiler": compiler(one.arch),
            "kernel headers": [str(path) for path in KERNEL_HEADERS[one.arch]],
        },
        files=[paths.root / OURS, Path(__file__).absolute()],
        outputs=[folder(one.arch, paths)],
    )


def make(one: Userland, decl: Declaration, ctx: sources.Context, paths: Paths) -> None:
    """Unpack the library and put our objects into it. Raises BuildFailed with the compiler's first error."""
    source = decl.sources[one.libc]
    fetched = sources.fetch(source, ctx)
    with atomic_dir(folder(one.arch, paths)) as new:
        unpacked = new.parent / "musl-dev"
        sources.unpack(source, fetched, unpacked, ctx)
        _lay_out(unpacked, one, new)
        _add_ours(one.arch, new, new.parent, paths)


def _lay_out(deb: Path, one: Userland, new: Path) -> None:
    libraries = list(deb.glob("usr/lib/*-linux-musl"))
    if len(libraries) != 1 or not (libraries[0] / "libc.a").is_file():
        raise UserError(
            f"the source {one.libc} holds no static musl",
            where=f"colinux.toml: userland.{one.arch}.libc",
            hint=f"it should be Debian's musl-dev for {one.arch}",
        )
    triplet = libraries[0].name
    libraries[0].rename(new / "lib")
    (deb / "usr/include" / triplet).rename(new / "include")
    (new / "kernel").mkdir()
    for name in KERNEL_FOLDERS:
        found = [path / name for path in KERNEL_HEADERS[one.arch] if (path / name).is_dir()]
        if not found:
            raise UserError(
                f"Linux's headers for {one.arch} are not there: {name}/ in {KERNEL_HEADERS[one.arch][0]}",
                hint="./doit setup installs them",
            )
        (new / "kernel" / name).symlink_to(found[0])


def _add_ours(arch: str, where: Path, scratch: Path, paths: Paths) -> None:
    """Compile runtime/libc and put its objects into libc.a, in the place of musl's of the same name."""
    archive = where / "lib/libc.a"
    log = paths.log(f"libc:{arch}")
    known = process.run([f"{PREFIXES[arch]}ar", "t", archive]).stdout.split()
    for number, source in enumerate(sorted((paths.root / OURS).glob("*.c"))):
        name = f"{source.stem}.lo"
        if name not in known:
            raise InfrastructureError(f"{source.relative_to(paths.root)}: musl has no object {name} to be replaced")
        target = scratch / name
        process.run(
            [compiler(arch), *CFLAGS, *_flags(arch, where), f"-ffile-prefix-map={paths.root}=.",
             "-c", source.relative_to(paths.root), "-o", target],
            cwd=paths.root, log=log, append=number > 0,
        )  # fmt: skip
        # D: no time, owner or mode in the archive.
        process.run([f"{PREFIXES[arch]}ar", "rD", archive, target])

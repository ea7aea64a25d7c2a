# SPDX-License-Identifier: GPL-2.0-only
"""Our own busybox, for guests whose kernel is too old for Debian's.

Debian's source package with Debian's patches, configured by
rootfs/files/busybox.config (options over "nothing at all"; each must survive),
linked with the static musl of pipeline.libc:

    build/userland/<arch>/busybox   the program, stripped
    build/userland/<arch>/config    what it was configured to be

The same i386 program runs on Linux 2.4.37, 2.6.33 and 6.1. x86_64 gets one of
its own, at a minute's cost: beside a 64-bit guest kernel the system calls and
registers to be tested are the 64-bit ones, and no IA32_EMULATION is needed.
"""

from __future__ import annotations

from pathlib import Path

from pipeline import ccache, kconfig, libc, process, progress, sources
from pipeline.declaration.model import Declaration, Userland
from pipeline.errors import UserError
from pipeline.paths import Paths, atomic_path, atomic_write, remove
from pipeline.stamp import Job
from toolchain import packages

CONFIG = Path(__file__).parent / "rootfs/files/busybox.config"
# More than busybox has options: to each that the fragment does not name, its default.
ANSWERS = b"\n" * 4000


def program(arch: str, paths: Paths) -> Path:
    """Where the busybox for `arch` is."""
    return paths.userland(arch) / "busybox"


def job(one: Userland, decl: Declaration, ctx: sources.Context, paths: Paths) -> Job:
    """What `build` depends on and leaves behind."""
    return Job(
        name=f"busybox:{one.arch}",
        inputs={
            "pins": [blob.sha256 for blob in ctx.lock.group(f"source:{one.busybox}")],
            "compiler": libc.compiler(one.arch),
            "epoch": decl.project.epoch,
        },
        files=[CONFIG, Path(__file__).absolute(), libc.folder(one.arch, paths)],
        outputs=[program(one.arch, paths), paths.userland(one.arch) / "config"],
    )


def build(one: Userland, decl: Declaration, ctx: sources.Context, paths: Paths) -> None:
    """Unpack, configure, compile. Raises UserError for an option that did not survive, BuildFailed from make."""
    source = decl.sources[one.busybox]
    tree, objects = paths.userland(one.arch) / "src", paths.userland(one.arch) / "obj"
    sources.unpack(source, sources.fetch(source, ctx), tree, ctx)
    compile_tree(one.arch, tree, objects, decl.project.epoch, paths)
    for done in (tree, objects):
        remove(done)


def compile_tree(arch: str, tree: Path, objects: Path, epoch: int, paths: Paths) -> None:
    """The program and its configuration from an unpacked source tree; `objects` is made anew."""
    remove(objects)
    objects.mkdir(parents=True)
    prefix = libc.PREFIXES[arch]
    flags = ["-g0", *ccache.maps("file", [tree, objects], objects, ".")]
    compiler = [*ccache.words(), libc.compiler(arch), *libc.flags(arch, paths)]
    make = [
        "make", "-C", str(tree), f"O={objects}", f"ARCH={arch}", f"CROSS_COMPILE={prefix}",
        f"CC={' '.join(compiler)}", f"HOSTCC={libc.GCC}",
        # Nothing of this machine: no folder's name, no link's number.
        f"EXTRA_CFLAGS={' '.join(flags)}",
        "EXTRA_LDFLAGS=-Wl,--build-id=none", "SKIP_STRIP=y",
    ]  # fmt: skip
    log = paths.log(f"busybox:{arch}")
    env = {"SOURCE_DATE_EPOCH": str(epoch), "KCONFIG_NOTIMESTAMP": "1",
           **ccache.environment(paths.root, _assembler(arch))}
    config = objects / ".config"
    wanted = kconfig.merge(kconfig.read_fragment(CONFIG, paths.root))
    process.run([*make, "allnoconfig"], cwd=paths.root, env=env, log=log)
    config.write_text(kconfig.compose(config.read_text(), wanted))
    process.run([*make, "oldconfig"], cwd=paths.root, env=env, log=log, append=True, stdin=ANSWERS)
    _require(wanted, config)
    with progress.step(f"compiling busybox for {arch}"):
        process.run([*make, f"-j{ccache.jobs()}", "busybox"], cwd=paths.root, env=env, log=log, append=True)
    with atomic_path(program(arch, paths)) as new:
        process.run([f"{prefix}strip", "-s", "-R", ".comment", "-R", ".note*", "-o", new, objects / "busybox"])
    atomic_write(paths.userland(arch) / "config", config.read_text())


def _assembler(arch: str) -> list[Path]:
    found = packages.find_tool(f"{libc.PREFIXES[arch]}as")
    return [Path(found)] if found else []


def _require(wanted: dict[str, kconfig.Request], config: Path) -> None:
    """Every option that was asked for is on."""
    got = kconfig.read_config(config.read_text())
    lost = [request for request in wanted.values() if got.get(request.symbol, "n") != request.value]
    if lost:
        raise UserError(
            f"{len(lost)} requested options of busybox did not survive:\n"
            + "\n".join(f"{one.where}: {one.line()}, busybox has {got.get(one.symbol, 'n')}" for one in lost),
            hint="correct the fragment, or ask for what the option depends on as well",
        )

# SPDX-License-Identifier: GPL-2.0-only
"""Compilers: which command a kernel is compiled with, and the building of those that Debian has no more.

    build/compiler/<name>/root         what was built, as toolchain/compilers.toml lists it
    build/compiler/<name>/build.log    how
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from pipeline import ccache, digest, process, progress
from pipeline.declaration.model import Kernel
from pipeline.errors import InfrastructureError, UserError
from pipeline.lock import Lock
from pipeline.paths import Paths, atomic_dir, file_lock, remove
from pipeline.stamp import Job
from toolchain import packages
from toolchain.compilers import Compiler, Recipe, compilers

# A build id is made of the file as it was linked, its symbols and the paths in them included; those are not kept.
STRIP = ("strip", "--remove-section=.note.gnu.build-id")

# What building a compiler takes, of packages.toml's group "kernel".
TOOLS = ("make", "gcc")


def of_kernel(kernel: Kernel) -> Compiler:
    """The compiler that a kernel names. UserError when there is no such one."""
    known = compilers()
    if kernel.compiler not in known:
        raise UserError(f"kernel {kernel.name}: unknown compiler {kernel.compiler}",
                        hint=f"toolchain/compilers.toml has {', '.join(known)}")
    return known[kernel.compiler]


def command(compiler: Compiler, paths: Paths) -> str:
    """The compiler's name, or its absolute path where it is built here."""
    return str(root(compiler, paths) / compiler.cc) if compiler.build else compiler.cc


def root(compiler: Compiler, paths: Paths) -> Path:
    """Where a compiler that is built here is installed."""
    return paths.compiler(compiler.name) / "root"


def files(compiler: Compiler, paths: Paths) -> list[Path]:
    """The files and folders whose change changes what is compiled: the compiler, assembler, linker."""
    found = [Path(path).resolve() for tool in compiler.programs if (path := shutil.which(tool))]
    return [*found, root(compiler, paths)] if compiler.build else found


def binaries(compiler: Compiler, paths: Paths) -> list[Path]:
    """The programs that the bytes of an object depend on, each a file."""
    made = [root(compiler, paths) / name for name, source in compiler.build.install
            if not source.startswith("source/")] if compiler.build else []
    return [*(path for path in files(compiler, paths) if not path.is_dir()), *made]


def version(compiler: Compiler, paths: Paths) -> str:
    """What the compiler calls itself, in one line."""
    return process.run([command(compiler, paths), "--version"]).stdout.splitlines()[0]


def require(compiler: Compiler, paths: Paths) -> dict[str, str]:
    """What this machine lacks to compile with it: program -> package. UserError for one not built yet."""
    if compiler.build and not (root(compiler, paths) / compiler.cc).is_file():
        raise UserError(f"the compiler {compiler.name} is not built", hint=f"./doit compiler:{compiler.name}")
    return {tool: _package(tool, compiler) for tool in compiler.programs if not packages.find_tool(tool)}


def _package(tool: str, compiler: Compiler) -> str:
    """Which of a compiler's packages brings a program: binutils has as and ld."""
    binutils = tool != compiler.cc
    return next(name for name in compiler.packages if name.startswith("binutils") == binutils)


def job(compiler: Compiler, lock: Lock, paths: Paths) -> Job:
    """What a compiler is built from and leaves behind."""
    recipe = _recipe(compiler)
    return Job(
        f"compiler:{compiler.name}",
        {"source": [blob.sha256 for blob in lock.group(f"source:{recipe.source}")],
         "environment": dict(recipe.environment), "configure": list(recipe.configure),
         "make": list(recipe.make), "install": list(recipe.install), "strip": list(STRIP)},
        [],
        [root(compiler, paths)],
    )


def build(compiler: Compiler, unpack: Callable[[Path], None], paths: Paths) -> None:
    """Make build/compiler/<name>/root; `unpack(folder)` puts the source there.

    Raises UserError for missing tools, BuildFailed when configure or make fails.
    """
    recipe = _recipe(compiler)
    out = paths.compiler(compiler.name)
    lacking = {need.probe: need.package for need in packages.needs(("kernel",))
               if need.probe in TOOLS and not need.present()}
    lacking.update({tool: _package(tool, compiler) for tool in compiler.programs if not packages.find_tool(tool)})
    if lacking:
        raise UserError(
            f"{compiler.name} cannot be built without "
            + ", ".join(f"{probe} (package {package})" for probe, package in lacking.items()),
            hint="apt-get install " + " ".join(sorted(set(lacking.values()))))
    work, log = out / "work", out / "build.log"
    with file_lock(paths.state / f"compiler-{compiler.name}.lock"), progress.step(f"building {compiler.name}"):
        remove(work)
        unpack(work / "source")
        obj = work / "obj"
        obj.mkdir()
        env = {**ccache.environment(paths.root), **recipe.environment}
        if "CC" in env:
            env["CC"] = " ".join([*ccache.words(), env["CC"]])
        # By its relative name: no path of this machine gets into the compiler.
        process.run(["../source/configure", *recipe.configure], cwd=obj, env=env, log=log)
        for words in recipe.make:
            process.run(["make", f"-j{ccache.jobs()}", *words], cwd=obj, env=env, log=log, append=True)
        _install(recipe, work, root(compiler, paths))
        remove(work)


def _install(recipe: Recipe, work: Path, target: Path) -> None:
    with atomic_dir(target) as new:
        for name, made in recipe.install:
            source = work / made if made.startswith("source/") else work / "obj" / made
            place = new / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, place)
            elif source.is_file():
                process.run([*STRIP, "-o", place, source])
            else:
                raise InfrastructureError(f"make ended well, but there is no {source}",
                                          hint="the compiler's `install` in toolchain/compilers.toml is not right")


def identity(compiler: Compiler, paths: Paths) -> str:
    """One word for the programs that make a kernel's objects: with another one, old objects are of no use."""
    words = [str(path) for path in files(compiler, paths)]
    if compiler.build:
        words.append(digest.of_json([[name, digest.sha256_file(root(compiler, paths) / name)]
                                     for name, made in compiler.build.install if not made.startswith("source/")]))
    return digest.of_json(words)


def _recipe(compiler: Compiler) -> Recipe:
    if compiler.build is None:
        raise ValueError(f"{compiler.name} is not built here")
    return compiler.build

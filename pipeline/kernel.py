# SPDX-License-Identifier: GPL-2.0-only
"""Guest kernels: configure, build out of tree, keep what the daemon boots.

    build/kernel/<kernel>/obj          make's folder, kept for the next build
    build/kernel/<kernel>/vmlinux      the kernel, without debug information
    build/kernel/<kernel>/System.map, config, build.log
    build/kernel/<kernel>/compiler     what compiled it, in one line
    build/kernel/<kernel>/ccache.json  how much of it was compiled before (evidence, not part of the kernel)

The same input gives the same bytes: time, user, host and build number are
fixed, and the kernel's makefiles (or our word to the compiler) keep the
folder's name out.
"""

from __future__ import annotations

import dataclasses
import json
import shutil

from pipeline import ccache, compiler, kernelconfig, kernelmake, patching, process
from pipeline.declaration.model import Declaration, Kernel
from pipeline.errors import InfrastructureError, UserError
from pipeline.paths import Paths, atomic_path, atomic_write, file_lock, remove
from pipeline.stamp import Job
from toolchain import packages
from toolchain.compilers import compilers
from toolchain.kernels import RELATIVE

OPTIONAL_TOOLS = frozenset({"ccache"})


def build(kernel: Kernel, decl: Declaration, paths: Paths) -> None:
    """Make build/kernel/<kernel>/{vmlinux,System.map,config,compiler,build.log} from the patched tree.

    Raises UserError for missing tools, for a broken fragment and for requested
    options that did not survive (each with file:line and the reason),
    BuildFailed when make fails.
    """
    require_tools(kernel, paths)
    out = paths.kernel(kernel.name)
    kind = kernelmake.of_kernel(kernel)
    with file_lock(paths.state / f"kernel-{kernel.name}.lock"):
        _fresh_objects(kernel, paths)
        kernelmake.cache_log(kernel, paths).unlink(missing_ok=True)
        if kind.in_tree:
            kernelmake.copy_tree(kernel, paths)
        kernelconfig.configure(kernel, decl, paths)
        log = out / "build.log"
        with kernelmake.counted(f"compiling {kernel.name}", log, out / "obj" / ".colinux-steps"):
            for target in kind.prepare:
                kernelmake.run(kernel, decl, paths, target, log=log, append=target != kind.prepare[0])
            kernelmake.run(kernel, decl, paths, f"-j{ccache.jobs()}", "vmlinux", log=log,
                           append=bool(kind.prepare))
        _keep(kernel, paths)
        cached = ccache.counts(kernelmake.cache_log(kernel, paths))
        cached.tell(kernel.name)
        atomic_write(out / "ccache.json", json.dumps(dataclasses.asdict(cached)) + "\n")


def job(kernel: Kernel, decl: Declaration, paths: Paths) -> Job:
    """What the kernel is built from. The tree counts by its own memory of what it is made of."""
    out = paths.kernel(kernel.name)
    kind, built_with = kernelmake.of_kernel(kernel), compiler.of_kernel(kernel)
    return Job(
        f"kernel:{kernel.name}",
        {"base": kernel.base, "options": dict(kernel.options), "arch": kernel.arch,
         "fragments": list(kernel.fragments), "series": repr(kind),
         "compiler": [built_with.cc, *built_with.flags, built_with.prefix],
         "environment": kernelmake.environment(decl)},
        [paths.src(kernel.name) / patching.STATE, *kernelconfig.fragments(kernel, paths),
         *compiler.files(built_with, paths), *([RELATIVE] if kind.paths == "relative" else [])],
        [out / "vmlinux", out / "System.map", out / "config", out / "compiler"],
    )


def require_tools(kernel: Kernel, paths: Paths) -> None:
    """UserError naming every tool and header that this machine lacks for the build, with its package."""
    built_with = compiler.of_kernel(kernel)
    # A compiler of another kernel's is not missed here.
    others = {tool for other in compilers().values() for tool in other.programs}
    wanted = [need for need in packages.needs(("kernel",)) if need.probe not in OPTIONAL_TOOLS | others]
    lacking = {need.probe: need.package for need in wanted if not need.present()}
    lacking.update(compiler.require(built_with, paths))
    if lacking:
        raise UserError(
            "the kernel cannot be built without "
            + ", ".join(f"{probe} (package {package})" for probe, package in lacking.items()),
            hint="apt-get install " + " ".join(sorted(set(lacking.values()))))


def _fresh_objects(kernel: Kernel, paths: Paths) -> None:
    """Remove objects of another tree: see patching.tree_id. ccache makes up for most of the time."""
    obj = kernelmake.obj(kernel, paths)
    marker = obj / ".colinux-tree"
    now = patching.tree_id(kernel, paths)
    if now is None:
        raise InfrastructureError(f"there is no source tree {paths.src(kernel.name)}",
                                  hint=f"./doit patch:{kernel.name}")
    content = f"{now} {compiler.identity(compiler.of_kernel(kernel), paths)}\n"
    if not marker.is_file() or marker.read_text() != content:
        remove(obj)
        atomic_write(marker, content)


def _keep(kernel: Kernel, paths: Paths) -> None:
    """Put the results in their places, each of them whole or not at all."""
    out = paths.kernel(kernel.name)
    built_with = compiler.of_kernel(kernel)
    atomic_write(out / "compiler", f"{built_with.name}: {compiler.version(built_with, paths)}\n")
    with atomic_path(out / "vmlinux") as new:
        process.run([f"{built_with.prefix}strip", "--strip-debug", "-o", new, out / "obj" / "vmlinux"])
    for name, source in (("System.map", "System.map"), ("config", ".config")):
        with atomic_path(out / name) as new:
            shutil.copyfile(out / "obj" / source, new)

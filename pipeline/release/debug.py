# SPDX-License-Identifier: GPL-2.0-only
"""What finds the way from an address back to a line: apart from what a person needs to run a machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline import compiler, process
from pipeline.declaration.model import Declaration, Machine
from pipeline.errors import UserError
from pipeline.paths import Paths
from pipeline.release import windows
from pipeline.release.archive import SUFFIX, File
from pipeline.release.manifest import every_machine

DEBUG = "CONFIG_DEBUG_INFO=y"


def archive_name(decl: Declaration) -> str:
    return f"{decl.project.name}-{decl.project.version}-debug{SUFFIX}"


def files(machines: Sequence[Machine], decl: Declaration, paths: Paths, scratch: Path) -> dict[str, File]:
    """Symbols and configuration of each kernel; its debug information, where it was built with some. Symbols and maps
    of the programs for Windows.

    The vmlinux that is booted has none, so what gdb wants is taken from make's folder, into `scratch`.
    """
    top = f"{decl.project.name}-{decl.project.version}-debug"
    found = {}
    for name in dict.fromkeys(machine.kernel for machine in every_machine(machines, decl)):
        folder = paths.kernel(name)
        for part in ("System.map", "config"):
            if not (folder / part).is_file():
                raise UserError(f"there is no {part} of the kernel {name}", hint=f"./doit kernel:{name}")
            found[f"{top}/kernel/{name}/{part}"] = File(folder / part)
        if DEBUG in (folder / "config").read_text().splitlines():
            linked = folder / "obj" / "vmlinux"
            if not linked.is_file():
                raise UserError(f"the kernel {name} has debug information, but {linked} is gone",
                                hint=f"./doit clean kernel:{name} && ./doit kernel:{name}")
            target = scratch / f"{name}.debug"
            prefix = compiler.of_kernel(decl.kernels[name]).prefix
            process.run([f"{prefix}objcopy", "--only-keep-debug", linked, target])
            found[f"{top}/kernel/{name}/vmlinux.debug"] = File(target)
    for target_name in sorted({machine.nt for machine in machines if machine.nt}):
        for name, file in windows.symbols(target_name, paths).items():
            found[f"{top}/{target_name}/{name}"] = File(file)
    return found

# SPDX-License-Identifier: GPL-2.0-only
"""Which machines this computer can have: those whose kernel's sources it can reach.

`./doit boot` and `./doit test` are about all machines. Old kernels lie in places
that not every network leads to; such a machine is left out, loudly and with the
reason, which tests/boot finds in build/state/unreachable.json. Asked for by its
name (`./doit boot:NAME`) it fails with that reason instead, and so does the
default machine always.
"""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Callable, Iterable

from pipeline import compiler, patching, progress, stamp
from pipeline.declaration.model import Kernel, Machine
from pipeline.errors import ColinuxError, UserError
from pipeline.paths import Paths, atomic_write
from pipeline.tasks import Project
from runtime.launcher import image as windows_image

FILE = "unreachable.json"

# Scenarios that would take a good part of the time that all tests may have.
LONG = frozenset({"clock", "desktop", "journal-50"})


def boots(project: Project) -> list[str]:
    """The boot tasks of the machines that can be had."""
    unreachable = look(project)
    found = [f"boot:{machine.name}" for machine in project.declaration.machines.values()
             if not unreachable.keys() & set(project.declaration.kernels_of(machine))]
    for image in project.declaration.images.values():
        reason = windows_image.missing(image, project.declaration) or unreachable.get(image.kernel)
        if reason:
            progress.warn(f"left out: {image.name}: {reason}")
        else:
            found.append(f"boot:{image.name}")
    return found


def artifacts(project: Project) -> list[str]:
    """The tasks behind everything that the machines that can be had boot with, or a release holds of them."""
    return _behind(project, project.declaration.machines.values(), project.package_needs)


def tested(project: Project) -> list[str]:
    """The same for the machines that `./doit test` boots: not for those that take long, unless they are wanted."""
    machines = project.declaration.machines.values()
    wanted = [one for one in machines if one.scenario not in LONG or long_wanted()]
    return _behind(project, wanted, project.machine_needs)


def long_wanted() -> bool:
    """COLINUX_LONG: tests may take what they take."""
    return os.environ.get("COLINUX_LONG", "0") not in ("", "0")


def _behind(project: Project, machines: Iterable[Machine], behind: Callable[[Machine], tuple[str, ...]]) -> list[str]:
    unreachable = look(project)
    needs: dict[str, None] = {}
    for machine in machines:
        if not unreachable.keys() & set(project.declaration.kernels_of(machine)):
            needs.update(dict.fromkeys(behind(machine)))
    return list(needs)


def look(project: Project) -> dict[str, str]:
    """Kernel -> why no source of it can be had. Fetches what is to be had; remembers the answer, and says it.

    Wrong bytes, a lock that disagrees or a damaged cache are no reason to leave a
    machine out: whoever builds it will meet that error.
    """
    decl = project.declaration
    default = decl.kernels_of(decl.machines[decl.project.default])
    wanted = {kernel for machine in decl.machines.values() for kernel in decl.kernels_of(machine)} - set(default)
    found = {}
    for name in sorted(wanted):
        reason = _why_not(decl.kernels[name], project)
        if reason:
            found[name] = reason
            left = [machine.name for machine in decl.machines.values() if name in decl.kernels_of(machine)]
            progress.warn(f"left out: {', '.join(left)}: no source of Linux {name} can be reached:\n"
                          + textwrap.indent(reason, "    "))
    atomic_write(project.paths.state / FILE, json.dumps(found, indent=1) + "\n")
    return found


def unreachable(paths: Paths) -> dict[str, str]:
    """What the last look found; nothing where nobody looked."""
    path = paths.state / FILE
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def _why_not(one: Kernel, project: Project) -> str | None:
    """Why its sources cannot be had; None also when they are not needed any more."""
    made_by = compiler.of_kernel(one)
    try:
        jobs = [patching.job(one, project.declaration, project.lock, project.paths)]
        if made_by.build:
            jobs.append(compiler.job(made_by, project.lock, project.paths))
        stale = any(stamp.why_stale(job, project.paths) is not None for job in jobs)
    except ColinuxError:
        stale = True
    try:
        return project.unreachable(one) if stale else None
    except UserError:
        return None

# SPDX-License-Identifier: GPL-2.0-only
"""`./doit verify --rebuild`: is what is built here, from the same commit and pins, what the release holds?

Worth what the build folder is worth: in a fresh clone everything is built anew.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from pipeline.declaration.model import Declaration
from pipeline.digest import sha256_file
from pipeline.errors import BuildFailed, UserError
from pipeline.lock import Lock
from pipeline.paths import Paths
from pipeline.release import installer, machine, origin, parts
from pipeline.release.parts import Archive
from pipeline.release.verify import Report


def compare(report: Report, decl: Declaration, lock: Lock, paths: Paths) -> int:
    """Hold a verified release against what is built here; how many files were compared.

    Raises UserError when this checkout is not the release's commit, BuildFailed
    naming every file that was built differently.
    """
    here = origin.of(paths.root)
    if here.commit != report.commit:
        raise UserError(f"this checkout is at {here.commit}, {report.name} is of {report.commit}",
                        hint=f"git checkout {report.commit}, and the same again")
    if lock.digest() != report.lock:
        raise UserError(f"{report.name} is of another colinux.lock than the commit's", hint="do not use this release")
    compared, differ, packages = set(), {}, []
    for name, facts in report.machines.items():
        if name not in decl.machines:
            raise UserError(f"{report.name} holds a machine {name} that its commit does not declare",
                            hint="do not use this release")
        package = machine.package(decl.machines[name], decl, paths)
        packages.append(package)
        built = {**package.built, **(package.windows.unbooted if package.windows else {})}
        released = {**facts["booted"], **facts.get("windows", {}).get("unbooted", {})}
        for role in sorted(built.keys() | released.keys()):
            pair = built.get(role), released.get(role)
            compared.add(pair)
            if pair[0] != pair[1]:
                differ[f"{name}: {role}"] = pair
    # With somebody's signature on what is in them they cannot be made here.
    for one in parts.archives(packages) if not report.certificate else ():
        if one.windows:
            pair = _installer(one, decl, here.epoch), report.installers.get(installer.name(one))
            compared.add(pair)
            if pair[0] != pair[1]:
                differ[installer.name(one)] = pair
    if differ:
        lines = [f"    {what} has sha256 {ours}, released was {theirs}" for what, (ours, theirs) in differ.items()]
        raise BuildFailed(f"built here, {report.name} comes out differently:\n" + "\n".join(lines),
                          hint="the same compilers? manifest.json names those of the release under `tools`")
    return len(compared)


def _installer(one: Archive, decl: Declaration, epoch: int) -> str:
    """The SHA-256 of an installer that is made here."""
    with tempfile.TemporaryDirectory(prefix="colinux-rebuild-") as folder:
        made = Path(folder) / installer.name(one)
        installer.make(one, one.files, decl, made, epoch)
        return sha256_file(made)

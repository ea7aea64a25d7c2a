# SPDX-License-Identifier: GPL-2.0-only
"""`./doit fetch`: each source and group of packages a task; and with `--into DIR` a folder made of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from doit.exceptions import TaskFailed

from pipeline import hostkernel, progress, rootfs, sources, work
from pipeline.commands import command, option
from pipeline.errors import ColinuxError, InfrastructureError
from pipeline.lock import Blob
from pipeline.sources import carried
from pipeline.sources.carried import Brought
from pipeline.tasks import Project
from pipeline.work import DoitTask, attempt


def fetches(project: Project) -> Iterator[DoitTask]:
    """A task for each source and group; and the one over them, which has parameters, so that it is no doit group.

    `--all` does not stand on the single ones: of a kernel's several sources it is enough to have one.
    """
    single = [work.as_doit(one, project.paths, "") for one in project.fetches()]
    names = [one.name for one in project.fetches()]
    everything = {**option("all", False, "all that can be had: of several sources of a kernel one will do"),
                  "name": "everything"}
    into = option("into", "", "a folder that another machine uses as its mirror")
    yield {"basename": "fetch", "doc": "fetch and verify every source and package (--into DIR: make a mirror of them)",
           **command(_fetch, ["setup"] if "--all" in sys.argv else names, project, params=[everything, into]),
           "meta": {"tells": "--into" not in " ".join(sys.argv)}}
    for name, task in zip(names, single, strict=True):
        del task["name"]
        yield {"basename": name, **task}


def _fetch(project: Project, everything: bool, into: str) -> TaskFailed | None:
    if not everything and not into:
        return None  # the tasks that it stands on have done it
    return attempt("fetch", bring, project, into)


def bring(project: Project, into: str) -> None:
    """Fetch all that can be had; with `into`, make that folder of it."""
    place = Path(into).expanduser().absolute() if into else None
    if place:
        carried.require_place(place)
    brought = everything(project)
    if place is None:
        return
    written = carried.write(place, brought)
    print(f"{place}: {written.files} files, {written.size / 1e6:.1f} MB, {written.repositories} git repositories")
    if project.context.offline:
        progress.warn("without a network: Python's packages are left out")
    else:
        carried.wheels(place, project.paths.root / "requirements.lock", project.paths.log("fetch-python"))
    print(f"elsewhere: COLINUX_MIRRORS={place / carried.NAME} ./doit --offline")


def everything(project: Project) -> Brought:
    """Every source and group of packages. Raises the error of what cannot be had, unless another source will do."""
    brought = Brought()
    for together in carried.alternatives(project.declaration):
        faults: list[tuple[str, ColinuxError]] = []
        for source in together:
            try:
                fetched = sources.fetch(source, project.context)
            except (InfrastructureError, sources.NotHere, sources.Dropped) as error:
                faults.append((source.name, error))
                continue
            _require_locked(f"source:{source.name}", fetched.blobs, project)
            brought.sources.append((source, fetched))
        if len(faults) == len(together):
            raise faults[0][1]
        for name, why in faults:
            brought.left_out[name] = str(why)
            progress.warn(f"{name} is left out, another source does as well:\n{why}")
    decl = project.declaration
    groups = {hostkernel.group(host): host.suite for host in decl.hosts.values()}
    groups |= {rootfs.group(image): image.suite for image in decl.rootfs.values() if image.packages}
    for group, suite in groups.items():
        blobs = sources.fetch_packages(group, project.context, suite=suite)
        _require_locked(group, [blob for blob, _ in blobs], project)
        brought.packages += blobs
    return brought


def _require_locked(group: str, blobs: Sequence[Blob], project: Project) -> None:
    locked = project.lock.group(group)
    carried.require_locked(group, [blob for blob in blobs if blob.kind == "debian" and blob not in locked])

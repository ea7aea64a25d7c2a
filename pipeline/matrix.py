# SPDX-License-Identifier: GPL-2.0-only
"""`./doit ci-matrix`: the machines as JSON, for a CI system that spreads them over computers.

    {"include": [{"machine": "linux-6.1", "title": ..., "kernels": ["6.1-x86_64"], "compilers": [],
                  "host": "linux-amd64", "rootfs": ["busybox", "busybox-ext4"], "weight": 690,
                  "run": "./doit boot:linux-6.1"}, ...]}

`weight` is about how many seconds a computer with two CPUs needs that has
nothing yet: toolchain/weights.toml, and where a machine was booted in this
checkout, the time of that boot. The heaviest come first, so that they start
first. With `--groups N` there are at most N entries of about equal weight, each
with its `machines`: what several of a group need, a kernel above all, is built once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import tomli

from pipeline import compiler
from pipeline.declaration.model import Declaration, Machine
from pipeline.errors import UserError
from pipeline.paths import Paths

DATA = Path(__file__).parent.parent / "toolchain" / "weights.toml"
Weights = dict[str, dict[str, float]]


def weights() -> Weights:
    """toolchain/weights.toml: what -> which -> seconds."""
    return tomli.loads(DATA.read_text())


def parts(machine: Machine, decl: Declaration, known: Weights) -> dict[str, float]:
    """What has to be made before a machine boots -> seconds; parts of the same name are made once."""
    host = decl.hosts[machine.host]
    found = {f"host:{host.name}": known["host"].get(host.os, 0.0)}
    for name in decl.kernels_of(machine):
        kernel = decl.kernels[name]
        found[f"kernel:{name}"] = known["kernel"].get(kernel.series, 0.0)
        if compiler.of_kernel(kernel).build:
            found[f"compiler:{kernel.compiler}"] = known["compiler"].get(kernel.compiler, 0.0)
    for name in images(machine, decl):
        image = decl.rootfs[name]
        found[f"rootfs:{name}"] = known["rootfs"].get(image.kind, 0.0)
        if not image.packages:
            found[f"busybox:{image.arch}"] = known["rootfs"]["busybox"]
    return found


def images(machine: Machine, decl: Declaration) -> list[str]:
    """The root filesystems of a machine, and of the one beside it; and what its test host carries."""
    every = [machine, *([decl.machines[machine.beside]] if machine.beside else [])]
    names = [name for one in every for name in (one.initramfs, *(disk.rootfs for disk in one.disks), *one.carries)]
    return list(dict.fromkeys(filter(None, names)))


def boot_seconds(machine: Machine, paths: Paths, known: Weights) -> float:
    """How long its boot takes: as long as the last one here, if there was one."""
    try:
        measured = json.loads((paths.boot(machine.name) / "result.json").read_text())["seconds"]
        return float(measured)
    except (OSError, ValueError, KeyError, TypeError):
        return known["scenario"].get(machine.scenario, known["scenario"]["basic"])


def matrix(decl: Declaration, paths: Paths, groups: int = 0) -> dict[str, Any]:
    """The whole answer. UserError for a number of groups below zero."""
    if groups < 0:
        raise UserError(f"{groups} groups", where="--groups", hint="a number from 1 on; 0: an entry for each machine")
    known = weights()
    costs = {one.name: (parts(one, decl, known), boot_seconds(one, paths, known)) for one in decl.machines.values()}
    heaviest = sorted(decl.machines, key=lambda name: -weight([costs[name]]))
    if not groups:
        return {"include": [_entry(decl.machines[name], decl, weight([costs[name]])) for name in heaviest]}
    together: list[list[str]] = [[] for _ in range(min(groups, len(heaviest)))]
    for name in heaviest:
        # Where the sum is least with it: a group that has its kernel already takes it more cheaply.
        lightest = min(together, key=lambda group: weight([costs[one] for one in (*group, name)]))
        lightest.append(name)
    filled = [group for group in together if group]
    filled.sort(key=lambda group: -weight([costs[one] for one in group]))
    return {"include": [
        {"group": number, "machines": group,
         "kernels": _unique(kernel for name in group for kernel in decl.kernels_of(decl.machines[name])),
         "hosts": _unique(decl.machines[name].host for name in group),
         "weight": round(weight([costs[one] for one in group])),
         "run": "./doit " + " ".join(f"boot:{name}" for name in group)}
        for number, group in enumerate(filled, 1)]}  # fmt: skip


def weight(costs: Sequence[tuple[dict[str, float], float]]) -> float:
    """Seconds for several machines on one computer: every part once, and every boot."""
    made: dict[str, float] = {}
    for needed, _ in costs:
        made |= needed
    return sum(made.values()) + sum(boot for _, boot in costs)


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _entry(machine: Machine, decl: Declaration, seconds: float) -> dict[str, Any]:
    kernels = decl.kernels_of(machine)
    built = [decl.kernels[name].compiler for name in kernels if compiler.of_kernel(decl.kernels[name]).build]
    return {
        "machine": machine.name, "title": machine.title, "kernels": list(kernels), "compilers": _unique(built),
        "host": machine.host, "rootfs": images(machine, decl), "weight": round(seconds),
        "run": f"./doit boot:{machine.name}",
    }  # fmt: skip

# SPDX-License-Identifier: GPL-2.0-only
"""colinux.toml -> Declaration: parse, check, follow references, inherit, check again, build."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.declaration import inherit, keys, positions, rules, schema
from pipeline.declaration.model import (
    DebianSource,
    Declaration,
    Disk,
    File,
    GitSignature,
    GitSource,
    Host,
    Kernel,
    Machine,
    Project,
    Qemu,
    Release,
    Rootfs,
    Signature,
    Source,
    TarballSource,
    Timeouts,
    Userland,
    WindowsImage,
)
from pipeline.declaration.schema import Faults, Use, fill
from toolchain import windows
from toolchain.compilers import compilers


def load(path: Path) -> Declaration:
    """Read and check a declaration; its folder is the checkout that paths in it are relative to.

    Raises UserError with every fault, one a line and by line:
    `colinux.toml:14: machine.default.kernel: unknown kernel "6.1-x86_63"; did you mean "6.1-x86_64"?`
    """
    raw, places = positions.parse(path)
    faults = Faults(path, places)
    content, uses = schema.check(raw, keys.COLINUX_TOML, faults)
    # Against what is written, not what is left of it: a faulty kernel is not an unknown one.
    known = {name: table for name, table in raw.items() if isinstance(table, dict)}
    schema.follow(uses, {**known, "compiler": compilers()}, faults)
    images = {n: t for n, t in content.get("machine", {}).items() if t.get("kind") == "windows-image"}
    content["machine"] = {n: t for n, t in content.get("machine", {}).items() if n not in images}
    content["image"] = images
    _refuse_images(uses, images, faults)
    machines = inherit.resolve(content["machine"], raw.get("machine", {}), "machine", faults)
    real = {name: machine for name, machine in machines.items() if machine.whole and not machine.template}
    _refuse_templates(uses, content, faults)
    for name, machine in machines.items():
        # What the base of others lacks is said once, of the base itself.
        own = inherit.NOT_INHERITED if machine.foreign else tuple(keys.MACHINE.keys)
        if name in real:
            schema.require(("machine", name), machine.given, keys.MACHINE, faults, own)
    for rule in rules.RULES:
        rule(content, real, path.absolute().parent, faults)
    faults.raise_any()
    return _build(path.absolute(), content, {name: machine.values for name, machine in real.items()})


def _refuse_templates(uses: Iterable[Use], content: Mapping[str, Any], faults: Faults) -> None:
    """A template can be extended, but neither booted nor released."""
    machines = content.get("machine", {})
    for use in uses:
        boots = use.table == "machine" and use.path[-1] != "extends"
        if boots and machines.get(use.name, {}).get("template"):
            faults.add(use.path, f'"{use.name}" is a template; expected a machine')


def _refuse_images(uses: Iterable[Use], images: Container[str], faults: Faults) -> None:
    """What is booted by default, released or extended is a machine with a test host."""
    for use in uses:
        if use.table == "machine" and use.name in images:
            faults.add(use.path, f'"{use.name}" is a windows-image; expected a machine with a test host')


def _build(path: Path, content: Mapping[str, Any], machines: Mapping[str, Mapping[str, Any]]) -> Declaration:
    project = Project(**fill(content["project"], keys.PROJECT))
    hosts = {name: _host(name, table) for name, table in content["host"].items()}
    release = fill(content.get("release", {}), keys.RELEASE)
    return Declaration(
        path=path,
        project=project,
        sources={name: _source(name, table) for name, table in content["source"].items()},
        kernels={name: _kernel(name, table) for name, table in content["kernel"].items()},
        userlands={arch: Userland(arch, **table) for arch, table in content.get("userland", {}).items()},
        hosts=hosts,
        rootfs={name: _rootfs(name, table) for name, table in content.get("rootfs", {}).items()},
        machines={name: _machine(name, table, hosts) for name, table in machines.items()},
        images={name: _windows_image(name, table) for name, table in content["image"].items()},
        release=Release(release["name"] or project.name, tuple(release["machines"])),
    )


def _source(name: str, table: Mapping[str, Any]) -> Source:
    values = fill(table, keys.SOURCE.tables[table["kind"]])
    match table["kind"]:
        case "tarball":
            signature = Signature(**values["signature"]) if values["signature"] else None
            return TarballSource(name, **{**values, "urls": tuple(values["urls"]), "signature": signature})
        case "git":
            by = GitSignature(**values["signature"]) if values["signature"] else None
            return GitSource(name, **{**values, "urls": tuple(values["urls"]), "signature": by})
        case _:
            return DebianSource(name, **values)


def _kernel(name: str, table: Mapping[str, Any]) -> Kernel:
    values = fill(table, keys.KERNEL)
    for key in ("sources", "overlay", "fragments"):
        values[key] = tuple(values[key])
    return Kernel(name, **{**values, "options": dict(values["options"])})


def _qemu(*tables: Mapping[str, Any]) -> Qemu:
    """The later tables win."""
    values: dict[str, Any] = dict(vars(keys.QEMU_DEFAULTS))
    for table in tables:
        values.update(table)
    return Qemu(**values)


def _host(name: str, table: Mapping[str, Any]) -> Host:
    values = fill(table, keys.HOST)
    values["modules"] = tuple(values["modules"])
    return Host(name, **{**values, "qemu": _qemu(table.get("qemu", {}))})


def _file(value: str | Mapping[str, Any]) -> File:
    if isinstance(value, str):
        return File(content=value, source=None, mode=0o644)
    return File(**fill(value, keys.FILE.table))


def _rootfs(name: str, table: Mapping[str, Any]) -> Rootfs:
    values = fill(table, keys.ROOTFS.tables[table["kind"]])
    for key in ("sources", "packages"):
        values[key] = tuple(values[key])
    values["files"] = {target: _file(file) for target, file in values["files"].items()}
    return Rootfs(name, table["kind"], **values)


def _machine(name: str, table: Mapping[str, Any], hosts: Mapping[str, Host]) -> Machine:
    values = fill(table, keys.MACHINE)
    del values["extends"], values["template"]
    values["disks"] = _disks(values["disks"])
    for key in ("checks", "driver_args", "carries"):
        values[key] = tuple(values[key])
    values["timeouts"] = Timeouts(**values["timeouts"])
    values["guests"] = max(values["guests"], 2 if values["beside"] else 1)
    host = hosts[values["host"]].qemu
    values["qemu"] = _qemu(vars(host), table.get("qemu", {}))
    return Machine(name, **values)


def _disks(tables: Iterable[Mapping[str, Any]]) -> tuple[Disk, ...]:
    return tuple(
        Disk(disk.get("rootfs"), disk.get("size_mib", 0), disk.get("readonly", False)) for disk in tables
    )


def _windows_image(name: str, table: Mapping[str, Any]) -> WindowsImage:
    values = fill(table, keys.WINDOWS_IMAGE)
    values["disks"] = _disks(values["disks"])
    values["checks"] = tuple(values["checks"])
    values["timeouts"] = Timeouts(**values["timeouts"])
    computer = {"cpu": keys.IMAGE_CPUS[windows.targets()[values["nt"]].arch], "smp": 1}
    values["qemu"] = _qemu(computer, table.get("qemu", {}))
    return WindowsImage(name, **values)

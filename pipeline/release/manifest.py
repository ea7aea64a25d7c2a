# SPDX-License-Identifier: GPL-2.0-only
"""manifest.json: the one account of a release; checksums, notes, SBOM and provenance are derived from it.

It says which commit the release is of, each file with its size and digest,
each member of each archive, how each machine was booted, and what went in:
pins of the lock, patches, whole files of ours and configuration fragments with
their digests, and the tools. Its form is manifest.schema.json's, and its text
is canonical: the same content is the same bytes.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema

from pipeline import compiler, driver, hostkernel, kernelconfig, patching, process, rootfs, seccomp, slirp, sources
from pipeline import daemon as daemons
from pipeline.declaration.model import Declaration, Kernel, Machine
from pipeline.digest import sha256_file
from pipeline.errors import UserError
from pipeline.lock import Blob
from pipeline.paths import Paths
from pipeline.release import archive, zips
from pipeline.release.archive import Member
from pipeline.series import read_series
from pipeline.sources.receipt import read_receipt
from toolchain import windows

NAME = "manifest.json"
FORMAT = 1
SCHEMA = Path(__file__).with_name("manifest.schema.json")
SHOWN = 10  # faults of a manifest that are told at once


def text(manifest: dict[str, Any]) -> str:
    """The file's content."""
    return json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def parse(data: bytes) -> Any:
    """JSON as a value; None when it is none (or so deep that no release of ours wrote it)."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def load(data: bytes) -> tuple[dict[str, Any], list[str]]:
    """A manifest and what is wrong with it, each fault with its path; the manifest is of use when there is none."""
    manifest = parse(data)
    if not isinstance(manifest, dict):
        return {}, ["is no JSON object"]
    errors = sorted(_validator().iter_errors(manifest), key=lambda error: list(map(str, error.absolute_path)))
    faults = [f"{'.'.join(map(str, error.absolute_path)) or 'the whole'}: {error.message[:300]}" for error in errors]
    if not faults and text(manifest).encode(errors="replace") != data:
        faults.append("is not written as a release writes it: a key twice, or another order or layout")
    return manifest, faults[:SHOWN]


def is_path(text: str) -> bool:
    """Whether a text is a path that can be in a release: relative, plain, below its folder."""
    return re.fullmatch(_schema()["$defs"]["path"]["pattern"], text) is not None


@functools.cache
def _schema() -> Any:
    return json.loads(SCHEMA.read_text())


@functools.cache
def _validator() -> Any:
    return jsonschema.Draft202012Validator(_schema())


# --- files ----------------------------------------------------------------------------------


def entry(path: str, kind: str, file: Path, members: Sequence[Member] = (), roles: Mapping[str, str] = {},
          bare: Mapping[str, str] = {}) -> dict[str, Any]:
    """A file of the release; `members` of an archive, `roles` of those that are built (path -> role), `bare` the
    SHA-256 of those that were signed, as they were before (by path)."""
    found: dict[str, Any] = {
        "path": path, "kind": kind, "size": file.stat().st_size, "sha256": sha256_file(file)}
    if members:
        found["members"] = [
            {"path": member.path, "size": member.size, "sha256": member.sha256, "mode": f"{member.mode:04o}"}
            | ({"role": roles[member.path]} if member.path in roles else {})
            | ({"unsigned": bare[member.path]} if member.path in bare else {})
            for member in members]
    return found


def members(file: dict[str, Any]) -> list[Member]:
    """The members of an archive, as its manifest entry has them."""
    return [Member(one["path"], one["size"], one["sha256"], int(one["mode"], 8)) for one in file.get("members", ())]


# --- what went in ---------------------------------------------------------------------------


def every_machine(machines: Iterable[Machine], decl: Declaration) -> list[Machine]:
    """The machines and those that they are `beside`."""
    every: dict[str, Machine] = {}
    for machine in machines:
        every[machine.name] = machine
        if machine.beside:
            every[machine.beside] = decl.machines[machine.beside]
    return list(every.values())


def kernel(one: Kernel, decl: Declaration, paths: Paths) -> dict[str, Any]:
    """What a guest kernel was made of, with the digest of each file of ours."""
    folder = paths.root / "patches" / one.patches
    series = read_series(folder / "series", paths.root)
    made_by = paths.kernel(one.name) / "compiler"
    return {
        "series": one.series, "arch": one.arch, "base": one.base, "options": dict(one.options),
        "compiler": made_by.read_text().strip() if made_by.is_file() else one.compiler,
        "sources": [f"source:{name}" for name in one.sources],
        "fragments": [_pinned(path, paths) for path in kernelconfig.fragments(one, paths)],
        "patches": [_pinned(patch.path, paths) for patch in series.patches],
        "overlay": {place: _pinned(path, paths) for place, path in patching.overlay_files(one, paths).items()},
        "config": sha256_file(paths.kernel(one.name) / "config"),
    }


def _pinned(path: Path, paths: Paths) -> dict[str, str]:
    return {"path": path.relative_to(paths.root).as_posix(), "sha256": sha256_file(path)}


def inputs(machines: Sequence[Machine], decl: Declaration, ctx: sources.Context) -> dict[str, list[dict[str, Any]]]:
    """Lock group -> its blobs, of everything that a build of these machines reads from outside.

    Raises UserError when something was built from other bytes than the locked ones.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for group in sorted(_groups(machines, decl)):
        if group not in ctx.lock.groups:
            continue
        locked = ctx.lock.group(group)
        receipt = read_receipt(group, locked, ctx)
        if receipt and receipt.warning:
            raise UserError(f"{group} is not what colinux.lock has: {receipt.warning}",
                            hint="./doit lock --update, commit colinux.lock, and ./doit release once more")
        groups[group] = [_blob(blob) for blob in (receipt.blobs if receipt else locked)]
    return groups


def _blob(blob: Blob) -> dict[str, Any]:
    return {key: value for key, value in dataclasses.asdict(blob).items() if value not in (None, "", 0)}


def _groups(machines: Sequence[Machine], decl: Declaration) -> set[str]:
    found = set()
    arches = set()
    for machine in every_machine(machines, decl):
        guest, host = decl.kernels[machine.kernel], decl.hosts[machine.host]
        found |= {f"source:{name}" for name in guest.sources} | {hostkernel.group(host)}
        if (recipe := compiler.of_kernel(guest).build) is not None:
            found.add(f"source:{recipe.source}")
        arches |= {guest.arch, host.arch}
        for used_by in (host.arch, *([machine.nt] if machine.nt else [])):
            if slirp.declared(used_by, decl):
                found |= {f"source:{name}" for name in slirp.SOURCES[used_by]}
        if seccomp.declared(host.arch, decl):
            found.add(f"source:{seccomp.SOURCES[host.arch]}")
        for name in image_names(machine):
            image = decl.rootfs[name]
            arches.add(image.arch)
            found |= {f"source:{name}" for name in image.sources}
            if image.packages:
                found.add(rootfs.group(image))
            elif image.arch in decl.userlands:
                found.add(f"source:{decl.userlands[image.arch].busybox}")
    return found | {f"source:{decl.userlands[arch].libc}" for arch in arches if arch in decl.userlands}


def input_name(group: str, blob: Mapping[str, Any]) -> str:
    """One name for one input: two architectures of a package are two."""
    return f"{group}/{blob['name']}" + (f":{blob['arch']}" if "arch" in blob else "")


def image_names(machine: Machine) -> list[str]:
    """The root filesystems of a machine, each once."""
    return list(dict.fromkeys(name for name in (machine.initramfs, *(disk.rootfs for disk in machine.disks)) if name))


def tools(machines: Sequence[Machine], decl: Declaration) -> dict[str, str]:
    """What compiled and packed: name -> version."""
    hosts = {decl.hosts[machine.host].arch for machine in every_machine(machines, decl)}
    commands = {f"{driver.PREFIXES[arch]}{driver.COMPILER}" for arch in hosts}
    commands |= {daemons.COMPILERS[arch][0] for arch in hosts}
    found = archive.tool_versions()
    if nt := {machine.nt for machine in machines if machine.nt}:
        found["makensis"] = process.run(["makensis", "-VERSION"]).stdout.strip()
        commands |= {f"{windows.targets()[name].prefix}gcc-win32" for name in nt}
        commands |= {f"{windows.targets()[name].prefix}gcc" for name in nt}
        found |= zips.tool_versions()
    return found | {command: _version(command) for command in sorted(commands)}


@functools.cache
def _version(command: str) -> str:
    return process.run([command, "--version"]).stdout.splitlines()[0]

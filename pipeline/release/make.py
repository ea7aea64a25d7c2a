# SPDX-License-Identifier: GPL-2.0-only
"""`./doit release`: from built files, evidence and a commit to dist/<name>-<version>/.

First everything that speaks against a release is looked at, then it is made in
a scratch folder, and when it has been verified it takes its place by one rename.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import progress, sources
from pipeline.declaration.model import Declaration, Machine
from pipeline.digest import sha256_file
from pipeline.paths import Paths, atomic_dir
from pipeline.release import (
    authenticode,
    containers,
    debug,
    evidence,
    folder,
    installer,
    licences,
    machines,
    manifest,
    notes,
    origin,
    parts,
    provenance,
    sbom,
    signing,
)
from pipeline.release import machine as machines_
from pipeline.release.archive import SUFFIX, File
from pipeline.release.evidence import Boot
from pipeline.release.origin import Origin
from pipeline.release.parts import Archive, Package
from pipeline.release.verify import SUMS, Report, sums_text, verify

OFFER = "SOURCES.md"
# Files of the checkout that a person should find without unpacking anything.
TEXTS = ("README.md", "SUPPORT.md", "colinux.toml", "colinux.lock")


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything that a release is made of, looked at and found good."""

    decl: Declaration
    ctx: sources.Context
    origin: Origin
    packages: Sequence[Package]
    boots: Mapping[str, Boot]
    inputs: Mapping[str, Any]
    unbooted: bool
    key: signing.Key | None
    signer: authenticode.Signer | None

    @property
    def paths(self) -> Paths:
        return self.ctx.paths

    @property
    def machines(self) -> list[Machine]:
        return [package.machine for package in self.packages]

    @property
    def name(self) -> str:
        return f"{self.decl.project.name}-{self.decl.project.version}"


def build(declaration: Declaration, ctx: sources.Context, *, allow_unbooted: bool = False) -> Report:
    """Make the release in `folder`, and say what it is.

    Raises UserError where the checkout is not a clean commit, something is not
    built, a machine's evidence does not hold (unless `allow_unbooted`), an input
    is not the locked one, or the signing key is no good. Nothing is half made.
    """
    plan = prepare(declaration, ctx, allow_unbooted=allow_unbooted)
    with progress.step(f"making {plan.name}"), atomic_dir(folder(declaration, ctx.paths)) as place:
        facts = _facts(plan, _files(plan, place))
        _derive(facts, place)
        _sum(plan, place)
        return verify(place)


def prepare(declaration: Declaration, ctx: sources.Context, *, allow_unbooted: bool = False) -> Plan:
    """Look at everything that may speak against a release. Errors as `build`."""
    paths = ctx.paths
    commit = origin.of(paths.root)
    key = signing.key()
    windows = any(declaration.machines[name].nt for name in machines(declaration))
    signer = authenticode.signer(paths) if windows else None
    told = signer.certificate if signer else None
    packages = [machines_.package(declaration.machines[name], declaration, paths, told)
                for name in machines(declaration)]
    boots = {package.machine.name: evidence.read(package.machine.name, package.built, ctx.lock.digest(), paths)
             for package in packages}
    evidence.refuse(list(boots.values()), allow_unbooted=allow_unbooted)
    # Before anything is fetched for the release itself: what a build was made of is known from its fetch.
    inputs = manifest.inputs([package.machine for package in packages], declaration, ctx)
    return Plan(declaration, ctx, commit, packages, boots, inputs, allow_unbooted, key, signer)


def _files(plan: Plan, place: Path) -> list[dict[str, Any]]:
    """Write every file that is not derived from the manifest; their entries, sorted."""
    entries = []

    def packed(name: str, kind: str, files: Mapping[str, File], roles: Mapping[str, str] = {},
               bare: Mapping[str, str] = {}) -> None:
        with progress.step(f"packing {name}"):
            members = containers.pack(place / name, files, plan.origin.epoch)
        entries.append(manifest.entry(name, kind, place / name, members, roles, bare))

    def written(name: str, kind: str, content: bytes) -> None:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
        entries.append(manifest.entry(name, kind, place / name))

    for one in parts.archives(plan.packages):
        files, bare = _signed(one, plan)
        kind = "windows" if one.windows else "machine"
        packed(one.name, kind, files, {part.path: part.role for part in one.parts}, bare)
        if one.windows:
            entries.append(_installer(one, files, plan, place))
    with progress.step("debug symbols"):
        scratch = place.parent / "debug"
        scratch.mkdir()
        symbols = debug.files(plan.machines, plan.decl, plan.paths, scratch)
    packed(debug.archive_name(plan.decl), "debug", symbols)
    top = f"{plan.name}-source"
    ours = {f"{top}/{path}": File(plan.paths.root / path, mode) for path, mode in plan.origin.files.items()}
    packed(f"{top}{SUFFIX}", "source", ours)
    for machine, boot in plan.boots.items():
        for name, content in boot.files.items():
            written(f"evidence/{machine}/{name}", "evidence", content)
    for name, content in licences.texts(plan.machines, plan.decl, plan.ctx).items():
        written(f"{licences.FOLDER}/{name}", "licence", content)
    for name in TEXTS:
        written(name, "text", (plan.paths.root / name).read_bytes())
    if plan.key:
        written(signing.PUBLIC, "key", plan.key.public)
    if plan.signer:
        written(authenticode.CERTIFICATE, "key", plan.signer.public)
    return sorted(entries, key=lambda entry: str(entry["path"]))


def _signed(one: Archive, plan: Plan) -> tuple[Mapping[str, File], dict[str, str]]:
    """An archive's files, the programs for Windows signed where there is a key; path -> SHA-256 without signature."""
    if not one.windows or not plan.signer:
        return one.files, {}
    files, bare = dict(one.files), {}
    for part in one.parts:
        if part.role in parts.SHARED:
            data = part.file.read_bytes()
            files[part.path] = File(authenticode.sign(data, plan.signer, plan.origin.epoch))
            bare[part.path] = hashlib.sha256(data).hexdigest()
    return files, bare


def _installer(one: Archive, files: Mapping[str, File], plan: Plan, place: Path) -> dict[str, Any]:
    """Write the installer of what is in a zip; its entry."""
    path = place / installer.name(one)
    with progress.step(f"making {path.name}"):
        installer.make(one, files, plan.decl, path, plan.origin.epoch)
    bare = {}
    if plan.signer:
        data = path.read_bytes()
        path.write_bytes(authenticode.sign(data, plan.signer, plan.origin.epoch))
        bare = {"unsigned": hashlib.sha256(data).hexdigest()}
    return manifest.entry(path.name, "installer", path) | bare


def _facts(plan: Plan, files: list[dict[str, Any]]) -> dict[str, Any]:
    """The manifest."""
    every = manifest.every_machine(plan.machines, plan.decl)
    kernels = sorted({machine.kernel for machine in every})
    signer = {"certificate": plan.signer.certificate} if plan.signer else {}
    return {
        **signer,
        "format": manifest.FORMAT,
        "name": plan.decl.project.name,
        "version": plan.decl.project.version,
        "commit": plan.origin.commit,
        "epoch": plan.origin.epoch,
        "since": plan.origin.since,
        "changes": [{"commit": commit, "subject": subject} for commit, subject in plan.origin.changes],
        "declaration": sha256_file(plan.paths.root / "colinux.toml"),
        "lock": plan.ctx.lock.digest(),
        "unbooted": plan.unbooted,
        "signer": plan.key.fingerprint if plan.key else None,
        "tools": manifest.tools(plan.machines, plan.decl),
        "machines": {package.machine.name: _machine(package, plan) for package in plan.packages},
        "kernels": {name: manifest.kernel(plan.decl.kernels[name], plan.decl, plan.paths) for name in kernels},
        "inputs": plan.inputs,
        "files": files,
        "derived": sorted((notes.NAME, OFFER, provenance.NAME, sbom.NAME)),
    }


def _machine(package: Package, plan: Plan) -> dict[str, Any]:
    machine = package.machine
    boot = plan.boots[machine.name]
    windows = {"windows": package.windows.facts()} if package.windows else {}
    return {
        **windows,
        "title": machine.title,
        "kernels": list(plan.decl.kernels_of(machine)),
        "host": machine.host,
        "archive": package.archive,
        "booted": dict(package.built),
        "boot": evidence.summary(boot.result),
        "problems": list(boot.problems),
        "mend": boot.mend,
    }


def _derive(facts: dict[str, Any], place: Path) -> None:
    """Write the manifest, and everything that is made of it."""
    (place / manifest.NAME).write_text(manifest.text(facts))
    digest = sha256_file(place / manifest.NAME)
    (place / notes.NAME).write_text(notes.text(facts))
    (place / OFFER).write_text(licences.offer(facts))
    (place / sbom.NAME).write_text(sbom.text(facts, digest))
    (place / provenance.NAME).write_text(provenance.text(facts, _digests(place)))


def _sum(plan: Plan, place: Path) -> None:
    """Write SHA256SUMS, and sign it where there is a key."""
    text = sums_text(_digests(place)).encode()
    (place / SUMS).write_bytes(text)
    if plan.key:
        (place / signing.SIGNATURE).write_bytes(signing.sign(text, plan.key, plan.origin.epoch))
    for path in (place, *place.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _digests(place: Path) -> dict[str, str]:
    return {path.relative_to(place).as_posix(): sha256_file(path) for path in place.rglob("*") if path.is_file()}

# SPDX-License-Identifier: GPL-2.0-only
"""`./doit verify`: is a release whole, does it agree with itself, and is it by whom you think?

Nothing in a release is believed before something else has vouched for it: the
signature for SHA256SUMS, SHA256SUMS for every file, the manifest for files and
archives' members, and with the manifest agree evidence, provenance and SBOM. All
faults of one step are told at once; a step begins when the one before found none.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import pe
from pipeline.digest import sha256_file
from pipeline.errors import InfrastructureError, UserError
from pipeline.release import containers, evidence, manifest, parts, provenance, sbom, signing, zips
from pipeline.sources.archive import unpack_archive

SUMS = "SHA256SUMS"
SHOWN = 20  # faults that are told at once
LONGEST_PROGRAM = 1 << 32  # bytes: of an installer, which has root filesystems in it
LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")
AGAIN = "fetch the release again, from somebody whom you trust, and do not use this one"


@dataclass(frozen=True)
class Report:
    """What was found good: for a person to read, and for tests. `signer` only when the signature was checked."""

    name: str
    commit: str
    lock: str
    files: int
    archives: int
    machines: Mapping[str, Any]
    installers: Mapping[str, str]  # SHA-256 by path
    certificate: str | None  # of who signed the programs for Windows
    unbooted: bool
    signer: str | None
    trusted: bool  # by a key that the caller gave, not by the copy in the release

    def __str__(self) -> str:
        """A line for a person, and another for each thing that the release itself owns to."""
        who = "not signed" if self.signer is None else f"signed by {self.signer}"
        if self.signer and not self.trusted:
            who += " (so it says: --key would prove it)"
        lines = [f"{self.name} is whole: {self.files} files, {self.archives} archives, {who}"]
        for name, facts in self.machines.items():
            lines += [f"  {name}: {problem}" for problem in facts["problems"]]
        if self.unbooted:
            lines.insert(1, "  made with --allow-unbooted:" + ("" if lines[1:] else " yet every machine booted well"))
        return "\n".join(lines)


def verify(place: Path, key: Path | None = None) -> Report:
    """Check a release, a folder or an archive of one; with `key` (a file of OpenPGP keys) also who signed it.

    Raises UserError for the first step that finds a fault, naming each file and what is wrong with it.
    """
    if key is not None and not key.is_file():
        raise UserError(f"there is no keyring {key}", where="--key",
                        hint="gpg --export FINGERPRINT > KEYRING makes one")
    place = place.absolute()  # "." has no name
    try:
        return _verify(place, key)
    except PermissionError as error:
        raise UserError(f"{error.filename} cannot be read: {error.strerror}",
                        hint="verify as a user who may read it") from error


def _verify(place: Path, key: Path | None) -> Report:
    with opened(place) as folder:
        sums = _sums(folder)
        signer = _signature(folder, key)
        _files_are(folder, sums)
        facts = _manifest(folder, sums, signer)
        _raise(place, _archives(folder, facts), AGAIN)
        _raise(place, [*_signatures(folder, facts), *_evidence(folder, facts), *_provenance(folder, facts, sums),
                       *_sbom(folder, facts)], f"its parts do not belong together: {AGAIN}")
    archives = sum("members" in file for file in facts["files"])
    installers = {file["path"]: file["sha256"] for file in facts["files"] if file["kind"] == "installer"}
    return Report(f"{facts['name']}-{facts['version']}", facts["commit"], facts["lock"], len(sums) + 1, archives,
                  facts["machines"], installers, facts.get("certificate"), facts["unbooted"], signer, key is not None)


@contextmanager
def opened(place: Path) -> Iterator[Path]:
    """The folder of a release; an archive is unpacked (every way out closed) for as long as the block lasts."""
    if place.is_dir():
        yield place
        return
    if not place.is_file():
        raise UserError(f"there is no {place}", hint="./doit verify FOLDER-OR-ARCHIVE of a release")
    if (place.parent / SUMS).is_file():
        raise UserError(f"{place.name} is a part of a release, which is checked as a whole",
                        hint=f"./doit verify {place.parent}")
    with tempfile.TemporaryDirectory(prefix="colinux-verify-") as scratch:
        folder = Path(scratch) / "release"
        try:
            unpack_archive(place, folder, strip=1, name=place.name)
        except UserError as error:
            raise UserError(error.message, hint=error.hint or AGAIN) from error
        yield folder


def _raise(place: Path, faults: list[str], hint: str) -> None:
    if faults:
        more = [f"... and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
        told = [f"    {fault}" for fault in (*faults[:SHOWN], *more)]
        raise UserError("\n".join([f"{place.name} is not as it was made:", *told]), hint=hint)


# --- sums and signature ---------------------------------------------------------------------


def _sums(folder: Path) -> dict[str, str]:
    """SHA256SUMS as path -> digest. UserError when it is not there or not in its form."""
    path = folder / SUMS
    if path.is_symlink() or not path.is_file():
        raise UserError(f"{folder.name} is no release: there is no {SUMS} in it",
                        hint="./doit verify wants the whole folder, as ./doit release made it")
    data = path.read_bytes()
    sums: dict[str, str] = {}
    for line in data.decode("utf-8", "backslashreplace").splitlines():
        match = LINE.fullmatch(line)
        if match is None or not manifest.is_path(match[2]):
            raise UserError(f"{SUMS}: not a digest and a path: {line[:200]!r}", hint=AGAIN)
        sums[match[2]] = match[1]
    if sums_text(sums).encode() != data:
        raise UserError(f"{SUMS} is not written as a release writes it: a file twice, or another order", hint=AGAIN)
    return sums


def sums_text(sums: Mapping[str, str]) -> str:
    """The content of SHA256SUMS."""
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items()))


def _signature(folder: Path, key: Path | None) -> str | None:
    """Who signed, None when nobody did and nobody had to. UserError for a signature that is not good."""
    path, own = folder / signing.SIGNATURE, folder / signing.PUBLIC
    if not path.is_file():
        if key is not None:
            raise UserError(f"{folder.name} is not signed, as --key asks: it has no {signing.SIGNATURE}", hint=AGAIN)
        return None
    ring = key or own
    if not ring.is_file():
        raise UserError(f"{signing.SIGNATURE} is there, and {signing.PUBLIC} is not", hint=AGAIN)
    seen = signing.check(path.read_bytes(), folder / SUMS, ring)
    if seen is None:
        raise UserError(f"{signing.SIGNATURE} is damaged: it is not in the form that a release gives it", hint=AGAIN)
    if not seen.good:
        raise UserError(
            f"{signing.SIGNATURE}: no good signature by a key in {key or signing.PUBLIC}: {seen.words}",
            hint=f"is the signer's key, as it is today, in {key}? If it is: {AGAIN}" if key else AGAIN)
    return seen.good[0].primary


def _files_are(folder: Path, sums: Mapping[str, str]) -> None:
    """UserError unless the folder has exactly the files of SHA256SUMS, with these digests."""
    faults, found = [], set()
    for path, mode in _walk(folder):
        if stat.S_ISREG(mode):
            found.add(path)
        elif not stat.S_ISDIR(mode):
            faults.append(f"{path}: is a link or a device, a release has plain files only")
        elif not any(name.startswith(f"{path}/") for name in sums):
            faults.append(f"{path}/: is not in {SUMS}")
    faults += [f"{path}: is missing" for path in sorted(sums.keys() - found)]
    faults += [f"{path}: is not in {SUMS}" for path in sorted(found - sums.keys() - {SUMS, signing.SIGNATURE})]
    for path in sorted(sums.keys() & found):
        if (seen := sha256_file(folder / path)) != sums[path]:
            faults.append(f"{path}: has sha256 {seen}, {SUMS} has {sums[path]}")
    _raise(folder, faults, AGAIN)


def _walk(folder: Path) -> Iterator[tuple[str, int]]:
    """Everything below a folder, as (path, mode), no link followed."""
    for top, folders, files in os.walk(folder):
        for name in sorted((*folders, *files)):
            path = Path(top) / name
            yield path.relative_to(folder).as_posix(), path.lstat().st_mode


# --- the manifest, and what it speaks of ----------------------------------------------------


def _manifest(folder: Path, sums: Mapping[str, str], signer: str | None) -> dict[str, Any]:
    """The manifest, when it has its form and speaks of exactly the files that are here."""
    if manifest.NAME not in sums:
        raise UserError(f"{folder.name} has no {manifest.NAME}", hint=AGAIN)
    facts, faults = manifest.load((folder / manifest.NAME).read_bytes())
    _raise(folder, [f"{manifest.NAME}: {fault}" for fault in faults],
           f"if a later version of ours made it, take that version's ./doit verify; else {AGAIN}")
    faults = []
    if facts["signer"] != signer:
        faults.append(f"{signing.SIGNATURE}: is by {signer or 'nobody'}, "
                      f"{manifest.NAME} says {facts['signer'] or 'nobody'}")
    listed = [file["path"] for file in facts["files"]]
    faults += [f"{path}: is twice in {manifest.NAME}" for path in sorted({p for p in listed if listed.count(p) > 1})]
    for file in facts["files"]:
        path = file["path"]
        if path not in sums:
            faults.append(f"{path}: is missing, {manifest.NAME} has it")
        elif (sums[path], (folder / path).stat().st_size) != (file["sha256"], file["size"]):
            faults.append(f"{path}: is another file than the one in {manifest.NAME} (sha256 {file['sha256']}, "
                          f"{file['size']} bytes)")
    faults += [f"{path}: is missing" for path in facts["derived"] if path not in sums]
    known = {*listed, *facts["derived"], manifest.NAME}
    faults += [f"{path}: {manifest.NAME} does not know it" for path in sorted(sums.keys() - known)]
    _raise(folder, faults, AGAIN)
    return facts


def _archives(folder: Path, facts: Mapping[str, Any]) -> list[str]:
    """Faults of archives: each is what its list of members makes it, to the byte."""
    faults = []
    for file in facts["files"]:
        is_archive = containers.is_archive(file["path"])
        if is_archive != ("members" in file):
            faults.append(f"{file['path']}: {manifest.NAME} has {'no ' if is_archive else ''}members of it")
        elif is_archive and (fault := containers.fault(folder / file["path"], manifest.members(file), facts["epoch"])):
            faults.append(f"{file['path']}: {fault}")
    return faults


def _signatures(folder: Path, facts: Mapping[str, Any]) -> list[str]:
    """Faults of programs for Windows that are said to be signed: without the signature they are what they were."""
    faults = []
    for file in facts["files"]:
        for one in (file, *file.get("members", ())):
            if "unsigned" not in one:
                continue
            where = one["path"] if one is file else f"{file['path']}: {one['path']}"
            if "certificate" not in facts:
                faults.append(f"{where}: is signed, and {manifest.NAME} does not say by whom")
            elif (fault := _unsigned(folder / file["path"], one, whole=one is file)) is not None:
                faults.append(f"{where}: {fault}")
    return faults


def _unsigned(path: Path, one: Mapping[str, Any], *, whole: bool) -> str | None:
    """What is wrong with the signature of a file, or of a member of one."""
    if one["size"] > LONGEST_PROGRAM:
        return f"is longer than any program of ours, {LONGEST_PROGRAM} bytes"
    try:
        data = path.read_bytes() if whole else zips.content(path, one["path"])
        if pe.signature(data) is None:
            return f"is not signed, as {manifest.NAME} says"
        seen = hashlib.sha256(pe.unsigned(data)).hexdigest()
    except (InfrastructureError, KeyError) as error:
        return f"is no signed program for Windows: {error}"
    if seen == one["unsigned"]:
        return None
    return f"has sha256 {seen} without its signature, {manifest.NAME} has {one['unsigned']}"


def _evidence(folder: Path, facts: Mapping[str, Any]) -> list[str]:
    """Faults of boots: what was booted is what is here, and the manifest says of it what the evidence says."""
    faults = []
    files = {file["path"]: file for file in facts["files"]}
    for name, said in facts["machines"].items():
        where = f"evidence/{name}/{evidence.RESULT}"
        shipped = files.get(said["archive"])
        if shipped is None:
            faults.append(f"{said['archive']}: is missing, it is the machine {name}")
            continue
        roles = {role: one.get("unsigned", one["sha256"]) for role, one in parts.held(said, shipped).items()}
        windows = said.get("windows")
        wanted = {role: said["booted"][role] for role in parts.shipped(said["booted"], windows=windows is not None)}
        wanted |= windows["unbooted"] if windows else {}
        faults += [f"{said['archive']}: its {role} is not the one that {manifest.NAME} calls booted"
                   for role in sorted(roles.keys() | wanted.keys()) if wanted.get(role) != roles.get(role)]
        data = (folder / where).read_bytes() if where in files else None
        result, problems = ({}, [evidence.ABSENT]) if data is None else evidence.judge(
            data, name, said["booted"], facts["lock"])
        if (seen := evidence.summary(result)) != said["boot"]:
            told = "no boot" if said["boot"] is None else "a boot" if seen is None else "another boot"
            faults.append(f"{where}: {manifest.NAME} tells of {told}")
        if bool(problems) != bool(said["problems"]):
            faults.append(f"{where}: {'; '.join(problems) or 'it is good'}; {manifest.NAME} says: "
                          f"{'; '.join(said['problems']) or 'it is good'}")
        if (said["problems"] or said["boot"] is None) and not facts["unbooted"]:
            faults.append(f"{name}: was not booted well with these files, and {manifest.NAME} does not own to it")
    return faults


def _provenance(folder: Path, facts: Mapping[str, Any], sums: Mapping[str, str]) -> list[str]:
    """Faults of the provenance: its form, and that its subjects and inputs are the release's."""
    statement = manifest.parse((folder / provenance.NAME).read_bytes())
    faults = provenance.faults(statement)
    if not faults:
        seen = {one["name"]: one["digest"].get("sha256") for one in statement["subject"]}
        wanted = {path: digest for path, digest in sums.items() if path != provenance.NAME}
        faults += [f"does not vouch for {path}" for path in sorted(wanted.keys() - seen.keys())]
        faults += [f"vouches for {path}, which is not here" for path in sorted(seen.keys() - wanted.keys())]
        faults += [f"vouches for another {path}" for path in sorted(wanted.keys() & seen.keys())
                   if wanted[path] != seen[path]]
        definition = provenance.statement(facts, wanted)["predicate"]["buildDefinition"]
        said = statement["predicate"]["buildDefinition"]
        faults += [f"says another {part} than {manifest.NAME}" for part, value in definition.items()
                   if said.get(part) != value]
    return [f"{provenance.NAME}: {fault}" for fault in faults]


def _sbom(folder: Path, facts: Mapping[str, Any]) -> list[str]:
    return [f"{sbom.NAME}: {fault}" for fault in sbom.faults((folder / sbom.NAME).read_bytes(), facts)]


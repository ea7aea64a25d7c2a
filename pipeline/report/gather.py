# SPDX-License-Identifier: GPL-2.0-only
"""What build/boot/ has of each declared machine, as it is: nothing in there is trusted to be in its form.

A result.json may be cut short, of another version or of a machine that is
declared otherwise today; a console holds whatever a guest wished to write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.declaration.model import Declaration, Machine
from pipeline.digest import sha256_file
from pipeline.paths import Paths
from pipeline.release import evidence, parts
from pipeline.release.manifest import parse
from runtime.launcher import artifacts
from runtime.launcher.verdict import VERDICTS, plain

ABSENT = "not booted"
UNREADABLE = "unreadable"
NOT_RUN = "not run"
# Verdict, or one of the two above -> how it is coloured. A verdict that we do not know is "bad".
KINDS = {"pass": "good", ABSENT: "none", "infrastructure": "odd"}
# Bytes of a log that are shown: how it began, and how it ended. The whole one stays where it is.
HEAD, TAIL = 16 << 10, 48 << 10
FIRST = ("guest-console.log", "guest-console1.log", "host-console.log")  # what is looked for first


@dataclass(frozen=True)
class Check:
    """One check; `status` is "pass", "fail", "skip" or, of one that is declared and was not come to, NOT_RUN."""

    name: str
    status: str
    output: str
    seconds: float | None


@dataclass(frozen=True)
class Log:
    """A log: its beginning and its end, and how many bytes between them are left out (0: none); `size` of all."""

    name: str
    head: str
    left_out: int
    tail: str
    size: int


@dataclass(frozen=True)
class Boot:
    """A declared machine and its last boot. Times in seconds; `bytes` of the files that it is made of, as they were
    booted or, if it was not, as they are built; else None. `stale`: in words, why it is no boot of what is here."""

    machine: Machine
    kernels: tuple[str, ...]
    state: str
    facts: Mapping[str, Any]
    reason: str
    seconds: float | None
    repeat: str
    checks: tuple[Check, ...]
    logs: tuple[Log, ...]
    files: tuple[Mapping[str, str], ...]
    bytes: int | None
    stale: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.machine.name

    @property
    def kind(self) -> str:
        """Its colour."""
        return KINDS.get(self.state, "bad")

    @property
    def booted(self) -> bool:
        return self.state in VERDICTS

    @property
    def boot_seconds(self) -> float | None:
        """From the start of the guest to its agent."""
        seconds = self.facts.get("boot_seconds")
        return seconds if isinstance(seconds, (int, float)) else None

    @property
    def passed(self) -> int:
        return sum(check.status == "pass" for check in self.checks)


def boots(declaration: Declaration, paths: Paths, lock_digest: str) -> list[Boot]:
    """Every declared machine, in the order of the declaration."""
    return [boot(machine, declaration, paths, lock_digest) for machine in declaration.machines.values()]


def boot(machine: Machine, declaration: Declaration, paths: Paths, lock_digest: str) -> Boot:
    """One machine."""
    folder = paths.boot(machine.name)
    found = artifacts.find(machine.name, declaration, paths).files
    built = {role: path for role, path in found.items() if path.is_file()}
    path = folder / evidence.RESULT
    result = parse(path.read_bytes()) if path.is_file() else {}
    state, stale = ABSENT, []
    if not isinstance(result, dict) or (path.is_file() and not result):
        state, result = UNREADABLE, {}
    facts = evidence.summary(result) or {}
    if result:
        state = facts["verdict"]
        stale = evidence.stale(result, machine.name, {r: sha256_file(p) for r, p in built.items()}, lock_digest)
    return Boot(
        machine=machine, kernels=declaration.kernels_of(machine), state=state, facts=facts,
        reason=_text(result.get("first_error")), seconds=evidence.seconds(result.get("seconds")),
        repeat=_text(result.get("repeat")) or f"./doit boot:{machine.name}",
        checks=tuple(_checks(result, machine)), logs=tuple(_logs(folder)), files=tuple(_files(result)),
        bytes=_bytes(result, found, machine),
        stale=tuple(stale),
    )


def _checks(result: Mapping[str, Any], machine: Machine) -> list[Check]:
    checks = [
        Check(_text(one.get("name")), _text(one.get("status")), plain(_text(one.get("output"))),
              evidence.seconds(one.get("seconds")))
        for one in _dicts(result.get("checks"))]
    done = {check.name for check in checks}
    # Of a machine that was not booted all of them were not run: that goes without saying.
    missing = [name for name in machine.checks if name not in done] if result else []
    return checks + [Check(name, NOT_RUN, "", None) for name in missing]


def _bytes(result: Mapping[str, Any], found: Mapping[str, Path], machine: Machine) -> int | None:
    booted = _dicts(result.get("artifacts"))
    of = parts.shipped((str(one.get("role")) for one in booted), windows=machine.nt is not None)
    sizes = [one.get("bytes") for one in booted if str(one.get("role")) in of]
    if not result:
        sizes = [found[role].stat().st_size if found[role].is_file() else None
                 for role in parts.shipped(found, windows=machine.nt is not None)]
    whole = [size for size in sizes if isinstance(size, int)]
    return sum(whole) if whole and len(whole) == len(sizes) else None


def _files(result: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{key: _text(one.get(key)) for key in ("role", "path", "sha256", "bytes")}
            for one in _dicts(result.get("artifacts"))]


def _logs(folder: Path) -> list[Log]:
    if not folder.is_dir():
        return []
    paths = sorted(path for path in folder.glob("*.log") if path.is_file())
    return [_log(path) for path in sorted(paths, key=lambda path: (path.name not in FIRST, path.name))]


def _log(path: Path) -> Log:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= HEAD + TAIL:
            return Log(path.name, _lines(file.read(HEAD + TAIL)), 0, "", size)
        head = file.read(HEAD)
        file.seek(-TAIL, 2)
        return Log(path.name, _lines(head), size - HEAD - TAIL, _lines(file.read(TAIL)), size)


def _lines(data: bytes) -> str:
    return plain(data.decode("utf-8", "replace")).strip("\n")


def _text(value: object) -> str:
    """A value of a result.json as text, "" of none."""
    return "" if value is None else str(value)


def _dicts(value: object) -> Sequence[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []

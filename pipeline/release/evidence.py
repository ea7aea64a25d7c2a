# SPDX-License-Identifier: GPL-2.0-only
"""Boot evidence: may a machine be released on it?

It has to be there, to be of this machine, of the lock as it is, of exactly the
files as they are built now, and its verdict has to be `pass`. What is judged is
what is released: the bytes of result.json are read once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import UserError
from pipeline.paths import Paths
from pipeline.release.manifest import parse

RESULT = "result.json"
ABSENT = "it was not booted"
LONGEST = 1e9  # seconds; no boot takes 30 years


@dataclass(frozen=True)
class Boot:
    """A machine's evidence: `problems` in words (none: it may be released), what result.json says, all files."""

    machine: str
    problems: tuple[str, ...]
    result: Mapping[str, Any]
    files: Mapping[str, bytes]

    @property
    def mend(self) -> str:
        """The command that makes it good."""
        return f"./doit boot:{self.machine}"


def read(machine: str, built: Mapping[str, str], lock_digest: str, paths: Paths) -> Boot:
    """The evidence in build/boot/<machine>; `built`: role -> SHA-256 of the files as they are now."""
    folder = paths.boot(machine)
    files = {}
    if folder.is_dir():
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
    if RESULT not in files:
        shown = (folder / RESULT).relative_to(paths.root)
        return Boot(machine, (f"{ABSENT}: there is no {shown}",), {}, files)
    result, problems = judge(files[RESULT], machine, built, lock_digest)
    return Boot(machine, tuple(problems), result, files)


def judge(
    data: bytes, machine: str, built: Mapping[str, str], lock_digest: str
) -> tuple[Mapping[str, Any], list[str]]:
    """What a result.json says, and why a machine cannot be released on it."""
    result = parse(data)
    if not isinstance(result, dict):
        return {}, ["its evidence cannot be read"]
    problems = stale(result, machine, built, lock_digest)
    if result.get("verdict") != "pass":
        problems.insert(0, f"its verdict is {_text(result.get('verdict'))}, not pass")
    return result, problems


def stale(result: Mapping[str, Any], machine: str, built: Mapping[str, str], lock_digest: str) -> list[str]:
    """Why a boot is not one of these files, in words."""
    problems = []
    if result.get("machine") != machine:
        problems.append(f"its evidence is of another machine, {_text(result.get('machine'))}")
    booted = digests(result)
    for role, sha256 in built.items():
        if role not in booted:
            problems.append(f"it was booted without a {role}")
        elif booted[role] != sha256:
            problems.append(f"it was booted with another {role} than the one built now")
    if (locked := _mapping(result.get("inputs")).get("lock")) != lock_digest:
        problems.append(f"it was booted when colinux.lock was another one ({_text(locked)[:12]})")
    return problems


def digests(result: Mapping[str, Any]) -> dict[str, str]:
    """Role -> SHA-256 of what was booted."""
    return {str(entry.get("role")): str(entry.get("sha256"))
            for entry in _list(result.get("artifacts")) if isinstance(entry, dict)}


def summary(result: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the manifest says of a boot; None of one that never was, or whose result cannot be read."""
    if not result:
        return None
    checks = [check for check in _list(result.get("checks")) if isinstance(check, dict)]
    return {
        "verdict": _text(result.get("verdict")),
        "guest": _text(result.get("kernel")),
        "beside": _text(result.get("host")),
        "accel": _text(result.get("accel")),
        "started": _text(result.get("started")),
        "boot_seconds": seconds(result.get("boot_seconds")),
        "checks": {status: sum(check.get("status") == status for check in checks)
                   for status in ("pass", "fail", "skip")},
        "tools": {_text(k): _text(v) for k, v in sorted(_mapping(result.get("tools")).items())},
        "warnings": [_text(warning) for warning in _list(result.get("warnings"))],
    }


def refuse(boots: Sequence[Boot], *, allow_unbooted: bool) -> None:
    """UserError naming every machine that cannot be released and what mends it, unless all is allowed."""
    bad = [boot for boot in boots if boot.problems]
    if not bad or allow_unbooted:
        return
    lines = [f"{boot.machine}: {problem}" for boot in bad for problem in boot.problems]
    raise UserError(
        "no release without a boot of exactly these files that passed:\n" + "\n".join(f"    {line}" for line in lines),
        hint=f"{' && '.join(boot.mend for boot in bad)}   (--allow-unbooted releases it all the same, and says so)",
    )


def seconds(value: object) -> float | None:
    """A time; None when it is none (JSON's reader takes NaN, which equals nothing, for a number)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if 0 <= value < LONGEST else None


def _text(value: object) -> str:
    """A value as text that a file can hold: JSON may escape half a character, UTF-8 has none."""
    return str(value).encode(errors="replace").decode()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []

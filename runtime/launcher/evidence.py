# SPDX-License-Identifier: GPL-2.0-only
"""What a boot leaves behind, in build/boot/<machine>/.

result.json         verdict, checks, what was booted and with what: one JSON object, keys below
junit.xml           the checks once more, for CI systems
host-console.log    the test host's serial console      (first line: how to repeat it)
guest-console.log   the first guest's console (guest-console1.log: the second one's)
daemon.log          what colinux-daemon said and how it ended, guest by guest
host-dmesg.log      the host's kernel log since the driver was loaded
qemu.log            QEMU's command line and its own words
                    (host-console-1.log, qemu-1.log: of a test host that did not come up, before another did)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from pipeline.digest import sha256_file
from runtime.launcher.verdict import CheckResult, Outcome, plain

FORMAT = 1

CONSOLE_LOG = "host-console.log"
QEMU_LOG = "qemu.log"


@dataclass(frozen=True)
class Evidence:
    """Everything about one boot. Times in seconds; `started` is UTC, ISO 8601."""

    machine: str
    title: str
    scenario: str
    outcome: Outcome
    kernel: str
    host: str
    accel: str
    boot_seconds: float | None
    checks: Iterable[CheckResult]
    host_alive_after: bool
    artifacts: Mapping[str, Path]  # role -> file
    inputs: Mapping[str, str]
    tools: Mapping[str, str]
    started: str
    seconds: float
    repeat: str
    warnings: Sequence[str] = ()  # of inputs: a package that replaces a dropped one; of test hosts that did not come up
    ccache: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # kernel -> hits and misses of its build


def as_json(evidence: Evidence, root: Path) -> dict[str, Any]:
    """The content of result.json. Paths are relative to the checkout `root` where they lie in it."""
    return {
        "format": FORMAT,
        "machine": evidence.machine,
        "title": evidence.title,
        "verdict": evidence.outcome.verdict,
        "first_error": evidence.outcome.reason or None,
        "scenario": evidence.scenario,
        "kernel": evidence.kernel,
        "host": evidence.host,
        "accel": evidence.accel,
        "boot_seconds": None if evidence.boot_seconds is None else round(evidence.boot_seconds, 3),
        "checks": [asdict(check) | {"output": plain(check.output)} for check in evidence.checks],
        "host_alive_after": evidence.host_alive_after,
        "artifacts": [
            {
                "role": role,
                "path": relative(path, root),
                "sha256": sha256_file(path),
                "bytes": path.stat().st_size,
            }
            for role, path in evidence.artifacts.items()
        ],
        "inputs": dict(evidence.inputs),
        "tools": dict(evidence.tools),
        "warnings": list(evidence.warnings),
        "ccache": {kernel: dict(counts) for kernel, counts in evidence.ccache.items()},
        "started": evidence.started,
        "seconds": round(evidence.seconds, 3),
        "repeat": evidence.repeat,
    }


def relative(path: Path, root: Path) -> str:
    """A path as it is the same in every checkout."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def xml_text(text: str) -> str:
    """Text that XML 1.0 can carry: no control characters, no lone surrogates, no non-characters."""
    return "".join(c for c in plain(text) if not ("\ud800" <= c <= "\udfff" or c in "\ufffe\uffff"))


def as_junit(evidence: Evidence) -> bytes:
    """The checks as JUnit's XML. A boot that did not come to its end is an error of a case of its own."""
    checks = list(evidence.checks)
    failed = [check for check in checks if check.status == "fail"]
    stopped = evidence.outcome.verdict not in ("pass", "check-failed")
    suite = ElementTree.Element("testsuite", {
        "name": f"boot:{evidence.machine}",
        "tests": str(len(checks) + 1),
        "failures": str(len(failed)),
        "errors": str(int(stopped)),
        "skipped": str(sum(check.status == "skip" for check in checks)),
        "time": f"{evidence.seconds:.3f}",
        "timestamp": evidence.started,
    })  # fmt: skip
    whole = ElementTree.SubElement(
        suite,
        "testcase",
        {"classname": evidence.machine, "name": "verdict", "time": f"{evidence.seconds:.3f}"},
    )
    if stopped:
        error = ElementTree.SubElement(
            whole,
            "error",
            {"type": evidence.outcome.verdict, "message": xml_text(first_line(evidence.outcome.reason))},
        )
        error.text = xml_text(evidence.outcome.reason)
    for check in checks:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {"classname": evidence.machine, "name": check.name, "time": f"{check.seconds:.3f}"},
        )
        if check.status == "fail":
            failure = ElementTree.SubElement(case, "failure", {"message": xml_text(first_line(check.output))})
            failure.text = xml_text(check.output)
        elif check.status == "skip":
            ElementTree.SubElement(case, "skipped", {"message": xml_text(first_line(check.output))})
        else:
            ElementTree.SubElement(case, "system-out").text = xml_text(check.output)
    ElementTree.indent(suite)
    return bytes(ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)) + b"\n"


def first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""


def write(evidence: Evidence, folder: Path, root: Path) -> None:
    """Write result.json and junit.xml into the folder that has the logs already."""
    (folder / "result.json").write_text(
        json.dumps(as_json(evidence, root), indent=2, ensure_ascii=False) + "\n"
    )
    (folder / "junit.xml").write_bytes(as_junit(evidence))

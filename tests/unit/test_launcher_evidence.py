# SPDX-License-Identifier: GPL-2.0-only
"""result.json and junit.xml, whatever a console has printed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from runtime.launcher.evidence import Evidence, as_json, as_junit, write
from runtime.launcher.verdict import CheckResult, Outcome


def evidence(output: str, verdict: str = "check-failed", artifacts: dict[str, Path] | None = None) -> Evidence:
    return Evidence(
        machine="tiny", title="t", scenario="basic", outcome=Outcome(verdict, output), kernel="6.1", host="h",
        accel="tcg", boot_seconds=None, checks=[CheckResult("a", "fail", output), CheckResult("b", "pass", output),
                                                CheckResult("c", "skip", output)],
        host_alive_after=True, artifacts=artifacts or {}, inputs={"lock": "1"}, tools={}, started="2026-01-01",
        seconds=1.0, repeat="./doit boot:tiny", warnings=["busybox 2 in place of 1"],
        ccache={"6.1-x86_64": {"hits": 3, "misses": 1}},
    )  # fmt: skip


@given(st.text(st.characters(codec=None)))
def test_any_output_makes_sound_xml_and_json(output: str) -> None:
    for verdict in ("check-failed", "panic"):
        made = evidence(output, verdict)
        suite = ElementTree.fromstring(as_junit(made))
        assert suite.get("failures") == "1" and suite.get("skipped") == "1"
        assert suite.get("errors") == str(int(verdict == "panic"))
        assert len(suite.findall("testcase")) == int(suite.get("tests", "0")) == 4
        json.dumps(as_json(made, Path("/")))


def test_what_was_said_is_there_to_read(tmp_path: Path) -> None:
    write(evidence("\x1b[1mregisters\x1b[0m were lost\r\nst(0)"), tmp_path, tmp_path)
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["warnings"] == ["busybox 2 in place of 1"]
    assert result["ccache"] == {"6.1-x86_64": {"hits": 3, "misses": 1}}
    assert result["checks"][0]["output"] == "registers were lost\nst(0)"
    failure = ElementTree.parse(tmp_path / "junit.xml").find("testcase[@name='a']/failure")
    assert failure is not None and failure.get("message") == "registers were lost"


def test_artifacts_are_named_as_in_every_checkout(tmp_path: Path) -> None:
    file = tmp_path / "build/vmlinux"
    file.parent.mkdir()
    file.write_bytes(b"kernel")
    [entry] = as_json(evidence("", artifacts={"kernel": file}), tmp_path)["artifacts"]
    assert entry["path"] == "build/vmlinux"
    assert entry["sha256"] == hashlib.sha256(b"kernel").hexdigest()
    assert entry["bytes"] == 6

# SPDX-License-Identifier: GPL-2.0-only
"""Every machine of colinux.toml boots beside a real host kernel, passes its checks and leaves its evidence."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from pipeline import available, lock
from pipeline.declaration import load
from pipeline.digest import sha256_file
from pipeline.errors import UserError
from pipeline.paths import Paths
from runtime import launcher
from runtime.launcher import image as windows_image

ROOT = Path(__file__).resolve().parents[2]
DECLARATION = load(ROOT / "colinux.toml")
PATHS = Paths(ROOT)

# DESIGN.md, section 6: what a result says at least.
KEYS = {"machine", "verdict", "kernel", "host", "boot_seconds", "checks", "host_alive_after", "artifacts",
        "inputs", "tools"}

pytestmark = pytest.mark.boot


@pytest.mark.parametrize("name", DECLARATION.machines)
def test_machine(name: str) -> None:
    unreachable = available.unreachable(PATHS)
    for kernel in DECLARATION.kernels_of(DECLARATION.machines[name]):
        if kernel in unreachable:
            pytest.skip(f"the source of Linux {kernel} cannot be reached: {unreachable[kernel]}")
    if DECLARATION.machines[name].scenario in available.LONG and not available.long_wanted():
        pytest.skip(f"it takes long: ./doit boot:{name}, or COLINUX_LONG=1")
    digest = lock.load(ROOT / "colinux.lock").digest()
    try:
        verdict = launcher.judge(name, DECLARATION, PATHS, lock_digest=digest)
    except UserError as error:  # nothing was built, or QEMU is not installed: run by hand, without ./doit
        pytest.skip(str(error))
    assert verdict.outcome.verdict == "pass", verdict.outcome.reason
    result = json.loads((PATHS.boot(name) / "result.json").read_text())
    assert result.keys() >= KEYS
    assert (result["machine"], result["verdict"], result["host_alive_after"]) == (name, "pass", True)
    assert result["inputs"]["lock"] == digest
    assert result["kernel"].startswith(DECLARATION.kernels[DECLARATION.machines[name].kernel].series)
    # Whatever the declaration asks for was done, and nothing was left out.
    done = {check["name"].split("@")[0].split("#")[0]: check["status"] for check in result["checks"]}
    asked = set(DECLARATION.machines[name].checks)
    assert not {check for check in asked if not any(one.startswith(check) for one in done)}
    for artifact in result["artifacts"]:
        assert sha256_file(ROOT / artifact["path"]) == artifact["sha256"]
    suite = ElementTree.parse(PATHS.boot(name) / "junit.xml").getroot()
    assert sum(1 for _ in suite.iter("testcase")) >= len(asked)
    console = (PATHS.boot(name) / "host-console.log").read_text(errors="replace").splitlines()
    assert console[0].endswith(f"./doit boot:{name}")


@pytest.mark.parametrize("name", DECLARATION.images)
def test_windows_image(name: str) -> None:
    reason = windows_image.missing(DECLARATION.images[name], DECLARATION)
    if reason:
        pytest.skip(reason)
    try:
        verdict = windows_image.judge(name, DECLARATION, PATHS, lock_digest=lock.load(ROOT / "colinux.lock").digest())
    except UserError as error:
        pytest.skip(str(error))
    assert verdict.outcome.verdict == "pass", verdict.outcome.reason


def test_default_leads_to_the_default_machine() -> None:
    link = PATHS.boot("default") / "result.json"
    if not link.exists():
        pytest.skip(f"{link} is not there: the default machine was not booted")
    assert json.loads(link.read_text())["machine"] == DECLARATION.project.default

# SPDX-License-Identifier: GPL-2.0-only
"""The world switch alone, with a guest that does nothing else, under fire."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.declaration import load
from pipeline.declaration.model import Qemu as Computer
from runtime.launcher.lab import Lab
from runtime.launcher.scenarios import NMI_ALLOWED
from tests.boot.conftest import Boot, host_program

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 15
# An `int 2` in place of a real NMI (runtime/monitor/reissue.S) kills the host within about a thousand.
PERIOD = 0.001
LEAST = 300
# The guest's code selector; none: 64 bits. An i386 guest looks at its own registers around each passage, too.
X86_64, LINUX_24, LINUX_26 = "", "0x10", "0x60"

pytestmark = pytest.mark.boot


def program(folder: Path, arch: str = "x86_64") -> dict[str, Path]:
    """passage_soak, for a test host."""
    return {"/bin/passage_soak": host_program("passage_soak", folder, arch)}


def one_cpu() -> Computer:
    """QEMU's NMIs come in by LINT1, which Linux listens to on the first CPU only."""
    declaration = load(ROOT / "colinux.toml")
    return replace(declaration.machines[declaration.project.default].qemu, smp=1)


def soak(lab: Lab, kind: str) -> str:
    """Passages under a storm of NMIs; what the program said. The guest and its registers were in order."""
    lab.allowed += NMI_ALLOWED
    with lab.host.pump.every(PERIOD, lab.host.qemu.qmp.nmi):
        status, output = lab.host.run(f"/bin/passage_soak {SECONDS} {kind}; s=$?; "
                                      "grep NMI: /proc/interrupts; exit $s", 180)
    assert status == 0, output
    return output


@pytest.mark.parametrize("kind", [X86_64, LINUX_24, LINUX_26], ids=["x86_64", "i386-2.4", "i386-2.6"])
def test_nmis_between_two_worlds_all_reach_the_host(boot: Boot, tmp_path: Path, kind: str) -> None:
    """Most of these NMIs hit the passage itself, where neither kernel's tables are in force."""
    said: list[str] = []
    verdict = boot(lambda lab: said.append(soak(lab, kind)), program(tmp_path), qemu=one_cpu())
    assert said, verdict.outcome.reason
    [output] = said
    [numbers] = re.findall(r"(\d+) NMIs and \d+ machine checks in the guest, (\d+) and \d+ in the passage", output)
    in_guest, in_passage = map(int, numbers)
    assert in_passage >= LEAST, output
    # What was noted in the passage was re-issued, if not one for one: they melt into each other.
    [host] = re.findall(r"NMI:\s+(\d+)", output)
    assert int(host) >= LEAST, f"{in_guest} and {in_passage} noted: {output}"
    assert verdict.good, verdict.outcome.reason


@pytest.mark.parametrize(("base", "arch"), [("linux-6.1", "x86_64"), ("linux-2.4.37-i386-686", "i386"),
                                            ("linux-2.4.37-i386-686-pae", "i386")])  # fmt: skip
def test_an_i386_guest_leaves_the_host_as_it_was(boot: Boot, tmp_path: Path, base: str, arch: str) -> None:
    """Hosts of each paging mode: every register, the GDT, the TSS, the IDT, compared around each crossing."""
    said: list[str] = []

    def before(lab: Lab) -> None:
        for kind in (LINUX_24, LINUX_26):
            soak(lab, kind)
        said.append(lab.host.ask("cd /sys/module/colinux/parameters; cat selfcheck_crossings selfcheck_differences"))

    verdict = boot(before, program(tmp_path, arch), base, driver_args=("selfcheck=1",), qemu=one_cpu())
    crossings, differences = map(int, said[0].split())
    assert crossings > 1000
    assert differences == 0
    assert verdict.good, verdict.outcome.reason

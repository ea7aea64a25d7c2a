# SPDX-License-Identifier: GPL-2.0-only
"""A guest's worst moments are the guest's alone: its stack is gone, or its segments cannot be loaded any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.launcher.lab import Lab
from tests.boot.conftest import Boot, host_program

# A guest's code selector; none: 64 bits.
X86_64, LINUX_24, LINUX_26 = "", "0x10", "0x60"
# Program of tests/boot/driver -> how many things it looks at in each guest.
PROGRAMS = {"double_fault": 8, "stale_segment": 6}
SECONDS = 60
LEAST_CROSSINGS = 100

pytestmark = pytest.mark.boot


@pytest.mark.parametrize(("base", "arch", "guests"), [
    ("linux-6.1", "x86_64", (X86_64, LINUX_24, LINUX_26)),
    ("linux-2.4.37-i386-686", "i386", (LINUX_24, LINUX_26)),
    ("linux-2.4.37-i386-686-pae", "i386", (LINUX_24, LINUX_26)),
], ids=["amd64", "686", "686-pae"])  # fmt: skip
def test_the_host_has_no_part_in_them(
    boot: Boot, tmp_path: Path, base: str, arch: str, guests: tuple[str, ...]
) -> None:
    """Nor is anything of its own changed: double fault's gate, TSS, and stacks, and whatever else a passage could."""
    said: list[tuple[str, int, str]] = []
    counted: list[str] = []

    def before(lab: Lab) -> None:
        for program in PROGRAMS:
            for guest in guests:
                said.append((program, *lab.host.run(f"/bin/{program} {guest}", SECONDS)))
        counted.append(lab.host.ask("cd /sys/module/colinux/parameters; "
                                    "cat selfcheck_crossings selfcheck_differences"))

    programs = {f"/bin/{name}": host_program(name, tmp_path, arch) for name in PROGRAMS}
    verdict = boot(before, programs, base, driver_args=("selfcheck=1",))
    for program, status, output in said:
        assert status == 0, f"{program}: {output}"
        assert sum(line.startswith("ok ") for line in output.splitlines()) >= PROGRAMS[program], output
    assert counted, verdict.outcome.reason
    crossings, differences = map(int, counted[0].split())
    assert crossings > LEAST_CROSSINGS
    assert differences == 0
    # The host complained of nothing, and a real guest worked afterwards: conftest.AFTERWARDS.
    assert verdict.good, verdict.outcome.reason

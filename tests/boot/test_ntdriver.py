# SPDX-License-Identifier: GPL-2.0-only
"""colinux.sys in ring 0, in its harness: malformed requests, fifty machines, open handles, and the host unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.launcher.lab import Lab
from tests.boot.conftest import Boot, host_program

# A machine, its host's architecture, and for nt_requests the code selector of i386 guests ("": they are of 64 bits).
X64 = ("nt-6.1", "x86_64", "")
X86 = ("nt-old", "i386", "0x60")
X86_PAE = ("nt-old-pae", "i386", "0x10")  # the page tables that 32-bit Windows has where a CPU has NX

# A handle is held open: the driver stays. Then its holder is killed in the midst of everything.
HELD = """
sleep 1000 < /dev/colinux &
holder=$!
while ! [ "$(readlink /proc/$holder/fd/0)" = /dev/colinux ]; do sleep 0.1; done
rmmod colinux 2> /dev/null && exit 1
[ -c /dev/colinux ] || exit 2
kill -9 $holder
wait $holder
rmmod colinux || exit 3
[ -e /dev/colinux ] && exit 4
insmod /colinux/colinux.ko selfcheck=1 && [ -c /dev/colinux ] || exit 5
"""

# How many guests come and go after the first, which fills what is filled once; and what the host may miss of each. Free
# memory wavers by 100 KiB or so, whatever was or was not done: this much each is no wavering.
GUESTS = 8
LOST_KIB_EACH = 32

pytestmark = pytest.mark.boot


@pytest.mark.parametrize(("machine", "arch", "selector"), [X64, X86, X86_PAE], ids=["x64", "x86", "x86-pae"])
def test_requests_that_no_daemon_makes_and_fifty_machines(
    boot: Boot, tmp_path: Path, machine: str, arch: str, selector: str
) -> None:
    program = host_program("nt_requests", tmp_path, arch)
    said = []

    def before(lab: Lab) -> None:
        said.append(lab.host.run(f"/bin/nt_requests {selector}", 600))
        said.append(lab.host.run(HELD, 120))
        lab.quick(lab.guests[:1], "selfchecked")
        said.append(lab.host.run("cd /sys/module/colinux/parameters; "
                                 "cat selfcheck_crossings selfcheck_differences", 30))

    verdict = boot(before, {"/bin/nt_requests": program}, base=machine)
    assert len(said) == 3, verdict.outcome.reason
    (status, output), held, (read, counted) = said
    lines = output.splitlines()
    assert [line for line in lines if line.startswith("not ok")] == []
    assert status == 0, output
    assert sum(line.startswith("ok ") for line in lines) > 100
    assert held[0] == 0, held
    assert read == 0, counted
    # GDT, IDT, TSS, control and debug registers and MSRs of the host, around every crossing
    crossings, differences = map(int, counted.split())
    assert crossings > 300
    assert differences == 0
    assert verdict.good, verdict.outcome.reason


@pytest.mark.parametrize("machine", [X64[0], X86[0]], ids=["x64", "x86"])
def test_guests_in_a_row_take_nothing_with_them(boot: Boot, machine: str) -> None:
    seen = []

    def look(lab: Lab) -> tuple[int, int, str]:
        return lab.host.free_kib(), lab.host.pool()[0], lab.host.held()

    def before(lab: Lab) -> None:
        for number in range(1 + GUESTS):
            lab.quick(lab.guests[:1], f"guest-{number}")
            if number in (0, GUESTS):
                seen.append(look(lab))

    verdict = boot(before, {}, base=machine)
    (free, pool, held), (free_after, pool_after, held_after) = seen
    assert (pool_after, held_after) == (pool, held)
    assert held.endswith(" 0 mappings, 0 MDLs")
    assert free - free_after < GUESTS * LOST_KIB_EACH
    assert verdict.good, verdict.outcome.reason

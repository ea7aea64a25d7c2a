# SPDX-License-Identifier: GPL-2.0-only
"""The check `sandbox`: what it reads of a process, and what it takes for good."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from runtime.launcher.checks import Expect
from runtime.launcher.guest import Config, switches
from runtime.launcher.sandbox import FIELDS, SCRIPT, judge, threads

GOOD = "Seccomp=2 NoNewPrivs=1 CapPrm=000000000000001b CapEff=0000000000000000 CapBnd=0000000000000000"
SAID = f"""\
thread=colinux-daemon {GOOD}
thread=vcpu {GOOD}
thread=cofs0 {GOOD.replace("CapEff=000000000000000", "CapEff=000000000000001")}
thread=cofs12 {GOOD.replace("CapEff=0000000000000000", "CapEff=0000000000000004")}
"""


def judged(text: str) -> Expect:
    expect = Expect()
    assert judge(list(threads(text)), expect) or expect.wrong
    return expect


def test_good() -> None:
    expect = Expect()
    told = judge(list(threads(SAID)), expect)
    assert not expect.wrong
    assert told == "4 threads in it; capabilities: cofs0 0x10, cofs12 0x4"
    assert judge(list(threads("".join(f"thread=x{n} {GOOD}\n" for n in range(3)))), Expect()).endswith(": none")


BAD = {  # what is said otherwise: what is said about it
    ("Seccomp=2", "Seccomp=0"): "colinux-daemon: Seccomp is 0, not 2",
    ("NoNewPrivs=1", "NoNewPrivs=0"): "colinux-daemon: NoNewPrivs is 0, not 1",
    ("CapEff=0000000000000000", "CapEff=0000000000020000"): "vcpu: uses capabilities 0x20000, 0x0 would be right",
    ("CapPrm=000000000000001b", "CapPrm=000001ffffffffff"): "vcpu: may use capabilities 0x1ffffffffff",
    ("CapBnd=0000000000000000", "CapBnd=0000000000000001"): "vcpu: its bounding set is 0x1",
    ("CapEff=0000000000000010", "CapEff=0000000000000020"): "cofs0: uses capabilities 0x20, 0x1f would be right",
    ("thread=cofs0", "thread=ttys0"): "ttys0: uses capabilities 0x10, 0x0 would be right",
    ("Seccomp=2 ", ""): "vcpu: Seccomp is None, not 2",
    ("CapEff=0000000000000000 ", ""): "vcpu: uses capabilities -0x1",
}


@pytest.mark.parametrize("change", BAD)
def test_bad(change: tuple[str, str]) -> None:
    assert change[0] in SAID
    assert BAD[change] in "; ".join(judged(SAID.replace(*change)).wrong)


def test_nothing_is_bad() -> None:
    assert judged("cat: can't open '/proc/1/status'\n").wrong == ["only 0 threads were found"]


def test_the_script_reads_a_process(tmp_path: Path) -> None:
    """As the test host's busybox runs it, with this system's sh and awk."""
    script = SCRIPT.format(pid_file=tmp_path / "pid", fields="|".join(FIELDS))
    with subprocess.Popen(["sleep", "60"]) as process:
        (tmp_path / "pid").write_text(f"{process.pid}\n")
        done = subprocess.run(["sh", "-c", script], text=True, capture_output=True, check=True)
        process.kill()
    (one,) = threads(done.stdout)
    assert one["thread"] == "sleep" and set(one) == {"thread", *FIELDS}
    assert int(one["CapBnd"], 16) >= int(one["CapEff"], 16) >= 0


def test_without_one_the_daemon_is_told() -> None:
    """What beside an NT driver it has to be."""
    config = Config(64, "", None)
    assert switches(config) == "--no-reboot "
    assert switches(Config(64, "", None, reboots=True, sandbox=False)) == "sandbox=off "

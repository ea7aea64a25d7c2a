# SPDX-License-Identifier: GPL-2.0-only
"""What is asked of a guest: each judge passes the good answer and refuses every way in which it can be bad."""

from __future__ import annotations

import dataclasses
import subprocess

import pytest

from pipeline.declaration import model
from runtime.launcher import checks, scenarios
from runtime.launcher.checks import GUEST_CHECKS, Facts

FACTS = Facts(series="6.1", arch="x86_64", memory_mib=128, scratch="/dev/vdb", avx=True, now=1000.0, console="x login: ")

TIMERS = (
    "sleep10_min_ms=10.1\nsleep10_median_ms=10.4\nsleep10_max_ms=31\nsleep1_min_ms=1.1\nsleep1_median_ms=1.2\n"
    "sleep1_max_ms=9\nmonotonic_s=1.0004\nwall_s=1.0004\nreads=9\nbackward=0\nepoch=1000.4\n"
)
DISK = f"written={'a' * 64}  -\nagain={'a' * 64}  -\ncopy=equal\ndevice={'b' * 64}  -\n"

GOOD = {
    "uname": "release=6.1.192-colinux\nmachine=x86_64\n",
    "memory": "total_kib=115000\nfree_kib=100000\nmib=48\nfaults=0\n",
    "disk": DISK,
    "timers": TIMERS,
    "fpu": "level=avx\nholders=4\nrounds=900\nforks=80\nfaults=0\n",
    "forks": "forks=300\nseconds=1.5\nfaults=0\n",
    "systemd": "running\n",
    "apt": "apt 2.6.1 (amd64)\nSupported modules:\n",
    "login": "getty=active\n",
}


def test_the_launcher_can_do_what_the_declaration_allows() -> None:
    assert scenarios.CHECKS == model.CHECKS
    assert set(scenarios.SCENARIOS) == model.SCENARIOS


@pytest.mark.parametrize("name", sorted(GUEST_CHECKS))
def test_a_good_answer_passes(name: str) -> None:
    judged = GUEST_CHECKS[name].judge(0, GOOD[name], FACTS)
    assert judged.good, judged.text
    assert judged.text


@pytest.mark.parametrize("name", sorted(GUEST_CHECKS))
def test_no_answer_fails(name: str) -> None:
    for output in ("", "colinux-check: not found\n"):
        assert not GUEST_CHECKS[name].judge(127, output, FACTS).good
        assert not GUEST_CHECKS[name].judge(0, output, FACTS).good


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("uname", "6.1.192-colinux", "6.1.192"),  # not ours
        ("uname", "6.1.192-colinux", "6.12.3-colinux"),  # another series that begins alike
        ("uname", "x86_64", "i686"),
        ("memory", "total_kib=115000", "total_kib=40000"),
        ("memory", "total_kib=115000", "total_kib=900000"),  # the host's?
        ("memory", "mib=48", "mib=3"),
        ("disk", f"again={'a' * 64}", f"again={'c' * 64}"),
        ("disk", f"written={'a' * 64}", "written="),
        ("disk", "copy=equal\n", ""),
        ("disk", f"device={'b' * 64}", "device="),
        ("timers", "sleep10_min_ms=10.1", "sleep10_min_ms=7"),  # too early
        ("timers", "sleep10_median_ms=10.4", "sleep10_median_ms=20"),
        ("timers", "sleep1_min_ms=1.1", "sleep1_min_ms=4.0"),  # no high resolution
        ("timers", "backward=0", "backward=1"),
        ("timers", "wall_s=1.0004", "wall_s=1.1"),
        ("timers", "epoch=1000.4", "epoch=3000"),
        ("fpu", "faults=0", "faults=1"),
        ("fpu", "rounds=900", "rounds=0"),
        ("fpu", "forks=80", "forks=0"),
        ("fpu", "level=avx", "level=sse"),
        ("forks", "forks=300", "forks=299"),
        ("forks", "faults=0", "faults=2"),
        ("systemd", "running", "degraded\nfoo.service loaded failed"),
        ("systemd", "running", "starting"),
        ("apt", "apt 2.6.1", "bash: apt"),
        ("login", "active", "inactive"),
    ],
)
def test_a_bad_answer_fails(name: str, old: str, new: str) -> None:
    assert old in GOOD[name]
    judged = GUEST_CHECKS[name].judge(0, GOOD[name].replace(old, new), FACTS)
    assert not judged.good
    assert judged.text


@pytest.mark.parametrize("name", ["uname", "memory", "disk", "timers", "fpu", "forks", "apt", "login"])
def test_a_good_answer_with_a_bad_status_fails(name: str) -> None:
    assert not GUEST_CHECKS[name].judge(1, GOOD[name], FACTS).good


def test_a_prompt_that_is_not_on_the_console_fails() -> None:
    assert not GUEST_CHECKS["login"].judge(0, GOOD["login"], dataclasses.replace(FACTS, console="Starting")).good


def test_slack_is_given_where_time_runs_slower() -> None:
    late = TIMERS.replace("sleep10_median_ms=10.4", "sleep10_median_ms=22")
    assert not GUEST_CHECKS["timers"].judge(0, late, FACTS).good
    assert GUEST_CHECKS["timers"].judge(0, late, dataclasses.replace(FACTS, slack=3.0)).good


def test_a_series_without_high_resolution_is_not_asked_for_it() -> None:
    coarse = TIMERS.replace("sleep1_min_ms=1.1", "sleep1_min_ms=10").replace("10.4", "20")
    assert GUEST_CHECKS["timers"].judge(0, coarse, dataclasses.replace(FACTS, series="2.4")).good
    assert not GUEST_CHECKS["timers"].judge(0, coarse, FACTS).good


def test_a_guest_on_a_host_without_avx_may_lack_it() -> None:
    said = GOOD["fpu"].replace("avx", "sse")
    assert GUEST_CHECKS["fpu"].judge(0, said, dataclasses.replace(FACTS, avx=False)).good


@pytest.mark.parametrize("name", sorted(GUEST_CHECKS))
def test_every_script_is_sound_shell(name: str) -> None:
    script = GUEST_CHECKS[name].script(FACTS)
    done = subprocess.run(["sh", "-n", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_only_the_disk_check_writes_to_a_disk() -> None:
    assert [name for name, check in GUEST_CHECKS.items() if check.needs_scratch] == ["disk"]
    assert "/dev/vdb" in checks.DISK.script(FACTS)

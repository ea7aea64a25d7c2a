# SPDX-License-Identifier: GPL-2.0-only
"""What is asked of a guest: each judge passes the good answer and refuses every way in which it can be bad."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterable

import pytest

from pipeline.declaration import load, model
from pipeline.paths import checkout
from runtime.launcher import checks, disknames, folders, livedin, network, proc, scenarios, terminals
from runtime.launcher.checks import GUEST_CHECKS, Facts
from runtime.launcher.series import TRAITS
from toolchain import kernels

FACTS = Facts(series="6.1", arch="x86_64", memory_mib=128, scratch="/dev/vdb", avx=True, now=1000.0, console="x login: ",
              disk_names={"cobd0": 0, "cobd1": 1, "hda1": 0})

TIMERS = (
    "sleep10_min_ms=10.1\nsleep10_median_ms=10.4\nsleep10_max_ms=31\nsleep1_min_ms=1.1\nsleep1_median_ms=1.2\n"
    "sleep1_max_ms=9\nmonotonic_s=1.0004\nwall_s=1.0004\nreads=9\nbackward=0\nepoch=1000.4\n"
)
DISK = f"written={'a' * 64}  -\nagain={'a' * 64}  -\ncopy=equal\ndevice={'b' * 64}  -\n"

X86_64_STATE = ("tls", "ldt", "segments", "watch", "int80", "bases", "syscall", "compat32", "fast32")
I386_STATE = ("tls", "ldt", "segments", "watch", "int80", "sysenter", "vm86")


def kept(kinds: Iterable[str], absent: Iterable[str] = ()) -> str:
    return ("".join(f"{kind}=ok rounds=40 holders=2\n" for kind in kinds) +
            "".join(f"{kind}=absent\n" for kind in absent) + "disturbances=700\ninterrupts=2100\nfaults=0\n")


GOOD = {
    "uname": "release=6.1.192-colinux\nmachine=x86_64\n",
    "memory": "total_kib=115000\nfree_kib=100000\nmib=48\nfaults=0\n",
    "disk": DISK,
    "names": "cobd0=/dev/vda\nserial.cobd0=cobd0\ncobd1=/dev/vdb\nhda1=/dev/vda\nserial.hda1=cobd0\n",
    "timers": TIMERS,
    "fpu": "level=avx\nholders=4\nrounds=900\nforks=80\nfaults=0\n",
    "state": kept(X86_64_STATE),
    "forks": "forks=300\nseconds=1.5\nfaults=0\n",
    "doors": "tried=9\nopen=0\n",
    "accounts": "interrupts_before=100\ndf_before=8\ndf_with=4104\ndf_after=8\ninterrupts_after=190\ntotal=125000\n"
    "free_total=125000\nfree_used=20000\nfree_free=100000\n",
    "systemd": "running\n",
    "apt": "apt 2.6.1 (amd64)\nSupported modules:\n",
    "login": "getty=active\n",
    "folder": "refused=yes\nhost=made by host\ntried=49\nfaults=0\numount=done\n",
    **{name: "".join(f"{key}={value}\n" for key, value in traffic.expected.items())
       for name, traffic in {**network.TRAFFIC, **livedin.WORK, "status": proc.STATUS}.items()},
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
        ("names", "cobd1=/dev/vdb", "cobd1=/dev/vda"),
        ("names", "cobd1=/dev/vdb\n", ""),  # no link, or to no disk
        ("names", "hda1=/dev/vda", "hda1=/dev/hda1"),
        ("names", "serial.hda1=cobd0", "serial.hda1=cobd1"),  # the link is right, the disk is not
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
        ("state", "faults=0", "faults=1"),
        ("state", "watch=ok rounds=40 holders=2\n", "fault: watch 0: 5 of 24 stores struck\nwatch=lost rounds=3 holders=2\n"),
        ("state", "ldt=ok rounds=40 holders=2", "ldt=absent"),
        ("state", "bases=ok rounds=40 holders=2\n", ""),  # not even tried
        ("state", "tls=ok rounds=40", "tls=ok rounds=0"),
        ("state", "int80=ok rounds=40 holders=2", "int80=ok rounds=40 holders=1"),
        ("state", "syscall=ok rounds=40 holders=2", "syscall=ok"),
        ("state", "disturbances=700", "vm86=ok rounds=40 holders=2\ndisturbances=700"),  # unheard of
        ("state", "interrupts=2100", "interrupts=7"),
        ("state", "disturbances=700", "disturbances=0"),
        ("forks", "forks=300", "forks=299"),
        ("forks", "faults=0", "faults=2"),
        ("doors", "tried=9", "tried=8"),
        ("folder", "tried=49", "tried=48"),
        ("folder", "tried=49", "fault: rename (No such file or directory)\ntried=49"),
        ("folder", "made by host", ""),
        ("folder", "refused=yes", ""),
        ("folder", "umount=done", "escaped=link-up\numount=done"),
        ("folder", "umount=done", ""),
        ("doors", "tried=9", "fault: iopl is open\ntried=9"),
        ("accounts", "df_with=4104", "df_with=8"),  # df sees nothing
        ("accounts", "df_after=8", "df_after=4104"),
        ("accounts", "interrupts_after=190", "interrupts_after=100"),
        ("accounts", "free_total=125000", "free_total=0"),
        ("accounts", "free_used=20000", "free_used=90000"),  # more than there is
        ("status", "leaves=yes", ""),
        ("status", "disks=all", ""),
        ("systemd", "running", "degraded\nfoo.service loaded failed"),
        ("systemd", "running", "starting"),
        ("apt", "apt 2.6.1", "bash: apt"),
        ("login", "active", "inactive"),
        ("net-lease", "mac=02:43:4f:00:00:05", "mac=02:43:4f:00:00:06"),
        ("net-lease", "eth1=10.0.3.15 255.255.255.0", "eth1="),
        ("net-ping", "answer.192.0.2.1=yes\n", ""),
        ("net-dns", "unknown=3", "unknown=0"),  # a server that knows everybody
        ("net-tcp", "sent_good=4194304", "fault: of 4194304 bytes sent the server got 7 as they were\nsent_good=4194304"),
        ("net-tcp", "echoed_good=4194304", "echoed_good=4194303"),
        ("net-udp", "datagrams=5", "datagrams=4"),
        ("net-second", "by=eth1", "by="),
        ("net-ip6", "eth0=fec000000000000200434ffffe000005", "eth0="),
        ("net-ip6", "answer6.fec0:0:0:3::2=yes\n", ""),
        ("net-ip6", "taken_good=1048576", "taken_good=1"),
        ("net-tap", "answer=yes", ""),
        ("apt-install", "update=done\n", ""),
        ("apt-install", "tcc=install ok installed", "tcc=unknown ok not-installed"),
        ("git-build", "said=hello 42", "said="),
        ("git-build", "changed=0", "changed=3"),
        ("git-build", "same=yes", "same="),
    ],
)
def test_a_bad_answer_fails(name: str, old: str, new: str) -> None:
    assert old in GOOD[name]
    judged = GUEST_CHECKS[name].judge(0, GOOD[name].replace(old, new), FACTS)
    assert not judged.good
    assert judged.text


@pytest.mark.parametrize("name", ["uname", "memory", "disk", "names", "timers", "fpu", "state", "forks", "accounts", "status", "apt", "login", *network.TRAFFIC, *livedin.WORK])
def test_a_good_answer_with_a_bad_status_fails(name: str) -> None:
    assert not GUEST_CHECKS[name].judge(1, GOOD[name], FACTS).good


def test_a_prompt_that_is_not_on_the_console_fails() -> None:
    assert not GUEST_CHECKS["login"].judge(0, GOOD["login"], dataclasses.replace(FACTS, console="Starting")).good


def test_the_declared_machines_have_the_devices_that_are_looked_for() -> None:
    machines = load(checkout().root / "colinux.toml").machines
    for name in ("net", "devices-2.6.33", "devices-2.4.37", "nt-devices"):
        declared = machines[name]
        assert declared.cmdline.endswith(f"{network.CMDLINE} {terminals.CMDLINE}"), name
        # libslirp's IPv6 is for guests that have it
        assert set(network.TRAFFIC) - {"net-ip6"} <= set(declared.checks), name
    assert set(network.TRAFFIC) <= set(machines["net"].checks)
    for one in machines.values():
        assert terminals.CMDLINE in one.cmdline or "terminals" not in one.checks, one.name
        for folder in ("cofs0={}", "cofs1={},ro"):
            assert folder.format(folders.FOLDER) in one.cmdline.split() or "folder" not in one.checks, one.name


def test_a_folder_lacks_what_the_series_lacks_and_no_more() -> None:
    old = dataclasses.replace(FACTS, series="2.6.33")
    script = GUEST_CHECKS["folder"].script(old)
    assert "/tmp/cofs1 shared-maps,moves,link-counts,blocks\n" in script
    assert "/tmp/cofs1 \n" in GUEST_CHECKS["folder"].script(FACTS)
    fewer = GOOD["folder"].replace("tried=49", "tried=47")
    assert GUEST_CHECKS["folder"].judge(0, fewer, old).good
    assert not GUEST_CHECKS["folder"].judge(0, GOOD["folder"], old).good


def test_names_are_those_that_the_series_has() -> None:
    facts = dataclasses.replace(FACTS, series="2.4.37")
    old = "cobd0=/dev/cobd0\ncobd1=/dev/cobd1\nhda1=/dev/cobd0\n"
    assert GUEST_CHECKS["names"].judge(0, old, facts).good
    assert not GUEST_CHECKS["names"].judge(0, GOOD["names"], facts).good
    assert not GUEST_CHECKS["names"].judge(0, "", dataclasses.replace(FACTS, disk_names={})).good
    assert disknames.aliases("root=/dev/hda1 hda1=:cobd0 sdb=:cobd12 x.hdc=:cobd3 hdd=a") == {"hda1": 0, "sdb": 12}
    assert disknames.all_names(2, {"hda1": 0}) == {"cobd0": 0, "cobd1": 1, "hda1": 0}


def test_slack_is_given_where_time_runs_slower() -> None:
    late = TIMERS.replace("sleep10_median_ms=10.4", "sleep10_median_ms=22")
    assert not GUEST_CHECKS["timers"].judge(0, late, FACTS).good
    assert GUEST_CHECKS["timers"].judge(0, late, dataclasses.replace(FACTS, slack=3.0)).good


def test_every_series_that_can_be_built_has_its_traits() -> None:
    assert set(TRAITS) == set(kernels.series())
    assert [TRAITS[series].disk_name(1) for series in ("6.1", "2.4.37")] == ["/dev/vdb", "/dev/cobd1"]


@pytest.mark.parametrize(("series", "avx", "level", "good"), [
    ("6.1", True, "avx", True), ("6.1", True, "sse", False), ("6.1", False, "sse", True),
    ("2.4.37", True, "sse", True), ("2.4.37", True, "x87", False), ("2.4.37", False, "sse", True),
])  # fmt: skip
def test_registers_are_those_that_the_series_saves(series: str, avx: bool, level: str, good: bool) -> None:
    facts = dataclasses.replace(FACTS, series=series, avx=avx)
    assert GUEST_CHECKS["fpu"].judge(0, GOOD["fpu"].replace("avx", level), facts).good is good


@pytest.mark.parametrize(("series", "arch", "kinds"), [
    ("6.1", "x86_64", X86_64_STATE), ("2.6.33", "x86_64", X86_64_STATE), ("2.6.33", "i386", I386_STATE),
    ("2.4.37", "i386", ("ldt", "segments", "watch", "int80", "vm86")),
])  # fmt: skip
def test_state_is_exactly_what_the_series_can_have(series: str, arch: str, kinds: tuple[str, ...]) -> None:
    facts = dataclasses.replace(FACTS, series=series, arch=arch)
    judge = GUEST_CHECKS["state"].judge
    judged = judge(0, kept(kinds, absent=("sse5",)), facts)
    assert judged.good, judged.text
    for one in kinds:
        rest = [kind for kind in kinds if kind != one]
        assert not judge(0, kept(rest, absent=(one,)), facts).good
        assert not judge(0, kept(rest), facts).good
    for more in {*I386_STATE, *X86_64_STATE} - {*kinds}:
        assert more in judge(0, kept((*kinds, more)), facts).text


def test_of_every_declared_kernel_it_is_known_what_state_it_has() -> None:
    declared = {(one.series, one.arch) for one in load(checkout().root / "colinux.toml").kernels.values()}
    assert {(series, arch) for series, traits in TRAITS.items() for arch in traits.state} == declared


def test_a_series_without_high_resolution_is_not_asked_for_it() -> None:
    coarse = TIMERS.replace("sleep1_min_ms=1.1", "sleep1_min_ms=10").replace("10.4", "20")
    assert GUEST_CHECKS["timers"].judge(0, coarse, dataclasses.replace(FACTS, series="2.4.37")).good
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
    assert checks.STATE.script(FACTS) == "colinux-check state 5 /dev/vdb"  # reads it
    assert checks.STATE.script(dataclasses.replace(FACTS, scratch=None)) == "colinux-check state 5"

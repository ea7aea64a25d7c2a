# SPDX-License-Identifier: GPL-2.0-only
"""The checks inside a guest, as data: a script that measures, a function that judges.

A check never decides inside the guest what only its outside can know (how much
memory it was given, what time it is), and never needs a console: the script's
output and status come over the agent. Scripts are plain sh for busybox and for
Debian.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from runtime.launcher import disknames, folders, livedin, network, proc
from runtime.launcher.series import TRAITS, Traits


@dataclass(frozen=True)
class Facts:
    """What is known of a guest from outside.

    `series` is one of series.TRAITS. `disk_names` are coLinux's names of its disks with their numbers.
    `scratch` is the guest's name of a disk that may be overwritten ("/dev/vdb") or None;
    `now` is the launcher's clock (Unix time) when the script ended; `avx` whether the test
    host's CPU and kernel have it; `slack` how much slower than real hardware time-critical things may be.
    """

    series: str
    arch: str
    memory_mib: int
    scratch: str | None = None
    avx: bool = False
    now: float = 0.0
    console: str = ""
    slack: float = 1.0
    disk_names: Mapping[str, int] = field(default_factory=dict)

    @property
    def traits(self) -> Traits:
        return TRAITS[self.series]


@dataclass(frozen=True)
class Judged:
    """Whether it was right, and one line about it."""

    good: bool
    text: str


@dataclass(frozen=True)
class GuestCheck:
    """`script` makes the sh script, `judge` looks at (status, output)."""

    name: str
    script: Callable[[Facts], str]
    judge: Callable[[int, str, Facts], Judged]
    needs_scratch: bool = False


def values(output: str) -> Mapping[str, str]:
    """The `key=value` lines of an output."""
    pairs = (line.partition("=") for line in output.splitlines())
    return {key.strip(): value.strip() for key, sep, value in pairs if sep}


def number(output: Mapping[str, str], key: str) -> float:
    """A measured value; a missing or unreadable one is NaN, which every comparison below rejects."""
    try:
        return float(output[key])
    except (KeyError, ValueError):
        return float("nan")


@dataclass
class Expect:
    """Collects what is wrong; nothing wrong is good."""

    wrong: list[str] = field(default_factory=list)

    def that(self, good: bool, otherwise: str) -> None:
        if not good:
            self.wrong.append(otherwise)

    def judged(self, text: str) -> Judged:
        return Judged(not self.wrong, "; ".join(self.wrong) or text)


# --- uname -------------------------------------------------------------------------------------

MACHINE_NAMES = {"x86_64": {"x86_64"}, "i386": {"i386", "i486", "i586", "i686"}}


def judge_uname(status: int, output: str, facts: Facts) -> Judged:
    said = values(output)
    release, machine = said.get("release", ""), said.get("machine", "")
    expect = Expect()
    expect.that(status == 0, f"the script ended with {status}")
    expect.that(
        release == facts.series or release.startswith((facts.series + ".", facts.series + "-")),
        f"release {release!r} is not of series {facts.series}",
    )
    expect.that("colinux" in release, f"release {release!r} is not a cooperative kernel's")
    expect.that(machine in MACHINE_NAMES[facts.arch], f"machine {machine!r} is not {facts.arch}")
    return expect.judged(f"{release} {machine}")


UNAME = GuestCheck("uname", lambda facts: "echo release=$(uname -r); echo machine=$(uname -m)", judge_uname)

# --- memory --------------------------------------------------------------------------------------

MEMORY_SCRIPT = """
awk '/^MemTotal:/{print "total_kib=" $2} /^MemFree:/{print "free_kib=" $2}' /proc/meminfo
colinux-check mem $(awk '/^MemFree:/{print int($2 / 2048)}' /proc/meminfo)
"""


def judge_memory(status: int, output: str, facts: Facts) -> Judged:
    said = values(output)
    total = number(said, "total_kib") / 1024
    expect = Expect()
    expect.that(status == 0, f"colinux-check mem ended with {status}")
    # The kernel keeps its image and page structures: up to a quarter of a small machine.
    expect.that(
        facts.memory_mib * 0.75 <= total <= facts.memory_mib,
        f"MemTotal is {total:.0f} MiB of {facts.memory_mib} MiB",
    )
    expect.that(number(said, "mib") >= facts.memory_mib * 0.2, f"only {said.get('mib')} MiB could be filled")
    return expect.judged(f"{total:.0f} MiB, {said.get('mib')} MiB filled and read back")


MEMORY = GuestCheck("memory", lambda facts: MEMORY_SCRIPT, judge_memory)

# --- disk ----------------------------------------------------------------------------------------

# mke2fs is busybox's (ext2, no options) or e2fsprogs'; the kernel's driver for ext2 may be ext4's.
DISK_SCRIPT = """
set -e
dev=%s
dir=/tmp/colinux-disk
mke2fs -F $dev > /dev/null 2>&1
mkdir -p $dir
attach() { mount -t ext2 $dev $dir 2> /dev/null || mount -t ext4 $dev $dir; }
attach
dd if=/dev/urandom of=$dir/a bs=64k count=128 2> /dev/null
cp $dir/a $dir/b
echo written=$(sha256sum < $dir/a)
umount $dir
echo 3 > /proc/sys/vm/drop_caches || :
attach
echo again=$(sha256sum < $dir/a)
cmp $dir/a $dir/b && echo copy=equal
umount $dir
sync
echo 3 > /proc/sys/vm/drop_caches || :
echo device=$(sha256sum < $dev)
"""


def digest_of(output: str, key: str) -> str:
    """The hash in `key=<hash>  -`."""
    return (values(output).get(key, "").split() or [""])[0]


def judge_disk(status: int, output: str, facts: Facts) -> Judged:
    written = digest_of(output, "written")
    expect = Expect()
    expect.that(status == 0, f"the script ended with {status}: {output.strip()[-200:]}")
    expect.that(
        len(written) == 64 and written == digest_of(output, "again"),
        "what was read after the second mount is not what was written",
    )
    expect.that(values(output).get("copy") == "equal", "the file and its copy differ")
    expect.that(len(digest_of(output, "device")) == 64, "the device was not hashed")
    return expect.judged(f"8 MiB and a copy of it, sha256 {written[:16]}")


DISK = GuestCheck("disk", lambda facts: DISK_SCRIPT % facts.scratch, judge_disk, needs_scratch=True)

# --- timers ----------------------------------------------------------------------------------------


def judge_timers(status: int, output: str, facts: Facts) -> Judged:
    said = values(output)
    median10, shortest10 = number(said, "sleep10_median_ms"), number(said, "sleep10_min_ms")
    shortest1 = number(said, "sleep1_min_ms")
    mono, wall, epoch = number(said, "monotonic_s"), number(said, "wall_s"), number(said, "epoch")
    expect = Expect()
    expect.that(status == 0, f"colinux-check ended with {status}")
    expect.that(number(said, "backward") == 0, "a clock went backwards")
    # A tick's worth of granularity is allowed to the clock it is measured with, not to the timer.
    hires = facts.traits.hires
    expect.that(shortest10 >= 9.9 if hires else shortest10 >= 0, f"10 ms took only {shortest10} ms")
    late = 10 + (5 if hires else 20) * facts.slack
    expect.that(median10 <= late, f"10 ms take {median10} ms, more than {late:.0f} ms")
    if hires:
        # Without high resolution the shortest sleep is a whole tick of 4 ms or more.
        expect.that(shortest1 <= 1 + 1.5 * max(1.0, facts.slack / 2), f"1 ms takes at least {shortest1} ms")
    expect.that(abs(mono - wall) <= 0.02 * mono + 0.002, f"monotonic went {mono} s, wall clock {wall} s")
    expect.that(abs(epoch - facts.now) <= 3 + facts.slack, f"the wall clock is {epoch - facts.now:.1f} s off")
    return expect.judged(f"10 ms take {median10:.2f} ms, 1 ms at best {shortest1:.2f} ms")


TIMERS = GuestCheck(
    "timers", lambda facts: "colinux-check timers 30 && colinux-check clock 1000", judge_timers
)

# --- fpu -------------------------------------------------------------------------------------------


def judge_fpu(status: int, output: str, facts: Facts) -> Judged:
    said = values(output)
    expect = Expect()
    expect.that(status == 0 and said.get("faults") == "0", f"registers were lost: {output.strip()[:300]}")
    expect.that(number(said, "rounds") > 0 and number(said, "forks") > 0, "nothing was tried")
    if facts.avx and facts.traits.fpu == "avx":
        expect.that(said.get("level") == "avx", f"the host has AVX, the guest only {said.get('level')}")
    if facts.traits.fpu == "sse":
        expect.that(said.get("level") == "sse", f"the guest saves {said.get('level')}, not sse")
    return expect.judged(f"{said.get('level')}, {said.get('rounds')} rounds beside {said.get('forks')} forks")


FPU = GuestCheck("fpu", lambda facts: "colinux-check fpu 4 4 2", judge_fpu)

# --- state -----------------------------------------------------------------------------------------

STATE_SECONDS = 5
# Every one of them came from the host. Some 90 a second are a guest's own ticks.
STATE_INTERRUPTS = 20 * STATE_SECONDS
STATE_OK = re.compile(r"ok rounds=([1-9]\d*) holders=2")


def judge_state(status: int, output: str, facts: Facts) -> Judged:
    said = values(output)
    expected = facts.traits.state[facts.arch]
    rounds = {kind: found[1] for kind, text in said.items() if (found := STATE_OK.fullmatch(text))}
    expect = Expect()
    faults = [line for line in output.splitlines() if line.startswith("fault: ")]
    expect.that(status == 0 and said.get("faults") == "0", f"{'; '.join(faults)[:600]} (ended with {status})")
    for kind in sorted(expected - rounds.keys()):
        expect.that(False, f"{kind}: {said.get(kind, 'not tried')}")
    for kind in sorted(rounds.keys() - expected):
        expect.that(False, f"{kind} is there, which guests of Linux {facts.series} are not known to have")
    expect.that(
        number(said, "interrupts") >= STATE_INTERRUPTS and number(said, "disturbances") > 0,
        f"only {said.get('interrupts')} interrupts, {said.get('disturbances')} disturbances",
    )
    kept = ", ".join(f"{kind} {rounds[kind]}" for kind in sorted(rounds))
    return expect.judged(f"kept in {said.get('interrupts')} interrupts: {kept} rounds")


STATE = GuestCheck(
    "state", lambda facts: f"colinux-check state {STATE_SECONDS} {facts.scratch or ''}".strip(), judge_state
)

# --- forks -----------------------------------------------------------------------------------------


def judge_forks(status: int, output: str, facts: Facts) -> Judged:
    said = values(output)
    expect = Expect()
    expect.that(status == 0 and said.get("faults") == "0", f"ended with {status}: {output.strip()[:300]}")
    expect.that(number(said, "forks") == 300, f"{said.get('forks')} forks, not 300")
    return expect.judged(f"300 forks in {said.get('seconds')} s")


FORKS = GuestCheck("forks", lambda facts: "colinux-check forks 300", judge_forks)

# --- closed doors ----------------------------------------------------------------------------------

DOORS_TRIED = 9


def judge_doors(status: int, output: str, facts: Facts) -> Judged:
    said = values(output)
    expect = Expect()
    faults = [line.removeprefix("fault: ") for line in output.splitlines() if line.startswith("fault: ")]
    expect.that(status == 0 and not faults, f"{', '.join(faults) or output.strip()[:200]} (ended with {status})")
    expect.that(number(said, "tried") == DOORS_TRIED, f"{said.get('tried')} ways tried, not {DOORS_TRIED}")
    return expect.judged(f"{DOORS_TRIED} ways from root into ring 0, all closed")


DOORS = GuestCheck("doors", lambda facts: "colinux-check doors", judge_doors)

# --- accounts ----------------------------------------------------------------------------------------

# What a person would look at: does df see a file come and go, do interrupts count, does free agree with itself?
ACCOUNTS_SCRIPT = """
interrupts() { awk '{for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+$/) n += $i} END{print n + 0}' /proc/interrupts; }
used() { df -k /tmp | awk 'END{print $(NF - 3)}'; }
echo interrupts_before=$(interrupts)
echo df_before=$(used)
dd if=/dev/zero of=/tmp/colinux-df bs=64k count=64 2> /dev/null
echo df_with=$(used)
rm /tmp/colinux-df
echo df_after=$(used)
sleep 1
echo interrupts_after=$(interrupts)
awk '/^MemTotal:/{print "total=" $2}' /proc/meminfo
free | awk '$1 == "Mem:"{print "free_total=" $2; print "free_used=" $3; print "free_free=" $4}'
"""


def judge_accounts(status: int, output: str, facts: Facts) -> Judged:
    said = values(output)
    more = number(said, "df_with") - number(said, "df_before")
    left = number(said, "df_after") - number(said, "df_before")
    counted = number(said, "interrupts_after") - number(said, "interrupts_before")
    total, used, free = (number(said, f"free_{key}") for key in ("total", "used", "free"))
    expect = Expect()
    expect.that(status == 0, f"the script ended with {status}")
    expect.that(4096 <= more <= 4160, f"df shows {more:.0f} KiB more after a file of 4096")
    expect.that(abs(left) <= 64, f"df shows {left:.0f} KiB more when the file is gone")
    expect.that(counted >= 1, "no interrupt was counted in a second")
    expect.that(total == number(said, "total"), f"free knows of {total:.0f} KiB, Linux of {said.get('total')}")
    expect.that(used > 0 and free > 0 and used + free <= total, f"free: {used:.0f} + {free:.0f} of {total:.0f} KiB")
    return expect.judged(f"{counted:.0f} interrupts in a second, {used:.0f} of {total:.0f} KiB in use")


ACCOUNTS = GuestCheck("accounts", lambda facts: ACCOUNTS_SCRIPT, judge_accounts)

# --- Debian ------------------------------------------------------------------------------------------


def judge_systemd(status: int, output: str, facts: Facts) -> Judged:
    lines = output.strip().splitlines()
    state = lines[0].strip() if lines else ""
    expect = Expect()
    expect.that(state == "running", f"systemd says {state!r}: {' '.join(lines[1:])[:400]}")
    return expect.judged("systemctl is-system-running: running")


SYSTEMD = GuestCheck(
    "systemd",
    lambda facts: "systemctl is-system-running --wait || systemctl --failed --no-legend --plain",
    judge_systemd,
)


def judge_apt(status: int, output: str, facts: Facts) -> Judged:
    first = (output.strip().splitlines() or [""])[0]
    expect = Expect()
    expect.that(status == 0 and first.startswith("apt "), f"ended with {status}: {output.strip()[:200]}")
    return expect.judged(first)


APT = GuestCheck("apt", lambda facts: "apt-get --version", judge_apt)

# getty prints its prompt some time after systemd is up: wait for the unit, then look at the console.
LOGIN_SCRIPT = """
i=0
while [ $i -lt 120 ]; do
    systemctl is-active --quiet 'serial-getty@hvc0.service' && echo getty=active && sleep 1 && exit 0
    i=$((i + 1)); sleep 0.5
done
exit 1
"""


def judge_login(status: int, output: str, facts: Facts) -> Judged:
    expect = Expect()
    expect.that(status == 0 and "getty=active" in output, f"no getty on hvc0: {output.strip()[:200]}")
    # What a person sees is on the console and nowhere else: the one check that looks there.
    expect.that("login:" in facts.console, "no login prompt on the console")
    return expect.judged("login prompt on hvc0")


LOGIN = GuestCheck("login", lambda facts: LOGIN_SCRIPT, judge_login)

# --- names -----------------------------------------------------------------------------------------


def judge_names(status: int, output: str, facts: Facts) -> Judged:
    names, said = facts.disk_names, values(output)
    devices = {name: facts.traits.disk_name(number) for name, number in names.items()}
    expect = Expect([*disknames.wrong(names, devices, said)])
    expect.that(status == 0, f"the script ended with {status}")
    expect.that(bool(names), "this machine has no disks")
    return expect.judged(", ".join(f"{name} {device}" for name, device in devices.items()))


NAMES = GuestCheck("names", lambda facts: disknames.script(facts.disk_names), judge_names)

# --- host folders ------------------------------------------------------------------------------------


def judge_folder(status: int, output: str, facts: Facts) -> Judged:
    lacks = facts.traits.folder_lacks
    expect = Expect([*folders.wrong(status, output, values(output), lacks)])
    return expect.judged(f"{folders.tried(lacks)} things that a file system must do, and must not")


FOLDER = GuestCheck("folder", lambda facts: folders.script(facts.traits.folder_lacks), judge_folder)

# --- network -----------------------------------------------------------------------------------------


def _traffic(name: str, traffic: network.Traffic) -> GuestCheck:
    def judge(status: int, output: str, facts: Facts) -> Judged:
        said = values(output)
        rates = [f"{key.removesuffix('_mib_s')} {rate}" for key, rate in said.items() if key.endswith("_mib_s")]
        text = traffic.text + (f" (MiB/s: {', '.join(rates)})" if rates else "")
        return Expect([*network.wrong(traffic, status, output, said)]).judged(text)

    return GuestCheck(name, lambda facts: traffic.script, judge)


STATUS = _traffic("status", proc.STATUS)
NETWORK = tuple(_traffic(name, traffic) for name, traffic in {**network.TRAFFIC, **livedin.WORK}.items())

GUEST_CHECKS: Mapping[str, GuestCheck] = {
    check.name: check
    for check in (
        UNAME, MEMORY, DISK, NAMES, TIMERS, FPU, STATE, FORKS, DOORS, STATUS, ACCOUNTS, SYSTEMD, APT, LOGIN, FOLDER,
        *NETWORK,
    )
}  # fmt: skip

# What is asked of a guest that only has to be shown to work (the second one, the one after a crash).
QUICK = ("uname", "forks")

# SPDX-License-Identifier: GPL-2.0-only
"""What is done with a machine. Every scenario ends in the same examination; what comes before differs.

basic       boot, check, power off, and examine the host
two-guests  the same with two guests at once, every check on both at the same time
stress      the same while the host itself is busy: forks, arithmetic, memory
busy        the same while the guest's CPU is kept busy: sleeps must still end
nmi         the same in a storm of non-maskable interrupts
mce         the same with machine checks
panic       guests panic first, each in its own way: the text arrives, the host lives on
kill        the daemon is killed three times under a working guest first: nothing leaks
journal     the daemon is killed six times under a guest that flushes files first: none is lost
journal-50  the same, fifty times
clock       ten minutes of load in the guest, whose clock must keep time with the host's
cofs        a folder of the host's: prepared before, looked at afterwards
net         servers on the host that the guest speaks to; afterwards the host speaks to the guest
devices     cofs and net with the same guest
lived-in    a Debian from its owner's configuration file: packages, a project, ssh, consoles
desktop     programs of KDE's in a Debian, shown on a screen of the host's
debian      a distribution from its disk: takes longer to be up, is asked for its services
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

from runtime.launcher import (
    balloon,
    clock,
    control,
    desktop,
    folders,
    journal,
    livedin_host,
    network,
    sandbox,
    terminals,
)
from runtime.launcher.checks import GUEST_CHECKS
from runtime.launcher.guest import Guest
from runtime.launcher.lab import Lab
from runtime.launcher.report import Stopwatch
from runtime.launcher.servers import stop_runs
from runtime.launcher.verdict import DAEMON_PANIC, Stop, judge_unresponsive, last_lines, panic_message

# What is examined on the host after the guests, in this order: a leak can only
# be measured while the driver is there, and its log is complete at the end.
HOST_CHECKS: Mapping[str, Callable[[Lab], None]] = {
    "second-guest": lambda lab: lab.quick(lab.guests[:1], "second-guest"),
    "two-guests": lambda lab: lab.quick(lab.guests[:2], "two-guests"),
    "host-leak": Lab.leak,
    "unload": Lab.unload,
    "host-clean": Lab.host_clean,
}

# Names that colinux.toml may use for a machine's checks.
CHECKS = (frozenset(GUEST_CHECKS) | frozenset(HOST_CHECKS)
          | {"poweroff", "sandbox", "terminals", "control", "balloon", "stop"})

Around = Callable[[Lab, Sequence[Guest]], AbstractContextManager[None]]


@dataclass(frozen=True)
class Scenario:
    """What happens before the guests that are examined, around them while they are checked, and after their end."""

    name: str
    before: Callable[[Lab], None] = lambda lab: None
    around: Around = lambda lab, guests: nullcontext()
    after: Callable[[Lab], None] = lambda lab: None
    guests: int = 1
    spare: int = 0  # slots that stay empty: their ports are the host's own


def play(lab: Lab, scenario: Scenario) -> None:
    """The whole scenario. Raises Stop when it cannot go on."""
    names = lab.machine.checks
    guests = lab.guests[: max(scenario.guests, lab.machine.guests)]
    lab.load_driver()
    scenario.before(lab)
    if "terminals" in names:
        terminals.prepare(lab)
    lab.start(guests, scenario.name)
    lab.report.add("boot", True, f"up after {lab.boot_seconds or 0:.1f} s", lab.boot_seconds or 0.0)
    with scenario.around(lab, guests):
        lab.check(guests, [name for name in names if name in GUEST_CHECKS])
    if "sandbox" in names:
        sandbox.sandbox(lab, guests)
    if "terminals" in names:
        terminals.terminals(lab, guests[0])
    if "control" in names:
        control.control(lab, guests)
    if "balloon" in names:
        balloon.balloon(lab, guests)
    if "poweroff" in names:
        lab.power_off(guests)
    elif "stop" in names:
        control.stop(lab, guests)
    for guest in guests:
        guest.stop()
    scenario.after(lab)
    if "terminals" in names:
        terminals.cleared(lab)
    lab.disk_same()
    for name, examine in HOST_CHECKS.items():
        if name in names:
            examine(lab)


def slots(scenario: Scenario, checks: Sequence[str], guests: int) -> int:
    """How many guests may run at once in all of this, and the spare ones."""
    return max(scenario.guests, guests, 2 if "two-guests" in checks else 1) + scenario.spare


# --- stress ----------------------------------------------------------------------------------------

HOST_LOAD = (
    "while :; do colinux-check forks 50; done",
    "while :; do colinux-check bench fp; colinux-check bench cpu; done",
    "while :; do dd if=/dev/zero bs=1M count=4 2> /dev/null | sha256sum; done",
)
# sha256 of 4 MiB of zeroes: what the third load must say every time.
ZEROES = "bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8"


@contextmanager
def host_load(lab: Lab, guests: Sequence[Guest]) -> Iterator[None]:
    """The host works as well, on all its CPUs; and it must not miscalculate."""
    runs = [lab.host.start(script) for script in HOST_LOAD]
    try:
        yield
        ended = [run for run in runs if run.ended]
        sums = [line.split()[0] for line in runs[2].text.splitlines()[:-1] if line]
        faults = [line for line in runs[0].text.splitlines() if line.startswith("fault:")]
        good = not ended and not faults and bool(sums) and set(sums) == {ZEROES}
        lab.report.add(
            "host-load",
            good,
            f"{len(sums)} sums, {runs[0].text.count('forks=')} rounds of forks"
            + (f"; {len(ended)} ended by themselves" if ended else "")
            + "".join(f"\n{line}" for line in faults[:5])
            + "".join(f"\nwrong sum {one}" for one in set(sums) - {ZEROES}),
        )
    finally:
        stop_runs(lab, runs)


# --- busy ------------------------------------------------------------------------------------------


@contextmanager
def guest_load(lab: Lab, guests: Sequence[Guest]) -> Iterator[None]:
    """A process that never sleeps, in every guest; the host must stay quick beside it."""
    runs = [(guest, guest.begin("exec colinux-check spin 100000", 0)) for guest in guests]
    try:
        watch = Stopwatch()
        status, text = lab.host.run("colinux-check timers 30", 60)
        lab.report.add("host-timers", status == 0, text.strip().replace("\n", " "), watch.seconds)
        yield
    finally:
        for guest, run in runs:
            guest.agent.kill(run)
        lab.host.pump.until(lambda: all(run.ended for _, run in runs), 10 * lab.setting.factor)


# --- NMI, machine checks ------------------------------------------------------------------------------

NMI_PERIOD = 0.003
NMI_LEAST = 200
# What Linux says to an NMI that nobody claims; nothing else about it is in order.
NMI_ALLOWED = (
    r"Uhhuh. NMI received",
    r"Dazed and confused",
    r"perf: interrupt took too long",
    r"NMI: .*handler .*took too long",
)

# A spontaneous, uncorrected but harmless error ("action optional": the write-back
# of a last-level cache line), for which Linux logs and goes on. Values: Intel SDM
# volume 3, 15.6 and 15.9.3.1: VAL, UC, EN, S, MCACOD 0x17a; RIPV and MCIP. AMD CPUs
# know no such error, so the machine's CPU model has to be one of Intel's.
MCE_COMMAND = "mce -b 0 9 0xb10000000000017a 0x5 0 0"
MCE_PERIOD = 0.25
MCE_LEAST = 5
MCE_REPORT = "Machine Check Exception"
MCE_ALLOWED = (r"mce: .*(Hardware Error|Machine check)",)


def interrupts(lab: Lab, name: str) -> int:
    """How often, on all CPUs, by the host's /proc/interrupts."""
    line = lab.host.ask(f"grep '^ *{name}:' /proc/interrupts")
    return sum(int(word) for word in line.split() if word.isdecimal())


@contextmanager
def nmi_storm(lab: Lab, guests: Sequence[Guest]) -> Iterator[None]:
    """An NMI to every CPU, several hundred times a second, from QEMU."""
    lab.allowed += NMI_ALLOWED
    qmp = lab.host.qemu.qmp
    before = interrupts(lab, "NMI")
    with lab.host.pump.every(NMI_PERIOD, qmp.nmi):
        yield
        lab.host.pump.until(lambda: qmp.posted_done >= 2 * NMI_LEAST, lab.check_limit)
    seen = interrupts(lab, "NMI") - before
    # Those that arrive while one is pending melt into it, so fewer are seen than sent.
    good = seen >= NMI_LEAST and qmp.posted_error is None
    lab.report.add(
        "nmi-seen",
        good,
        f"{qmp.posted_done} sent, {seen} seen by the host"
        + (f"; QEMU: {qmp.posted_error}" if qmp.posted_error else ""),
    )


@contextmanager
def machine_checks(lab: Lab, guests: Sequence[Guest]) -> Iterator[None]:
    """Machine checks on every CPU, from QEMU."""
    lab.allowed += MCE_ALLOWED
    qmp = lab.host.qemu.qmp
    before = interrupts(lab, "MCE")

    sent = 0

    def one() -> None:
        # A CPU that meets one while it handles another (MCG_STATUS.MCIP; SDM volume 3,
        # 15.3.1.2) shuts down, and a slow host may take its time: wait for its report.
        nonlocal sent
        if lab.host.console.count(MCE_REPORT) >= sent:
            qmp.post("human-monitor-command", **{"command-line": MCE_COMMAND})
            sent += 1

    with lab.host.pump.every(MCE_PERIOD, one):
        yield
        # A guest that was done sooner waits: it is not passed on luck.
        lab.host.pump.until(lambda: qmp.posted_done >= MCE_LEAST, lab.check_limit)
    seen = interrupts(lab, "MCE") - before
    good = seen >= MCE_LEAST and qmp.posted_error is None
    lab.report.add(
        "mce-seen",
        good,
        f"{qmp.posted_done} sent, {seen} seen by the host"
        + (f"; QEMU: {qmp.posted_error}" if qmp.posted_error else ""),
    )


# --- panic -----------------------------------------------------------------------------------------------

# A NULL pointer in the kernel: an oops, which a cooperative guest makes a panic.
OOPS = "[ -w /proc/sysrq-trigger ] || exit 77; echo c > /proc/sysrq-trigger"


# Command lines that end in a panic by themselves, and what the daemon, or the guest's
# console, has to say. The first makes our platform code read address 0 before Linux has
# handlers for it; the second takes the kernel's stack away when it is up.
PANICS = {
    "panic-early": ("colinux.fault=early", "early exception", ""),
    "panic-double": ("colinux.fault=double", "", "double fault"),
    "panic-init": ("rdinit=/bin/false init=/bin/false", "Attempted to kill init", ""),
}


def panics(lab: Lab) -> None:
    """Four ways to panic; the daemon tells the guest's own words and ends with its code for it."""
    guest = lab.guests[0]
    for label, (words, text, either) in PANICS.items():
        guest.start(f"{label}: {words}", words, agent=False)
        lab.guests_run += 1
        expect_panic(lab, guest, label, text, either)
    lab.start([guest], "panic: NULL pointer")
    run = guest.begin(OOPS, lab.check_limit)
    lab.host.pump.until(lambda: run.ended or not guest.running, lab.check_limit)
    if run.status == 77:
        lab.report.add("panic-oops", None, "this kernel has no sysrq")
        guest.stop()
        return
    expect_panic(lab, guest, "panic-oops")


def expect_panic(lab: Lab, guest: Guest, label: str, text: str = "", either: str = "") -> None:
    """The guest ends by a panic whose text holds `text`; `either` is in there or on its console."""
    watch = Stopwatch()
    status = guest.wait_end(lab.boot_limit)
    if status is None:
        guest.stop()
        raise Stop(judge_unresponsive("a guest that should have panicked", guest.console, lab.boot_limit))
    said = panic_message(guest.daemon, "")
    told = text in guest.daemon and either in (guest.daemon + guest.console).lower()
    good = status == DAEMON_PANIC and told and "panic" in guest.daemon.lower()
    lab.report.add(
        label,
        good,
        said if good else f"exit code {status}, the daemon said: {last_lines(guest.daemon)}",
        watch.seconds,
    )


# --- kill -------------------------------------------------------------------------------------------------

SIGKILLED = 128 + 9


def kills(lab: Lab) -> None:
    """kill -9 of the daemon while its guest boots, computes, and writes its disk."""
    guest = lab.guests[0]
    for number, work in enumerate(
        ("", "colinux-check fpu 100", "while :; do dd if=/dev/zero of=/tmp/x bs=1M count=8; done")
    ):
        watch = Stopwatch()
        if work:
            lab.start([guest], f"kill {number}")
            guest.begin(work, 0)
            lab.host.pump.rest(1.0)
        else:
            guest.start(f"kill {number}: while it boots")
            lab.guests_run += 1
            lab.host.pump.until(lambda: bool(guest.console) or not guest.running, lab.boot_limit)
        status = guest.kill()
        _, used = lab.host.pool()
        lab.report.add(
            f"kill-{number}",
            status == SIGKILLED and used == 0 and lab.host.alive(),
            f"the daemon ended with {status}, {used} KiB of the pool still in use",
            watch.seconds,
        )


# --- several devices ------------------------------------------------------------------------------


def prepare_devices(lab: Lab) -> None:
    """What a network and host folders lead to."""
    network.prepare(lab)
    folders.prepare(lab)


@contextmanager
def devices(lab: Lab, guests: Sequence[Guest]) -> Iterator[None]:
    """Both of them."""
    with ExitStack() as stack:
        for around in (folders.shared, network.served):
            stack.enter_context(around(lab, guests))
        yield


SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("basic"),
        Scenario("two-guests", guests=2),
        Scenario("stress", around=host_load),
        Scenario("busy", around=guest_load),
        Scenario("nmi", around=nmi_storm),
        Scenario("mce", around=machine_checks),
        Scenario("panic", before=panics),
        Scenario("kill", before=kills),
        Scenario("journal", before=partial(journal.survive, kills=6)),
        Scenario("journal-50", before=partial(journal.survive, kills=50)),
        Scenario("cofs", before=folders.prepare, around=folders.shared),
        Scenario("net", before=network.prepare, around=network.served),
        Scenario("devices", before=prepare_devices, around=devices),
        Scenario("debian"),
        Scenario("lived-in", before=livedin_host.prepare, around=livedin_host.around, after=livedin_host.cleared),
        Scenario("desktop", before=desktop.prepare, around=desktop.around, after=desktop.cleared),
        Scenario("clock", around=clock.kept),
    )
}

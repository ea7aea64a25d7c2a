# SPDX-License-Identifier: GPL-2.0-only
"""Does a guest's clock keep time with the host's, for minutes and under load?

A guest without clock interrupts of its own has its ticks replayed when it gets
the CPU back: what is lost there adds up, and a short check would not see it.
To ask one after the other what time it is takes tens of milliseconds on a busy
computer. But both count by the same time stamp counter, so each is asked for a
stamp, its clock at a moment of that counter, at the beginning and at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from runtime.launcher.checks import number, values
from runtime.launcher.guest import Guest
from runtime.launcher.lab import Lab
from runtime.launcher.report import Stopwatch
from runtime.launcher.verdict import Stop, judge_unresponsive

SECONDS = 600.0
LIMIT = 0.050  # seconds that the clocks may drift apart meanwhile
STAMP = "colinux-check stamp"
RESOLUTION = 1e-6  # seconds: gettimeofday's

# Processes, computation and memory at once, so that the guest never idles.
LOAD = (
    "exec colinux-check spin 100000",
    "while :; do colinux-check forks 50; done > /dev/null 2>&1",
    "while :; do dd if=/dev/zero of=/tmp/load bs=64k count=32; sync; done > /dev/null 2>&1",
)


@dataclass(frozen=True)
class Stamp:
    """A clock (seconds since 1970) at a moment of the time stamp counter; `width` cycles wide."""

    tsc: int
    epoch: float
    width: int


def stamp(text: str) -> Stamp:
    """What colinux-check stamp has printed."""
    said = values(text)
    return Stamp(int(said.get("tsc", "0")), number(said, "epoch"), int(said.get("width", "0")))


def of_guest(lab: Lab, guest: Guest) -> Stamp:
    """The guest's. Raises Stop when it cannot give one."""
    status, text = guest.run(STAMP, lab.check_limit)
    if status:
        raise Stop(judge_unresponsive(STAMP, guest.console, lab.check_limit))
    return stamp(text)


@dataclass(frozen=True)
class Drift:
    """How far a clock went ahead of the host's, in seconds, and what that is uncertain by."""

    seconds: float
    uncertain: float


def drift(guest: tuple[Stamp, Stamp], host: tuple[Stamp, Stamp]) -> Drift:
    """Between the guest's two stamps; the host's two say how many cycles a second of the host's has."""
    rate = (host[1].tsc - host[0].tsc) / (host[1].epoch - host[0].epoch)
    seconds = guest[1].epoch - guest[0].epoch - (guest[1].tsc - guest[0].tsc) / rate
    widths = sum(one.width for one in (*guest, *host))
    return Drift(seconds, widths / rate + 4 * RESOLUTION)


@contextmanager
def kept(lab: Lab, guests: Sequence[Guest]) -> Iterator[None]:
    """Minutes of load in every guest, around whatever else is done; then its clock must be where it was."""
    watch = Stopwatch()
    host = stamp(lab.host.ask(STAMP))
    first = [of_guest(lab, guest) for guest in guests]
    runs = [(guest, guest.begin(script, 0)) for guest in guests for script in LOAD]
    try:
        yield
        lab.host.pump.rest(max(0.0, SECONDS - watch.seconds))
        ended = [run for _, run in runs if run.ended]
        lab.report.add("clock-load", not ended, f"{len(runs) - len(ended)} of {len(runs)} ran to the end")
    finally:
        for guest, run in runs:
            guest.agent.kill(run)
        lab.host.pump.until(lambda: all(run.ended for _, run in runs), 20 * lab.setting.factor)
    last = [of_guest(lab, guest) for guest in guests]
    hosts = host, stamp(lab.host.ask(STAMP))
    for guest, *stamps in zip(guests, first, last, strict=True):
        seen = drift((stamps[0], stamps[1]), hosts)
        known = f"{seen.seconds * 1e3:+.3f} ms (known to {seen.uncertain * 1e3:.3f} ms)"
        lab.report.add(
            "clock-kept" + (f"@{guest.slot}" if len(guests) > 1 else ""),
            abs(seen.seconds) + seen.uncertain <= LIMIT,    # not only "may be": it has to be known
            f"{known} after {watch.seconds:.0f} s of load",
            watch.seconds,
        )

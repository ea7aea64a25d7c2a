# SPDX-License-Identifier: GPL-2.0-only
"""Does a guest's clock keep time with the host's, for minutes and under load?

A guest without clock interrupts of its own has its ticks replayed when it gets
the CPU back: what is lost there adds up, and a short check would not see it.
The two clocks are read through the agents, the host's before and after the
guest's: half of the time between is what the reading is uncertain by.
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
FINE = LIMIT / 5    # what a reading should be uncertain by, at most; a busy computer needs many to get one
READINGS, READINGS_MOST = 12, 400
EPOCH = "colinux-check clock 0"  # prints epoch=<seconds since 1970>

# Processes, computation and memory at once, so that the guest never idles.
LOAD = (
    "exec colinux-check spin 100000",
    "while :; do colinux-check forks 50; done > /dev/null 2>&1",
    "while :; do dd if=/dev/zero of=/tmp/load bs=64k count=32; sync; done > /dev/null 2>&1",
)


@dataclass(frozen=True)
class Offset:
    """How far a guest's clock is ahead of the host's, in seconds, and what that is uncertain by."""

    seconds: float
    uncertain: float


def offset(lab: Lab, guest: Guest) -> Offset:
    """The best of several readings, the one that took the shortest time; of more, while none is fine enough."""
    readings: list[Offset] = []
    while len(readings) < READINGS or (
        len(readings) < READINGS_MOST and min(one.uncertain for one in readings) > FINE
    ):
        before = number(values(lab.host.ask(EPOCH)), "epoch")
        status, text = guest.run(EPOCH, lab.check_limit)
        after = number(values(lab.host.ask(EPOCH)), "epoch")
        if status:
            raise Stop(judge_unresponsive(EPOCH, guest.console, lab.check_limit))
        inside = number(values(text), "epoch")
        readings.append(Offset(inside - (before + after) / 2, (after - before) / 2))
    return min(readings, key=lambda one: one.uncertain)


@contextmanager
def kept(lab: Lab, guests: Sequence[Guest]) -> Iterator[None]:
    """Minutes of load in every guest, around whatever else is done; then its clock must be where it was."""
    watch = Stopwatch()
    first = [offset(lab, guest) for guest in guests]
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
    for guest, begin in zip(guests, first, strict=True):
        end = offset(lab, guest)
        drift, uncertain = end.seconds - begin.seconds, end.uncertain + begin.uncertain
        lab.report.add(
            "clock-kept" + (f"@{guest.slot}" if len(guests) > 1 else ""),
            abs(drift) + uncertain <= LIMIT,    # not only "may be": it has to be known
            f"{drift * 1e3:+.1f} ms (known to {uncertain * 1e3:.1f} ms) after {watch.seconds:.0f} s of load",
            watch.seconds,
        )

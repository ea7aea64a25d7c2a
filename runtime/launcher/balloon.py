# SPDX-License-Identifier: GPL-2.0-only
"""The check `balloon`: a guest of balloon=auto gives memory to its host, and works with what comes back.

In this order: idle, it gives by itself; it takes back what a program of its suddenly needs; asked by colinux-ctl it
keeps half, then all again. Each time both sides must agree on how much that is, the host's kernel with its free
memory. What the guest gave is used by programs of the host's meanwhile, and filled and read back by the guest
afterwards. In the end some of it is with the host, for whom the driver then has nothing to keep.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runtime.launcher.checks import Expect, number, values
from runtime.launcher.control import ask, each
from runtime.launcher.guest import Guest
from runtime.launcher.lab import Lab
from runtime.launcher.report import Stopwatch
from runtime.launcher.verdict import last_lines

# The guest's policy (patches/guest-6.1/arch/x86/colinux/balloon.c), in MiB.
CHUNK = 4
RESERVE = 64

# What a guest says of its memory, in KiB.
GUEST_SCRIPT = """
awk '/^MemTotal:/{print "total=" $2} /^MemFree:/{print "free=" $2} /^MemAvailable:/{print "available=" $2}' \
    /proc/meminfo
awk '$1 == "given_kib"{print "given=" $2}' /proc/colinux/status
"""

# As much as there is but for so many MiB; on the host, what the guest gave is among it.
FILL_SCRIPT = """
sync; echo 3 > /proc/sys/vm/drop_caches
colinux-check mem $(awk '/^MemFree:/{{print int($2 / 1024) - {spare}}}' /proc/meminfo)
"""
HOST_SPARE, GUEST_SPARE = 160, 24

# So many MiB, of two programs: Linux gives none more than what all of its memory is just now.
NEED_SCRIPT = """
colinux-check mem {half} > /tmp/colinux-need & other=$!
colinux-check mem {half}; one=$?
wait $other; other=$?
cat /tmp/colinux-need
[ $one = 0 ] && [ $other = 0 ]
"""


def fill(run: Callable[[str, float], tuple[int, str]], spare: int, seconds: float, who: str, expect: Expect) -> float:
    """Fill free memory and read it back; how many MiB."""
    status, text = run(FILL_SCRIPT.format(spare=spare), seconds)
    filled = number(values(text), "mib")
    expect.that(status == 0 and filled > 0, f"{who}'s memory could not be used: {last_lines(text, 5)}")
    return filled


def same(told: Mapping[str, Any], said: Mapping[str, str], whole_mib: int, total_kib: float, expect: Expect) -> None:
    """What colinux-ctl tells of a guest that had `total_kib` of `whole_mib` against what it says itself."""
    given = told["given_mib"]
    expect.that(told["actual_mib"] + given == whole_mib, f"{told} are not {whole_mib} MiB")
    expect.that(not told["broken"], f"the balloon has stopped: {told}")
    expect.that(number(said, "given") == given * 1024, f"the guest has given {said.get('given')} KiB, not {given} MiB")
    expect.that(
        number(said, "total") == total_kib - given * 1024,
        f"its MemTotal is {said.get('total')} KiB of {total_kib:.0f}, {given} MiB given",
    )


def gained(free: int, before: int, mib: int, limit: int, expect: Expect) -> None:
    """The host has so many MiB more than before, give or take `limit` KiB."""
    more = free - before
    expect.that(abs(more - mib * 1024) <= limit, f"the host has {more} KiB more, the guest gave {mib * 1024}")


class Trial:
    """One guest's."""

    def __init__(self, lab: Lab, guest: Guest, expect: Expect) -> None:
        self.lab, self.guest, self.expect = lab, guest, expect
        self.whole = guest.config.memory_mib

    def told(self, words: str = "") -> Any:
        return ask(self.lab, f"balloon {self.guest.name}{words}", self.lab.check_limit)["balloon"]

    def run(self, script: str, seconds: float) -> tuple[int, str]:
        return self.guest.run(script, seconds)

    def said(self) -> Mapping[str, str]:
        return values(self.run(GUEST_SCRIPT, self.lab.check_limit)[1])

    def await_given(self, enough: Callable[[int], bool], what: str) -> int:
        """Wait until so much is with the host; MiB."""
        given = 0

        def seen() -> bool:
            nonlocal given
            given = self.told()["given_mib"]
            return enough(given)

        # each question takes its time by itself
        watch = Stopwatch()
        while not seen() and watch.seconds < self.lab.check_limit:
            self.lab.host.run("sleep 0.5")
        self.expect.that(enough(given), f"{what}: {given} MiB are given after {watch.seconds:.0f} s")
        return given

    def is_same(self, total_kib: float) -> Any:
        told = self.told()
        same(told, self.said(), self.whole, total_kib, self.expect)
        return told

    def by_itself(self) -> str:
        """Idle, then not."""
        told = self.told()
        self.expect.that(told["auto"], f"balloon=auto came to {told}")
        # it has more than four reserves, and hardly a program
        given = self.await_given(lambda mib: mib >= self.whole // 4, "idle")
        said = self.said()
        available = number(said, "available") / 1024
        self.expect.that(available >= RESERVE - CHUNK, f"it has kept only {available:.0f} MiB for itself")
        # more than it has now, less than it had
        need = int(available) + given // 2
        status, text = self.run(NEED_SCRIPT.format(half=need // 2), self.lab.check_limit)
        self.expect.that(status == 0, f"{need} MiB were not to be had: {last_lines(text, 5)}")
        return f"gave {given} MiB idle, then had {need} for programs"

    def by_order(self) -> str:
        """Half of it, all of it."""
        told = self.told(f" {self.whole}")
        self.expect.that(told["given_mib"] == 0, f"not all of it came back: {told}")
        total = number(self.said(), "total")
        before = self.lab.host.free_kib()
        keep = self.whole // 2
        self.told(f" {keep}")
        told = self.is_same(total)
        self.expect.that(told["actual_mib"] == keep, f"it keeps {told['actual_mib']} MiB, not {keep}")
        gained(self.lab.host.free_kib(), before, self.whole - keep, self.lab.leak_limit, self.expect)
        used = fill(self.lab.host.run, HOST_SPARE, self.lab.check_limit, "the host", self.expect)
        small = fill(self.run, GUEST_SPARE, self.lab.check_limit, "the smaller guest", self.expect)
        self.told(f" {self.whole}")
        self.is_same(total)
        gained(self.lab.host.free_kib(), before, 0, self.lab.leak_limit, self.expect)
        again = fill(self.run, GUEST_SPARE, self.lab.check_limit, "the guest", self.expect)
        self.expect.that(again > small + (self.whole - keep) / 2, f"it filled {again:.0f} MiB, {small:.0f} before")
        return f"gave {self.whole - keep}, of which the host used all in {used:.0f}; {again:.0f} filled afterwards"


def balloon(lab: Lab, guests: Sequence[Guest]) -> None:
    """The check `balloon`."""

    def do(guest: Guest, expect: Expect) -> str:
        trial = Trial(lab, guest, expect)
        text = f"{trial.by_itself()}; {trial.by_order()}"
        trial.told(" auto")
        left = trial.await_given(lambda mib: mib > 0, "auto again")
        return f"{text}; {left} MiB are with the host at its end"

    each(lab, guests, "balloon", do)

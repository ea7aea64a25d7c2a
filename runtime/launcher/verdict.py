# SPDX-License-Identifier: GPL-2.0-only
"""What a boot was: the decision, as pure functions of what was seen.

pass            everything asked for was done, and was right
check-failed    the guest ran, but something about it (or what it did to the host) was wrong
panic           a kernel gave up, the guest's or (after the driver was loaded) the host's
hang            something was printed, and then nothing came any more within the time
silent          nothing was ever printed
infrastructure  QEMU or the test host broke before our own code had any part in it
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

VERDICTS = ("pass", "check-failed", "panic", "hang", "silent", "infrastructure")

DAEMON_PANIC = 16  # colinux-daemon's exit code for a guest's panic
LAST_LINES = 15


@dataclass(frozen=True)
class Outcome:
    """A verdict and why: the first line says what happened, the others are its context."""

    verdict: str
    reason: str = ""


class Stop(Exception):
    """The boot cannot go on; `outcome` is what it was."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


@dataclass(frozen=True)
class CheckResult:
    """One check: `status` is "pass", "fail" or "skip", `output` what it was judged by."""

    name: str
    status: str
    output: str
    seconds: float = 0.0


@dataclass(frozen=True)
class GuestSeen:
    """A guest that did not come to its agent: what it printed, and its daemon's exit code if it has ended."""

    console: str
    daemon: str
    status: int | None
    seconds: float


@dataclass(frozen=True)
class HostSeen:
    """A test host that is of no use any more.

    `qemu_status` is QEMU's exit code (negative: a signal) or None while it
    runs; `reset` says that the machine asked for a reset, which QEMU takes for
    the end; `driver` that our driver had been loaded, so that the host's death
    is ours to answer for.
    """

    console: str
    qemu_output: str
    qemu_status: int | None
    reset: bool
    driver: bool
    seconds: float


# --- excerpts ------------------------------------------------------------------------------

# Escape sequences (colours, cursor movements, titles) that a console's output carries. A title is of one line and not
# long: a guest that only ever begins one must cost us no more than its own length, and hide nothing.
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|[()][0-9A-Za-z]|[=>78cM]|\][^\x00-\x1f]{0,256}(\x07|\x1b\\))")
CRASH = re.compile(
    r"Kernel panic - not syncing|Oops(:| -)|\bBUG:|kernel BUG at|general protection fault|"
    r"Unable to handle kernel|unable to handle (kernel )?(page fault|NULL pointer)|double fault"
)


def plain(text: str) -> str:
    """Console output as lines: without escape sequences, carriage returns and other controls."""
    text = ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in text if c >= " " or c in "\n\t")


def last_lines(text: str, count: int = LAST_LINES) -> str:
    """The last lines that are not blank."""
    lines = [line.rstrip() for line in plain(text).splitlines() if line.strip()]
    return "\n".join(lines[-count:])


def crash_text(text: str, before: int = 2, after: int = 12) -> str | None:
    """The first crash in a kernel's output, with the lines around it; None if there is none."""
    lines = [line.rstrip() for line in plain(text).splitlines()]
    for number, line in enumerate(lines):
        if CRASH.search(line):
            return "\n".join(
                [line, *lines[max(0, number - before) : number], *lines[number + 1 : number + 1 + after]]
            )
    return None


COMPLAINT = re.compile(
    CRASH.pattern + r"|WARNING: (CPU|possible)|Call Trace:|soft lockup|hard LOCKUP|rcu:? .*(stall|detected)|"
    r"blocked for more than|Bad page|bad pmd|BUG in|scheduling while atomic|"
    r"sleeping function called|list_(add|del) corruption|refcount_t:|KASAN|use-after-free|nobody cared|"
    r"Machine check|segfault|x86/fpu: .*bad",
    re.I,
)
# What looks like one and is not: the machine's boot, and what the tests themselves provoke.
HARMLESS = re.compile(r"loading out-of-tree module|module verification failed|taint(s|ed|ing) kernel", re.I)


def complaints(log: str, allowed: Sequence[str] = ()) -> list[str]:
    """Lines of a kernel's log that a healthy one does not print. `allowed`: patterns the test provoked."""
    let = [re.compile(pattern, re.I) for pattern in allowed]
    return [
        line
        for line in plain(log).splitlines()
        if COMPLAINT.search(line) and not HARMLESS.search(line) and not any(p.search(line) for p in let)
    ]


# --- decisions -----------------------------------------------------------------------------


def with_context(reason: str, context: str) -> str:
    return f"{reason}\n{context}" if context else reason


def judge_guest(seen: GuestSeen) -> Outcome:
    """A guest that ended, or fell silent, before its agent was there."""
    if seen.status == DAEMON_PANIC:
        return Outcome(
            "panic", with_context(panic_message(seen.daemon, seen.console), last_lines(seen.console))
        )
    if seen.status is not None:
        said = last_lines(seen.daemon) or last_lines(seen.console)
        return Outcome(
            "check-failed",
            with_context(
                f"the guest's daemon ended with exit code {seen.status} before the guest was up", said
            ),
        )
    if crash := crash_text(seen.console):
        return Outcome("panic", crash)
    if not plain(seen.console).strip():
        return Outcome(
            "silent",
            with_context(f"the guest printed nothing in {seen.seconds:.0f} s", last_lines(seen.daemon)),
        )
    return Outcome(
        "hang",
        with_context(
            f"the guest was not up after {seen.seconds:.0f} s; its last lines:", last_lines(seen.console)
        ),
    )


def judge_unresponsive(what: str, console: str, seconds: float) -> Outcome:
    """A guest that was up and then stopped answering."""
    if crash := crash_text(console):
        return Outcome("panic", crash)
    return Outcome(
        "hang",
        with_context(f"{what}: no answer in {seconds:.0f} s; the guest's last lines:", last_lines(console)),
    )


def panic_message(daemon: str, console: str) -> str:
    """A guest's panic in one line: the text that it gave its host, else what stands on its console."""
    for line in plain(daemon).splitlines():
        if "panic" in line.lower():
            return line.strip()
    crash = crash_text(console)
    return crash.splitlines()[0] if crash else "the guest panicked and gave no reason"


def judge_host(seen: HostSeen) -> Outcome:
    """The test host died, or does not answer."""
    crash = crash_text(seen.console)
    if crash and seen.driver:
        return Outcome("panic", "the host crashed: " + crash)
    if seen.qemu_status is not None and not seen.reset and seen.qemu_status != 0:
        how = (
            f"was killed by signal {-seen.qemu_status}"
            if seen.qemu_status < 0
            else f"ended with exit code {seen.qemu_status}"
        )
        return Outcome("infrastructure", with_context(f"QEMU {how}", last_lines(seen.qemu_output)))
    if seen.driver and (seen.reset or seen.qemu_status is not None):
        return Outcome(
            "panic",
            with_context(
                "the host was reset without a word (a triple fault?); its last lines:",
                last_lines(seen.console),
            ),
        )
    if seen.driver:
        return Outcome(
            "hang",
            with_context(
                f"the host did not answer for {seen.seconds:.0f} s; its last lines:", last_lines(seen.console)
            ),
        )
    if crash:
        return Outcome("infrastructure", "the test host crashed before the driver was loaded: " + crash)
    if seen.reset or seen.qemu_status is not None:
        return Outcome(
            "infrastructure",
            with_context(
                "the test host ended before it was up",
                last_lines(seen.console) or last_lines(seen.qemu_output),
            ),
        )
    return Outcome(
        "infrastructure",
        with_context(
            f"the test host was not up after {seen.seconds:.0f} s; its last lines:",
            last_lines(seen.console) or "(it printed nothing)",
        ),
    )


def conclude(stopped: Outcome | None, checks: Iterable[CheckResult]) -> Outcome:
    """The verdict of the whole boot. A boot that checked nothing has not passed."""
    if stopped is not None and stopped.verdict != "pass":
        return stopped
    results = list(checks)
    failed = [check for check in results if check.status == "fail"]
    if failed:
        names = ", ".join(check.name for check in failed)
        return Outcome("check-failed", with_context(f"failed: {names}", failed[0].output))
    if not any(check.status == "pass" for check in results):
        return Outcome("check-failed", "nothing was checked")
    return Outcome("pass")

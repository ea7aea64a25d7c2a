# SPDX-License-Identifier: GPL-2.0-only
"""From what was seen to a verdict."""

from __future__ import annotations

import pytest

from runtime.launcher.verdict import (
    VERDICTS,
    CheckResult,
    GuestSeen,
    HostSeen,
    Outcome,
    complaints,
    conclude,
    crash_text,
    judge_guest,
    judge_host,
    judge_unresponsive,
    last_lines,
    plain,
)

PANIC = "[ 1.0] one\n[ 1.1] two\n[ 1.2] Kernel panic - not syncing: no init\n[ 1.3] Call Trace:\n"


@pytest.mark.parametrize(
    ("console", "daemon", "status", "verdict", "says"),
    [
        ("", "", None, "silent", "printed nothing in 30 s"),
        (" \r\n\x1b[2J\x1b[H", "", None, "silent", "printed nothing"),
        ("Linux version 6.1\r\nlast words\r\n", "", None, "hang", "last words"),
        (PANIC, "", None, "panic", "Kernel panic - not syncing: no init"),
        (PANIC, "guest panic: no init", 16, "panic", "guest panic: no init"),
        ("", "", 16, "panic", "gave no reason"),
        ("", "colinux-daemon: vmlinux is truncated", 255, "check-failed", "vmlinux is truncated"),
        ("x", "", 0, "check-failed", "exit code 0 before the guest was up"),
        ("x", "the driver speaks version 2", 3, "check-failed", "version 2"),
    ],
)
def test_a_guest_that_does_not_come_up(console: str, daemon: str, status: int | None, verdict: str, says: str) -> None:
    outcome = judge_guest(GuestSeen(console, daemon, status, 30.0))
    assert outcome.verdict == verdict
    assert says in outcome.reason


def test_a_guest_that_stops_answering() -> None:
    assert judge_unresponsive("forks", "a\nb\n", 5).verdict == "hang"
    assert "b" in judge_unresponsive("forks", "a\nb\n", 5).reason
    assert judge_unresponsive("forks", PANIC, 5).verdict == "panic"


def host(**changes: object) -> HostSeen:
    seen = {"console": "Linux version\nhost: up\n", "qemu_output": "", "qemu_status": None, "reset": False,
            "driver": False, "seconds": 60.0}  # fmt: skip
    return HostSeen(**(seen | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "verdict", "says"),
    [
        ({"qemu_status": 1, "qemu_output": "no such CPU"}, "infrastructure", "no such CPU"),
        ({"qemu_status": -9, "driver": True}, "infrastructure", "signal 9"),
        ({"qemu_status": 0}, "infrastructure", "before it was up"),
        ({}, "infrastructure", "not up after 60 s"),
        ({"console": ""}, "infrastructure", "it printed nothing"),
        ({"console": PANIC}, "infrastructure", "crashed before the driver"),
        ({"console": PANIC, "driver": True}, "panic", "the host crashed"),
        ({"console": PANIC, "driver": True, "qemu_status": 0, "reset": True}, "panic", "no init"),
        ({"driver": True, "reset": True, "qemu_status": 0}, "panic", "reset without a word"),
        ({"driver": True}, "hang", "host: up"),
    ],
)
def test_a_host_of_no_use(changes: dict[str, object], verdict: str, says: str) -> None:
    outcome = judge_host(host(**changes))
    assert outcome.verdict == verdict
    assert says in outcome.reason


def check(status: str, name: str = "fpu") -> CheckResult:
    return CheckResult(name, status, "what it said")


def test_the_whole() -> None:
    assert conclude(None, [check("pass"), check("skip")]).verdict == "pass"
    assert conclude(None, []).verdict == "check-failed"
    assert conclude(None, [check("skip")]).verdict == "check-failed"
    failed = conclude(None, [check("pass"), check("fail", "forks"), check("fail", "disk")])
    assert failed.verdict == "check-failed"
    assert failed.reason.startswith("failed: forks, disk") and "what it said" in failed.reason
    assert conclude(Outcome("hang", "x"), [check("fail")]).verdict == "hang"
    assert {o.verdict for o in (failed, conclude(None, [check("pass")]))} <= set(VERDICTS)


def test_console_output_becomes_lines() -> None:
    assert plain("a\r\n\x1b[1;31mb\x1b[0m\x07\x00\rc\x1b]0;title\x07") == "a\nb\nc"
    assert last_lines("1\n\n2\n \n3\n", 2) == "2\n3"


def test_a_crash_comes_with_its_surroundings_and_first() -> None:
    text = crash_text("before\n" + PANIC)
    assert text is not None
    assert text.splitlines()[0] == "[ 1.2] Kernel panic - not syncing: no init"
    assert "Call Trace" in text and "[ 1.1] two" in text
    assert crash_text("all is well\nBUGS: none\n") is None


@pytest.mark.parametrize(
    "line",
    [
        "Oops: 0002 [#1] PREEMPT SMP PTI",
        "BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "BUG: unable to handle page fault for address: ffffc90000000000",
        "kernel BUG at mm/slub.c:379!",
        "general protection fault, probably for non-canonical address 0xdead: 0000 [#1]",
        "WARNING: CPU: 1 PID: 77 at kernel/workqueue.c:1449 __queue_work+0x36a/0x3f0",
        "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [colinux-daemon:99]",
        "watchdog: Watchdog detected hard LOCKUP on cpu 1",
        "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "INFO: task colinux-daemon:99 blocked for more than 120 seconds.",
        "BUG: Bad page state in process colinux-daemon  pfn:12345",
        "BUG: scheduling while atomic: colinux-daemon/99/0x00000002",
        "list_del corruption. prev->next should be ffff, but was 0",
        "refcount_t: underflow; use-after-free.",
        "irq 11: nobody cared (try booting with the \"irqpoll\" option)",
        "colinux-daemon[99]: segfault at 0 ip 0000000000401000 sp 00007ffd",
    ],
)
def test_a_host_that_complains(line: str) -> None:
    log = f"[    1.0] colinux: loaded\n[   12.345678] {line}\n[   13.0] fine\n"
    assert len(complaints(log)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "colinux: loading out-of-tree module taints kernel.",
        "colinux: module verification failed: signature and/or required key missing - tainting kernel",
        "Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible!",
        "clocksource: Switched to clocksource tsc",
        "colinux: guest 1: 128 MiB in 3 ranges",
    ],
)
def test_a_host_that_does_not(line: str) -> None:
    assert complaints(f"[   12.345678] {line}\n") == []


def test_what_a_test_provokes_is_allowed_and_nothing_else() -> None:
    log = "Uhhuh. NMI received for unknown reason 20 on CPU 0.\nmce: [Hardware Error]: Machine check events\nOops: 0\n"
    assert complaints(log, [r"mce: .*Hardware Error"]) == ["Oops: 0"]
    assert len(complaints(log)) == 2


def test_escape_sequences_go_and_only_they() -> None:
    assert plain("\x1b[1;31mred\x1b[0m \x1b]0;a title\x07\x1b]2;another\x1b\\text\r\n") == "red text\n"
    # One that never ends hides nothing of what follows, and costs no more than its length.
    assert "lines\nKernel panic" in plain("\x1b]0;no end, " + "more " * 80 + "lines\nKernel panic\x07")
    assert plain("\x1b]" * 200_000) == "]" * 200_000

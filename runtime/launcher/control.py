# SPDX-License-Identifier: GPL-2.0-only
"""colinux-ctl on the host, at a guest that works: what it tells is true, what it asks for happens.

control  list, status and stats of each guest, a line typed at its console with two attached; then each is
         rebooted, one after the other, in its daemon: from the host, then by itself
stop     instead of switching itself off, the guest is stopped from the host
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from runtime.launcher.checks import Expect
from runtime.launcher.guest import Guest
from runtime.launcher.host import CONSOLE, CTL
from runtime.launcher.lab import Lab
from runtime.launcher.report import Stopwatch
from runtime.launcher.verdict import last_lines

# Another one in each boot of a kernel, in every series.
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
ASK_SECONDS = 30


# Two are attached; the first one types. Both have to see the answer of the guest's shell, and what the guest
# has said before they came. The end of the pipes detaches them.
CONSOLE_SCRIPT = """
cd /tmp && mkfifo {name}.in {name}.quiet || exit 1
{console} {name} console < {name}.in > {name}.typed & one=$!
{console} {name} console < {name}.quiet > {name}.seen & other=$!
exec 3> {name}.in 4> {name}.quiet
sees() {{ grep -q con-42 $1 && grep -q 'Linux version' $1; }}
i=0
until sees {name}.typed && sees {name}.seen; do
    [ $((i % 20)) = 0 ] && echo 'echo con-$((6*7))' >&3
    [ $i = {tries} ] && break
    i=$((i + 1)); sleep 0.25
done
exec 3>&- 4>&-
wait $one; a=$?
wait $other; b=$?
sees {name}.typed && sees {name}.seen && echo ends=$a,$b
tail -n 3 {name}.typed
rm {name}.in {name}.quiet {name}.typed {name}.seen
"""


class Refused(Exception):
    """colinux-ctl did not do it, or said something that is no JSON."""


def ask(lab: Lab, words: str, seconds: float = ASK_SECONDS) -> Any:
    """What `colinux-ctl --json` answers. Raises Refused."""
    status, text = lab.host.run(f"{CTL} --json {words}", seconds)
    try:
        answer = json.loads(text.splitlines()[0])
    except (IndexError, ValueError):
        answer = None
    if status or answer is None:
        raise Refused(f"colinux-ctl {words} ended with {status}: {last_lines(text, 5)}")
    return answer


def look(lab: Lab, guest: Guest, expect: Expect) -> str:
    """Everything that can be asked about a guest, twice while it works; a line about it."""
    listed = {one["name"]: one for one in ask(lab, "list")}
    pid = int(lab.host.ask(f"cat {guest.pid_file}"))
    running = sum(one.running for one in lab.guests)
    expect.that(len(listed) == running, f"{running} guests run, listed are {sorted(listed)}")
    expect.that(listed.get(guest.name, {}).get("pid") == pid, f"{guest.name} with pid {pid} is not listed")
    before = ask(lab, f"stats {guest.name}")
    guest.run(BOOT_ID, ASK_SECONDS)
    after = ask(lab, f"stats {guest.name}")
    expect.that(after["state"] == "running", f"its state is {after['state']}")
    expect.that(after["memory_mib"] == guest.config.memory_mib, f"it has {after['memory_mib']} MiB")
    for what in ("switches", "interrupts", "doorbells", "running_ms"):
        expect.that(after["guest"][what] > 0, f"no {what}")
    expect.that(after["guest"]["switches"] > before["guest"]["switches"], "no switches for a script")
    expect.that(0 < after["guest"]["idle_share"] < 1, f"idle share {after['guest']['idle_share']}")
    devices = {device["name"]: device for device in after["devices"]}
    names = {"console", "ttys0", *(f"cobd{number}" for number in range(len(guest.config.disks)))}
    expect.that(names <= devices.keys(), f"its devices are {sorted(devices)}")
    # not every series has drivers for all that there is
    for name in sorted(names & devices.keys()):
        device = devices[name]
        expect.that(device["state"] == "running" and device["complaints"] == 0, f"{name} is {device}")
    # what a script said in the guest came over this line's second queue
    said = [device["ttys0"]["queues"][1]["returned"] for device in
            ({one["name"]: one for one in stats["devices"]} for stats in (before, after))]  # fmt: skip
    expect.that(said[1] > said[0], f"ttys0 returned {said[0]}, then {said[1]} chains")
    return f"{after['guest']['switches']} switches, {100 * after['guest']['idle_share']:.0f} % idle"


def type_at_console(lab: Lab, guest: Guest, expect: Expect) -> None:
    """colinux-console, twice at once, beside the guest's own console."""
    script = CONSOLE_SCRIPT.format(console=CONSOLE, name=guest.name, tries=int(lab.check_limit * 2))
    status, text = lab.host.run(script, lab.check_limit)
    expect.that(status == 0 and "ends=0,0" in text, f"nothing was seen at its console: {last_lines(text, 5)}")


def asked_for(lab: Lab, guest: Guest, expect: Expect) -> None:
    """The reboot as the host asks for it."""
    guest.expect_again()
    event = ask(lab, f"reboot {guest.name}", lab.check_limit)
    expect.that(event["event"] == "restarted", f"the reboot came to {event}")


def by_itself(lab: Lab, guest: Guest, expect: Expect) -> None:
    """The reboot that root in the guest wants."""
    guest.ask_reboot()
    guest.expect_again()


def reboot(lab: Lab, guest: Guest, expect: Expect, how: Callable[[Lab, Guest, Expect], None]) -> str:
    """The guest boots again; its daemon stays. A line about it."""
    pid = lab.host.ask(f"cat {guest.pid_file}")
    first = guest.run(BOOT_ID, ASK_SECONDS)[1]
    lab.guests_run += 1
    how(lab, guest, expect)
    guest.wait_up(lab.boot_limit)
    second = guest.run(BOOT_ID, ASK_SECONDS)[1]
    expect.that(bool(first.strip()) and first != second, "it is the same boot as before")
    told = ask(lab, f"status {guest.name}")
    expect.that(f"{told['pid']}\n" == pid, f"daemon {pid.strip()} became {told['pid']}")
    return f"rebooted in {guest.boot_seconds or 0:.1f} s"


def each(lab: Lab, guests: Sequence[Guest], check: str, do: Callable[[Guest, Expect], str]) -> None:
    """A check of every guest; `do` says what it saw, and raises Refused where colinux-ctl would not."""
    for guest in guests:
        watch, expect = Stopwatch(), Expect()
        try:
            text = do(guest, expect)
        except Refused as refused:
            text = str(refused)
            expect.that(False, text)
        judged = expect.judged(text)
        name = check + (f"@{guest.slot}" if len(guests) > 1 else "")
        lab.report.add(name, judged.good, judged.text, watch.seconds)


def control(lab: Lab, guests: Sequence[Guest]) -> None:
    """The check `control`."""

    def do(guest: Guest, expect: Expect) -> str:
        text = look(lab, guest, expect)
        type_at_console(lab, guest, expect)
        for how in (asked_for, by_itself):
            text += f"; {reboot(lab, guest, expect, how)}"
        return text

    each(lab, guests, "control", do)


def stop(lab: Lab, guests: Sequence[Guest]) -> None:
    """The check `stop`: asked for on the host, the guest's own shutdown is clean."""

    def do(guest: Guest, expect: Expect) -> str:
        try:
            event = ask(lab, f"stop {guest.name}", lab.check_limit)
            expect.that(event == {"event": "ended", "exit_code": 0, "reason": ""}, f"it came to {event}")
        except Refused as refused:
            expect.that(False, str(refused))
        status = guest.wait_end(lab.check_limit)
        expect.that(status == 0, f"the daemon ended with {status}\n{last_lines(guest.daemon)}")
        guest.stop()
        return "the daemon ended with 0"

    each(lab, guests, "stop", do)

# SPDX-License-Identifier: GPL-2.0-only
"""A guest's disk under a daemon that is killed again and again: whatever was flushed is there.

The machine's first disk has a root filesystem with a journal. In each life the
guest looks at the files of the life before, then writes new ones and says which
of them fsync() has promised (colinux-check keep); in the midst of it the daemon
gets SIGKILL. What was promised has to be there, whole, in the life after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.launcher.checks import values
from runtime.launcher.report import Stopwatch
from runtime.launcher.verdict import last_lines

if TYPE_CHECKING:
    from runtime.launcher.lab import Lab

# Files that are promised before the kill: one more than in the life before, so that it does not always hit the
# same moment of the journal's.
PROMISED = 5

# Linux 6.1 replays the journal when it mounts, and says so.
LOOK = """
mkdir -p /tmp/disk && mount -t ext4 /dev/vda /tmp/disk && mkdir -p /tmp/disk/kept || exit 3
colinux-check kept /tmp/disk/kept {last}
status=$?
dmesg | grep -q 'EXT4-fs (vda): recovery complete' && echo recovered=yes
dmesg | grep 'EXT4-fs error' && exit 4
exit $status
"""


def told(text: str) -> int:
    """The last number that colinux-check has promised; a line that is cut off is none."""
    numbers = [line[5:] for line in text.split("\n")[:-1] if line.startswith("kept=")]
    return int(numbers[-1]) if numbers else 0


class Lost(Exception):
    """What was promised is not there, or the guest cannot look."""


def life(lab: Lab, number: int, last: int) -> tuple[int, bool]:
    """One life of the guest, up to the kill: what it has promised by then, and whether its journal was replayed."""
    guest = lab.guests[0]
    lab.start([guest], f"life {number}")
    newest, recovered = look(lab, last)
    run = guest.begin(f"exec colinux-check keep /tmp/disk/kept {newest + 1}", 0)
    lab.host.pump.until(lambda: told(run.text) >= newest + PROMISED + number or run.ended, lab.check_limit)
    guest.kill()
    promised = told(run.text)
    if promised < newest + PROMISED + number:
        raise Lost(f"life {number}: the guest did not get on with its files: {last_lines(run.text, 5)}")
    return promised, recovered


def look(lab: Lab, last: int) -> tuple[int, bool]:
    """The newest file that is there, and whether the journal was replayed. Raises Lost."""
    status, text = lab.guests[0].run(LOOK.format(last=last), lab.check_limit)
    said = dict(values(text))
    if status or said.get("faults") != "0":
        raise Lost(f"up to number {last} all was promised: {last_lines(text, 8)} (ended with {status})")
    return max(last, int(said["newest"])), "recovered" in said


def survive(lab: Lab, kills: int) -> None:
    """The check `journal`: so many kills, and a last look."""
    watch = Stopwatch()
    last = recoveries = 0
    try:
        for number in range(kills):
            last, recovered = life(lab, number, last)
            recoveries += recovered
        lab.start(lab.guests[:1], "the last life")
        newest, recovered = look(lab, last)
        recoveries += recovered
        lab.power_off(lab.guests[:1], "poweroff-journal")
    except Lost as lost:
        lab.report.add("journal", False, str(lost), watch.seconds)
        lab.guests[0].stop()
        return
    # One that was never replayed has not been tested.
    text = f"{kills} kills, {newest} files, the journal replayed {recoveries} times, nothing lost"
    lab.report.add("journal", recoveries > 0, text, watch.seconds)

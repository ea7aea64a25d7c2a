# SPDX-License-Identifier: GPL-2.0-only
"""The check `terminals`: a serial port that leads into a file of the host's, and a console that people attach to.

A machine that is asked for it has `CMDLINE` in its command line. In the guest these are hvc2 and hvc3: hvc0 is its
first console, hvc1 the agent's line.
"""

from __future__ import annotations

import hashlib

from runtime.launcher.checks import Expect, values
from runtime.launcher.guest import Guest
from runtime.launcher.host import CONSOLE
from runtime.launcher.lab import Lab
from runtime.launcher.report import Stopwatch
from runtime.launcher.verdict import last_lines

SERIAL = "/tmp/colinux-ttys1"
COLUMNS, ROWS = 100, 30
CMDLINE = f"ttys1={SERIAL} cocon1={COLUMNS}x{ROWS}"

# More than any buffer on the way holds.
LINES = 20000
WRITE = f"seq 1 {LINES} > /dev/hvc2"
SUM = hashlib.sha256("".join(f"{n}\n" for n in range(1, LINES + 1)).encode()).hexdigest()

# A terminal's line ends have a carriage return; when the last one is there, all are, or never will be.
READ = f"""
i=0
until tail -c 20 {SERIAL} | grep -q {LINES} || [ $i = 80 ]; do i=$((i + 1)); sleep 0.25; done
echo sum=$(tr -d '\\r' < {SERIAL} | sha256sum)
"""

SHELL = "setsid -c sh < /dev/hvc3 > /dev/hvc3 2>&1 &"

# Who attaches has the guest's shell reckon, and say where it is and how large; it ends when it is told to.
TYPE = """
cd /tmp && mkfifo con.in && touch con.out || exit 1
{console} {name} cocon1 < con.in > con.out & client=$!
exec 3> con.in
i=0
until grep -q 'con-42 /dev/hvc3 {rows} {columns}' con.out || [ $i = {tries} ]; do
    [ $((i % 20)) = 0 ] && echo 'echo con-$((6*7)) $(tty) $(stty size)' >&3
    i=$((i + 1)); sleep 0.25
done
grep -q 'con-42 /dev/hvc3 {rows} {columns}' con.out && echo answered=yes
echo exit >&3
exec 3>&-
wait $client && echo detached=yes
tail -n 3 con.out
rm con.in con.out
"""


def prepare(lab: Lab) -> None:
    """The file has to be there when the daemon starts."""
    lab.host.ask(f": > {SERIAL}")


def terminals(lab: Lab, guest: Guest) -> None:
    """Both, in one guest."""
    watch, expect = Stopwatch(), Expect()
    status, text = guest.run(WRITE, lab.check_limit)
    expect.that(status == 0, f"writing to /dev/hvc2 ended with {status}: {last_lines(text, 3)}")
    found = values(lab.host.run(READ, lab.check_limit)[1]).get("sum", "")
    expect.that(found.split()[:1] == [SUM], f"the {LINES} lines in {SERIAL} have the sum {found}, not {SUM}")
    guest.run(SHELL, lab.check_limit)
    script = TYPE.format(console=CONSOLE, name=guest.name, rows=ROWS, columns=COLUMNS, tries=int(lab.check_limit * 2))
    text = lab.host.run(script, lab.check_limit)[1]
    expect.that({"answered=yes", "detached=yes"} <= {*text.splitlines()}, f"cocon1: {last_lines(text, 5)}")
    judged = expect.judged(f"{LINES} lines by ttys1, a shell at cocon1 of {COLUMNS}x{ROWS}")
    lab.report.add("terminals", judged.good, judged.text, watch.seconds)


def cleared(lab: Lab) -> None:
    """Nothing of it stays in the host's memory, which is looked at next."""
    lab.host.ask(f"rm {SERIAL}")

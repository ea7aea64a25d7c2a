# SPDX-License-Identifier: GPL-2.0-only
"""The check `sandbox`: what the daemon of a working guest has given up, by what the host's kernel says of its threads.

A filter of system calls in every one of them, no new privileges, no capability in use but
those of a host folder's own thread (runtime/daemon/sandbox_caps_linux.c has the table).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from runtime.launcher.checks import Expect
from runtime.launcher.control import Refused, ask
from runtime.launcher.guest import Guest
from runtime.launcher.lab import Lab
from runtime.launcher.report import Stopwatch

# One line a thread: its name, then what proc(5) calls these.
FIELDS = ("Seccomp", "NoNewPrivs", "CapEff", "CapPrm", "CapBnd")
SCRIPT = """
for t in /proc/$(cat {pid_file})/task/*; do
    echo thread=$(cat $t/comm) $(awk '{{sub(":", "", $1)}} $1 ~ /^({fields})$/{{print $1 "=" $2}}' $t/status)
done
"""

FILTER = "2"  # SECCOMP_MODE_FILTER of Linux's <linux/seccomp.h>
FOLDER_THREAD = re.compile(r"cofs\d+")
# CHOWN, DAC_OVERRIDE, FOWNER, FSETID for files of all users; DAC_READ_SEARCH where they are only read.
FOLDER_CAPS = 0b11111


def threads(text: str) -> Iterator[Mapping[str, str]]:
    """What the script has said of each thread."""
    for line in text.splitlines():
        if line.startswith("thread="):
            yield dict(word.split("=", 1) for word in line.split() if "=" in word)


def judge(said: Sequence[Mapping[str, str]], expect: Expect) -> str:
    """A line about them."""
    expect.that(len(said) > 2, f"only {len(said)} threads were found")
    for one in said:
        name = one.get("thread", "?")
        for field, wanted in (("Seccomp", FILTER), ("NoNewPrivs", "1")):
            expect.that(one.get(field) == wanted, f"{name}: {field} is {one.get(field)}, not {wanted}")
        used, had, bound = (int(one.get(field, "-1"), 16) for field in ("CapEff", "CapPrm", "CapBnd"))
        mine = FOLDER_CAPS if FOLDER_THREAD.fullmatch(name) else 0
        expect.that(used >= 0 and not used & ~mine, f"{name}: uses capabilities {used:#x}, {mine:#x} would be right")
        expect.that(had >= 0 and not had & ~FOLDER_CAPS, f"{name}: may use capabilities {had:#x}")
        expect.that(bound == 0, f"{name}: its bounding set is {bound:#x}")
    used_by = [f"{one['thread']} {int(one['CapEff'], 16):#x}" for one in said if int(one.get("CapEff", "0"), 16)]
    return f"{len(said)} threads in it; capabilities: {', '.join(used_by) or 'none'}"


def sandbox(lab: Lab, guests: Sequence[Guest]) -> None:
    """Of each guest's daemon."""
    if lab.machine.nt:
        lab.report.add("sandbox", None, "the daemon of an NT driver has none: see lab.py")
        return
    for guest in guests:
        watch, expect = Stopwatch(), Expect()
        _, text = lab.host.run(SCRIPT.format(pid_file=guest.pid_file, fields="|".join(FIELDS)))
        told = judge(list(threads(text)), expect)
        try:
            state = ask(lab, f"status {guest.name}").get("sandbox")
            expect.that(state == "on", f"colinux-ctl says it is {state}")
        except Refused as refused:
            expect.that(False, str(refused))
        judged = expect.judged(told)
        name = "sandbox" + (f"@{guest.slot}" if len(guests) > 1 else "")
        lab.report.add(name, judged.good, judged.text, watch.seconds)

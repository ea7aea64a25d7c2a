# SPDX-License-Identifier: GPL-2.0-only
"""Boots declared machines in QEMU, drives them, judges them, keeps the evidence.

boot.py       boot(): from built files to a verdict             shell.py    a console for a person
scenarios.py  what is done with a machine                       lab.py      the verbs it is written in
checks.py     what is asked of a guest, as data                 verdict.py  what it all means, as functions
host.py       the test host                                     guest.py    a guest in it
agent.py      scripts in either, and their results              evidence.py result.json, junit.xml
qemu.py       the computer; qmp.py its buttons; accel.py: is KVM any good?  artifacts.py what is booted
pump.py       the one loop that all of this waits in            report.py   the checks so far
"""

from runtime.launcher.boot import Verdict, boot, job, judge
from runtime.launcher.shell import shell

__all__ = ["Verdict", "boot", "job", "judge", "shell"]

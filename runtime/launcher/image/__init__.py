# SPDX-License-Identifier: GPL-2.0-only
"""Machines of kind windows-image: colinux.sys in a real (or compatible) NT, in a disk image that the user has.

records.py    how verdicts come over a serial line that others write on, too
batch.py      what the guest does by itself, as nobody can ask it anything
disc.py       the second disk: driver, daemon, guest, and the script that the image's hook calls
boot.py       QEMU with the image, which is never written, and the judge

The image is changed in one thing: its hook (SUPPORT.md, "A Windows image of your own").
"""

from runtime.launcher.image.boot import boot, job, judge, missing

__all__ = ["boot", "job", "judge", "missing"]

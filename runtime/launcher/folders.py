# SPDX-License-Identifier: GPL-2.0-only
"""Host folders (cofsN=): what a guest does in one, and what the host finds in it afterwards.

A machine that is asked for "folder" has `FOLDER` as its cofs0, and read-only as its cofs1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runtime.launcher.report import Stopwatch

if TYPE_CHECKING:
    from runtime.launcher.guest import Guest
    from runtime.launcher.lab import Lab

PLACE = "/tmp/colinux-shared"
FOLDER = f"{PLACE}/folder"

# A secret beside the folder, and what leads to it from inside for whoever follows links.
PREPARE = f"""
set -e
rm -rf {PLACE}
mkdir -p {FOLDER}
echo made by host > {FOLDER}/from-host
echo nobody shall know > {PLACE}/secret
ln -s ../secret {FOLDER}/link-up
ln -s {PLACE}/secret {FOLDER}/link-absolute
"""

# How many things colinux-check tries in a folder and its read-only twin; fewer where this is lacking.
TRIED = 49
FEWER = {"shared-maps": 2}
LINKS = ("link-up", "link-absolute")


# An absolute link leads to the guest's own files, where there is no such one. The second folder is mounted first:
# each is known by its name, whatever comes first. Who wants Plan 9's own 9P2000 is told that it is unknown.
def script(lacks: Sequence[str]) -> str:
    """For a guest whose Linux's 9p `lacks` something (series.py)."""
    return f"""
mkdir -p /tmp/cofs0 /tmp/cofs1
mount -t 9p -o trans=virtio,noextend cofs0 /tmp/cofs0 2>&1 | grep -q 'Remote I/O error' && echo refused=yes
mount.cofs /dev/cofs1 /tmp/cofs1 && mount.cofs 0 /tmp/cofs0 || exit 1
echo host=$(cat /tmp/cofs0/from-host)
colinux-check folder /tmp/cofs0 /tmp/cofs1 {",".join(lacks)}
status=$?
for link in {" ".join(LINKS)}; do
    cat /tmp/cofs0/$link 2> /dev/null && echo escaped=$link
done
umount /tmp/cofs0 && umount /tmp/cofs1 || exit 1
echo umount=done
exit $status
"""


def tried(lacks: Sequence[str]) -> int:
    """How many things are tried there."""
    return TRIED - sum(FEWER.get(one, 0) for one in lacks)


AFTERWARDS = f"""
cd {PLACE}
echo guest=$(cat folder/from-guest)
echo secret=$(cat secret)
echo left=$(ls -A folder)
"""
LEFT = "from-guest from-host link-absolute link-up"


def wrong(status: int, output: str, said: Mapping[str, str], lacks: Sequence[str]) -> Iterator[str]:
    """What is wrong with the answer of a guest that `lacks` this; `said` are its `key=value` lines."""
    faults = [line.removeprefix("fault: ") for line in output.splitlines() if line.startswith("fault: ")]
    if status or faults:
        yield f"{'; '.join(faults) or output.strip()[-300:]} (ended with {status})"
    if said.get("refused") != "yes":
        yield "a mount by 9P2000 was not refused with EREMOTEIO"
    if said.get("host") != "made by host":
        yield f"the host's file reads {said.get('host')!r}"
    if said.get("tried") != str(tried(lacks)):
        yield f"{said.get('tried')} things were tried, not {tried(lacks)}"
    if "escaped" in said:
        yield f"the guest could read what is outside by {said['escaped']}"
    if said.get("umount") != "done":
        yield "the folders could not be unmounted"


def prepare(lab: Lab) -> None:
    """The folder, with a file of the host's in it."""
    lab.host.ask(PREPARE)


@contextmanager
def shared(lab: Lab, guests: Sequence[Guest]) -> Iterator[None]:
    """Afterwards the host has what the guest left, no more, and the secret is as it was."""
    yield
    watch = Stopwatch()
    text = lab.host.ask(AFTERWARDS)
    good = text.splitlines() == ["guest=made by guest", "secret=nobody shall know", f"left={LEFT}"]
    lab.report.add("folder-host", good, f"the guest's file, and no other: {LEFT}" if good else text, watch.seconds)
    lab.host.ask(f"rm -rf {PLACE}")

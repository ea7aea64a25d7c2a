# SPDX-License-Identifier: GPL-2.0-only
"""Programs of KDE's in a Debian guest, shown on a screen of the host's: X11 through the guest's network.

The test host has no screen, so the X server is Xvfb, whose screen is a file. It listens at the host's 127.0.0.1 alone;
to the guest that is 10.0.2.2. What is judged is what a person would look for: a window of each program, with something
in it. The picture stays with the evidence (PICTURE).
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runtime.launcher import screen
from runtime.launcher.guest import Guest
from runtime.launcher.lab import Lab
from runtime.launcher.report import Stopwatch
from runtime.launcher.servers import serving

if TYPE_CHECKING:
    from PIL import Image

CARRIED = "/colinux/x-screen.cpio.gz"
ROOT = "/tmp/x-screen"
DISPLAY = ":1"
PICTURE = "screen.png"

# What the programs are called in WM_CLASS, and how many colours say that there is something in a window. (A window
# that nobody has drawn in has one; antialiased letters alone make some dozens.)
PROGRAMS = ("kcalc", "konsole")
COLOURS = 16

PREPARE = f"""
set -e
ifconfig lo 127.0.0.1 up
mkdir -p {ROOT}
cd {ROOT}
zcat {CARRIED} | cpio -id 2> /dev/null
mkdir -p dev tmp screen
mount -o bind /dev dev
"""

SERVER = f"""
cd {ROOT}
chroot . Xvfb {DISPLAY} -screen 0 1280x800x24 -fbdir /screen -listen tcp -nolisten local -nolisten inet6 & server=$!
trap 'kill $server' TERM
until chroot . xwininfo -display 127.0.0.1{DISPLAY} -root > /dev/null 2>&1; do
    kill -0 $server || exit
    sleep 0.2
done
echo ready={DISPLAY}
wait $server
"""

# Openbox gives them frames and places. The terminal shows where it is, and the price of a world switch.
SESSION = f"""
export DISPLAY=10.0.2.2{DISPLAY} HOME=/root LC_ALL=C.UTF-8 XDG_RUNTIME_DIR=/run/desktop QT_X11_NO_MITSHM=1
mkdir -p -m 700 $XDG_RUNTIME_DIR
cd
exec dbus-run-session -- sh -c '
openbox & kcalc &
konsole --hide-menubar -p TerminalColumns=66 -p TerminalRows=16 \\
    -e sh -c "uname -srm; head -n 1 /etc/os-release; cat /proc/colinux/bench; exec sh"'
"""

TREE = f"chroot {ROOT} xwininfo -display 127.0.0.1{DISPLAY} -root -tree"
LOOK = f"gzip -c {ROOT}/screen/Xvfb_screen0 | base64"

AFTERWARDS = f"umount {ROOT}/dev; rm -rf {ROOT}"


def prepare(lab: Lab) -> None:
    """Unpack the X server."""
    lab.host.ask(PREPARE, 120)


@contextmanager
def around(lab: Lab, guests: Sequence[Guest]) -> Iterator[None]:
    """The X server; after the guest's other checks programs are started and looked at."""
    with serving(lab, "the test host's X server", SERVER):
        yield
        shown(lab, guests[0])


def shown(lab: Lab, guest: Guest) -> None:
    """desktop: the guest's programs have windows on the host's screen, with something in them."""
    watch = Stopwatch()
    session = guest.begin(SESSION, 0)
    picture, before, missing = None, None, list(PROGRAMS)
    # Until nothing is drawn any more: what is seen first may be half of it.
    while (missing or picture != before) and watch.seconds < lab.check_limit and not session.ended:
        lab.host.pump.rest(2.0)
        before = picture
        picture, missing = look(lab)
    guest.agent.kill(session)
    if picture:
        picture.save(lab.setting.folder / PICTURE, optimize=True)
    text = f"windows of {', '.join(PROGRAMS)} on the host's screen, see {PICTURE}"
    if missing:
        text = f"nothing to be seen of {', '.join(missing)}\n{session.text.strip()[-1000:]}"
    lab.report.add("desktop", not missing, text, watch.seconds)
    lab.host.pump.until(lambda: session.ended, 10 * lab.setting.factor)


def look(lab: Lab) -> tuple[Image.Image, list[str]]:
    """The screen now, and the programs that show nothing on it."""
    seen = {window.program: window for window in screen.windows(lab.host.ask(TREE)) if window.width > 100}
    picture = screen.decode(gzip.decompress(base64.b64decode(lab.host.ask(LOOK, 60))))
    return picture, [name for name in PROGRAMS
                     if name not in seen or screen.colours(picture.crop(seen[name].box)) < COLOURS]


def cleared(lab: Lab) -> None:
    """Nothing of it stays in the host's memory, which is looked at next."""
    lab.host.ask(AFTERWARDS)

# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of images share: a stand-in for busybox, a checkout with agents, ways to read images back."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from pipeline.paths import Paths

APPLETS = ["[", "[[", "ash", "cat", "insmod", "mount", "poweroff", "sh", "switch_root"]


def fake_busybox(path: Path, applets: list[str] = APPLETS) -> Path:
    """A file with busybox's table of names in it; it cannot run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x7fELF...text\0" + b"".join(name.encode() + b"\0" for name in applets) + b"\0rest")
    path.chmod(0o755)
    return path


def checkout(root: Path) -> Paths:
    """A checkout in which the agent is built for x86_64."""
    paths = Paths(root)
    for program in ("colinux-agent", "colinux-check"):
        file = paths.agent("x86_64") / program
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(program)
    return paths


def cpio_list(archive: Path) -> dict[str, tuple[str, str, str]]:
    """What GNU cpio sees in an archive: path -> (permissions as ls writes them, owner/group, link target)."""
    with archive.open("rb") as stream:
        listing = subprocess.run(["cpio", "-itvn", "--quiet"], stdin=stream, capture_output=True, text=True, check=True)
    found = {}
    for line in listing.stdout.splitlines():
        words = re.split(r"\s+", line, maxsplit=8)
        name, _, target = words[8].partition(" -> ")
        if words[0][0] in "cb":  # "5, 1" stands where the size is: one word more
            name = words[8].split()[-1]
        found[name] = (words[0], f"{words[2]}/{words[3]}", target)
    return found


def debugfs(image: Path, command: str) -> str:
    """One command of debugfs on an image, its standard output."""
    argv = ["/usr/sbin/debugfs", "-R", command, str(image)]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def fsck(image: Path) -> None:
    """Assert that e2fsck has nothing to complain of."""
    done = subprocess.run(["/usr/sbin/e2fsck", "-fn", str(image)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout

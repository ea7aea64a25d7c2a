# SPDX-License-Identifier: GPL-2.0-only
"""The corpus of configuration files (tests/unit/data/conf), read by colinux-daemon.exe: the same comes of each.

What differs on Windows is said here, line by line. All else has to be as the Linux
daemon prints it, whose NAME.expected it is compared with.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import daemon_kit
import pytest
from test_daemon_corpus import CORPUS, NAMES
from wine_kit import FOLDER, Done, Wine

NO_FOLDERS = "host folders are not there on Windows yet"
NO_DEVICE = "No such file or directory"  # in an emulated Windows without disks of its own
# What --check says there in place of what it says on Linux.
CHECKS = {
    "desktop": [f'8: cofs30="D:\\": {NO_FOLDERS}', f'9: cofs31="C:\\Documents and Settings": {NO_FOLDERS}'],
    "dual-boot": [
        rf"7: cobd0=\Device\Harddisk0\Partition1,ro: {NO_DEVICE}",
        rf"5: hda6=\Device\Harddisk0\Partition6: {NO_DEVICE}",
        rf"6: hda7=\Device\Harddisk0\Partition7: {NO_DEVICE}",
    ],
}


def daemon(wine: Wine, folder: Path, *words: str) -> Done:
    return wine.run(rf"{FOLDER}\colinux-daemon.exe", *words, cwd=folder)


def on_windows(wine: Wine, folder: Path, path: str) -> Path | None:
    r"""Where a file of that name lies: "Drives\a.img" in the folder, "c:\a.img" on drive C:; None for devices."""
    if path.startswith("\\Device\\"):
        return None
    drive, colon, rest = path.rpartition(":\\")
    return (wine.prefix / f"dosdevices/{drive.lower()}:" if colon else folder) / rest.replace("\\", "/")


def files_of(wine: Wine, name: str, folder: Path) -> None:
    """The file, and every file that it names: a kernel, and disks of 3 MiB."""
    shutil.copy(CORPUS / f"{name}.conf", folder)
    done = daemon(wine, folder, "--print-json", f"@{name}.conf")
    if done.returncode:
        return
    said = json.loads(done.stdout)
    kernel = on_windows(wine, folder, said["kernel"])
    assert kernel
    kernel.parent.mkdir(parents=True, exist_ok=True)
    kernel.write_bytes(daemon_kit.kernel())
    for path in [disk["path"] for disk in said["disks"]] + [said["initrd"]] * bool(said["initrd"]):
        if file := on_windows(wine, folder, path):
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("wb") as new:
                new.truncate(3 << 20)


def said(wine: Wine, folder: Path, *words: str) -> str:
    done = daemon(wine, folder, *words)
    assert (done.returncode == 0) == (done.stderr == "")
    assert done.returncode in (0, 255)
    both = re.sub(r"^(kernel: .*?), ABI.*\n", r"\1\n", done.both, flags=re.M)
    return f"$ colinux-daemon {' '.join(words)}\n{both}"


def expected(name: str) -> str:
    linux = (CORPUS / f"{name}.expected").read_text()
    if name not in CHECKS:
        return linux
    check, blank, rest = linux.partition("\n\n$ colinux-daemon --print-json")
    command = check.splitlines()[0]
    if name == "dual-boot":
        rest = re.sub(r"size_mib = 3(.*): empty, of that size", r"size_mib = 64\1: empty; its size is not known", rest)
    return "\n".join([command, *(f"colinux-daemon: {name}.conf:{line}" for line in CHECKS[name])]) + blank + rest


@pytest.fixture
def drives(wine: Wine, tmp_path: Path) -> Iterator[None]:
    """D: and E:, which some people have."""
    links = [wine.prefix / f"dosdevices/{letter}:" for letter in "de"]
    for link in links:
        target = tmp_path / f"drive_{link.name[0]}"
        target.mkdir()
        link.symlink_to(target)
    yield
    for link in links:
        link.unlink()


@pytest.mark.usefixtures("drives")
@pytest.mark.parametrize("name", NAMES)
def test_what_becomes_of(name: str, wine: Wine, tmp_path: Path) -> None:
    files_of(wine, name, tmp_path)
    text = "\n".join(said(wine, tmp_path, how, f"@{name}.conf") for how in ("--check", "--print-json", "--print-toml"))
    assert text == expected(name)

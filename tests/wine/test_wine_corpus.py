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
import tap_kit
from test_daemon_corpus import CORPUS, NAMES
from wine_kit import FOLDER, Done, Wine

from pipeline.paths import remove

NO_DEVICE = "No such file or directory"  # in an emulated Windows without disks of its own
# What --check says there in place of what it says on Linux.
CHECKS = {
    "dual-boot": [
        rf"7: cobd0=\Device\Harddisk0\Partition1,ro: {NO_DEVICE}",
        rf"5: hda6=\Device\Harddisk0\Partition6: {NO_DEVICE}",
        rf"6: hda7=\Device\Harddisk0\Partition7: {NO_DEVICE}",
    ],
}


# The adapter of TAP-Windows that there is, for what --check says in addition of these lines.
TAP = "TAP Linux"
LOOKED_UP = {
    "desktop": ("eth1: tuntap", f' (the first that is free: "{TAP}", driver tap0901)'),
    "redirections": (f'eth1: tuntap,"{TAP}",00:ff:e1:51:c2:02', f' ("{TAP}", driver tap0901)'),
}


def daemon(wine: Wine, folder: Path, *words: str) -> Done:
    return wine.run(rf"{FOLDER}\colinux-daemon.exe", *words, cwd=folder)


def on_windows(wine: Wine, folder: Path, path: str) -> Path | None:
    r"""Where a file of that name lies: "Drives\a.img" in the folder, "c:\a.img" on drive C:; None for devices."""
    if path.startswith("\\Device\\"):
        return None
    drive, colon, rest = path.rpartition(":\\")
    return (wine.prefix / f"dosdevices/{drive.lower()}:" if colon else folder) / rest.replace("\\", "/")


def files_of(wine: Wine, name: str, folder: Path, made: list[Path]) -> None:
    """The file, and every file that it names: a kernel, disks of 3 MiB, folders. `made`: what was not there before."""
    shutil.copy(CORPUS / f"{name}.conf", folder)
    done = daemon(wine, folder, "--print-json", f"@{name}.conf")
    if done.returncode:
        return
    said = json.loads(done.stdout)

    def place(file: Path) -> Path:
        made.extend([path for path in (*reversed(file.parents), file) if not path.exists()][:1])
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    kernel = on_windows(wine, folder, said["kernel"])
    assert kernel
    place(kernel).write_bytes(daemon_kit.kernel())
    for path in [disk["path"] for disk in said["disks"]] + [said["initrd"]] * bool(said["initrd"]):
        if file := on_windows(wine, folder, path):
            with place(file).open("wb") as new:
                new.truncate(3 << 20)
    for path in [one["path"] for one in said["folders"]]:
        shared = on_windows(wine, folder, path)
        assert shared
        place(shared).mkdir(exist_ok=True)


def said(wine: Wine, folder: Path, *words: str) -> str:
    done = daemon(wine, folder, *words)
    assert (done.returncode == 0) == (done.stderr == "")
    assert done.returncode in (0, 255)
    both = re.sub(r"^(kernel: .*?), ABI.*\n", r"\1\n", done.both, flags=re.M)
    return f"$ colinux-daemon {' '.join(words)}\n{both}"


def expected(name: str) -> str:
    linux = (CORPUS / f"{name}.expected").read_text()
    if name in LOOKED_UP:
        line, more = LOOKED_UP[name]
        assert f"{line}\n" in linux
        linux = linux.replace(f"{line}\n", f"{line}{more}\n", 1)
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


@pytest.fixture
def adapter(wine: Wine) -> None:
    """As somebody has it who has come from coLinux."""
    tap_kit.write(wine, [("0007", "tap0901", "{C0110020-0000-4000-8000-00000000C0DE}", TAP)])


@pytest.fixture
def made(wine: Wine) -> Iterator[list[Path]]:
    """Files of the tests': they go again, as other tests have this drive C: after them."""
    before = not_windows_own(wine.drive)
    files: list[Path] = []
    yield files
    for path in files:
        remove(path)
    assert not_windows_own(wine.drive) == before


def not_windows_own(drive: Path) -> list[Path]:
    """What lies on drive C:, but for folders in which Windows itself may write at any time."""
    tops = [path for path in drive.iterdir() if path.name not in ("windows", "users", "ProgramData")]
    return sorted(path for top in tops for path in (top, *top.rglob("*")))


@pytest.mark.usefixtures("drives", "adapter")
@pytest.mark.parametrize("name", NAMES)
def test_what_becomes_of(name: str, wine: Wine, tmp_path: Path, made: list[Path]) -> None:
    files_of(wine, name, tmp_path, made)
    text = "\n".join(said(wine, tmp_path, how, f"@{name}.conf") for how in ("--check", "--print-json", "--print-toml"))
    assert text == expected(name)

# SPDX-License-Identifier: GPL-2.0-only
"""Host folders against guests that want out of them: the 9P server under a fuzzer."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import daemon_kit
import pytest


@pytest.mark.fuzz
def test_hostile_messages(tmp_path: Path) -> None:
    """Whatever a guest sends, the file beside the folder is neither read nor touched, and every message is answered."""
    count = daemon_kit.inputs(60000)
    (served, refused), _ = daemon_kit.fuzz(tmp_path, "fuzz-p9", count=count)
    assert served + refused == count
    assert min(served, refused) > count // 20


# --- cofsN= ----------------------------------------------------------------------------------------

WRITTEN = {  # the value: path, read-only, owner
    "/srv/a,b": ("/srv/a,b", False, "same"),
    "/srv/a,ro": ("/srv/a", True, "same"),
    '"/srv/a,ro"': ("/srv/a,ro", False, "same"),
    "/srv,owner=1000,ro": ("/srv", True, "1000:1000"),
    "/srv,rw,owner=0:4294967294": ("/srv", False, "0:4294967294"),
    '"/srv/a b",owner=xattr,ro': ("/srv/a b", True, "xattr"),
    "/srv/a,rooo": ("/srv/a,rooo", False, "same"),
}


@pytest.mark.parametrize("value", WRITTEN)
def test_what_is_written_is_what_is_understood(value: str, tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text(f"kernel=a\ncofs3={value}\n")
    done = daemon_kit.check(tmp_path, "--print-json", "@a.conf")
    assert (done.returncode, done.stderr) == (0, "")
    path, read_only, owner = WRITTEN[value]
    assert json.loads(done.stdout)["folders"] == [
        {"name": "cofs3", "path": path, "read_only": read_only, "owner": owner}
    ]


def checked(folder: Path, value: str) -> str:
    (folder / "vmlinux").write_bytes(daemon_kit.kernel())
    return daemon_kit.check(folder, "--check", "kernel=vmlinux", f"cofs0={value}").stderr


def test_a_folder_that_is_none_is_told_beforehand(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert checked(tmp_path, "folder") == ""
    assert "argument 3: cofs0=nothing: No such file or directory" in checked(tmp_path, "nothing")
    assert "argument 3: cofs0=vmlinux: Not a directory" in checked(tmp_path, "vmlinux")


def test_a_guest_finds_its_folders(tmp_path: Path) -> None:
    """Behind its disks, each with its name in its registers; the daemon ends as ever."""
    (tmp_path / "folder").mkdir()
    done = daemon_kit.boot(tmp_path, "say hello", "--stats", "cofs0=folder", "cofs7=folder,ro")
    assert done.returncode == 0, done.stderr
    assert "stats: cofs0: 0 requests" in done.stderr and "stats: cofs7: " in done.stderr


def test_a_folder_is_not_there_at_the_start(tmp_path: Path) -> None:
    done = daemon_kit.boot(tmp_path, "say hello", "cofs0=nothing")
    assert done.returncode == 255
    assert "cofs0=nothing: No such file or directory" in done.stderr


# --- mount.cofs ------------------------------------------------------------------------------------

MOUNT = Path(__file__).resolve().parents[2] / "pipeline/rootfs/files/mount.cofs"
MOUNTS = {  # mount.cofs's words: what mount is told
    "0 /mnt": "-t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=mmap cofs0 /mnt",
    "cofs12 /mnt -o rw,noatime -n": "-t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=mmap,rw,noatime cofs12 /mnt",
    "/dev/cofs3 /a -r -v": "-t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=mmap,ro cofs3 /a",
    "3: /a -o cache=loose": "-t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=loose cofs3 /a",
}


OLD_MOUNTS = {
    "1 /mnt": "-t 9p -o trans=virtio,msize=32768 cofs1 /mnt",
    "1 /mnt -r -o cache=loose": "-t 9p -o trans=virtio,msize=32768,ro,cache=loose cofs1 /mnt",
}


@pytest.mark.parametrize(("release", "words", "told"), [
    *(("6.1.0-colinux", *one) for one in MOUNTS.items()), *(("2.6.33-colinux", *one) for one in OLD_MOUNTS.items()),
])  # fmt: skip
def test_mount_cofs(release: str, words: str, told: str, tmp_path: Path) -> None:
    """Linux's own mount is told what 9p needs, whichever way the folder is named, and however old it is."""
    for name, says in (("mount", '"$@"'), ("uname", release)):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {says}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["sh", MOUNT, *words.split()], text=True, capture_output=True, check=False, env={"PATH": f"{tmp_path}:/bin"}
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, told, "")


@pytest.mark.parametrize("words", ["", "0", "0 /mnt -o", "0 /mnt /mnt"])
def test_mount_cofs_says_how_it_is_used(words: str) -> None:
    done = subprocess.run(["sh", MOUNT, *words.split()], text=True, capture_output=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("usage: mount.cofs")

# SPDX-License-Identifier: GPL-2.0-only
"""A corpus of configuration files as people have them (tests/unit/data/conf), and what becomes of each.

Beside NAME.conf stands NAME.expected: what the daemon prints of it in its three ways,
in a folder where the files that it names are there. After a change that is meant,
`UPDATE_EXPECTED=1 pytest tests/unit/test_daemon_corpus.py` writes them anew: read the diff.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import daemon_kit
import pytest

from pipeline.declaration import load
from pipeline.declaration.model import Machine

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).parent / "data/conf"
NAMES = sorted(path.stem for path in CORPUS.glob("*.conf"))
BAD = {"typos", "twice", "obsolete", "version-0.6", "wrong-root"}


def test_the_corpus_is_one() -> None:
    assert len(NAMES) >= 12 and set(NAMES) > BAD


def files_of(name: str, folder: Path) -> None:
    """The file, and every file that it names: a kernel, and disks of 3 MiB."""
    shutil.copy(CORPUS / f"{name}.conf", folder)
    done = daemon_kit.check(folder, "--print-json", f"@{name}.conf")
    if done.returncode:
        return
    said = json.loads(done.stdout)
    (folder / said["kernel"]).write_bytes(daemon_kit.kernel())
    for shared in said["folders"]:
        (folder / shared["path"]).mkdir()
    for path in [disk["path"] for disk in said["disks"]] + [said["initrd"]] * bool(said["initrd"]):
        # Latin-1 where it is no UTF-8, as the daemon opens it
        latin = b"\xf6" in (CORPUS / f"{name}.conf").read_bytes()
        target = folder / (os.fsdecode(path.encode("latin-1")) if latin else path)
        with target.open("wb") as file:
            file.truncate(3 << 20)


def said(folder: Path, *arguments: str) -> str:
    """What the daemon says, to whomever."""
    done = daemon_kit.check(folder, *arguments)
    assert (done.returncode == 0) == (done.stderr == "")
    assert done.returncode in (0, 255)
    # The kernel of these tests is none of the corpus.
    text = re.sub(r"^(kernel: .*?), ABI.*\n", r"\1\n", done.stdout + done.stderr, flags=re.M)
    return f"$ colinux-daemon {' '.join(arguments)}\n{text}"


def transcript(name: str, folder: Path) -> str:
    files_of(name, folder)
    return "\n".join(said(folder, how, f"@{name}.conf") for how in ("--check", "--print-json", "--print-toml"))


@pytest.mark.parametrize("name", NAMES)
def test_what_becomes_of(name: str, tmp_path: Path) -> None:
    text = transcript(name, tmp_path)
    expected = CORPUS / f"{name}.expected"
    if os.environ.get("UPDATE_EXPECTED"):
        expected.write_text(text)
    assert text == expected.read_text()


def machine_of(toml: str, folder: Path) -> Machine:
    """The one machine that colinux.toml has more, when this is appended to it."""
    checkout = folder / "checkout"
    checkout.mkdir()
    for folder in ("patches", "runtime"):   # colinux.toml names files of them
        (checkout / folder).symlink_to(ROOT / folder)
    (checkout / "colinux.toml").write_text((ROOT / "colinux.toml").read_text() + "\n" + toml)
    before = load(ROOT / "colinux.toml").machines
    after = load(checkout / "colinux.toml").machines
    (name,) = set(after) - set(before)
    return after[name]


@pytest.mark.parametrize("name", sorted(set(NAMES) - BAD))
def test_it_becomes_a_machine_of_colinux_toml(name: str, tmp_path: Path) -> None:
    """What --print-toml prints is a declaration that the pipeline takes, with the file's memory, disks and words."""
    files_of(name, tmp_path)
    toml = daemon_kit.check(tmp_path, "--print-toml", f"@{name}.conf").stdout
    understood = json.loads(daemon_kit.check(tmp_path, "--print-json", f"@{name}.conf").stdout)
    machine = machine_of(toml, tmp_path)
    assert machine.name == name
    assert machine.memory_mib == understood["memory_mib"]
    assert [disk.readonly for disk in machine.disks] == [disk["read_only"] for disk in understood["disks"]]
    assert all(disk.rootfs or disk.size_mib == 3 for disk in machine.disks)
    assert sum(disk.rootfs is not None for disk in machine.disks) == (machine.initramfs is None)
    ours = ("console=hvc0", "colinux.names=")
    words = [word for word in understood["command_line"].split() if not word.startswith(ours)]
    given = [word for word in machine.cmdline.split() if not word.startswith(ours)]
    if name == "whole-disk":  # root=/dev/vda1: our root filesystem has no partitions
        words = [word.removesuffix("1") if word.startswith("root=") else word for word in words]
    assert given == words


KERNELS = {  # note flags and header of a kernel -> kernel, root filesystem in memory, on disk
    "6.1": ({}, ("6.1-x86_64", "busybox", "busybox-ext4")),
    "2.6.33": ({"flags": 8}, ("2.6.33-x86_64", "old-x86_64", "ext3-x86_64")),
}


@pytest.mark.parametrize("series", KERNELS)
@pytest.mark.parametrize("disk", [False, True])
def test_a_machine_has_the_kernel_that_the_file_names(series: str, disk: bool, tmp_path: Path) -> None:
    note, (kernel, memory, image) = KERNELS[series]
    (tmp_path / "vmlinux").write_bytes(daemon_kit.kernel(daemon_kit.note(**note)))
    words = ["cobd0=missing.img", "root=/dev/cobd0"] if disk else []
    toml = daemon_kit.check(tmp_path, "--print-toml", "kernel=vmlinux", "mem=4096", *words).stdout
    machine = machine_of(toml, tmp_path)
    assert (machine.kernel, machine.initramfs) == (kernel, None if disk else memory)
    assert [one.rootfs for one in machine.disks] == ([image] if disk else [])
    assert machine.qemu.memory_mib > 4096


@pytest.mark.parametrize(
    ("file", "name"),
    [("a b.conf", "a-b"), ("dir/my.linux.conf", "my.linux"), (".conf", "m.conf"), ("ü", "m--"), ("x.y+z", "x")],
)
def test_a_machine_is_called_like_its_file(file: str, name: str, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("kernel=vmlinux\ninitrd=x\n")
    assert machine_of(daemon_kit.check(tmp_path, "--print-toml", f"@{file}").stdout, tmp_path).name == name


def test_paths_of_windows_are_explained(tmp_path: Path) -> None:
    for name in ("first-steps", "dual-boot"):
        shutil.copy(CORPUS / f"{name}.conf", tmp_path)
    (tmp_path / "vmlinux").write_bytes(daemon_kit.kernel())
    told = daemon_kit.check(tmp_path, "--check", "@dual-boot.conf").stderr
    assert "dual-boot.conf:5: hda6=\\Device\\Harddisk0\\Partition6: " in told
    assert told.count("a device of Windows; here disks and partitions are /dev/sda, /dev/sda1)\n") == 3
    told = daemon_kit.check(tmp_path, "--check", "kernel=c:\\coLinux\\vmlinux", "ttys0=COM1").stderr
    assert "(a path of Windows; this daemon runs on Linux)" in told

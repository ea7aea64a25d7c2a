# SPDX-License-Identifier: GPL-2.0-only
"""Machines of kind windows-image, without an image: second disk, script, records, and whole boots with a fake NT."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.declaration import load
from pipeline.declaration.model import Disk, Qemu, Rootfs, Timeouts, WindowsImage
from pipeline.errors import UserError
from pipeline.paths import Paths
from pipeline.rootfs import image as rootfs_image
from runtime.launcher import image as windows_image
from runtime.launcher.image import batch, computer, disc
from runtime.launcher.image.boot import files
from runtime.launcher.image.records import Receiver, Record, Transcript, written
from tests.unit.launcher_kit import ROOT, declaration, machine

TOKEN = "0123abcd"
SAID = [written(TOKEN, "host", 1, "start"), written(TOKEN, "guest1", 1, "out", "uname,0,YWJj"),
        written(TOKEN, "guest1", 2, "end", "uname,0,1"), written(TOKEN, "host", 2, "over")]  # fmt: skip


def received(*pieces: bytes) -> list[Record]:
    found: list[Record] = []
    receiver = Receiver(TOKEN, found.append, now=lambda: 7.0)
    for piece in pieces:
        receiver.feed(piece)
    return found


# --- records ---------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=60).filter(lambda noise: b"@co" not in noise), min_size=5, max_size=5),
       st.integers(1, 9))  # fmt: skip
def test_noise_between_records_and_any_pieces_change_nothing(noise: list[bytes], step: int) -> None:
    line = b"".join(part + record.encode() for part, record in zip(noise, [*SAID, ""], strict=True))
    found = received(*(line[at : at + step] for at in range(0, len(line), step)))
    assert [(one.source, one.number, one.kind) for one in found] == [
        ("host", 1, "start"), ("guest1", 1, "out"), ("guest1", 2, "end"), ("host", 2, "over")]  # fmt: skip


@given(st.integers(0, 200), st.binary(min_size=1, max_size=9))
def test_what_is_damaged_is_not_taken_and_its_repetition_is(at: int, noise: bytes) -> None:
    record = SAID[1].encode()
    at = 1 + at % (len(record) - 1)
    damaged = record[:at] + noise + record[at:]
    whole = [Record("guest1", 1, "out", "uname,0,YWJj", 7.0)]
    assert received(damaged) in ([], whole)  # noise may be nothing but a beginning of its own
    assert received(damaged, record, record) == whole


@given(st.binary(max_size=400))
def test_the_line_may_hold_anything(noise: bytes) -> None:
    assert all(one.source for one in received(noise, b"@co:" + noise, noise + b"@"))
    transcript = Transcript()
    for kind in ("out", "end", "bye", "x"):
        for text in ("", ",", "a,1", "a,-1,b", "a,1,2", "a,99999999,3", "a,1,=", noise.hex()[:99]):
            transcript.take(Record("guest1", 1, kind, text))


def test_another_boots_records_are_nobodys() -> None:
    assert received(written("ffffffff", "host", 1, "start").encode()) == []


def test_an_endless_line_is_not_kept() -> None:
    receiver = Receiver(TOKEN, lambda record: None)
    for _ in range(1000):
        receiver.feed(b"@co:" * 500)
    assert len(receiver._buffer) <= 2 * 2000


# --- the guest's side, by a real shell ---------------------------------------------------------------


def test_a_guests_script_says_what_the_receiver_understands(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    output = "".join(f"line {number} ä \x01\n" for number in range(90))
    (tmp_path / "text").write_text(output)
    (tmp_path / "scripts/long").write_text(f"cat {tmp_path}/text\n")
    (tmp_path / "scripts/bad").write_text("echo no; exit 3\n")
    (tmp_path / "scripts/none").write_text(":\n")
    (tmp_path / "poweroff").write_text("#!/bin/sh\n")
    (tmp_path / "poweroff").chmod(0o755)
    script = tmp_path / "agent"
    script.write_text(batch.agent(TOKEN, "guest1", ["long", "bad", "none"], 60, str(tmp_path / "scripts"), str(tmp_path)))
    master, slave = pty.openpty()
    line = bytearray()

    def read() -> None:
        while True:
            try:
                line.extend(os.read(master, 4096))
            except OSError:
                return

    reader = threading.Thread(target=read)
    reader.start()
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["sh", script, os.ttyname(slave)], check=True, env=env, timeout=120)
    os.close(slave)
    reader.join(30)
    transcript = Transcript()
    for record in received(bytes(line)):
        transcript.take(record)
    assert line.count(b":bye:") == 1 + batch.AGAIN
    assert transcript.done
    told = {name: transcript.script(name) for name in ("long", "bad", "none")}
    assert told["long"] and told["long"].output == output and told["long"].status == 0
    assert told["bad"] and (told["bad"].output, told["bad"].status) == ("no\n", 3)
    assert told["none"] and told["none"].output == ""


# --- the second disk -----------------------------------------------------------------------------------


def start() -> str:
    return disc.start(disc.Script(TOKEN, ["guest1", "guest2"], "COM1", "COM2")).decode("ascii")


def test_the_script_is_windows_own_kind_of_text() -> None:
    text = start()
    assert text.count("\r\n") == text.count("\n") == len(text.splitlines())
    assert text.startswith("@echo off\r\n")
    # cmd would take a digit before ">" for a handle's number, and "%" for a variable.
    for line in text.splitlines():
        if "@co:" in line:
            record = line.partition("echo ")[2]
            assert record.endswith("@>COM1") and "%" not in record
    found = received(text.encode())
    kinds = {one.kind for one in found}
    assert {"start", "copied", "driver", "guest", "guest-ended-a", "guest-ended-b", "unloaded", "over"} == kinds
    assert text.count("@co:") == 2 * len(found)
    assert max(map(len, text.splitlines())) < 2047  # cmd.exe of Windows 2000


def test_the_disc_holds_what_it_should(tmp_path: Path) -> None:
    if not shutil.which("xorriso"):
        pytest.skip("xorriso is not installed (./doit setup installs it)")
    big = tmp_path / "vmlinux"
    big.write_bytes(os.urandom(300_000))
    content = {disc.START: start().encode(), disc.KERNEL: big, disc.configuration("guest1"): b"kernel=VMLINUX\r\n"}
    disc.make(content, tmp_path / "cd.iso", tmp_path)
    subprocess.run(["xorriso", "-osirrox", "on", "-indev", tmp_path / "cd.iso", "-extract", "/", tmp_path / "out"],
                   check=True, capture_output=True)  # fmt: skip
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(content)
    assert (tmp_path / "out/VMLINUX").read_bytes() == big.read_bytes()
    assert (tmp_path / "out/START.CMD").read_bytes() == start().encode()
    assert (tmp_path / "cd.iso").read_bytes()[0x8001:0x8006] == b"CD001"


@pytest.mark.parametrize(("head", "name"), [
    (b"QFI\xfb\0", "qcow2"), (b"\x33\xc0", "raw"), (b"vhdxfile", "vhdx"), (b"KDMV", "vmdk"),
    (bytes(0x40) + b"\x7f\x10\xda\xbe", "vdi"), (bytes(1024) + b"conectix" + bytes(504), "vpc")])  # fmt: skip
def test_an_images_format_is_what_it_begins_with(tmp_path: Path, head: bytes, name: str) -> None:
    path = tmp_path / "image"
    path.write_bytes(head)
    assert computer.image_format(path) == name


# --- whole boots ---------------------------------------------------------------------------------------


class Stage:
    """A checkout with a fake QEMU and a fake image."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        if not shutil.which("xorriso"):
            pytest.skip("xorriso is not installed (./doit setup installs it)")
        self.paths = Paths(root)
        folder = root / "bin"
        folder.mkdir()
        program = folder / "qemu-system-x86_64"
        program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} {ROOT}/tests/unit/fake_image_qemu.py "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.delenv("COLINUX_TIME_FACTOR", raising=False)
        monkeypatch.delenv("COLINUX_ACCEL", raising=False)

    def judge(self, mode: str = "", patience: int = 120) -> dict[str, object]:
        root = self.paths.root
        image = root / "nt.img"
        image.write_bytes(f"FAKE {mode}".encode().ljust(1024))
        one = WindowsImage("nt", "an NT made of words", "nt.img", None, "windows-x64", "6.1-x86_64", "busybox",
                           (Disk(size_mib=1),), 64, "quiet", ("uname", "forks", "poweroff", "second-guest", "unload"),
                           "COM1", Timeouts(patience, 10, patience), Qemu("qemu64", 1, 512))  # fmt: skip
        decl = declaration(root, machine())
        decl = replace(decl, images={"nt": one}, rootfs={"busybox": Rootfs("busybox", "initramfs", "x86_64")})
        for path in files(one, decl, self.paths).values():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(path.name.encode())
        before = image.read_bytes()
        verdict = windows_image.judge("nt", decl, self.paths)
        assert image.read_bytes() == before
        return dict(json.loads((verdict.folder / "result.json").read_text()))


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path, monkeypatch)


def test_a_good_boot_has_its_evidence(stage: Stage) -> None:
    result = stage.judge()
    assert (result["first_error"], result["verdict"]) == (None, "pass")
    assert result["kernel"] == "6.1.192-colinux"
    assert result["host"] == "Microsoft Windows [Version 5.2.3790] (windows-x64 colinux.sys, image nt.img)"
    assert result["host_alive_after"] is True
    checks = {check["name"]: check["status"] for check in result["checks"]}  # type: ignore[attr-defined]
    assert checks == dict.fromkeys(("driver", "uname", "forks", "poweroff", "second-guest", "unload"), "pass")


@pytest.mark.parametrize(("mode", "expected", "says", "patience"), [
    ("no-hook", "infrastructure", "did not run its hook", 2), ("no-driver", "check-failed", "driver", 120),
    ("bugcheck", "panic", "bug check", 120), ("panic", "panic", "VFS: cannot find root", 120),
    ("lost", "check-failed", "forks", 120), ("hang", "hang", "in guest1", 6)])  # fmt: skip
def test_every_end_has_its_verdict(stage: Stage, mode: str, expected: str, says: str, patience: int) -> None:
    result = stage.judge(mode, patience)
    assert result["verdict"] == expected, result["first_error"]
    assert says in str(result["first_error"])


def test_without_its_image_a_machine_says_so() -> None:
    decl = load(ROOT / "colinux.toml")
    gone = replace(next(iter(decl.images.values())), image="nowhere/nt.qcow2")
    assert "there is no image" in (windows_image.missing(gone, decl) or "")
    with pytest.raises(UserError, match="A Windows image of your own"):
        windows_image.judge(gone.name, replace(decl, images={gone.name: gone}), Paths(ROOT))


def test_the_declarations_faults_are_all_told(tmp_path: Path) -> None:
    text = (ROOT / "colinux.toml").read_text()
    text += """
[machine.wrong]
kind = "windows-image"
title = "wrong in many ways"
imag = "x"
nt = "windows-x68"
kernel = "6.1-x86_64"
initramfs = "busybox-ext4"
memory_mib = 4000
checks = ["unam", "systemd"]
[machine.worse]
extends = "wrong"
kind = "windows-imag"
title = "no such kind"
[machine.third]
extends = "wrong"
title = "extends an image"
"""
    (tmp_path / "colinux.toml").write_text(text)
    shutil.copytree(ROOT / "patches", tmp_path / "patches")
    with pytest.raises(UserError) as caught:
        load(tmp_path / "colinux.toml")
    said = str(caught.value)
    for part in ('did you mean "image"?', 'unknown Windows "windows-x68"; did you mean "windows-x', 'did you mean "uname"?', '"systemd"',
                 'the key "image" is missing', "is of kind ext4; expected one of kind initramfs",
                 "more than the computer's 1024 MiB", 'did you mean "windows-image"?',
                 '"wrong" is a windows-image; expected a machine with a test host'):  # fmt: skip
        assert part in said, part
    assert all(line.split(":")[1].isdecimal() for line in said.splitlines() if "machine." in line)


def test_the_declared_images_are_of_their_kind() -> None:
    decl = load(ROOT / "colinux.toml")
    assert {one.nt for one in decl.images.values()} == {"windows-x64", "windows-x86"}
    assert not decl.images.keys() & decl.machines.keys()
    assert all(rootfs_image(decl.rootfs[one.initramfs], Paths(ROOT)) for one in decl.images.values())

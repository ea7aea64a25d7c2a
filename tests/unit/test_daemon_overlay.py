# SPDX-License-Identifier: GPL-2.0-only
"""Disks of a daemon that is killed at any moment: what was flushed is there, whole, with and without an overlay."""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import daemon_kit
import pytest

KILLS = 50
SECTOR, SECTORS, BLOCK = 512, 400, 4096
# struct overlay_header, as runtime/daemon/overlay.h tells everybody who reads such a file
HEADER = struct.Struct("<16sIIQQQQ")


def sectors_of(folder: Path, overlay: bool) -> bytes:
    """What a guest would read, by a reader of its own."""
    base = (folder / "disk").read_bytes()
    if not overlay:
        return base
    raw = (folder / "changes").read_bytes()
    magic, version, block, size, _mark, map_at, data_at = HEADER.unpack_from(raw)
    assert (magic, version, block, size) == (b"coLinux overlay\n", 1, BLOCK, len(base))
    here = [raw[map_at + number // 8] >> number % 8 & 1 for number in range(-(-size // BLOCK))]
    return b"".join(
        (raw[data_at:][:size] if bit else base)[number * BLOCK :][:BLOCK] for number, bit in enumerate(here)
    )


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, if there is one: a killed process loses no pages, and a thousand flushes cost nothing."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.mark.parametrize("overlay", [False, True], ids=["file", "overlay"])
def test_fifty_kills_lose_nothing_that_was_flushed(overlay: bool, memory: Path) -> None:
    disk = "cobd0=disk,cow=changes" if overlay else "cobd0=disk"
    (memory / "disk").write_bytes(b"old\n".ljust(SECTOR, b"\0") * SECTORS)
    (memory / "vmlinux").write_bytes(daemon_kit.kernel())
    chance, expected = random.Random(1), [b"old\n"] * SECTORS
    for _ in range(KILLS):
        with subprocess.Popen(
            [daemon_kit.programs() / "fake-daemon", "kernel=vmlinux", "mem=64", disk],
            cwd=memory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=daemon_kit.environment(FAKE_GUEST=f"stamps 1 {SECTORS - 1}"),
        ) as daemon:  # fmt: skip
            assert daemon.stdout
            told = [daemon.stdout.readline() for _ in range(chance.randrange(1, 16))]
            daemon.kill()
            told += daemon.stdout.readlines()
        if told and not told[-1].endswith(b"\n"):
            told.pop()
        assert all(line.startswith(b"stamp %d of " % number) for number, line in enumerate(told)), told[-1]
        expected[: len(told)] = told
        found = sectors_of(memory, overlay)
        written = len(told)
        for number, line in enumerate(expected):
            sector = found[number * SECTOR :][:SECTOR]
            # Those after the last that was told of may be new, one after the other: the guest goes on while the
            # daemon prints.
            if sector != line.ljust(SECTOR, b"\0"):
                assert number == written and sector.startswith(b"stamp %d of " % number)
                expected[number] = sector.rstrip(b"\0")
                written += 1
    if overlay:
        assert (memory / "disk").read_bytes() == b"old\n".ljust(SECTOR, b"\0") * SECTORS


def test_a_guest_writes_into_its_overlay(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(bytes(SECTOR * SECTORS))
    done = daemon_kit.boot(tmp_path, "sector 1 hello", "cobd0=disk,cow=changes")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "disk").read_bytes() == bytes(SECTOR * SECTORS)
    assert sectors_of(tmp_path, overlay=True)[SECTOR:][:5] == b"hello"


NAMES = {
    'cobd0="disk",cow=changes': ("disk", "changes"),
    'cobd0="disk",cow="a b,c"': ("disk", "a b,c"),
    'cobd0=disk,cow="a b,ro"': ("disk", "a b,ro"),
    "cobd0=a,b,cow=c,d": ("a,b", "c,d"),
    "hda1=disk,cow=changes": ("disk", "changes"),
    'cobd0="disk,cow=no"': ("disk,cow=no", None),
    "cobd0=disk": ("disk", None),
}


@pytest.mark.parametrize("text", NAMES)
def test_how_it_is_written(text: str, tmp_path: Path) -> None:
    path, overlay = NAMES[text]
    (tmp_path / "linux.conf").write_text(f"kernel=vmlinux\n{text}\n")
    (tmp_path / "vmlinux").write_bytes(daemon_kit.kernel())
    done = daemon_kit.check(tmp_path, "--print-json", "@linux.conf")
    (disk,) = json.loads(done.stdout)["disks"]
    assert (disk["path"], disk.get("overlay"), disk["read_only"]) == (path, overlay, False)


WRONG = {
    "cobd0=disk,cow=": "a path is needed after cow=",
    'cobd0=disk,cow=""': "a path is needed after cow=",
    'cobd0=disk,cow="a"b': "unexpected b after the closing quote",
    'cobd0="disk",cow="a"b': "unexpected b after the closing quote",
    "cobd0=,cow=a": "a path is needed",
    "cobd0=disk,ro,cow=a": "with cow= a disk is only read anyway: leave ,ro out",
    "hda=disk,cow=": "a path is needed after cow=",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "linux.conf").write_text(f"kernel=vmlinux\n{text}\n")
    done = daemon_kit.check(tmp_path, "--print-json", "@linux.conf")
    assert done.returncode == 255
    assert f"linux.conf:2: {text}: {WRONG[text]}" in done.stderr


def test_a_check_makes_no_overlay_and_looks_at_one(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(bytes(SECTOR * SECTORS))
    (tmp_path / "vmlinux").write_bytes(daemon_kit.kernel())
    words = ("--check", "kernel=vmlinux", "cobd0=disk,cow=changes")
    done = daemon_kit.check(tmp_path, *words)
    assert "cobd0: disk, 200 KiB, with its changes in changes, /dev/vda in the guest\n" in done.stdout
    assert not (tmp_path / "changes").exists()
    (tmp_path / "changes").write_bytes(b"precious" * 1000)
    done = daemon_kit.check(tmp_path, *words)
    assert done.returncode == 255 and "changes: is no overlay" in done.stderr
    assert (tmp_path / "changes").read_bytes() == b"precious" * 1000


def test_an_overlay_is_told_in_toml(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(bytes(SECTOR * SECTORS))
    (tmp_path / "vmlinux").write_bytes(daemon_kit.kernel())
    done = daemon_kit.check(tmp_path, "--print-toml", "kernel=vmlinux", "cobd0=disk,cow=changes")
    assert "# cobd0=disk,cow=changes (argument 3)" in done.stdout
    assert "a test's disks are new for every boot" in done.stdout

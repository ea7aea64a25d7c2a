# SPDX-License-Identifier: GPL-2.0-only
"""What our busybox root filesystems make of leases (pipeline/rootfs/files/busybox/udhcpc.script)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pipeline.rootfs import busybox

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "pipeline/rootfs/files/busybox/udhcpc.script"
INTERFACES = 4


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script in a tree of its own, beside an ifconfig and a route that do nothing."""
    for folder in ("run", "etc", "bin"):
        (tmp_path / folder).mkdir()
    text = SCRIPT.read_text()
    for place in ("/run/", "/etc/"):
        assert place in text
        text = text.replace(place, f"{tmp_path}{place}")
    (tmp_path / "script").write_text(text)
    for name, status in (("ifconfig", 0), ("route", 1)):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\nexit {status}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path / "script"


def start(script: Path, word: str, number: int) -> subprocess.Popen[bytes]:
    """What udhcpc does when a lease of eth<number> comes or goes."""
    lease = {"interface": f"eth{number}", "ip": f"10.0.{number}.15", "dns": f"10.0.{number}.3 10.0.{number}.4"}
    path = f"{script.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(["sh", script, word], env={**os.environ, **lease, "PATH": path})


def servers(script: Path) -> list[str]:
    return (script.parent / "etc/resolv.conf").read_text().splitlines()


def of(*numbers: int) -> list[str]:
    return [f"nameserver 10.0.{number}.{last}" for number in numbers for last in (3, 4)]


def test_name_servers_come_and_go_with_their_interface(script: Path) -> None:
    for word, number, left in (("bound", 1, (1,)), ("bound", 0, (0, 1)), ("deconfig", 1, (0,)), ("renew", 1, (0, 1)),
                               ("deconfig", 0, (1,)), ("deconfig", 1, ())):
        assert start(script, word, number).wait() == 0
        assert servers(script) == of(*left)


def test_leases_that_come_at_once_are_all_told(script: Path) -> None:
    for _ in range(15):
        for process in [start(script, word, number) for word in ("bound", "renew") for number in range(INTERFACES)]:
            assert process.wait() == 0
        assert servers(script) == of(*range(INTERFACES))
        assert not list(script.parent.glob("etc/resolv.new*"))
        for process in [start(script, "deconfig", number) for number in range(INTERFACES)]:
            assert process.wait() == 0


def test_a_system_that_cannot_be_written_is_left_alone(script: Path) -> None:
    etc = script.parent / "etc"
    etc.rmdir()     # nobody, root neither, can write there
    process = start(script, "bound", 0)
    assert process.wait(60) == 0 and not etc.exists()


def test_the_busybox_of_ours_looks_for_it_where_it_is() -> None:
    """Over a configuration with nothing in it, it looks nowhere, and a lease changes nothing."""
    options = (ROOT / "pipeline/rootfs/files/busybox.config").read_text().splitlines()
    [path] = [one.split("=")[1].strip('"') for one in options if one.startswith("CONFIG_UDHCPC_DEFAULT_SCRIPT=")]
    assert any(f"{place}/default.script" == path for place in busybox.UDHCPC)

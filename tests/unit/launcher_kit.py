# SPDX-License-Identifier: GPL-2.0-only
"""What the launcher's tests share: a declared machine, built files of a few bytes, the fake QEMU, the real agent."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import functools
import os
import pty
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline.declaration.model import (
    Declaration,
    Disk,
    Host,
    Kernel,
    Machine,
    Project,
    Qemu,
    Release,
    Timeouts,
)
from pipeline.paths import Paths, checkout
from runtime.launcher import artifacts, clock, scenarios
from runtime.launcher.boot import Verdict, boot, judge

ROOT = checkout().root
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
ALL_CHECKS = ("uname", "memory", "disk", "names", "timers", "fpu", "state", "forks", "poweroff",
              "host-clean", "host-leak", "second-guest", "two-guests", "unload")  # fmt: skip
# Seconds after which a fake that says nothing any more is given up; before that it must do what the others do.
PATIENCE = {"silent": 1, "hang": 1, "host-silent": 1, "stuck": 2, "no-off": 2}


def machine(name: str = "tiny", modes: str = "", **changes: object) -> Machine:
    """A machine whose fake QEMU behaves as `modes` ("silent leak") say; little patience where it will not answer, and
    enough for a busy computer where it will."""
    patience = min(PATIENCE.get(mode, 60) for mode in modes.split() or [""])
    words = " ".join(f"fake.{mode}" for mode in modes.split())
    made = Machine(
        name=name, title="a machine made of words", kernel="6.1-x86_64", host="linux-amd64", initramfs=None,
        disks=(Disk(size_mib=1),), memory_mib=128, cmdline="quiet", guests=1, scenario="basic",
        checks=ALL_CHECKS, driver_args=(), timeouts=Timeouts(boot=patience, check=patience, total=20 * patience),
        qemu=Qemu("max", 2, 512, words),
    )  # fmt: skip
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def declaration(root: Path, *machines: Machine) -> Declaration:
    """A declaration of these machines; the first is the default one."""
    path = root / "colinux.toml"
    path.write_text("# made by a test\n")
    kernel = Kernel("6.1-x86_64", "6.1", "x86_64", (), "", (), "tinyconfig", (), {}, "gcc")
    host = Host("linux-amd64", "linux", "x86_64", "", "", (), Qemu("max", 2, 512))
    return Declaration(
        path=path, project=Project("colinux", "0", machines[0].name, 0), sources={},
        kernels={kernel.name: kernel}, userlands={}, hosts={host.name: host}, rootfs={},
        machines={one.name: one for one in machines}, release=Release("colinux"),
    )  # fmt: skip


def build(decl: Declaration, paths: Paths) -> None:
    """Files of a few bytes where the built ones would be."""
    for name in decl.machines:
        for path in artifacts.find(name, decl, paths).files.values():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(path.name.encode())


def install_fake_qemu(folder: Path) -> Path:
    """A folder for PATH with the fake under QEMU's name."""
    folder.mkdir(exist_ok=True)
    program = folder / "qemu-system-x86_64"
    fake = ROOT / "tests/unit/fake_qemu.py"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {fake} "$@"\n')
    program.chmod(0o755)
    return folder


class Stage:
    """A checkout with a fake QEMU, where machines can be booted."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths = Paths(root)
        monkeypatch.setenv("PATH", str(install_fake_qemu(root / "bin")) + os.pathsep + os.environ["PATH"])
        monkeypatch.setenv("COLINUX_ACCEL", "tcg")
        monkeypatch.delenv("COLINUX_TIME_FACTOR", raising=False)
        monkeypatch.setattr(artifacts, "host_image", self._host_image)
        monkeypatch.setattr(scenarios, "NMI_LEAST", 1)
        monkeypatch.setattr(scenarios, "NMI_PERIOD", 0.001)
        monkeypatch.setattr(scenarios, "MCE_PERIOD", 0.002)
        monkeypatch.setattr(scenarios, "MCE_LEAST", 1)
        monkeypatch.setattr(clock, "SECONDS", 0.2)

    def _host_image(self, *_: object) -> Path:
        image = self.paths.build / "host.cpio"
        image.write_bytes(b"cpio")
        return image

    def judge(self, one: Machine) -> Verdict:
        decl = declaration(self.paths.root, one)
        build(decl, self.paths)
        return judge(one.name, decl, self.paths, lock_digest="10c4")

    def boot(self, one: Machine) -> Verdict:
        decl = declaration(self.paths.root, one)
        build(decl, self.paths)
        return boot(one.name, decl, self.paths, lock_digest="10c4")


@functools.cache
def compiled(program: str, folder: Path) -> Path:
    """colinux-agent or colinux-check, built for this computer with the sanitizers that find a bad access."""
    pattern = {"colinux-agent": "agent*.c", "colinux-check": "check*.c"}[program]
    sources = sorted((ROOT / "runtime/agent").glob(pattern))
    output = folder / program
    sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"] if program == "colinux-agent" else []
    subprocess.run(
        ["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror", *sanitize,
         f"-I{ROOT / 'runtime/abi'}", "-o", output, *sources],
        check=True)  # fmt: skip
    return output


class PtyAgent:
    """The real agent on a pseudo terminal; `sock` is the launcher's end of the line."""

    def __init__(self, program: Path) -> None:
        self.master, slave = pty.openpty()
        self.device = os.ttyname(slave)
        # An agent that outlived an interrupted test would sit on the terminal of a later one.
        self.process = subprocess.Popen(
            [program, self.device], stdin=subprocess.DEVNULL, preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, 9))
        self.sock, self._ours = socket.socketpair()
        self._slave = slave  # open, so that the line lives when the agent reopens it
        ways = ((self._read_line, self._write_sock), (self._read_sock, self._write_line))
        self._carriers = [threading.Thread(target=self._carry, args=way, daemon=True) for way in ways]
        for carrier in self._carriers:
            carrier.start()

    def _read_line(self) -> bytes:
        try:
            return os.read(self.master, 65536)
        except OSError:
            return b""

    def _read_sock(self) -> bytes:
        try:
            return self._ours.recv(65536)
        except OSError:
            return b""

    def _write_line(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(self.master, data) :]

    def _write_sock(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self._ours.sendall(data)

    @staticmethod
    def _carry(source: object, target: object) -> None:
        while data := source():  # type: ignore[operator]
            target(data)  # type: ignore[operator]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.sock.close()
        os.close(self._slave)
        # Both ends are gone, so both ways end. Only then may the numbers be given up: a carrier that
        # still reads would steal the next terminal's bytes.
        for carrier in self._carriers:
            carrier.join(10)
            assert not carrier.is_alive()
        self._ours.close()
        os.close(self.master)

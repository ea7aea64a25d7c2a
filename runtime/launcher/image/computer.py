# SPDX-License-Identifier: GPL-2.0-only
"""The computer for an image: QEMU with a PC that every NT has drivers for, the image never written."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pipeline import process
from pipeline.declaration.model import Qemu as Computer
from runtime.launcher.pump import Pump
from runtime.launcher.qemu import BINARY, quoted
from runtime.launcher.qmp import Qmp

PORTS = ("COM1", "COM2")

# How image formats begin; VHD's fixed kind has its mark at the end. Told to QEMU, which distrusts
# a raw image that it found to be one by itself, and keeps its boot sector from being written.
_BEGINS = {b"QFI\xfb": "qcow2", b"vhdxfile": "vhdx", b"KDMV": "vmdk", b"COWD": "vmdk", b"conectix": "vpc"}
_VDI_AT, _VDI = 0x40, b"\x7f\x10\xda\xbe"


def image_format(path: Path) -> str:
    """What an image is, by QEMU's name of the format. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(512)
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 512))
        tail = file.read(512)
    for begin, name in _BEGINS.items():
        if head.startswith(begin):
            return name
    if head[_VDI_AT : _VDI_AT + 4] == _VDI:
        return "vdi"
    return "vpc" if tail.startswith(b"conectix") else "raw"


@dataclass(frozen=True)
class Plan:
    """All that the command line is made from. `format`: see image_format."""

    arch: str
    computer: Computer
    image: Path
    format: str
    disc: Path
    accel: str = "tcg"


def command(plan: Plan, ports: Mapping[str, int], qmp: int) -> list[str]:
    """QEMU's command line. `ports`: descriptors of the serial ports' sockets, COM1 first; `qmp`: QMP's."""
    computer = plan.computer
    accel = "tcg,thread=multi" if plan.accel == "tcg" else plan.accel
    words = [
        BINARY[plan.arch], "-nodefaults", "-no-user-config",
        "-machine", "pc", "-accel", accel, "-cpu", computer.cpu,
        "-smp", str(computer.smp), "-m", str(computer.memory_mib),
        "-display", "none", "-vga", "std", "-no-reboot", "-rtc", "base=localtime", "-boot", "c",
        "-drive", f"file={quoted(plan.image)},format={plan.format},if=ide,index=0,media=disk,snapshot=on,cache=unsafe",
        "-drive", f"file={quoted(plan.disc)},format=raw,if=ide,index=2,media=cdrom,readonly=on",
        "-chardev", f"socket,id=qmp,fd={qmp}", "-mon", "chardev=qmp,mode=control",
    ]  # fmt: skip
    for name, descriptor in ports.items():
        words += ["-chardev", f"socket,id={name.lower()},fd={descriptor}", "-serial", f"chardev:{name.lower()}"]
    return words


class Running:
    """QEMU, running: `ports` are our ends of the serial lines, by their names in the image."""

    def __init__(self, pump: Pump, plan: Plan, log: Path) -> None:
        self.log = log
        self.ports: dict[str, socket.socket] = {}
        theirs: dict[str, socket.socket] = {}
        with ExitStack() as stack:
            for name in (*PORTS, "qmp"):
                self.ports[name], theirs[name] = socket.socketpair()
                stack.enter_context(theirs[name])
            descriptors = {name: sock.fileno() for name, sock in theirs.items()}
            qmp = descriptors.pop("qmp")
            self.process = process.spawn(
                command(plan, descriptors, qmp), stdout=log, pass_fds=[*descriptors.values(), qmp]
            )
        self.qmp = Qmp(pump, self.ports.pop("qmp"))

    @property
    def output(self) -> str:
        """What QEMU itself printed (the file's first line is its command)."""
        try:
            return self.log.read_text(errors="replace")
        except OSError:
            return ""

    def stop(self) -> None:
        """End QEMU now; harmless when it has ended."""
        self.process.terminate(grace=2.0)
        self.qmp.close()
        for sock in self.ports.values():
            sock.close()

# SPDX-License-Identifier: GPL-2.0-only
"""The computer for a test host: QEMU's command line, and QEMU as a running thing.

Every channel is one end of a socket pair that QEMU inherits: there is no
socket file to name, to race for or to leave behind, and when either side dies
the other sees it at once.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pipeline import process
from pipeline.declaration.model import Qemu as Computer
from pipeline.errors import InfrastructureError
from runtime.launcher.pump import Pump
from runtime.launcher.qmp import Qmp

BINARY = {"x86_64": "qemu-system-x86_64", "i386": "qemu-system-i386"}

# What every test host's kernel gets besides what its machine declares: a log on
# the serial line, a reset instead of a halt after a panic (QEMU ends then), room
# so that an NMI storm does not push earlier complaints out of the log, and no
# test of the timer's interrupt: under TCG on a busy computer that one may come
# too late, which Linux takes for a broken timer and panics.
KERNEL_ARGS = "console=ttyS0,115200 panic=-1 log_buf_len=4M loglevel=6 no_timer_check"


@dataclass(frozen=True)
class Drive:
    """A disk of the test host. Whatever happens to it, the file stays as it is (QEMU writes elsewhere)."""

    path: Path
    serial: str
    readonly: bool = False


@dataclass(frozen=True)
class Plan:
    """All that the command line is made from. `accel` is "tcg" or "kvm"; `console` the serial log."""

    arch: str
    computer: Computer
    kernel: Path
    initrd: Path
    drives: Sequence[Drive]
    console: Path
    accel: str = "tcg"


def quoted(path: Path) -> str:
    """A path inside one of QEMU's comma-separated options."""
    return str(path).replace(",", ",,")


def drive_options(drive: Drive, number: int) -> list[str]:
    """One virtio disk whose serial number names it in the host."""
    return [
        "-drive",
        f"file={quoted(drive.path)},format=raw,if=none,id=disk{number},snapshot=on,cache=unsafe,discard=unmap",
        "-device",
        f"virtio-blk-pci,drive=disk{number},serial={drive.serial}",
    ]


def command(plan: Plan, ports: Mapping[str, int], qmp: int) -> list[str]:
    """QEMU's command line. `ports`: descriptors of the virtio-serial ports' sockets by name; `qmp`: QMP's."""
    computer = plan.computer
    accel = "tcg,thread=multi" if plan.accel == "tcg" else plan.accel
    words = [
        BINARY[plan.arch], "-nodefaults", "-no-user-config",
        "-machine", "pc", "-accel", accel, "-cpu", computer.cpu,
        "-smp", str(computer.smp), "-m", str(computer.memory_mib),
        "-display", "none", "-no-reboot", "-rtc", "base=utc",
        "-kernel", str(plan.kernel), "-initrd", str(plan.initrd),
        "-append", f"{KERNEL_ARGS} {computer.kernel_args}".strip(),
        "-chardev", f"file,id=serial,path={quoted(plan.console)},append=on", "-serial", "chardev:serial",
        "-chardev", f"socket,id=qmp,fd={qmp}", "-mon", "chardev=qmp,mode=control",
        # Two ports per guest and one of the host, with room to spare.
        "-device", "virtio-serial-pci,max_ports=16",
    ]  # fmt: skip
    for number, (name, descriptor) in enumerate(ports.items()):
        words += [
            "-chardev",
            f"socket,id=port{number},fd={descriptor}",
            "-device",
            f"virtserialport,chardev=port{number},name={name}",
        ]
    for number, drive in enumerate(plan.drives):
        words += drive_options(drive, number)
    return words


class Qemu:
    """QEMU, running: `ports` holds our ends of the virtio-serial ports, by name."""

    def __init__(self, pump: Pump, plan: Plan, ports: Sequence[str], log: Path) -> None:
        self.pump = pump
        self.plan = plan
        self.log = log
        self.ports: dict[str, socket.socket] = {}
        theirs: dict[str, socket.socket] = {}
        with ExitStack() as stack:
            for name in [*ports, "qmp"]:
                self.ports[name], theirs[name] = socket.socketpair()
                stack.enter_context(theirs[name])
            descriptors = {name: sock.fileno() for name, sock in theirs.items()}
            qmp = descriptors.pop("qmp")
            self.process = process.spawn(
                command(plan, descriptors, qmp), stdout=log, pass_fds=[*descriptors.values(), qmp]
            )
        self.qmp = Qmp(pump, self.ports.pop("qmp"))

    def connect(self) -> str:
        """Wait until QEMU is there; returns its version. Raises InfrastructureError with its complaint."""
        try:
            return self.qmp.connect()
        except InfrastructureError as error:
            self.process.wait(2)
            said = "\n".join(self.output.splitlines()[1:])
            raise InfrastructureError(f"{error.message}\n{said}".strip(), log=self.log) from error

    @property
    def output(self) -> str:
        """What QEMU itself printed (the file's first line is its command)."""
        try:
            return self.log.read_text(errors="replace")
        except OSError:
            return ""

    @property
    def status(self) -> int | None:
        """QEMU's exit code once it has ended."""
        return self.process.poll()

    @property
    def reset(self) -> bool:
        """Did the machine ask for a reset (which -no-reboot makes the end)?"""
        return self.qmp.shutdown_reason in ("guest-reset", "guest-panic")

    def stop(self) -> None:
        """End QEMU now; harmless when it has ended."""
        self.process.terminate(grace=2.0)
        self.qmp.close()
        for sock in self.ports.values():
            sock.close()

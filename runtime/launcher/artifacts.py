# SPDX-License-Identifier: GPL-2.0-only
"""What a machine is booted with: the built files, where they lie, and what goes where."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline import ntharness, rootfs
from pipeline.declaration.model import Declaration, Disk, Host, Kernel, Machine
from pipeline.errors import UserError
from pipeline.paths import Paths
from pipeline.rootfs.initramfs import host_initramfs
from runtime.launcher.guest import Config
from runtime.launcher.host import BESIDE, CONF, CONSOLE, CTL, DAEMON, DRIVER, INITRD, KERNEL
from runtime.launcher.qemu import Drive


@dataclass(frozen=True)
class Artifacts:
    """The built files of a machine, by role; the declared things that they belong to.

    `guests` are what its slots run: itself, and the machine that it is `beside`.
    """

    machine: Machine
    host: Host
    files: Mapping[str, Path]
    guests: Sequence[Payload]

    @property
    def kernel(self) -> Kernel:
        return self.guests[0].kernel

    @property
    def host_kernel(self) -> Path:
        return self.files["host-kernel"]

    def guest(self, slot: int) -> Payload:
        """What runs in a slot. The one beside has the second, when there is one."""
        return self.guests[min(slot, len(self.guests) - 1)]


@dataclass(frozen=True)
class Payload:
    """What a guest boots: the machine it is of, the prefix of its files' roles, its folder in the test host."""

    machine: Machine
    kernel: Kernel
    prefix: str = ""
    folder: str = str(PurePosixPath(KERNEL).parent)

    def files(self, decl: Declaration, paths: Paths) -> dict[str, Path]:
        """By role."""
        machine = self.machine
        files = {"kernel": paths.kernel(self.kernel.name) / "vmlinux"}
        if machine.initramfs:
            files["initramfs"] = rootfs.image(decl.rootfs[machine.initramfs], paths)
        for disk in machine.disks:
            if disk.rootfs:
                files[f"disk:{disk.rootfs}"] = rootfs.image(decl.rootfs[disk.rootfs], paths)
        if machine.conf:
            files["conf"] = decl.root / machine.conf
        return {self.prefix + role: path for role, path in files.items()}

    def in_host(self, role: str) -> str:
        """Where the test host has a file: the kernel, the initramfs (or ramdisk), the configuration file."""
        name = {"kernel": KERNEL, "initramfs": INITRD, "conf": CONF}[role]
        return f"{self.folder}/{PurePosixPath(name).name}"

    def config(self, slot: int) -> Config:
        """What the daemon is told of a guest in a slot."""
        return Config(
            memory_mib=self.machine.memory_mib,
            cmdline=self.machine.cmdline,
            initrd=self.in_host("initramfs") if self.machine.initramfs else None,
            disks=[(serial(slot, number), disk.readonly) for number, disk in enumerate(self.machine.disks)],
            kernel=self.in_host("kernel"),
            conf=self.in_host("conf") if self.machine.conf else None,
        )


def find(name: str, decl: Declaration, paths: Paths) -> Artifacts:
    """All that the machine needs, built or not yet. Raises UserError when there is no such machine."""
    if name not in decl.machines:
        raise UserError(f'no machine "{name}"', where=str(decl.path.name), hint="./doit list boot")
    machine = decl.machines[name]
    host = decl.hosts[machine.host]
    guests = [Payload(machine, decl.kernels[machine.kernel])]
    if machine.beside:
        other = decl.machines[machine.beside]
        guests.append(Payload(other, decl.kernels[other.kernel], "beside:", BESIDE))
    files = {
        "driver": paths.driver(ntharness.name(machine.nt, host) if machine.nt else host.name) / "colinux.ko",
        "daemon": paths.daemon(host.osarch) / "colinux-daemon",
        "ctl": paths.daemon(host.osarch) / "colinux-ctl",
        "console": paths.daemon(host.osarch) / "colinux-console",
        "agent": paths.agent(host.arch) / "colinux-agent",
        "check": paths.agent(host.arch) / "colinux-check",
        "host-kernel": paths.host(host.name) / "vmlinuz",
    }
    if machine.nt:
        files["nt-driver"] = paths.driver(machine.nt) / "colinux.sys"
    for guest in guests:
        files |= guest.files(decl, paths)
    for name in machine.carries:
        files[f"carried:{name}"] = rootfs.image(decl.rootfs[name], paths)
    return Artifacts(machine, host, files, guests)


def require(artifacts: Artifacts, paths: Paths) -> None:
    """Every file is there. Raises UserError that says how to build what is not."""
    missing = [path for path in artifacts.files.values() if not path.is_file()]
    if missing:
        raise UserError(
            "not built: "
            + ", ".join(
                str(path.relative_to(paths.root) if path.is_relative_to(paths.root) else path)
                for path in missing
            ),
            hint=f"./doit boot:{artifacts.machine.name}, which builds what it needs",
        )


def host_image(artifacts: Artifacts, paths: Paths, extra: Mapping[str, Path] | None = None) -> Path:
    """The test host's initramfs with the machine's guest in it; `extra`: path in the host -> file."""
    payload = {
        DRIVER: artifacts.files["driver"],
        DAEMON: artifacts.files["daemon"],
        CTL: artifacts.files["ctl"],
        CONSOLE: artifacts.files["console"],
        **(extra or {}),
    }
    for guest in artifacts.guests:
        for role in ("kernel", "initramfs", "conf"):
            if guest.prefix + role in artifacts.files:
                payload[guest.in_host(role)] = artifacts.files[guest.prefix + role]
    for name in artifacts.machine.carries:
        file = artifacts.files[f"carried:{name}"]
        payload[f"{PurePosixPath(KERNEL).parent}/{file.name}"] = file
    return host_initramfs(artifacts.host, payload, paths)


def serial(slot: int, number: int) -> str:
    """The serial number by which the host knows a guest's disk."""
    return f"g{slot}d{number}"


def _drive(slot: int, number: int, disk: Disk, artifacts: Artifacts, scratch: Path) -> Drive:
    if disk.rootfs:
        role = f"{artifacts.guest(slot).prefix}disk:{disk.rootfs}"
        return Drive(artifacts.files[role], serial(slot, number), disk.readonly)
    empty = scratch / f"{serial(slot, number)}.img"
    with empty.open("wb") as file:
        file.truncate(disk.size_mib << 20)
    return Drive(empty, serial(slot, number), disk.readonly)


@contextmanager
def drives(artifacts: Artifacts, slots: int) -> Iterator[list[Drive]]:
    """The disks of every slot's guest. None is shared: two guests that write to one would destroy it."""
    with tempfile.TemporaryDirectory(prefix="colinux-disks-") as folder:
        yield [
            _drive(slot, number, disk, artifacts, Path(folder))
            for slot in range(slots)
            for number, disk in enumerate(artifacts.guest(slot).machine.disks)
        ]

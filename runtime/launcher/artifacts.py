# SPDX-License-Identifier: GPL-2.0-only
"""What a machine is booted with: the built files, where they lie, and what goes where."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline import rootfs
from pipeline.declaration.model import Declaration, Disk, Host, Kernel, Machine
from pipeline.errors import UserError
from pipeline.paths import Paths
from pipeline.rootfs.initramfs import host_initramfs
from runtime.launcher.host import DAEMON, DRIVER, INITRD, KERNEL
from runtime.launcher.qemu import Drive


@dataclass(frozen=True)
class Artifacts:
    """The built files of a machine, by role; the declared things that they belong to."""

    machine: Machine
    kernel: Kernel
    host: Host
    files: Mapping[str, Path]

    @property
    def host_kernel(self) -> Path:
        return self.files["host-kernel"]


def find(name: str, decl: Declaration, paths: Paths) -> Artifacts:
    """All that the machine needs, built or not yet. Raises UserError when there is no such machine."""
    if name not in decl.machines:
        raise UserError(f'no machine "{name}"', where=str(decl.path.name), hint="./doit list boot")
    machine = decl.machines[name]
    kernel, host = decl.kernels[machine.kernel], decl.hosts[machine.host]
    files = {
        "kernel": paths.kernel(kernel.name) / "vmlinux",
        "driver": paths.driver(host.name) / "colinux.ko",
        "daemon": paths.daemon(host.osarch) / "colinux-daemon",
        "agent": paths.agent(host.arch) / "colinux-agent",
        "check": paths.agent(host.arch) / "colinux-check",
        "host-kernel": paths.host(host.name) / "vmlinuz",
    }
    if machine.initramfs:
        files["initramfs"] = rootfs.image(decl.rootfs[machine.initramfs], paths)
    for disk in machine.disks:
        if disk.rootfs:
            files[f"disk:{disk.rootfs}"] = rootfs.image(decl.rootfs[disk.rootfs], paths)
    return Artifacts(machine, kernel, host, files)


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
        KERNEL: artifacts.files["kernel"],
        DRIVER: artifacts.files["driver"],
        DAEMON: artifacts.files["daemon"],
        **(extra or {}),
    }
    if "initramfs" in artifacts.files:
        payload[INITRD] = artifacts.files["initramfs"]
    return host_initramfs(artifacts.host, payload, paths)


def serial(slot: int, number: int) -> str:
    """The serial number by which the host knows a guest's disk."""
    return f"g{slot}d{number}"


def _drive(slot: int, number: int, disk: Disk, artifacts: Artifacts, scratch: Path) -> Drive:
    if disk.rootfs:
        return Drive(artifacts.files[f"disk:{disk.rootfs}"], serial(slot, number), disk.readonly)
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
            for number, disk in enumerate(artifacts.machine.disks)
        ]


def disk_names(machine: Machine, slots: int) -> list[list[tuple[str, bool]]]:
    """Per slot: serial number and read-only flag of each disk, in the guest's order."""
    return [
        [(serial(slot, number), disk.readonly) for number, disk in enumerate(machine.disks)]
        for slot in range(slots)
    ]

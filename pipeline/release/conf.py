# SPDX-License-Identifier: GPL-2.0-only
"""An example colinux.conf that fits the files beside it."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.launcher.artifacts import Artifacts, Payload


@dataclass(frozen=True)
class Shell:
    """How a person says it there: how the daemon is started with a file; how an empty file of so many MiB is made."""

    run: str
    make: str


LINUX = Shell("./colinux-daemon @{conf}", "truncate -s {mib}M {name}")
# createnew (of Windows XP and later) wants bytes.
WINDOWS = Shell("colinux-daemon @{conf}", "fsutil file createnew {name} {size}")


def text(guest: Payload, found: Artifacts, name: str, shell: Shell = LINUX, folder: str = "") -> str:
    """colinux-daemon's configuration of a guest, as the file `name`; its files lie in `folder` ("", or with its
    separator at the end), seen from where the daemon is started."""
    machine = guest.machine
    lines = [
        f"# {machine.title}: Linux {guest.kernel.series}, {guest.kernel.arch}.",
        f"# In this folder:  {shell.run.format(conf=name)}",
        f"kernel={folder}vmlinux",
        f"mem={machine.memory_mib}",
    ]
    if machine.initramfs:
        lines.append(f"initrd={folder}{found.files[guest.prefix + 'initramfs'].name}")
    for number, disk in enumerate(machine.disks):
        readonly = ",ro" if disk.readonly else ""
        if disk.rootfs:
            image = found.files[f"{guest.prefix}disk:{disk.rootfs}"].name
            lines.append(f"cobd{number}={folder}{image}{readonly}")
        else:
            empty = f"{folder}disk{number}.img"
            how = shell.make.format(mib=disk.size_mib, size=disk.size_mib << 20, name=empty)
            lines += [f"# An empty disk of {disk.size_mib} MiB:  {how}", f"#cobd{number}={empty}{readonly}"]
    if machine.cmdline:
        lines += ["# for the guest's kernel", machine.cmdline]
    return "\n".join(lines) + "\n"

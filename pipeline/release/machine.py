# SPDX-License-Identifier: GPL-2.0-only
"""What a person gets to run one machine: kernel, driver, daemon, images, and a colinux.conf that fits them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.declaration.model import Declaration, Machine
from pipeline.digest import sha256_file
from pipeline.errors import UserError
from pipeline.paths import Paths
from pipeline.release.archive import SUFFIX, File
from runtime.launcher import artifacts
from runtime.launcher.artifacts import Artifacts, Payload

CONF = "colinux.conf"
# A test of the machine needs them, a person who runs it does not.
TEST_ONLY = frozenset({"agent", "check", "host-kernel"})
# Roles whose files are programs: everything else is data.
PROGRAMS = frozenset({"daemon", "ctl", "console"})


@dataclass(frozen=True)
class Part:
    """A built file in a machine's archive: its role (runtime.launcher.artifacts) and its path there."""

    role: str
    path: str
    file: Path


@dataclass(frozen=True)
class Package:
    """A machine's archive to be: its name, its built files, and all it holds by path."""

    machine: Machine
    archive: str
    parts: tuple[Part, ...]
    files: Mapping[str, File]
    built: Mapping[str, str]  # role -> SHA-256 of everything that the machine boots with


def package(machine: Machine, decl: Declaration, paths: Paths) -> Package:
    """What a machine's archive holds. Raises UserError when something is not built."""
    found = artifacts.find(machine.name, decl, paths)
    artifacts.require(found, paths)
    name = f"{decl.project.name}-{decl.project.version}-{machine.name}"
    parts = tuple(Part(role, f"{name}/{path}", file) for role, path, file in _places(found))
    _refuse_twins(parts)
    files = {part.path: File(part.file, 0o755 if part.role in PROGRAMS else 0o644) for part in parts}
    for guest in found.guests:
        files[f"{name}/{_folder(guest.prefix)}{CONF}"] = File(conf(guest, found).encode())
    files[f"{name}/README"] = File(readme(found, decl, paths).encode())
    files[f"{name}/LICENSE"] = File(paths.root / "LICENSE")
    built = {role: sha256_file(path) for role, path in found.files.items()}
    return Package(machine, f"{name}{SUFFIX}", parts, files, built)


def _places(found: Artifacts) -> Iterator[tuple[str, str, Path]]:
    """Role, path in the archive, built file. What the machine `beside` runs lies in a folder of that name."""
    for role, file in found.files.items():
        if role not in TEST_ONLY:
            of = [guest.prefix for guest in found.guests if guest.prefix and role.startswith(guest.prefix)]
            yield role, (_folder(of[0]) if of else "") + file.name, file


def _folder(prefix: str) -> str:
    return prefix.replace(":", "/")


def _refuse_twins(parts: tuple[Part, ...]) -> None:
    seen: dict[str, Part] = {}
    for part in parts:
        other = seen.setdefault(part.path, part)
        if other.file != part.file:
            raise UserError(f"{part.path} would be both {other.file} and {part.file}",
                            hint="give one of the root filesystems in colinux.toml another name")


def conf(guest: Payload, found: Artifacts) -> str:
    """colinux-daemon's configuration of a guest; file names are those of the archive's folder."""
    machine = guest.machine
    lines = [
        f"# {machine.title}: Linux {guest.kernel.series}, {guest.kernel.arch}.",
        f"# In this folder:  ./colinux-daemon @{CONF}",
        "kernel=vmlinux",
        f"mem={machine.memory_mib}",
    ]
    if machine.initramfs:
        lines.append(f"initrd={found.files[guest.prefix + 'initramfs'].name}")
    for number, disk in enumerate(machine.disks):
        readonly = ",ro" if disk.readonly else ""
        if disk.rootfs:
            lines.append(f"cobd{number}={found.files[f'{guest.prefix}disk:{disk.rootfs}'].name}{readonly}")
        else:
            lines += [f"# An empty disk of {disk.size_mib} MiB:  truncate -s {disk.size_mib}M disk{number}.img",
                      f"#cobd{number}=disk{number}.img{readonly}"]
    if machine.cmdline:
        lines += ["# for the guest's kernel", machine.cmdline]
    return "\n".join(lines) + "\n"


def readme(found: Artifacts, decl: Declaration, paths: Paths) -> str:
    """What to do with the archive, in few words."""
    machine, host = found.machine, found.host
    release = paths.host(host.name) / "release"
    fits = f"Linux {release.read_text().strip()}" if release.is_file() else f"Debian's {host.image}"
    second = (f"\nbeside/ holds the machine {machine.beside}, which runs at the same time: start a second daemon\n"
              f"there, as ../colinux-daemon @{CONF}\n") if machine.beside else ""
    return (
        f"{decl.project.name} {decl.project.version}: {machine.name}\n{machine.title}\n\n"
        + textwrap.fill(
            f"A cooperative Linux {found.kernel.series} ({found.kernel.arch}) that runs beside {fits} ({host.arch}). "
            "colinux.ko fits that kernel and no other; for yours it is built from the source archive of this "
            "release, with your kernel's headers.", 100)
        + "\n\nAs root, in this folder:\n\n"
        + "    " + " ".join(["insmod colinux.ko", *machine.driver_args]) + "\n"
        + f"    ./colinux-daemon @{CONF}\n{second}\n"
        + "./colinux-ctl stop ends the guest from another terminal; ./colinux-ctl --help says what else there is.\n\n"
        + textwrap.fill(
            "This is not isolation. A cooperative guest shares ring 0 with its host: root in the guest can become "
            "the host's kernel. Run only guests that you trust as much as the host itself.", 100)
        + "\n"
    )

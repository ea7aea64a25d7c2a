# SPDX-License-Identifier: GPL-2.0-only
"""What a person gets to run one machine beside Linux: kernel, driver, daemon, images, a fitting colinux.conf."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from pipeline.declaration.model import Declaration, Machine
from pipeline.digest import sha256_file
from pipeline.paths import Paths
from pipeline.release import conf, windows
from pipeline.release.archive import SUFFIX, File
from pipeline.release.parts import CONF, Package, Part, refuse_twins, shipped
from runtime.launcher import artifacts
from runtime.launcher.artifacts import Artifacts

# Roles whose files are programs: everything else is data.
PROGRAMS = frozenset({"daemon", "ctl", "console"})
# For those who want the guest to start with the computer.
UNIT = Path(__file__).with_name("linux_files") / "colinux@.service"

INSTALL = f"""\
install -D -m 644 colinux.ko /lib/modules/$(uname -r)/extra/colinux.ko && depmod
install colinux-daemon colinux-ctl colinux-console /usr/local/sbin
install -D -m 644 {CONF} /etc/colinux/home.conf     # the files that it names: beside it, or with their paths
install -m 644 {UNIT.name} /etc/systemd/system
systemctl enable --now colinux@home
"""


def package(machine: Machine, decl: Declaration, paths: Paths, signer: str | None = None) -> Package:
    """What a machine's archive holds; `signer` as windows.package has it.

    Raises UserError when something is not built.
    """
    if machine.nt:
        return windows.package(machine, decl, paths, signer)
    found = artifacts.find(machine.name, decl, paths)
    artifacts.require(found, paths)
    name = f"{decl.project.name}-{decl.project.version}-{machine.name}"
    parts = tuple(Part(role, f"{name}/{path}", file) for role, path, file in _places(found))
    refuse_twins(parts)
    files = {part.path: File(part.file, 0o755 if part.role in PROGRAMS else 0o644) for part in parts}
    for guest in found.guests:
        files[f"{name}/{_folder(guest.prefix)}{CONF}"] = File(conf.text(guest, found, CONF).encode())
    files[f"{name}/README"] = File(readme(found, decl, paths).encode())
    files[f"{name}/{UNIT.name}"] = File(UNIT.read_bytes())
    files[f"{name}/LICENSE"] = File(paths.root / "LICENSE")
    built = {role: sha256_file(path) for role, path in found.files.items()}
    return Package(machine, f"{name}{SUFFIX}", parts, files, built)


def _places(found: Artifacts) -> Iterator[tuple[str, str, Path]]:
    """Role, path in the archive, built file. What the machine `beside` runs lies in a folder of that name."""
    mine = shipped(found.files, windows=False)
    for role, file in found.files.items():
        if role in mine:
            of = [guest.prefix for guest in found.guests if guest.prefix and role.startswith(guest.prefix)]
            yield role, (_folder(of[0]) if of else "") + file.name, file


def _folder(prefix: str) -> str:
    return prefix.replace(":", "/")


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
        + "To have it start with the computer, by systemd, as the guest \"home\":\n\n"
        + textwrap.indent(INSTALL, "    ") + "\n"
        + textwrap.fill(
            "This is not isolation. A cooperative guest shares ring 0 with its host: root in the guest can become "
            "the host's kernel. Run only guests that you trust as much as the host itself.", 100)
        + "\n"
    )

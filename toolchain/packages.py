# SPDX-License-Identifier: GPL-2.0-only
"""The tools of the build machine: which are missing, and which package brings them.

The knowledge is `packages.toml`; this module only looks and, where it may, installs.
"""

from __future__ import annotations

import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import tomli

DATA = Path(__file__).with_name("packages.toml")

# Debian keeps mke2fs, modinfo and their like in places that a user's PATH lacks.
SYSTEM_PATH = ("/usr/local/sbin", "/usr/sbin", "/sbin")

# Groups that one command alone needs (./doit release, repro, test): it brings them, ./doit setup does not.
ASKED_FOR = ("release", "repro", "test")


@dataclass(frozen=True)
class Need:
    """One thing that must be there: a command on PATH, or a file when `probe` starts with "/"."""

    probe: str
    package: str
    group: str

    def present(self) -> bool:
        if self.probe.startswith("/"):
            return Path(self.probe).exists()
        return find_tool(self.probe) is not None


def find_tool(name: str) -> str | None:
    """The path of a command, looked for on PATH and in the system's own folders; None if absent."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SYSTEM_PATH])
    return shutil.which(name, path=path)


def needs(groups: tuple[str, ...] = ()) -> list[Need]:
    """Every need of the named groups (all groups when none is named), in the file's order."""
    table = tomli.loads(DATA.read_text())["need"]
    return [
        Need(probe, package, group)
        for group, entries in table.items()
        if not groups or group in groups
        for probe, package in entries.items()
    ]


def package_for(tool: str) -> str | None:
    """The Debian package that brings a command, or None when packages.toml does not know it."""
    return next((need.package for need in needs() if need.probe == tool), None)


def groups() -> tuple[str, ...]:
    """Every group, those that have to be asked for as well."""
    return tuple(dict.fromkeys(need.group for need in needs()))


def missing(groups: tuple[str, ...] = ()) -> list[Need]:
    """What is not there, of the named groups; when none is named, of all but ASKED_FOR."""
    return [need for need in needs(groups) if not need.present() and (groups or need.group not in ASKED_FOR)]


def install_command(packages: list[str], *, sudo: bool) -> str:
    """The shell command that brings the packages, for a person or for us."""
    prefix = "sudo " if sudo else ""
    names = " ".join(map(shlex.quote, packages))
    return (
        f"{prefix}apt-get update && "
        f"{prefix}env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {names}"
    )


def ensure(log: Path, groups: tuple[str, ...] = ()) -> list[str]:
    """Bring every missing package and return their names.

    Installs as root, or through a sudo that asks nothing; otherwise raises
    UserError with the exact command. Raises InfrastructureError when apt ran
    and something is still missing.
    """
    from pipeline.errors import InfrastructureError, UserError
    from pipeline.process import run
    from pipeline.progress import step

    absent = missing(groups)
    if not absent:
        return []
    packages = sorted({need.package for need in absent})
    root = os.geteuid() == 0
    command = install_command(packages, sudo=not root)
    may_sudo = not root and bool(find_tool("sudo")) and not run(["sudo", "-n", "true"], check=False).returncode
    if not find_tool("apt-get") or not (root or may_sudo):
        named = ", ".join(f"{need.probe} ({need.package})" for need in absent)
        raise UserError(f"missing on this machine: {named}", hint=f"run:  {command}")
    with step("installing " + " ".join(packages)):
        run(["sh", "-c", command], log=log)
    still = missing(groups)
    if still:
        named = ", ".join(f"{need.probe} ({need.package})" for need in still)
        raise InfrastructureError(f"installed, but still missing: {named}", log=log)
    return packages

# SPDX-License-Identifier: GPL-2.0-only
"""dist/<name>-<version>/: what was built, what it was built from, and how it booted.

A release holds, for each of its machines, the kernel, the driver, the daemon,
the root filesystems and the evidence of a boot that passed *with exactly these
bytes*; `manifest.json` names each file with its size and SHA-256, and
`SHA256SUMS` is derived from it. A machine without such a boot is refused.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from pipeline.declaration.model import Declaration, Machine
from pipeline.digest import sha256_file
from pipeline.errors import UserError
from pipeline.lock import Lock
from pipeline.paths import Paths, atomic_dir, atomic_write
from pipeline.stamp import Job

# What a boot leaves behind that belongs into a release, beside result.json.
EVIDENCE = ("result.json", "junit.xml", "host-console.log", "guest-console.log")


def machines(declaration: Declaration) -> tuple[str, ...]:
    """The machines that a release holds: those declared, or the default one."""
    return declaration.release.machines or (declaration.project.default,)


def folder(declaration: Declaration, paths: Paths) -> Path:
    """Where the release goes."""
    return paths.dist / f"{declaration.project.name}-{declaration.project.version}"


def artifacts(machine: Machine, declaration: Declaration, paths: Paths) -> dict[str, Path]:
    """A machine's files: name within the release -> where it was built."""
    host = declaration.hosts[machine.host]
    kernel = paths.kernel(machine.kernel)
    files = {
        f"kernel/{machine.kernel}/{name}": kernel / name for name in ("vmlinux", "System.map", "config")
    }
    files[f"driver/{host.name}/colinux.ko"] = paths.driver(host.name) / "colinux.ko"
    files[f"daemon/{host.os}-{host.arch}/colinux-daemon"] = (
        paths.daemon(f"{host.os}-{host.arch}") / "colinux-daemon")
    images = [machine.initramfs, *(disk.rootfs for disk in machine.disks)]
    for name in dict.fromkeys(image for image in images if image):
        for built in sorted(paths.rootfs(name).glob(f"{name}.*")):
            files[f"rootfs/{built.name}"] = built
    return files


def check_evidence(machine: Machine, files: dict[str, Path], paths: Paths) -> dict[str, Any]:
    """The machine's result.json; UserError if it is missing, not `pass`, or of other bytes than `files`."""
    path = paths.boot(machine.name) / "result.json"
    again = f"./doit boot:{machine.name}"
    if not path.is_file():
        raise UserError(f"{machine.name} was not booted: {path} is missing", hint=again)
    result: dict[str, Any] = json.loads(path.read_text())
    if result["verdict"] != "pass":
        raise UserError(f"{machine.name} did not boot well: its verdict is {result['verdict']}", hint=again)
    booted = {entry["sha256"] for entry in result["artifacts"]}
    for name, built in files.items():
        if name.endswith(("System.map", "config")):
            continue  # beside the kernel, not booted
        if sha256_file(built) not in booted:
            raise UserError(f"{machine.name} was booted with another {name} than the one built now", hint=again)
    return result


def build(declaration: Declaration, lock: Lock, paths: Paths) -> None:
    """Write the release folder in one step. UserError where the evidence does not hold."""
    files: dict[str, Path] = {}
    verdicts = {}
    for name in machines(declaration):
        machine = declaration.machines[name]
        own = artifacts(machine, declaration, paths)
        result = check_evidence(machine, own, paths)
        files |= own
        files |= {f"evidence/{name}/{part}": path for part in EVIDENCE
                  if (path := paths.boot(name) / part).is_file()}
        verdicts[name] = {key: result[key] for key in ("verdict", "kernel", "host")}
    for name in ("LICENSE", "README.md", "SUPPORT.md", "colinux.toml", "colinux.lock"):
        files[name] = paths.root / name
    with atomic_dir(folder(declaration, paths)) as place:
        for name, source in sorted(files.items()):
            target = place / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)
        entries = [{"path": name, "size": (place / name).stat().st_size, "sha256": sha256_file(place / name)}
                   for name in sorted(files)]
        manifest = {
            "name": declaration.project.name,
            "version": declaration.project.version,
            "lock": lock.digest(),
            "machines": verdicts,
            "files": entries,
        }
        atomic_write(place / "manifest.json", json.dumps(manifest, indent=2, sort_keys=True) + "\n")
        entries.append({"path": "manifest.json", "sha256": sha256_file(place / "manifest.json")})
        sums = "".join(f"{entry['sha256']}  {entry['path']}\n" for entry in entries)
        atomic_write(place / "SHA256SUMS", sums)


def job(declaration: Declaration, lock: Lock, paths: Paths) -> Job:
    """Stale when any file of it, the lock or a verdict changed."""
    files = [paths.root / "colinux.toml"]
    for name in machines(declaration):
        files += artifacts(declaration.machines[name], declaration, paths).values()
        files.append(paths.boot(name) / "result.json")
    return Job(name="release", inputs={"lock": lock.digest()}, files=files,
               outputs=[folder(declaration, paths)])
